//! Builds and starts a program: `cargo run --release --package siren-<kind> -- …`.
//!
//! Cargo knows where its build products lie (environment, config files, target triple), so Cargo builds the program, unless it is up to
//! date, and starts it. On Unix this process is replaced by Cargo, and Cargo by the program: signals and the exit status pass directly.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::cli::{PassedArgs, ProgramCommand};
use crate::ffmpeg;
use crate::kind::{Kind, SWEEP};

/// The package with the feature `ffmpeg`.
const VIDEO: &str = "siren-video";
/// The package with the feature `segy`.
const WAVE: &str = "siren-wave";
/// The package with the feature `las`.
const SHAPE: &str = "siren-shape";
/// The package that times steps.
const BENCH: &str = "siren-bench";

/// How the user starts this program. Programs that it starts repeat the command in their advice.
const COMMAND: &str = "cargo xtask";
/// Environment variable in which they find it.
const COMMAND_VARIABLE: &str = "SIREN_COMMAND";

/// A program to build and start, with its arguments.
#[derive(Debug)]
pub struct Launch {
    package: String,
    /// A package that is built first because the program starts its executable.
    dependency: Option<String>,
    needs_cuda: bool,
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
        use ProgramCommand::{Bench, Export, Render, Resume, Run, Sweep, Table};
        Ok(match command {
            Run(args) => Self::on_device(&kind_of_config(args)?, "run", &args.values),
            Resume(args) => Self::on_device(&kind_of_run(args)?, "resume", &args.values),
            Render(args) => Self::on_cpu(&kind_of_run(args)?, "render", &args.values),
            Export(args) => Self::on_cpu(&kind_of_run(args)?, "export", &args.values),
            Sweep(args) => Self::sweep(&kind_of_config(args)?, &args.values),
            Table(args) => Self::table(&args.values),
            Bench(args) => Self::bench(&args.values),
        })
    }

    /// Prepares `siren-<kind> <command> <args>` for a command that computes, on a CUDA device if the arguments name one.
    fn on_device(kind: &Kind, command: &str, args: &[OsString]) -> Self {
        Self {
            needs_cuda: names_cuda_device(args),
            ..Self::new(kind.package(), command, args)
        }
    }

    /// Prepares `siren-<kind> <command> <args>` for a command that needs no other device than the CPU.
    fn on_cpu(kind: &Kind, command: &str, args: &[OsString]) -> Self {
        Self::new(kind.package(), command, args)
    }

    /// Prepares `siren-sweep run <args>`, which starts the program of a kind.
    fn sweep(kind: &Kind, args: &[OsString]) -> Self {
        Self {
            dependency: Some(kind.package()),
            ..Self::new(SWEEP.to_owned(), "run", args)
        }
    }

    /// Prepares `siren-sweep table <args>`.
    fn table(args: &[OsString]) -> Self {
        Self::new(SWEEP.to_owned(), "table", args)
    }

    /// Prepares `siren-bench run <args>`.
    fn bench(args: &[OsString]) -> Self {
        Self {
            needs_cuda: names_cuda_device(args),
            ..Self::new(BENCH.to_owned(), "run", args)
        }
    }

    fn new(package: String, command: &str, args: &[OsString]) -> Self {
        let mut all = vec![OsString::from(command)];
        all.extend_from_slice(args);
        Self {
            package,
            dependency: None,
            needs_cuda: false,
            args: all,
        }
    }

    /// Builds and starts the program in the current folder. Its exit status becomes that of this process.
    pub fn start(&self, root: &Path) -> Result<ExitCode> {
        if let Some(package) = &self.dependency {
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
        if self.needs_cuda {
            let path = env::var_os("PATH").unwrap_or_default();
            let cuda_home = env::var_os("CUDA_HOME");
            cargo.env(
                "PATH",
                path_with_nvcc(&path, cuda_home.as_deref(), Path::is_file)?,
            );
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
        if self.needs_cuda {
            args.extend(["--features".into(), "cuda".into()]);
        }
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

/// Returns whether arguments contain `--device cuda:N` or `--device=cuda:N`. The program checks all other devices.
fn names_cuda_device(args: &[OsString]) -> bool {
    let is_cuda = |device: &str| {
        let index = device.strip_prefix("cuda:").unwrap_or("");
        !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit())
    };
    let words: Vec<&str> = args.iter().map(|arg| arg.to_str().unwrap_or("")).collect();
    let is_separate = words
        .windows(2)
        .any(|pair| pair[0] == "--device" && is_cuda(pair[1]));
    let joined = words
        .iter()
        .filter_map(|word| word.strip_prefix("--device="));
    is_separate || joined.into_iter().any(is_cuda)
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

/// Returns a `PATH` on which build scripts find nvcc: `path` itself, or `<cuda_home>/bin` in front of it.
///
/// # Errors
/// If neither has nvcc.
fn path_with_nvcc(
    path: &OsStr,
    cuda_home: Option<&OsStr>,
    is_file: impl Fn(&Path) -> bool,
) -> Result<OsString> {
    let nvcc = format!("nvcc{}", env::consts::EXE_SUFFIX);
    let holds_nvcc = |folder: &PathBuf| is_file(&folder.join(&nvcc));
    if env::split_paths(path).any(|folder| holds_nvcc(&folder)) {
        return Ok(path.to_owned());
    }
    let home_bin = cuda_home.map(|home| Path::new(home).join("bin"));
    let Some(folder) = home_bin.filter(holds_nvcc) else {
        bail!(
            "a CUDA device needs the CUDA toolkit to build for it, and nvcc is neither on PATH nor in $CUDA_HOME/bin; \
             install the toolkit, set CUDA_HOME to its folder, or use `--device cpu`"
        );
    };
    let folders = std::iter::once(folder).chain(env::split_paths(path));
    env::join_paths(folders).context("cannot put $CUDA_HOME/bin on PATH")
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
        ] {
            let launch = launch(line);
            assert_eq!(launch.args, passed.split(' ').collect::<Vec<_>>(), "{line}");
            assert_eq!(launch.package, package, "{line}");
        }
        let sweep = launch("sweep a.toml");
        assert_eq!(sweep.dependency.as_deref(), Some("siren-image"));
        assert_eq!(launch("table runs/b").dependency, None);
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
            "sweep a.toml",
            "table runs/b",
            "bench value",
        ] {
            let cargo = launch(line).cargo_run(Path::new("/root"), false);
            let is_set = cargo.get_envs().any(|(variable, command)| {
                variable == "SIREN_COMMAND" && command == Some(OsStr::new("cargo xtask"))
            });
            assert!(is_set, "{line}");
        }
    }

    #[test]
    fn a_numbered_cuda_device_among_the_arguments_asks_for_the_cuda_feature() {
        let with_feature = |line: &str| {
            let args = launch(line).cargo_args(Path::new("/root"), true);
            args.windows(2).any(|pair| pair == ["--features", "cuda"])
        };
        for line in [
            "run a.toml --device cuda:0",
            "run a.toml --set seed=1 --device=cuda:12 --out b",
            "resume r --threads 2 --device cuda:1",
            "bench value --device cuda:0",
        ] {
            assert!(with_feature(line), "{line}");
        }
        for line in [
            "run a.toml",
            "run a.toml --device cpu",
            "run a.toml --device=cpu",
            // The program refuses these.
            "run a.toml --device cuda",
            "run a.toml --device cuda:x",
            "run a.toml --device",
            // These programs compute on the CPU alone and refuse `--device`.
            "render r -o a.png --device cuda:0",
            "export r -o a.safetensors --device cuda:0",
            "sweep a.toml --device cuda:0",
        ] {
            assert!(!with_feature(line), "{line}");
        }
    }

    #[test]
    fn the_video_program_is_built_has_ffmpeg_where_it_is_installed() {
        let args: Vec<OsString> = vec!["runs/a".into()];
        let launch = Launch::on_device(&Kind::named("video"), "resume", &args);
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
            let launch = Launch::on_device(&Kind::named(kind), "resume", &args);
            let args = launch.cargo_args(Path::new("/root"), false);
            assert!(args.windows(2).any(|pair| pair == ["--features", feature]));
        }
    }

    fn path_of(folders: &[&str]) -> OsString {
        env::join_paths(folders).unwrap()
    }

    fn nvcc_lies_in(folder: &str) -> impl Fn(&Path) -> bool {
        let nvcc = Path::new(folder).join(format!("nvcc{}", env::consts::EXE_SUFFIX));
        move |path| path == nvcc
    }

    #[test]
    fn an_nvcc_on_path_leaves_path_alone() {
        let path = path_of(&["/a", "/b"]);
        let found = path_with_nvcc(&path, Some(OsStr::new("/cuda")), nvcc_lies_in("/b")).unwrap();
        assert_eq!(found, path);
    }

    #[test]
    fn an_nvcc_in_cuda_home_is_put_on_path() {
        let home = Path::new("/cuda");
        let bin = home.join("bin");
        let bin = bin.to_str().unwrap();
        let found =
            path_with_nvcc(&path_of(&["/a"]), Some(home.as_os_str()), nvcc_lies_in(bin)).unwrap();
        assert_eq!(found, path_of(&[bin, "/a"]));
    }

    #[test]
    fn cuda_without_nvcc_is_an_error_that_says_what_to_do() {
        let error = path_with_nvcc(&path_of(&["/a"]), None, |_| false)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("nvcc") && error.contains("CUDA_HOME"),
            "{error}"
        );
    }
}
