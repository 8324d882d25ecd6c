//! Runs engines side by side, one process each. They take steps in turn, so that other load on the machine affects all of them equally.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;

use crate::case::{Case, Kind};
use crate::dialog::Dialog;
use crate::engine::refusal;

/// Longest estimated time of a step in seconds; an engine that would take longer is skipped.
const MAX_STEP_SECONDS: f64 = 60.0;
/// Largest estimated size of stored activations in bytes; an engine that would store more is skipped.
const MAX_ACTIVATION_BYTES: f64 = 12e9;
/// Largest relative difference of the first loss of an engine in 32-bit arithmetic from that of the first engine.
pub const LOSS_TOLERANCE: f64 = 1e-4;
/// The same for operands of products in bfloat16.
const BF16_LOSS_TOLERANCE: f64 = 1e-2;

/// Settings of all engines.
#[derive(Debug)]
pub struct Settings {
    pub entrants: Vec<Entrant>,
    /// The Python interpreter of the peers.
    pub python: String,
    pub threads: usize,
    /// Timed steps per engine and case.
    pub repeats: usize,
    /// SIMD level of the fused engine; by default the widest of the processor.
    pub simd: Option<String>,
    /// The folder of the peers' scripts.
    pub peers: PathBuf,
    /// When waiting for an engine ends.
    pub deadline: Option<Instant>,
    pub start: Start,
}

/// When the processes of engines start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Each after the one before is ready: none disturbs the first step of another.
    InTurn,
    /// At once, which saves time where an engine takes long to compile.
    Together,
}

/// An engine that takes part, with its device and arithmetic.
#[derive(Clone, Debug)]
pub struct Entrant {
    /// Name in reports.
    pub name: String,
    pub engine: String,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// `fast` for the field's engines on a card, `bf16` for the fused engine on the CPU; `tf32` or `bf16` for PyTorch.
    pub arithmetic: Option<String>,
    /// Largest relative difference of its first loss from that of the first engine.
    pub loss_tolerance: f64,
}

impl Entrant {
    /// Returns an engine in 32-bit arithmetic under its own name.
    pub fn new(engine: &str, device: &str) -> Self {
        Self {
            name: engine.to_owned(),
            engine: engine.to_owned(),
            device: device.to_owned(),
            arithmetic: None,
            loss_tolerance: LOSS_TOLERANCE,
        }
    }

    /// Returns the fused engine on the CPU with operands of products in bfloat16.
    pub fn fused_bf16() -> Self {
        Self {
            name: "fused, bf16".to_owned(),
            arithmetic: Some("bf16".to_owned()),
            loss_tolerance: BF16_LOSS_TOLERANCE,
            ..Self::new("fused", "cpu")
        }
    }

    fn is_fused_bf16(&self) -> bool {
        self.engine == "fused" && self.arithmetic.as_deref() == Some("bf16")
    }
}

/// Measurements of one engine in one case.
#[derive(Debug, Serialize)]
pub struct EngineOutcome {
    pub engine: String,
    pub version: Option<String>,
    /// Loss of the first step, for training steps of fields.
    pub first_loss: Option<f64>,
    /// Seconds of each timed step.
    pub seconds: Vec<f64>,
    /// Largest resident memory of the process.
    pub peak_bytes: Option<u64>,
    /// Resident memory of the process before the case was prepared.
    pub baseline_bytes: Option<u64>,
    /// Why the engine has no complete measurements.
    pub missing: Option<String>,
    /// Whether the engine failed, rather than being skipped.
    pub failed: bool,
}

/// Measurements of all engines in one case.
#[derive(Debug, Serialize)]
pub struct CaseOutcome {
    pub case: Case,
    /// Peak GFLOP/s of the processor, measured in turn with the engines.
    pub peak_gflops: Vec<f64>,
    pub engines: Vec<EngineOutcome>,
}

/// Why an engine takes no further steps.
struct Absence {
    reason: String,
    is_failure: bool,
}

impl Absence {
    fn skipped(reason: String) -> Self {
        Self {
            reason,
            is_failure: false,
        }
    }

    fn failed(error: &anyhow::Error) -> Self {
        Self {
            reason: format!("{error:#}"),
            is_failure: true,
        }
    }
}

