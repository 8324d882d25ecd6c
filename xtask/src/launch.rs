//! Builds and starts a program: `cargo run --release --package siren-<kind> -- …`.
//!
//! Cargo knows where its build products lie (environment, config files, target triple), so Cargo builds the program, unless it is up to
//! date, and starts it. On Unix this process is replaced by Cargo, and Cargo by the program: signals and the exit status pass directly.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::cli::{PassedArgs, ProgramCommand};
use crate::ffmpeg;
use crate::kind::{Kind, SWEEP, is_sweep};

/// The package with the feature `ffmpeg`.
const VIDEO: &str = "siren-video";
/// The package with the feature `segy`.
const WAVE: &str = "siren-wave";
/// The package with the feature `las`.
const SHAPE: &str = "siren-shape";
/// The package that times steps.
const BENCH: &str = "siren-bench";
/// The packages whose programs the check of a card starts.
const CHECKED: [&str; 2] = ["siren-image", "siren-poisson"];
/// The packages whose programs the fault campaign starts.
const TORTURED: [&str; 8] = [
    "siren-audio",
    "siren-hyper",
    "siren-image",
    "siren-poisson",
    "siren-shape",
    "siren-sweep",
    VIDEO,
    WAVE,
];

/// How the user starts this program. Programs that it starts repeat the command in their advice.
const COMMAND: &str = "cargo xtask";
/// Environment variable in which they find it.
const COMMAND_VARIABLE: &str = "SIREN_COMMAND";

/// A program to build and start, with its arguments.
#[derive(Debug)]
pub struct Launch {
    package: String,
    /// Packages that are built first because the program starts their executables.
    dependencies: Vec<String>,
    args: Vec<OsString>,
}

impl Launch {
    /// Prepares the program of a command; the closures find the kind of the config or run that the arguments name.
    ///
    /// # Errors
    /// Those of the closures.
    pub fn of(
        command: &ProgramCommand,
        kind_of_config: impl Fn(&PassedArgs) -> Result<Kind>,
        kind_of_run: impl Fn(&PassedArgs) -> Result<Kind>,
    ) -> Result<Self> {
        use ProgramCommand::{
            Bench, Export, GpuCheck, Render, Report, Resume, Run, Sweep, Table, Torture,
        };
        Ok(match command {
            Run(args) => Self::of_kind(&kind_of_config(args)?, "run", &args.values),
            Resume(args) => Self::of_kind(&kind_of_run(args)?, "resume", &args.values),
            Render(args) => Self::of_kind(&kind_of_run(args)?, "render", &args.values),
            Export(args) => Self::of_kind(&kind_of_run(args)?, "export", &args.values),
            Report(args) if is_sweep(args.path()) => Self::table(&args.values),
            Report(args) => Self::of_kind(&kind_of_run(args)?, "report", &args.values),
            Sweep(args) => Self::sweep(&kind_of_config(args)?, &args.values),
            Table(args) => Self::table(&args.values),
            Bench(args) => Self::bench(&args.values),
            GpuCheck(args) => Self::gpu_check(&args.values),
            Torture(args) => Self::torture(&args.values),
        })
    }

    /// Prepares `siren-<kind> <command> <args>`.
    fn of_kind(kind: &Kind, command: &str, args: &[OsString]) -> Self {
        Self::new(kind.package(), command, args)
    }

    /// Prepares `siren-sweep run <args>`, which starts the program of a kind.
    fn sweep(kind: &Kind, args: &[OsString]) -> Self {
        Self {
            dependencies: vec![kind.package()],
            ..Self::new(SWEEP.to_owned(), "run", args)
        }
    }

    /// Prepares `siren-sweep table <args>`.
    fn table(args: &[OsString]) -> Self {
        Self::new(SWEEP.to_owned(), "table", args)
    }

    /// Prepares `siren-bench run <args>`.
    fn bench(args: &[OsString]) -> Self {
        Self::new(BENCH.to_owned(), "run", args)
    }

    /// Prepares `siren-bench gpu-check <args>`, which starts the programs of some kinds.
    fn gpu_check(args: &[OsString]) -> Self {
        Self {
            dependencies: CHECKED.map(str::to_owned).into(),
            ..Self::new(BENCH.to_owned(), "gpu-check", args)
        }
    }

