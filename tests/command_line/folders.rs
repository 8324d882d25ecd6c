//! Places where a run cannot be written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Case, GOOD, desk, refused_then_right};

#[test]
fn what_stands_where_a_run_should_go_is_kept_as_it_is() {
    let desk = desk();
    desk.run("run good.toml --out old_run").succeeded();
    fs::create_dir_all(desk.path("photos/2024")).unwrap();
    desk.draw("photos/2024/beach.png", 4, 4);
    fs::create_dir(desk.path("empty")).unwrap();
    desk.write("notes.txt", "keep me");
    let cases: &[Case] = &[
        (
            "run good.toml --out old_run",
            &[
                "old_run: this run exists already",
                "cargo xtask resume old_run",
            ],
        ),
        (
            "run good.toml --out photos",
            &["photos", "not a run folder"],
        ),
        ("run good.toml --out empty", &["empty", "--out"]),
        (
            "run good.toml --out notes.txt",
            &["notes.txt", "not a run folder"],
        ),
        ("run good.toml --out notes.txt/run", &["notes.txt"]),
        ("run good.toml --out .", &["--out"]),
    ];
    for (line, words) in cases {
        refused_then_right(&desk, line, words);
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_read_only_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let desk = desk();
    fs::create_dir(desk.path("locked")).unwrap();
    let set_mode = |mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(desk.path("locked"), permissions).unwrap();
    };
    set_mode(0o555);
    if fs::write(desk.path("locked/probe"), "").is_ok() {
        println!("skipped: this user may write to read-only folders");
        return;
    }
    let locked = "run good.toml --out locked/run";
    desk.run(locked).refused(locked, &["locked", "denied"]);
    set_mode(0o755);
    assert!(desk.files("locked").is_empty());
    desk.run(locked).succeeded();
}

/// A small file system of its own, gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, and a printed reason, where this user may not mount one.
    fn mount(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at);
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self(at.to_path_buf())),
            other => {
                println!("skipped: cannot mount a small disk ({other:?})");
                None
            }
        }
    }

    fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        let mut mount = Command::new("mount");
        let status = mount.args(["-o", &options]).arg(&self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A mount that stays would only be noticed by who cleans the temporary folder.
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_named_and_a_run_goes_on_once_there_is_room() {
    let desk = desk();
    let Some(disk) = SmallDisk::mount(&desk.path("disk"), "256k") else {
        return;
    };
    // The parameters fill the disk before the first checkpoint is whole: nothing stays.
    let wide = "run good.toml --out disk/wide --set field.hidden_features=256";
    desk.run(wide)
        .refused(wide, &["No space left", "disk/wide"]);
    assert_eq!(fs::read_dir(&disk.0).unwrap().count(), 0);
    // The tables fill it while checkpoints are there: the run stays, and can be continued.
    desk.write("long.toml", GOOD.replace("steps = 3", "steps = 1500"));
    let long = "run long.toml --out disk/long --set run.checkpoint_every=20";
    desk.run(long)
        .refused(long, &["No space left", "disk/long"]);
    let checkpoint = "disk/long/checkpoints/last.safetensors";
    let before = desk.read(checkpoint);
    let resume = "resume disk/long";
    desk.run(resume)
        .refused(resume, &["No space left", "disk/long"]);
    assert!(desk.read(checkpoint) >= before);
    disk.resize("4m");
    desk.run(resume).succeeded();
    desk.run("run long.toml --out long --set run.checkpoint_every=20")
        .succeeded();
    for name in ["metrics.csv", "checkpoints/last.safetensors"] {
        let on_disk = desk.read(&format!("disk/long/{name}"));
        assert!(on_disk == desk.read(&format!("long/{name}")), "{name}");
    }
}
