//! One engine in a process of its own: steps when told to by a line on standard input, answers in JSON lines.
//!
//! `{"ready": {"version": …}}` or `{"error": …}`, then `{"seconds": …}` for each line, at the end of input
//! `{"peak_bytes": …, "baseline_bytes": …}`. The peers' scripts speak the same.

use std::io::{BufRead, Write};

use anyhow::{Result, bail};
use serde_json::{Value, json};
use siren_core::field::Level;
use siren_core::run::Machine;

use crate::case::Case;
use crate::engine::{Engine, refusal};
use crate::peak;

/// Which engine, on what.
#[derive(Debug, clap::Args)]
pub struct Worker {
    #[arg(long)]
    engine: String,
    #[arg(long)]
    case: String,
    #[arg(long)]
    threads: usize,
    #[arg(long, value_parser = level)]
    simd: Option<Level>,
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// `scalar`, `avx2`, `avx512` or `neon`.
pub fn level(name: &str) -> Result<Level, String> {
    match name {
        "scalar" => Ok(Level::Scalar),
        "avx2" => Ok(Level::Avx2),
        "avx512" => Ok(Level::Avx512),
        "neon" => Ok(Level::Neon),
        _ => Err("expected scalar, avx2, avx512 or neon".to_owned()),
    }
}

impl Worker {
    pub fn run(&self) -> Result<()> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .build_global()?;
        let baseline = memory("VmRSS");
        match self.prepare() {
            Ok(mut step) => {
                say(&json!({"ready": {"version": env!("CARGO_PKG_VERSION")}}))?;
                for line in std::io::stdin().lock().lines() {
                    line?;
                    say(&step()?)?;
                }
            }
            Err(error) => say(&json!({"error": format!("{error:#}")}))?,
        }
        say(&json!({"peak_bytes": memory("VmHWM"), "baseline_bytes": baseline}))
    }

    /// A step that has run before, as a function that answers.
    fn prepare(&self) -> Result<Box<dyn FnMut() -> Result<Value>>> {
        let case: Case = serde_json::from_str(&self.case)?;
        if let Some(reason) = refusal(&self.engine, &case, self.simd.is_some(), &self.device) {
            bail!("{reason}");
        }
        let threads = self.threads;
        let level = self.simd.unwrap_or_else(Level::best);
        let device = Machine::new(&self.device, Some(threads))?.device;
        let mut engine = match self.engine.as_str() {
            "fused" => Engine::fused(&case, self.simd, &device)?,
            "candle" => Engine::candle(&case, &device)?,
            "peak" => {
                return Ok(Box::new(move || {
                    Ok(json!({"gflops": peak::gflops(threads, level)}))
                }));
            }
            other => bail!("no engine `{other}`"),
        };
        if engine.step()? < 5.0 {
            engine.step()?;
        }
        Ok(Box::new(move || Ok(json!({"seconds": engine.step()?}))))
    }
}

fn say(answer: &Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{answer}")?;
    Ok(out.flush()?)
}

/// A line of the process's status, in bytes; `None` where the system has no such file.
fn memory(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}