    /// Prepares `siren-torture run <args>`, which starts the programs of all kinds and sweeps.
    fn torture(args: &[OsString]) -> Self {
        Self {
            dependencies: TORTURED.map(str::to_owned).into(),
            ..Self::new("siren-torture".to_owned(), "run", args)
        }
    }

    fn new(package: String, command: &str, args: &[OsString]) -> Self {
        let mut all = vec![OsString::from(command)];
        all.extend_from_slice(args);
        Self {
            package,
            dependencies: Vec::new(),
            args: all,
        }
    }

    /// Builds and starts the program in the current folder. Its exit status becomes that of this process.
    pub fn start(&self, root: &Path) -> Result<ExitCode> {
        for package in &self.dependencies {
            let mut build = cargo();
            build.args(["build", "--release", "--package", package, "--bin", package]);
            if let Some(feature) = formats(package, ffmpeg::is_installed()) {
                build.args(["--features", feature]);
            }
            let manifest = root.join("Cargo.toml");
            let status = build.arg("--manifest-path").arg(manifest).status();
            if !status.context("cannot start cargo")?.success() {
                return Ok(ExitCode::FAILURE);
            }
        }
        let mut cargo = self.cargo_run(root, ffmpeg::is_installed());
        if let Some(commit) = commit(root) {
            cargo.env("SIREN_COMMIT", commit);
        }
        replace_with(cargo)
    }

    /// Returns the command `cargo run` for the program. Programs that it starts in turn inherit the environment.
    fn cargo_run(&self, root: &Path, has_ffmpeg: bool) -> Command {
        let mut cargo = cargo();
        cargo
            .env(COMMAND_VARIABLE, COMMAND)
            .args(self.cargo_args(root, has_ffmpeg));
        cargo
    }

    /// Returns the arguments of Cargo. The program for clips is built with FFmpeg if it is installed, that for shapes with LAS files.
    fn cargo_args(&self, root: &Path, has_ffmpeg: bool) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["run".into(), "--release".into()];
        args.extend(["--manifest-path".into(), root.join("Cargo.toml").into()]);
        args.extend(["--package".into(), OsString::from(&self.package)]);
        args.extend(["--bin".into(), OsString::from(&self.package)]);
        if let Some(feature) = formats(&self.package, has_ffmpeg) {
            args.extend(["--features".into(), feature.into()]);
        }
        args.push("--".into());
        args.extend_from_slice(&self.args);
        args
    }
}

/// Returns the feature of a package with which its program reads more formats of files.
fn formats(package: &str, has_ffmpeg: bool) -> Option<&'static str> {
    match package {
        VIDEO => has_ffmpeg.then_some("ffmpeg"),
        SHAPE => Some("las"),
        WAVE => Some("segy"),
        _ => None,
    }
}

/// Returns a command that starts the Cargo that started this program, or else the one on `PATH`.
pub fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Returns the commit of the work tree, for the provenance of a run, with `-modified` appended if files differ from it. `None` outside git.
fn commit(root: &Path) -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(root)
            .args(args)
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let head = git(&["rev-parse", "HEAD"])?;
    let clean = git(&["status", "--porcelain"])?.is_empty();
    Some(if clean {
        head
    } else {
        format!("{head}-modified")
    })
}

#[cfg(unix)]
fn replace_with(mut command: Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;

    let error = command.exec();
    Err(error).context("cannot start cargo")
}

