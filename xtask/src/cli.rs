//! What can be typed after `cargo xtask`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  cargo xtask run configs/image.toml
  cargo xtask resume runs/image
  cargo xtask render runs/image --scale 4 -o large.png
  cargo xtask export runs/image -o image.safetensors
  cargo xtask sweep configs/sweeps/optimizers.toml
  cargo xtask bench value-256-256
  cargo xtask setup
  cargo xtask test
  cargo xtask ci

`cargo xtask COMMAND --help` explains a command's options.
Exit status: that of the program started; 1 for an error found before that; 2 for a wrong command line.";

/// Fits, resumes, renders and exports implicit neural representations, and checks this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Run(RunArgs),
    Resume(ResumeArgs),
    Render(Box<RenderArgs>),
    Export(ExportArgs),
    Sweep(SweepArgs),
    Table(TableArgs),
    Bench(BenchArgs),
    /// Install FFmpeg's development libraries, which clips of most formats need: by apt-get, dnf or Homebrew, as root or by sudo.
    ///
    /// Everything else works without them. Nothing is done if they are installed.
    Setup,
    Test(TestArgs),
    /// Write docs/reference/ anew from the config structs of the code.
    ///
    /// `cargo xtask test` compares the pages with the code, and fails if they differ.
    Reference,
    /// Run every check: format, dependencies, lint, documentation, tests; the first failure ends it.
    ///
    /// The dependency check needs cargo-deny (`cargo install --locked cargo-deny`). A summary tells what passed and how
    /// long each check took, in seconds.
    Ci,
}

/// Fit the signal that a config names, and keep everything in a new run folder.
///
/// The config's `kind` chooses the crate (`siren-image`, …), which is built first, with optimization and only if needed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo xtask run configs/image.toml
  cargo xtask run configs/image.toml --set train.steps=2000 --set seed=7 --out runs/image-seed-7
  cargo xtask run configs/image.toml --device cuda:0")]
pub struct RunArgs {
    /// The config: a TOML file with a top-level `kind`. Paths in it and below are relative to the current folder.
    pub config: PathBuf,

    /// Override one value of the config, by its full key: `train.steps=2000`. A value is TOML, or else a plain string.
    /// May be given several times; the last one for a key counts. The resolved config is written to the run folder.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_override)]
    pub overrides: Vec<String>,

    /// The run folder to make; it must not exist yet [default: runs/image for image.toml].
    ///
    /// Written there: config.toml, provenance.toml, metrics.csv, timing.csv, evaluation.csv, TensorBoard events,
    /// artifacts/, checkpoints/ and summary.toml. Nothing is written anywhere else.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// Run every combination of the settings in a config's `[sweep]` table, and compare them in tables and plots.
///
/// Every run is checked before the first one starts. A sweep that was stopped continues where it was, unfinished runs
/// included; a run that fails is reported at the end and does not stop the others.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo xtask sweep configs/sweeps/optimizers.toml
  cargo xtask sweep configs/sweeps/optimizers.toml --list
  cargo xtask sweep configs/sweeps/optimizers.toml --jobs 4 --out runs/again")]
pub struct SweepArgs {
    /// The config: an experiment with a `[sweep]` table. Paths and patterns in it are relative to the current folder.
    pub config: PathBuf,

    /// The sweep folder: runs/, table.md, table.csv, table.tex, plots/ [default: runs/optimizers for optimizers.toml].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// How many runs compute at a time, at least 1; they share the cores [default: one a core].
    #[arg(long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// Override one value of every run, whatever its axes say: `train.steps=20`. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_override)]
    pub overrides: Vec<String>,

    /// Only list the runs and what each sets.
    #[arg(long)]
    pub list: bool,
}

/// Make a sweep's tables and plots again from the runs that are finished.
#[derive(Debug, Args)]
pub struct TableArgs {
    /// The sweep folder, as left by `cargo xtask sweep`.
    pub sweep: PathBuf,
}

/// Continue a run that was stopped, from its last checkpoint to the end its config states.
///
/// The run ends with the same parameters, bit for bit, as one that was never stopped.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo xtask resume runs/image
  cargo xtask resume runs/image --threads 2")]
pub struct ResumeArgs {
    /// The run folder, as left by `cargo xtask run`; the files in it are continued.
    pub run: PathBuf,

    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// Where, and on how many threads, a run computes.
#[derive(Debug, Args)]
pub struct ComputeArgs {
    /// `cpu`, or `cuda:N` for NVIDIA device N counted from 0 (needs the CUDA toolkit's nvcc on PATH or in
    /// `$CUDA_HOME/bin`) [default: cpu].
    #[arg(long, value_name = "cpu|cuda:N", value_parser = parse_device)]
    pub device: Option<String>,

