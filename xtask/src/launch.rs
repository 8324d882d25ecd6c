//! Starts the executable of a kind: `cargo run --release --package siren-<kind> -- …`.
//!
//! Cargo knows where it puts what it builds (environment, config files, target triple), so it is left to Cargo to build
//! the executable, only if needed, and to start it. On Unix this process becomes Cargo, which becomes the executable:
//! signals and the exit status reach and leave it directly, and nothing stands in between.

use std::env;
use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::cli::{
    BenchArgs, ComputeArgs, ExportArgs, RenderArgs, ResumeArgs, RunArgs, SweepArgs, TableArgs,
};
use crate::ffmpeg;
use crate::kind::{Kind, SWEEP};

/// The package that FFmpeg belongs to.
const VIDEO: &str = "siren-video";

/// What to build and which arguments to start it with.
#[derive(Debug)]
pub struct Launch {
    package: String,
    /// A package whose executable this one starts.
    starts: Option<String>,
    needs_cuda: bool,
    args: Vec<OsString>,
}

impl Launch {
    pub fn run(kind: &Kind, args: &RunArgs) -> Self {
        let mut launch = Self::new(kind, "run", &args.config);
        for value in &args.overrides {
            launch.option("--set", Some(value));
        }
        launch.option("--out", args.out.as_ref());
        launch.compute(&args.compute);
        launch
    }

    pub fn resume(kind: &Kind, args: &ResumeArgs) -> Self {
        let mut launch = Self::new(kind, "resume", &args.run);
        launch.compute(&args.compute);
        launch
    }

    pub fn render(kind: &Kind, args: &RenderArgs) -> Self {
        let mut launch = Self::new(kind, "render", &args.run);
        launch.option("--size", args.size.as_ref());
        launch.option("--scale", args.scale.as_ref());
        launch.option("--quantity", args.quantity.as_ref());
        launch.option("--rate", args.rate.as_ref());
        launch.option("--fps", args.fps.as_ref());
        let space = &args.space;
        launch.option("--picture", space.picture.as_ref());
        launch.option("--to", space.to.as_ref());
        launch.option("--frames", space.frames.as_ref());
        launch.option("--context", space.context.as_ref());
        launch.option("--mask", space.mask.as_ref());
        launch.option("--fit", space.fit.as_ref());
        launch.option("--extent", space.extent.as_ref());
        launch.option("--seen", space.seen.as_ref());
        launch.option("--checkpoint", args.checkpoint.as_ref());
        launch.option("-o", Some(&args.output));
        launch
    }

    pub fn export(kind: &Kind, args: &ExportArgs) -> Self {
        let mut launch = Self::new(kind, "export", &args.run);
        launch.option("--checkpoint", args.checkpoint.as_ref());
        launch.option("-o", Some(&args.output));
        launch
    }

    pub fn sweep(kind: &Kind, args: &SweepArgs) -> Self {
        let mut launch = Self::of_sweeps("run", &args.config);
        launch.starts = Some(kind.package());
        for value in &args.overrides {
            launch.option("--set", Some(value));
        }
        launch.option("--out", args.out.as_ref());
        launch.option("--jobs", args.jobs.map(|jobs| jobs.to_string()));
        if args.list {
            launch.args.push("--list".into());
        }
        launch
    }

    pub fn table(args: &TableArgs) -> Self {
        Self::of_sweeps("table", &args.sweep)
    }

    fn of_sweeps(command: &str, path: &Path) -> Self {
        Self {
            package: SWEEP.to_owned(),
            starts: None,
            needs_cuda: false,
            args: vec![command.into(), path.into()],
        }
    }

    pub fn bench(args: &BenchArgs) -> Self {
        let mut launch = Self {
            package: "siren-bench".to_owned(),
            starts: None,
            needs_cuda: false,
            args: vec!["run".into()],
        };
        launch.args.extend(args.cases.iter().map(OsString::from));
        for (name, given) in [("--list", args.list), ("--peers", args.peers)] {
            if given {
                launch.args.push(name.into());
            }
        }
        let number = |number: Option<NonZeroUsize>| number.map(|number| number.to_string());
        launch.option("--python", args.python.as_ref());
        launch.option("--threads", number(args.threads));
        launch.option("--repeats", number(args.repeats));
        launch.option("--simd", args.simd.as_ref());
        launch.on_device(args.device.as_deref());
        launch.option("--out", args.out.as_ref());
        launch
    }

    fn new(kind: &Kind, command: &str, path: &Path) -> Self {
        Self {
            package: kind.package(),
            starts: None,
            needs_cuda: false,
            args: vec![command.into(), path.into()],
        }
    }

    fn option(&mut self, name: &str, value: Option<impl AsRef<OsStr>>) {
        if let Some(value) = value {
            self.args.extend([name.into(), value.as_ref().into()]);
        }
    }

    fn compute(&mut self, compute: &ComputeArgs) {
        self.on_device(compute.device.as_deref());
        self.option(
            "--threads",
            compute.threads.map(|threads| threads.to_string()),
        );
    }

    fn on_device(&mut self, device: Option<&str>) {
        self.option("--device", device);
        self.needs_cuda = device.is_some_and(|device| device.starts_with("cuda"));
    }

