//! Engines side by side: a process each, stepped in turn, so that whatever else the machine does hits all alike.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;

use crate::case::Case;
use crate::engine::refusal;

/// An engine that takes longer for a step, by the operations counted, is left out.
const MOST_SECONDS: f64 = 60.0;
/// An engine that keeps more than this for its reverse pass is left out.
const MOST_BYTES: f64 = 12e9;

/// How the engines are run.
#[derive(Debug)]
pub struct Settings {
    pub engines: Vec<String>,
    pub python: String,
    pub threads: usize,
    pub repeats: usize,
    pub simd: Option<String>,
    /// `cpu` or `cuda:N`, for all engines.
    pub device: String,
    pub peers: std::path::PathBuf,
}

/// What one engine did in one case.
#[derive(Debug, Serialize)]
pub struct Outcome {
    pub engine: String,
    pub version: Option<String>,
    pub seconds: Vec<f64>,
    pub peak_bytes: Option<u64>,
    pub baseline_bytes: Option<u64>,
    /// Why there is nothing else.
    pub missing: Option<String>,
    /// Whether that is a failure.
    pub failed: bool,
}

/// What all engines did in one case.
#[derive(Debug, Serialize)]
pub struct CaseOutcome {
    pub case: Case,
    /// GFLOP/s of the machine at best, measured in turn with the engines.
    pub peak_gflops: Vec<f64>,
    pub engines: Vec<Outcome>,
}

/// Steps every engine `repeats` times on a case; `progress` is told of each round.
pub fn run(case: &Case, settings: &Settings, progress: impl Fn(usize)) -> Result<CaseOutcome> {
    let mut peak = Process::start("peak", case, settings)?;
    let mut engines = Vec::new();
    for engine in &settings.engines {
        let process = match skipped(engine, case, settings) {
            Some(reason) => Err((reason, false)),
            None => Process::start(engine, case, settings).map_err(|e| (format!("{e:#}"), true)),
        };
        engines.push((engine, process, Vec::new()));
    }
    let mut peak_gflops = Vec::new();
    for round in 0..settings.repeats {
        progress(round);
        peak_gflops.push(number(&peak.step()?, "gflops")?);
        for (_, process, seconds) in &mut engines {
            let Ok(running) = process else { continue };
            match running.step().and_then(|answer| number(&answer, "seconds")) {
                Ok(second) => seconds.push(second),
                Err(error) => *process = Err((format!("{error:#}"), true)),
            }
        }
    }
    let outcomes = engines.into_iter().map(|(engine, process, seconds)| {
        let mut outcome = Outcome {
            engine: engine.clone(),
            version: None,
            seconds,
            peak_bytes: None,
            baseline_bytes: None,
            missing: None,
            failed: false,
        };
        match process {
            Ok(process) => process.finish(&mut outcome),
            Err((reason, failed)) => {
                outcome.missing = Some(reason);
                outcome.failed = failed;
            }
        }
        outcome
    });
    Ok(CaseOutcome {
        case: case.clone(),
        peak_gflops,
        engines: outcomes.collect(),
    })
}

/// Why an engine is not tried, if it is not: engines without tiles run at some 20 GFLOP/s a thread at best.
fn skipped(engine: &str, case: &Case, settings: &Settings) -> Option<String> {
    if let Some(reason) = refusal(engine, case, settings.simd.is_some(), &settings.device) {
        return Some(reason.to_owned());
    }
    if engine == "fused" || settings.device != "cpu" {
        return None;
    }
    let seconds = case.operations() / (20e9 * settings.threads as f64);
    if seconds > MOST_SECONDS {
        return Some(format!("skipped: some {seconds:.0} s a step"));
    }
    let bytes = case.activation_bytes();
    (bytes > MOST_BYTES).then(|| format!("skipped: some {:.0} GB of activations", bytes / 1e9))
}

fn number(answer: &Value, key: &str) -> Result<f64> {
    answer[key]
        .as_f64()
        .with_context(|| format!("expected `{key}` in {answer}"))
}

struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    version: Option<String>,
}

impl Process {
    /// Starts an engine and waits until it is ready.
    fn start(engine: &str, case: &Case, settings: &Settings) -> Result<Self> {
        let of_ours = ["peak", "fused", "candle"].contains(&engine);
        let mut command = if of_ours {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("worker");
            if let (Some(simd), "fused" | "peak") = (&settings.simd, engine) {
                command.args(["--simd", simd]);
            }
            command
        } else {
            let mut command = Command::new(&settings.python);
            command.arg(settings.peers.join("worker.py"));
            command
        };
        let threads = settings.threads.to_string();
        for name in ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS", "OMP_NUM_THREADS"] {
            command.env(name, &threads);
        }
        // Engines that wait for their turn must not spin.
        command
            .env("OMP_WAIT_POLICY", "passive")
            .env("KMP_BLOCKTIME", "0");
        let mut child = command
            .args(["--engine", engine, "--threads", &threads])
            .args(["--device", &settings.device])
            .args(["--case", &serde_json::to_string(case)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.context("no pipes to the engine")?;
        let mut process = Self {
            child,
            input: Some(input),
            output: BufReader::new(output),
            version: None,
        };
        let answer = process.answer()?;
        if let Some(error) = answer["error"].as_str() {
            bail!("{error}");
        }
        process.version = answer["ready"]["version"].as_str().map(str::to_owned);
        Ok(process)
    }

    fn step(&mut self) -> Result<Value> {
        let input = self.input.as_mut().context("the engine has finished")?;
        writeln!(input, "step").context("the engine is gone")?;
        self.answer()
    }

    /// The next line; if there is none, the last thing it complained of is the error.
    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            let mut complaint = String::new();
            if let Some(stderr) = &mut self.child.stderr {
                stderr.read_to_string(&mut complaint)?;
            }
            bail!(
                "it ended: {}",
                complaint.trim().lines().last().unwrap_or("without a word")
            );
        }
        serde_json::from_str(&line).with_context(|| format!("no JSON: {line}"))
    }

    fn finish(mut self, outcome: &mut Outcome) {
        outcome.version = self.version.take();
        // The end of its input tells it to report and end.
        self.input = None;
        if let Ok(memory) = self.answer() {
            outcome.peak_bytes = memory["peak_bytes"].as_u64();
            outcome.baseline_bytes = memory["baseline_bytes"].as_u64();
        }
        drop(self.child.wait());
    }
}

impl Drop for Process {
    /// One that is given up on must not go on computing.
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}