/// An engine in one case, with the seconds of its steps so far.
struct Contender<'a> {
    entrant: &'a Entrant,
    process: Result<EngineProcess, Absence>,
    seconds: Vec<f64>,
}

impl<'a> Contender<'a> {
    /// Starts the engine's process, unless the engine is to be skipped.
    fn start(entrant: &'a Entrant, case: &Case, settings: &Settings) -> Self {
        let process = match reason_to_skip(entrant, case, settings) {
            Some(reason) => Err(Absence::skipped(reason)),
            None => EngineProcess::start(entrant, case, settings).map_err(|e| Absence::failed(&e)),
        };
        let mut contender = Self {
            entrant,
            process,
            seconds: Vec::new(),
        };
        if settings.start == Start::InTurn {
            contender.wait_until_ready();
        }
        contender
    }

    /// Waits until the engine is ready, unless it is ready or absent.
    fn wait_until_ready(&mut self) {
        if let Ok(process) = &mut self.process
            && let Err(error) = process.wait_until_ready()
        {
            self.process = Err(Absence::failed(&error));
        }
    }

    /// Returns the loss of the first step, if the engine reports one.
    fn first_loss(&self) -> Option<f64> {
        self.process.as_ref().ok()?.first_loss
    }

    /// Fails the engine if it does not compute the same as the one whose first loss is `expected`.
    fn check_loss(&mut self, expected: f64) {
        let disagreement = self
            .first_loss()
            .and_then(|loss| disagreement(loss, expected, self.entrant.loss_tolerance));
        if let Some(reason) = disagreement {
            self.process = Err(Absence {
                reason,
                is_failure: true,
            });
        }
    }

    /// Times one step, unless the engine is absent.
    fn step(&mut self) {
        let Ok(process) = &mut self.process else {
            return;
        };
        match process
            .step()
            .and_then(|answer| number_of(&answer, "seconds"))
        {
            Ok(seconds) => self.seconds.push(seconds),
            Err(error) => self.process = Err(Absence::failed(&error)),
        }
    }

    /// Ends the engine's process and returns the measurements.
    fn finish(self) -> EngineOutcome {
        let mut outcome = EngineOutcome {
            engine: self.entrant.name.clone(),
            version: None,
            first_loss: None,
            seconds: self.seconds,
            peak_bytes: None,
            baseline_bytes: None,
            missing: None,
            failed: false,
        };
        match self.process {
            Ok(process) => process.finish(&mut outcome),
            Err(absence) => {
                outcome.missing = Some(absence.reason);
                outcome.failed = absence.is_failure;
            }
        }
        outcome
    }
}

/// Times `repeats` steps of every engine on a case. `progress` is called with the index of each round before it begins.
///
/// # Errors
/// If the measurement of the processor's peak fails. An engine that fails is part of the outcome.
pub fn run(case: &Case, settings: &Settings, progress: impl Fn(usize)) -> Result<CaseOutcome> {
    let mut peak = EngineProcess::start(&Entrant::new("peak", "cpu"), case, settings)?;
    peak.wait_until_ready()?;
    let mut contenders: Vec<Contender<'_>> = settings
        .entrants
        .iter()
        .map(|entrant| Contender::start(entrant, case, settings))
        .collect();
    for contender in &mut contenders {
        contender.wait_until_ready();
    }
    if let Some(loss) = contenders.iter().find_map(Contender::first_loss) {
        for contender in &mut contenders {
            contender.check_loss(loss);
        }
    }
    let mut peak_gflops = Vec::new();
    for round in 0..settings.repeats {
        progress(round);
        peak_gflops.push(number_of(&peak.step()?, "gflops")?);
        for contender in &mut contenders {
            contender.step();
        }
    }
    let outcomes = contenders.into_iter().map(Contender::finish);
    Ok(CaseOutcome {
        case: case.clone(),
        peak_gflops,
        engines: outcomes.collect(),
    })
}