    /// Number of CPU threads to compute on, at least 1 [default: all cores]. The result does not depend on it.
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

/// Evaluate a finished or running run's field on a regular grid and write the result to one file.
///
/// A picture has a size and a quantity, a sound a rate; a space of pictures (`hyper`) is shown one of which it makes another.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo xtask render runs/audio --rate 48000 -o sound.wav
  cargo xtask render runs/image -o copy.png
  cargo xtask render runs/image --scale 4 -o large.png
  cargo xtask render runs/video --fps 60 -o slow.mp4
  cargo xtask render runs/hyper --picture face.png --context 100 --scale 8 -o guess.png
  cargo xtask render runs/hyper --picture face.png --to another.png -o strip.png
  cargo xtask render runs/image --size 1080x1920 --quantity gradient -o gradient.png --checkpoint last")]
pub struct RenderArgs {
    /// The run folder, as left by `cargo xtask run`; nothing in it is changed.
    pub run: PathBuf,

    /// Size of the grid in samples, height first: `512x768` [default: the size of the signal that was fitted].
    #[arg(long, value_name = "HxW", conflicts_with = "scale")]
    pub size: Option<String>,

    /// Size of the grid as a multiple of the fitted signal's, a factor above 0: `4`, `0.5` [default: 1].
    #[arg(long, value_name = "S")]
    pub scale: Option<String>,

    /// What to draw: the field's value, or its first or second derivatives in space [default: value].
    #[arg(long, value_parser = ["value", "gradient", "laplacian"])]
    pub quantity: Option<String>,

    /// Samples a second, a whole number: `48000` [default: the rate of the sound that was fitted].
    #[arg(long, value_name = "HZ", conflicts_with_all = ["size", "scale", "quantity"])]
    pub rate: Option<String>,

    /// Frames a second of a clip: `60`, `29.97` [default: the rate of the clip that was fitted].
    #[arg(long, value_name = "RATE", conflicts_with_all = ["rate", "quantity"])]
    pub fps: Option<String>,

    #[command(flatten)]
    pub space: SpaceArgs,

    /// The file to write; its extension chooses the format. A file that is there already is replaced.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,

    /// Which parameters: those with the best evaluation, or the latest [default: best, or last without evaluations].
    #[arg(long, value_parser = ["best", "last"])]
    pub checkpoint: Option<String>,
}

/// What is shown to a space of pictures, and what is asked of it.
#[derive(Debug, Args)]
pub struct SpaceArgs {
    /// A picture; its middle square is resized to what the run knows.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["size", "quantity", "rate", "fps"])]
    pub picture: Option<PathBuf>,

    /// Another picture: a strip of pictures leads from the first to it.
    #[arg(long, value_name = "FILE", requires = "picture")]
    pub to: Option<PathBuf>,

    /// Pictures of the strip, both ends among them [default: 8].
    #[arg(long, value_name = "N", requires = "to")]
    pub frames: Option<String>,

    /// See so many pixels only, chosen at random [default: all].
    #[arg(long, value_name = "N", requires = "picture", conflicts_with = "mask")]
    pub context: Option<String>,

    /// See only what is bright in this picture.
    #[arg(long, value_name = "FILE", requires = "picture")]
    pub mask: Option<PathBuf>,

    /// Improve the code by so many steps on the pixels that are seen [default: 0].
    #[arg(long, value_name = "STEPS", requires = "picture")]
    pub fit: Option<String>,

    /// Draw from −E to E, where pictures are from −1 to 1 [default: 1].
    #[arg(long, value_name = "E", requires = "picture")]
    pub extent: Option<String>,

    /// Also write what is seen of the picture.
    #[arg(long, value_name = "FILE", requires = "picture")]
    pub seen: Option<PathBuf>,
}

/// Write a run's parameters under the reference checkpoints' names (`net.net.0.0.weight`, …) to a safetensors file.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cargo xtask export runs/image -o image.safetensors")]
pub struct ExportArgs {
    /// The run folder, as left by `cargo xtask run`; nothing in it is changed.
    pub run: PathBuf,

    /// The file to write. A file that is there already is replaced.
    #[arg(short, long, value_name = "FILE.safetensors")]
    pub output: PathBuf,

    /// Which parameters: those with the best evaluation, or the latest [default: best, or last without evaluations].
    #[arg(long, value_parser = ["best", "last"])]
    pub checkpoint: Option<String>,
}

/// Time steps of the field beside other engines, in turn, and write a table of the medians.
///
/// Engines: `fused` (this project's field), `candle` (the same network from candle's operations) and, with `--peers`,
/// PyTorch (eager and compiled) and JAX. Each runs in a process of its own, which also tells its peak memory; they take one
/// step each in turn, with a measurement of the processor's peak in every round. Operations are counted from the shapes, so
/// GFLOP/s and the share of the peak tell how much of the machine was used for what had to be done.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo xtask bench                            the usual cases
  cargo xtask bench value laplacian-256        all cases whose names begin so
  cargo xtask bench value-256-256 --peers      beside PyTorch and JAX
  cargo xtask bench value-256-256 --simd avx2 --threads 1

Names are QUANTITY-WIDTH-SIDE: `value-256-512` is a training step on the values of all 512 x 512 points with a network of
width 256. `hyper-set` and `hyper-conv` train a hypernetwork, beside eager PyTorch alone. Peers need Python with
`pip install -r benches/peers/requirements.txt`.")]
pub struct BenchArgs {
    /// Cases, or the beginnings of their names [default: a selection that takes some minutes].
    pub cases: Vec<String>,

