//! The program `siren`, as a user starts it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A folder in which the program is started.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_siren"));
        command.args(line.split_whitespace());
        command.env_remove("SIREN_COMMAND").current_dir(self.path());
        command.output().unwrap()
    }

    /// Runs a line that succeeds, and returns standard output.
    fn succeed(&self, line: &str) -> String {
        let ended = self.run(line);
        let error = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success(), "{line}: {error}");
        String::from_utf8(ended.stdout).unwrap()
    }

    /// Runs a line that is refused with a status, and checks that the message has all the words.
    fn refuse(&self, line: &str, status: i32, words: &[&str]) {
        let ended = self.run(line);
        let error = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(status), "{line}: {error}");
        for word in words {
            assert!(
                error.contains(word),
                "{line}: expected `{word}` in\n{error}"
            );
        }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }
}

const SMALL: &str = "--set signal.size=8 --set field.hidden_features=4 --set train.steps=3";

#[test]
fn a_new_config_is_run_rendered_and_exported_by_its_kind() {
    let desk = Desk::new();
    let printed = desk.succeed("new image");
    assert!(printed.contains("siren run image.toml"), "{printed}");
    desk.refuse("new image", 1, &["--output", "image.toml", "not exist yet"]);
    desk.succeed(&format!("check image.toml {SMALL}"));
    desk.succeed(&format!("run image.toml {SMALL}"));
    // The option stands before the run here, and only pictures have it.
    desk.succeed("render --scale 2 -o large.png runs/image");
    desk.succeed("export runs/image -o image.safetensors");
    assert!(desk.path().join("large.png").is_file());
    let page = std::fs::read_to_string(desk.path().join("runs/image/report.html")).unwrap();
    assert!(page.contains("siren run runs") && !page.contains("siren-image run"));
    let printed = desk.succeed("resume runs/image");
    assert!(
        printed.contains("program run") || printed.contains("siren run"),
        "{printed}"
    );
}

#[test]
fn options_of_another_kind_are_refused_by_the_kind_of_the_run() {
    let desk = Desk::new();
    desk.succeed("new image");
    desk.succeed(&format!("run image.toml {SMALL}"));
    desk.refuse("render runs/image --rate 48000 -o a.wav", 2, &["--rate"]);
    let help = desk.succeed("render runs/image --help");
    assert!(
        help.contains("--quantity") && !help.contains("--rate"),
        "{help}"
    );
    let help = desk.succeed("render --help");
    assert!(
        help.contains("--quantity") && help.contains("--rate"),
        "{help}"
    );
    assert!(help.contains("kind audio"), "{help}");
}

#[test]
fn a_config_without_a_known_kind_is_refused_with_what_to_do() {
    let desk = Desk::new();
    desk.write("a.toml", "kind = \"picture\"\n");
    desk.write("b.toml", "seed = 1\n");
    desk.refuse("run a.toml", 1, &["a.toml", "\"picture\"", "image"]);
    desk.refuse("run b.toml", 1, &["b.toml", "kind"]);
    desk.refuse("run absent.toml", 1, &["absent.toml", "No such file"]);
    desk.refuse("resume .", 1, &["not a run folder"]);
    desk.refuse("new nonsense", 1, &["nonsense", "poisson"]);
    desk.refuse("fit", 2, &["fit"]);
}

#[cfg(not(feature = "ffmpeg"))]
#[test]
fn a_clip_that_needs_ffmpeg_is_refused_with_the_way_to_a_program_that_reads_it() {
    let desk = Desk::new();
    desk.write("clip.mp4", "ftyp");
    desk.write(
        "v.toml",
        "kind = \"video\"\n[signal]\npath = \"clip.mp4\"\n",
    );
    let read = desk.run("check v.toml").stderr;
    if String::from_utf8_lossy(&read).contains("FFmpeg cannot read this file") {
        // The build of the workspace's tests has FFmpeg.
        desk.refuse("check v.toml", 1, &["clip.mp4", "damaged"]);
        return;
    }
    let advice = "cargo install --path crates/siren --features ffmpeg";
    desk.refuse(
        "check v.toml",
        1,
        &["clip.mp4", "this `siren`", advice, "a GIF"],
    );
    let error = desk.run("check v.toml").stderr;
    let error = String::from_utf8_lossy(&error);
    assert!(!error.contains("siren-video"), "{error}");
}

#[test]
fn a_sweep_starts_this_program_for_its_runs() {
    let desk = Desk::new();
    desk.write(
        "s.toml",
        "kind = \"image\"\n[signal]\nsize = 8\n[field]\nhidden_features = 4\n[train]\nsteps = 3\n\
         [[sweep.axes]]\nname = \"seed\"\nkey = \"seed\"\nvalues = [0, 1]\n\
         [sweep.table]\nrows = \"seed\"\nmetrics = [\"psnr_db\"]\n",
    );
    let printed = desk.succeed("sweep s.toml");
    assert!(printed.contains("psnr_db"), "{printed}");
    assert_eq!(desk.succeed("table runs/s"), printed);
    assert_eq!(desk.succeed("report runs/s"), printed);
    let listed = desk.succeed("sweep s.toml --list");
    let member = listed.split_whitespace().next().unwrap();
    desk.succeed(&format!("report runs/s/runs/{member} -o one.html"));
    assert!(desk.path().join("one.html").is_file());
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_is_continued_by_the_command_that_it_prints() {
    let desk = Desk::new();
    desk.write(
        "s.toml",
        "kind = \"image\"\n[signal]\nsize = 8\n[field]\nhidden_features = 4\n[train]\nsteps = 100000000\n\
         [[sweep.axes]]\nname = \"seed\"\nkey = \"seed\"\nvalues = [0]\n\
         [sweep.table]\nrows = \"seed\"\nmetrics = [\"psnr_db\"]\n",
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_siren"));
    command.args(["sweep", "s.toml"]).current_dir(desk.path());
    command.env_remove("SIREN_COMMAND").stdout(Stdio::piped());
    let sweep = command.stderr(Stdio::null()).spawn().unwrap();
    let metrics = desk.path().join("runs/s/runs/0/metrics.csv");
    while !std::fs::metadata(&metrics).is_ok_and(|file| file.len() > 100) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // To the sweep alone, which stops its run.
    let pid = sweep.id().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(told.unwrap().success());
    let ended = sweep.wait_with_output().unwrap();
    let printed = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(130), "{printed}");
    assert!(
        printed.contains("continue with: siren sweep s.toml"),
        "{printed}"
    );
}

#[cfg(unix)]
#[test]
fn completions_are_a_script_that_the_shell_reads_and_pages_have_all_options() {
    let desk = Desk::new();
    let script = desk.succeed("completions bash");
    assert!(script.contains("--checkpoint") && script.contains("--quantity"));
    desk.write("siren.bash", &script);
    let mut bash = Command::new("bash");
    bash.args(["-n", "siren.bash"]).current_dir(desk.path());
    match bash.stdout(Stdio::null()).status() {
        Ok(status) => assert!(status.success()),
        Err(error) => eprintln!("not checked by bash: {error}"),
    }
    let printed = desk.succeed("man --out .");
    for name in ["siren.1", "siren-run.1", "siren-render.1", "siren-sweep.1"] {
        let page = std::fs::read_to_string(desk.path().join(name)).unwrap();
        assert!(
            page.contains(".TH siren") && printed.contains(name),
            "{page}"
        );
    }
    let page = desk.succeed("man");
    assert!(
        page.contains("completions") && !page.contains("member"),
        "{page}"
    );
}
