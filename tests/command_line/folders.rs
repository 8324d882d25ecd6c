//! Folders and disks to which a run cannot be written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Case, GOOD, assert_refused_cleanly, desk};

#[test]
fn existing_files_and_folders_are_not_overwritten_by_a_run() {
    let desk = desk();
    desk.run("run good.toml --out old_run").assert_success();
    fs::create_dir_all(desk.path("photos/2024")).unwrap();
    desk.write_picture("photos/2024/beach.png", 4, 4);
    fs::create_dir(desk.path("empty")).unwrap();
    desk.write("notes.txt", "keep me");
    let cases: &[Case] = &[
        (
            "run good.toml --out old_run",
            &["old_run: this run exists already", "`resume old_run`"],
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
        assert_refused_cleanly(&desk, line, words);
    }
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_named_in_the_error() {
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
    desk.run(locked)
        .assert_refused(locked, &["locked", "denied"]);
    set_mode(0o755);
    assert!(desk.files("locked").is_empty());
    desk.run(locked).assert_success();
}

/// A small file system in memory, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts a file system of this size. Prints the reason and returns `None` where this user may not mount one.
    #[expect(clippy::print_stdout, reason = "tells why a test checked nothing")]
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
        // If this fails, the temporary folder is not removed, and nothing else is affected.
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_named_and_the_run_is_resumed_when_there_is_space() {
    let desk = desk();
    let Some(disk) = SmallDisk::mount(&desk.path("disk"), "256k") else {
        return;
    };
    // The parameters fill the disk before the first checkpoint is complete, so the run folder is removed.
    let wide = "run good.toml --out disk/wide --set field.hidden_features=256";
    desk.run(wide)
        .assert_refused(wide, &["No space left", "disk/wide"]);
    assert_eq!(fs::read_dir(&disk.0).unwrap().count(), 0);
    // The CSV files fill the disk after the first checkpoint, so the run folder stays and can be resumed.
    desk.write("long.toml", GOOD.replace("steps = 3", "steps = 1500"));
    let long = "run long.toml --out disk/long --set run.checkpoint_every=20";
    desk.run(long)
        .assert_refused(long, &["No space left", "disk/long"]);
    let checkpoint = "disk/long/checkpoints/last.safetensors";
    let before = desk.read(checkpoint);
    let resume = "resume disk/long";
    desk.run(resume)
        .assert_refused(resume, &["No space left", "disk/long"]);
    assert!(desk.read(checkpoint) >= before);
    disk.resize("4m");
    desk.run(resume).assert_success();
    desk.run("run long.toml --out long --set run.checkpoint_every=20")
        .assert_success();
    for name in ["metrics.csv", "checkpoints/last.safetensors"] {
        let on_disk = desk.read(&format!("disk/long/{name}"));
        assert!(on_disk == desk.read(&format!("long/{name}")), "{name}");
    }
}