    /// Print the names of all cases, and do nothing else.
    #[arg(long)]
    pub list: bool,

    /// Run PyTorch and JAX beside ours.
    #[arg(long)]
    pub peers: bool,

    /// The Python interpreter for the peers [default: python3].
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,

    /// Number of CPU threads for every engine, at least 1 [default: all cores].
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,

    /// Steps of each engine and case that are timed, after one or two that are not [default: 7].
    #[arg(long, value_name = "N")]
    pub repeats: Option<NonZeroUsize>,

    /// SIMD level of the fused engine, to compare levels [default: the widest of this processor].
    #[arg(long, value_parser = ["scalar", "avx2", "avx512", "neon"])]
    pub simd: Option<String>,

    /// `cpu`, or `cuda:0`: engines that run on a CUDA device, beside each other.
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,

    /// The folder for bench.json and bench.md; files that are there already are replaced [default: target/bench].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Run all tests of the workspace, in the release profile that runs use too.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cargo xtask test
  cargo xtask test -- gradient                 tests with `gradient` in their name
  cargo xtask test -- --test tidy              the tidy rules alone
  cargo xtask test -- -- --nocapture           with what the tests print")]
pub struct TestArgs {
    /// Passed on to `cargo test --workspace --release` as they are.
    #[arg(last = true, value_name = "CARGO_TEST_ARGS")]
    pub cargo_args: Vec<String>,
}

fn parse_override(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((key, _)) if !key.trim().is_empty() => Ok(text.to_owned()),
        _ => Err("expected KEY=VALUE, such as train.steps=2000".to_owned()),
    }
}

fn parse_device(text: &str) -> Result<String, String> {
    let is_number =
        |index: &str| !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    match text.strip_prefix("cuda:") {
        _ if text == "cpu" => Ok(text.to_owned()),
        Some(index) if is_number(index) => Ok(text.to_owned()),
        _ => Err("expected `cpu` or `cuda:N`, such as cuda:0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn overrides_keep_their_order() {
        let Ok(Command::Run(args)) = parse("xtask run a.toml --set a=1 --set b.c=x=y") else {
            panic!("a plain run must parse");
        };
        assert_eq!(args.overrides, ["a=1", "b.c=x=y"]);
    }

    #[test]
    fn an_override_without_key_or_value_is_refused() {
        assert!(parse("xtask run a.toml --set steps").is_err());
        assert!(parse("xtask run a.toml --set =3").is_err());
    }

    #[test]
    fn devices_are_cpu_or_a_numbered_cuda() {
        for device in ["cpu", "cuda:0", "cuda:12"] {
            assert!(
                parse(&format!("xtask resume r --device {device}")).is_ok(),
                "{device}"
            );
        }
        for device in ["cuda", "cuda:", "cuda:x", "gpu"] {
            assert!(
                parse(&format!("xtask resume r --device {device}")).is_err(),
                "{device}"
            );
        }
    }

    #[test]
    fn zero_threads_are_refused() {
        assert!(parse("xtask run a.toml --threads 0").is_err());
    }

    #[test]
    fn a_rendering_has_a_size_a_scale_or_a_rate_and_no_two_of_them() {
        assert!(parse("xtask render r -o a.png --size 4x5").is_ok());
        assert!(parse("xtask render r -o a.png --scale 0.5").is_ok());
        assert!(parse("xtask render r -o a.png --scale 2 --size 4x5").is_err());
        assert!(parse("xtask render r -o a.wav --rate 8000").is_ok());
        assert!(parse("xtask render r -o a.wav --rate 8000 --size 4x5").is_err());
        assert!(parse("xtask render r -o a.gif --fps 60 --scale 2").is_ok());
        assert!(parse("xtask render r -o a.gif --fps 60 --rate 8000").is_err());
    }

    #[test]
    fn only_a_space_of_pictures_is_shown_a_picture() {
        assert!(parse("xtask render r -o a.png --picture b.png --to c.png --frames 3").is_ok());
        assert!(parse("xtask render r -o a.png --context 10").is_err());
        assert!(parse("xtask render r -o a.png --picture b.png --context 1 --mask c.png").is_err());
        assert!(parse("xtask render r -o a.png --picture b.png --fps 3").is_err());
    }

    #[test]
    fn test_arguments_pass_through_with_their_own_separator() {
        let Ok(Command::Test(args)) = parse("xtask test -- jet -- --nocapture") else {
            panic!("arguments after `--` must parse");
        };
        assert_eq!(args.cargo_args, ["jet", "--", "--nocapture"]);
    }
}