/// Returns why an engine is skipped, if it is. Engines without tiling are estimated at 20 GFLOP/s per thread, about the best they reach.
fn reason_to_skip(entrant: &Entrant, case: &Case, settings: &Settings) -> Option<String> {
    let (engine, device) = (entrant.engine.as_str(), entrant.device.as_str());
    if let Some(reason) = refusal(engine, case, settings.simd.is_some(), device) {
        return Some(reason.to_owned());
    }
    if entrant.is_fused_bf16() && case.kind != Kind::Value {
        return Some("not supported: bfloat16 is for training steps on values".to_owned());
    }
    if engine == "fused" || device != "cpu" {
        return None;
    }
    let seconds = case.operations() / (20e9 * settings.threads as f64);
    if seconds > MAX_STEP_SECONDS {
        return Some(format!("skipped: about {seconds:.0} s per step"));
    }
    let bytes = case.activation_bytes();
    (bytes > MAX_ACTIVATION_BYTES)
        .then(|| format!("skipped: about {:.0} GB of activations", bytes / 1e9))
}

/// Describes by how much the loss of a first step differs from that of the first engine, if it is not the same up to rounding.
fn disagreement(loss: f64, expected: f64, tolerance: f64) -> Option<String> {
    let is_same = (loss - expected).abs() <= tolerance * expected.abs();
    (!is_same).then(|| {
        format!("the loss of the first step is {loss:.6}, and {expected:.6} with the first engine")
    })
}

/// Reads a number from an engine's answer.
fn number_of(answer: &Value, key: &str) -> Result<f64> {
    answer[key].as_f64().with_context(|| {
        format!("the engine answered {answer}, expected an object with the number `{key}`")
    })
}

/// The process of one engine, driven by lines on its standard input.
struct EngineProcess {
    dialog: Dialog,
    is_ready: bool,
    version: Option<String>,
    first_loss: Option<f64>,
}

impl EngineProcess {
    /// Starts an engine.
    fn start(entrant: &Entrant, case: &Case, settings: &Settings) -> Result<Self> {
        let engine = entrant.engine.as_str();
        let is_rust_engine = ["peak", "fused", "bare", "candle"].contains(&engine);
        let mut command = if is_rust_engine {
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
        // OpenMP threads of an engine that waits for its turn must sleep, not spin: the cores belong to the engine whose turn it is.
        command
            .env("OMP_WAIT_POLICY", "passive")
            .env("KMP_BLOCKTIME", "0");
        if let Some(arithmetic) = &entrant.arithmetic {
            command.args(["--arithmetic", arithmetic]);
        }
        command
            .args(["--engine", engine, "--threads", &threads])
            .args(["--device", &entrant.device])
            .args(["--case", &serde_json::to_string(case)?]);
        let mut dialog = Dialog::start(&mut command)?;
        dialog.deadline = settings.deadline;
        Ok(Self {
            dialog,
            is_ready: false,
            version: None,
            first_loss: None,
        })
    }

    /// Waits until the engine is ready.
    fn wait_until_ready(&mut self) -> Result<()> {
        if self.is_ready {
            return Ok(());
        }
        let answer = self.dialog.answer()?;
        if let Some(error) = answer["error"].as_str() {
            bail!("{error}");
        }
        self.is_ready = true;
        self.version = answer["ready"]["version"].as_str().map(str::to_owned);
        self.first_loss = answer["ready"]["loss"].as_f64();
        Ok(())
    }

    /// Requests one step and waits for the answer.
    fn step(&mut self) -> Result<Value> {
        self.dialog.ask("step")
    }

    /// Ends the process and adds its version and its memory to the outcome.
    fn finish(self, outcome: &mut EngineOutcome) {
        outcome.version = self.version;
        outcome.first_loss = self.first_loss;
        if let Ok(memory) = self.dialog.finish() {
            outcome.peak_bytes = memory["peak_bytes"].as_u64();
            outcome.baseline_bytes = memory["baseline_bytes"].as_u64();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_that_differ_by_more_than_rounding_disagree() {
        assert_eq!(disagreement(247.614_09, 247.614_06, LOSS_TOLERANCE), None);
        for loss in [247.7, f64::NAN] {
            let reason = disagreement(loss, 247.614_06, LOSS_TOLERANCE).unwrap();
            assert!(reason.contains("247.614060"), "{reason}");
        }
    }
}