    /// Builds and starts the executable in the current folder; its exit status becomes this process's.
    pub fn start(&self, root: &Path) -> Result<ExitCode> {
        if let Some(package) = &self.starts {
            let mut build = cargo();
            build.args(["build", "--release", "--package", package, "--bin", package]);
            if package == VIDEO && ffmpeg::is_installed() {
                build.args(["--features", "ffmpeg"]);
            }
            let manifest = root.join("Cargo.toml");
            let status = build.arg("--manifest-path").arg(manifest).status();
            if !status.context("cannot start cargo")?.success() {
                return Ok(ExitCode::FAILURE);
            }
        }
        let mut cargo = cargo();
        cargo.args(self.cargo_args(root, ffmpeg::is_installed()));
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

    /// Clips are read and written by FFmpeg where it is installed.
    fn cargo_args(&self, root: &Path, has_ffmpeg: bool) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["run".into(), "--release".into()];
        args.extend(["--manifest-path".into(), root.join("Cargo.toml").into()]);
        args.extend(["--package".into(), OsString::from(&self.package)]);
        args.extend(["--bin".into(), OsString::from(&self.package)]);
        if self.needs_cuda {
            args.extend(["--features".into(), "cuda".into()]);
        }
        if has_ffmpeg && self.package == VIDEO {
            args.extend(["--features".into(), "ffmpeg".into()]);
        }
        args.push("--".into());
        args.extend_from_slice(&self.args);
        args
    }
}

/// The Cargo that started this program, or the one on `PATH`.
pub fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// What is checked out, for the provenance of a run; `-modified` if the work tree differs. `None` outside git.
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

/// A `PATH` on which build scripts find nvcc: `path` itself, or with `<cuda_home>/bin` in front.
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
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn launch(line: &str) -> Launch {
        let kind = Kind::named("image");
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Command::Run(args) => Launch::run(&kind, &args),
            Command::Resume(args) => Launch::resume(&kind, &args),
            Command::Render(args) => Launch::render(&kind, &args),
            Command::Export(args) => Launch::export(&kind, &args),
            Command::Sweep(args) => Launch::sweep(&kind, &args),
            Command::Table(args) => Launch::table(&args),
            Command::Bench(args) => Launch::bench(&args),
            Command::Test(_) | Command::Reference | Command::Ci | Command::Setup => {
                panic!("`{line}` starts no executable of a kind")
            }
        }
    }

    #[test]
    fn the_executable_gets_the_arguments_of_the_command() {
        for line in [
            "run a.toml",
            "run a.toml --set train.steps=3 --set seed=1 --out runs/b --device cuda:1 --threads 2",
            "resume runs/a",
            "resume runs/a --device cpu --threads 1",
            "render runs/a -o a.png",
            "render runs/a --size 4x5 --quantity gradient --checkpoint last -o a.png",
            "render runs/a --scale 0.5 -o a.png",
            "render runs/a --size 4x5 --fps 60 -o a.mp4",
            "render runs/a --rate 48000 --checkpoint last -o a.wav",
            "render runs/a --scale 2 --picture b.png --to c.png --frames 3 --context 9 --fit 4 --extent 5 --seen d.png -o a.png",
            "render runs/a --picture b.png --mask c.png -o a.png",
            "export runs/a -o a.safetensors",
            "export runs/a --checkpoint last -o a.safetensors",
        ] {
            let passed = launch(&format!("xtask {line}")).args;
            assert_eq!(passed, line.split(' ').collect::<Vec<_>>(), "{line}");
        }
        for (typed, passed) in [
            (
                "sweep a.toml --set seed=1 --out runs/b --jobs 2 --list",
                "run a.toml --set seed=1 --out runs/b --jobs 2 --list",
            ),
            ("table runs/b", "table runs/b"),
        ] {
            let args = launch(&format!("xtask {typed}")).args;
            assert_eq!(args, passed.split(' ').collect::<Vec<_>>());
        }
        let line = "run value audio --list --peers --python p --threads 2 --repeats 3 --simd avx2 --device cuda:0 --out b";
        let passed = launch(&line.replace("run", "xtask bench")).args;
        assert_eq!(passed, line.split(' ').collect::<Vec<_>>());
    }

    #[test]
    fn cargo_builds_the_kinds_package_from_any_folder() {
        let args = launch("xtask resume runs/a").cargo_args(Path::new("/root"), true);
        let manifest = Path::new("/root").join("Cargo.toml");
        let line = format!(
            "run --release --manifest-path {} --package siren-image --bin siren-image -- resume runs/a",
            manifest.display()
        );
        assert_eq!(args, line.split(' ').collect::<Vec<_>>());
    }

    #[test]
    fn only_a_cuda_device_asks_for_the_cuda_feature() {
        let with_feature = |line: &str| {
            let args = launch(line).cargo_args(Path::new("/root"), true);
            args.windows(2).any(|pair| pair == ["--features", "cuda"])
        };
        assert!(with_feature("xtask run a.toml --device cuda:0"));
        assert!(!with_feature("xtask run a.toml --device cpu"));
        assert!(!with_feature("xtask run a.toml"));
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
