//! Worker process of one engine: takes a step for each line on standard input and answers in JSON lines on standard output.
//!
//! The first answer is `{"ready": {"version": …, "loss": …}}`, with the loss of the first untimed step or null, or `{"error": …}`. Each line of input is answered by `{"seconds": …}`, or by
//! `{"gflops": …}` for the measurement of the peak; the end of the input by `{"peak_bytes": …, "baseline_bytes": …}`. The scripts in
//! `peers/` follow the same protocol.

use std::io::{BufRead, Write};

use anyhow::{Result, bail};
use candle_core::Device;
use serde_json::{Value, json};
use siren_core::field::{FieldEngine, Level};
use siren_core::train::Precision;
use siren_run::Machine;

use crate::case::Case;
use crate::engine::{Engine, refusal};
use crate::peak;

/// Arguments of a worker.
#[derive(Debug, clap::Args)]
pub struct WorkerArgs {
    #[arg(long)]
    engine: String,
    /// The case as JSON.
    #[arg(long)]
    case: String,
    #[arg(long)]
    threads: usize,
    #[arg(long, value_parser = level)]
    simd: Option<Level>,
    #[arg(long, default_value = "cpu")]
    device: String,
    /// `fast` for products of operands in one half, on a card; `bf16` for operands in bfloat16, on the CPU.
    #[arg(long)]
    arithmetic: Option<String>,
}

/// An engine, or the measurement of the peak, that is ready to take steps.
struct Prepared {
    /// Loss of the first step, where engines can be compared by it.
    loss: Option<f64>,
    /// Takes a step and returns the answer.
    step: Box<dyn FnMut() -> Result<Value>>,
}

/// Parses a SIMD level: `scalar`, `avx2`, `avx512` or `neon`.
pub fn level(name: &str) -> Result<Level, String> {
    match name {
        "scalar" => Ok(Level::Scalar),
        "avx2" => Ok(Level::Avx2),
        "avx512" => Ok(Level::Avx512),
        "neon" => Ok(Level::Neon),
        other => Err(format!(
            "unknown SIMD level {other:?}, expected scalar, avx2, avx512 or neon"
        )),
    }
}

impl WorkerArgs {
    /// Prepares the engine, answers every line of standard input, and reports the memory at its end.
    pub fn run(&self) -> Result<()> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .build_global()?;
        let baseline = memory("VmRSS");
        match self.prepare() {
            Ok(mut prepared) => {
                let version = env!("CARGO_PKG_VERSION");
                answer(&json!({"ready": {"version": version, "loss": prepared.loss}}))?;
                for line in std::io::stdin().lock().lines() {
                    line?;
                    answer(&(prepared.step)()?)?;
                }
            }
            Err(error) => answer(&json!({"error": format!("{error:#}")}))?,
        }
        answer(&json!({"peak_bytes": memory("VmHWM"), "baseline_bytes": baseline}))
    }

    /// Prepares the engine.
    ///
    /// Takes one step for warm-up, and a second one unless the first took 5 seconds or more.
    fn prepare(&self) -> Result<Prepared> {
        let mut case: Case = serde_json::from_str(&self.case)?;
        if self.arithmetic.as_deref() == Some("bf16") {
            case.precision = Precision::Bf16;
            case.precision.engine(&FieldEngine::Cpu)?;
        }
        if let Some(reason) = refusal(&self.engine, &case, self.simd.is_some(), &self.device) {
            bail!("{reason}");
        }
        let threads = self.threads;
        let level = self.simd.unwrap_or_else(Level::best);
        let mut engine = match self.engine.as_str() {
            "fused" => {
                let machine = Machine::new(&self.device, Some(threads))?;
                let engine = self.arithmetic(machine.engine)?;
                Engine::fused(&case, self.simd, &engine)?
            }
            "bare" => {
                let machine = Machine::new(&self.device, Some(threads))?;
                Engine::bare(&case, &self.arithmetic(machine.engine)?)?
            }
            "candle" => Engine::candle(&case, &candle_device(&self.device)?)?,
            "peak" => {
                return Ok(Prepared {
                    loss: None,
                    step: Box::new(move || Ok(json!({"gflops": peak::gflops(threads, level)}))),
                });
            }
            other => bail!("unknown engine `{other}`, expected fused, bare, candle or peak"),
        };
        let first = engine.step()?;
        if first.seconds < 5.0 {
            engine.step()?;
        }
        Ok(Prepared {
            loss: first.loss,
            step: Box::new(move || Ok(json!({"seconds": engine.step()?.seconds}))),
        })
    }

    /// Returns the engine in the arithmetic that was asked for.
    fn arithmetic(&self, engine: FieldEngine) -> Result<FieldEngine> {
        match (self.arithmetic.as_deref(), engine) {
            (None, engine) | (Some("bf16"), engine @ FieldEngine::Cpu) => Ok(engine),
            (Some("fast"), FieldEngine::Cuda { device, .. }) => Ok(FieldEngine::Cuda {
                device,
                precision: siren_cuda::Precision::Fast,
            }),
            (Some(other), engine) => bail!("unknown arithmetic `{other}` on the device {engine}"),
        }
    }
}

/// Opens a device of candle: `cpu`, or `cuda:N` with the feature `candle-cuda`.
fn candle_device(name: &str) -> Result<Device> {
    match name.strip_prefix("cuda:") {
        Some(index) => Ok(Device::new_cuda(index.parse()?)?),
        None => Ok(Device::Cpu),
    }
}

/// Writes one line of JSON to standard output.
pub fn answer(answer: &Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{answer}")?;
    Ok(out.flush()?)
}

/// Reads a line of `/proc/self/status`, in bytes; `None` on systems without that file.
fn memory(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}