#[cfg(not(unix))]
fn replace_with(mut command: Command) -> Result<ExitCode> {
    let status = command.status().context("cannot start cargo")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;
    use crate::cli::{Cli, Command};

    /// Returns the launch of a command line whose config or run is of the kind `image`.
    fn launch(line: &str) -> Launch {
        let kind = |_: &PassedArgs| Ok(Kind::named("image"));
        let words = std::iter::once("xtask").chain(line.split(' '));
        let Command::Program(command) = Cli::parse_line(words).unwrap() else {
            panic!("`{line}` starts no program");
        };
        Launch::of(&command, kind, kind).unwrap()
    }

    #[test]
    fn the_program_gets_the_command_and_its_arguments_verbatim() {
        for line in [
            "run a.toml",
            "run a.toml --set train.steps=3 --set seed=1 --out runs/b --device cuda:1 --threads 2",
            "resume runs/a --device cpu --threads 1",
            "render runs/a --size 4x5 --quantity gradient --checkpoint last -o a.png",
            "render runs/a --no-such-option --help",
            "export runs/a --checkpoint last -o a.safetensors",
            "report runs/a runs/b -o both.html",
        ] {
            let launch = launch(line);
            assert_eq!(launch.args, line.split(' ').collect::<Vec<_>>(), "{line}");
            assert_eq!(launch.package, "siren-image", "{line}");
        }
    }

    #[test]
    fn sweeps_and_benchmarks_have_programs_of_their_own() {
        for (line, passed, package) in [
            (
                "sweep a.toml --set seed=1 --out runs/b --jobs 2 --list",
                "run a.toml --set seed=1 --out runs/b --jobs 2 --list",
                "siren-sweep",
            ),
            ("table runs/b", "table runs/b", "siren-sweep"),
            (
                "bench value audio --peers --python p --simd avx2 --device cuda:0",
                "run value audio --peers --python p --simd avx2 --device cuda:0",
                "siren-bench",
            ),
            (
                "gpu-check --minutes 5 --python p",
                "gpu-check --minutes 5 --python p",
                "siren-bench",
            ),
            (
                "torture --minutes 5 --kind image",
                "run --minutes 5 --kind image",
                "siren-torture",
            ),
        ] {
            let launch = launch(line);
            assert_eq!(launch.args, passed.split(' ').collect::<Vec<_>>(), "{line}");
            assert_eq!(launch.package, package, "{line}");
        }
        let sweep = launch("sweep a.toml");
        assert_eq!(sweep.dependencies, ["siren-image"]);
        assert!(launch("table runs/b").dependencies.is_empty());
        let check = launch("gpu-check --rehearse");
        assert_eq!(check.dependencies, ["siren-image", "siren-poisson"]);
        assert_eq!(launch("torture").dependencies, TORTURED);
    }

    #[test]
    fn the_page_of_a_sweep_is_written_with_its_tables() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sweep.toml"), "").unwrap();
        let path = folder.path().display().to_string();
        let launch = launch(&format!("report {path}"));
        assert_eq!(launch.args, ["table", &path]);
        assert_eq!(launch.package, SWEEP);
    }

    #[test]
    fn cargo_builds_the_kinds_package_from_any_folder() {
        let args = launch("resume runs/a").cargo_args(Path::new("/root"), true);
        let manifest = Path::new("/root").join("Cargo.toml");
        let line = format!(
            "run --release --manifest-path {} --package siren-image --bin siren-image -- resume runs/a",
            manifest.display()
        );
        assert_eq!(args, line.split(' ').collect::<Vec<_>>());
    }

    #[test]
    fn every_program_finds_the_users_command_in_its_environment() {
        for line in [
            "run a.toml",
            "resume runs/a",
            "render runs/a -o a.png",
            "export runs/a -o a.safetensors",
            "report runs/a",
            "sweep a.toml",
            "table runs/b",
            "bench value",
            "gpu-check --rehearse",
            "torture",
        ] {
            let cargo = launch(line).cargo_run(Path::new("/root"), false);
            let is_set = cargo.get_envs().any(|(variable, command)| {
                variable == "SIREN_COMMAND" && command == Some(OsStr::new("cargo xtask"))
            });
            assert!(is_set, "{line}");
        }
    }

    #[test]
    fn the_video_program_is_built_has_ffmpeg_where_it_is_installed() {
        let args: Vec<OsString> = vec!["runs/a".into()];
        let launch = Launch::of_kind(&Kind::named("video"), "resume", &args);
        let has_feature = |has_ffmpeg: bool| {
            let args = launch.cargo_args(Path::new("/root"), has_ffmpeg);
            args.windows(2).any(|pair| pair == ["--features", "ffmpeg"])
        };
        assert!(has_feature(true) && !has_feature(false));
    }

    #[test]
    fn the_programs_of_shapes_and_waves_read_all_their_formats() {
        for (kind, feature) in [("shape", "las"), ("wave", "segy")] {
            let args: Vec<OsString> = vec!["runs/a".into()];
            let launch = Launch::of_kind(&Kind::named(kind), "resume", &args);
            let args = launch.cargo_args(Path::new("/root"), false);
            assert!(args.windows(2).any(|pair| pair == ["--features", feature]));
        }
    }
}
