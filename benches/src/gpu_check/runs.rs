//! Phase 3: whole runs on the card and on the CPU, also killed half-way and resumed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use siren_run::{CheckpointChoice, Record, RunFolder};

use super::worker::Request;
use super::{CardWorker, Check, Findings};

/// Largest difference of the PSNR of runs on the card and on the CPU. Runs on the CPU whose learning rate differs in the seventh digit, or that compute
/// in double precision, end within 0.05 dB (image) and 0.4 dB (poisson).
pub const MOST_DIFFERENCE_DB: f64 = 0.6;
/// Kinds with a config of the same name.
const KINDS: [&str; 2] = ["image", "poisson"];
/// Settings of a rehearsal.
const TINY: [&str; 5] = [
    "signal.size=16",
    "field.hidden_features=16",
    "field.hidden_layers=1",
    "train.steps=12",
    "run.evaluate_every=6",
];
/// Settings of a rehearsal of one kind.
const TINY_IMAGE: &str = "signal.sampling.subset.points=150";
const TINY_STEPS: u64 = 12;
/// Time between two looks at a run in progress.
const PAUSE: Duration = Duration::from_millis(2);
/// Time between two looks at the memory of the card.
const MEMORY_PAUSE: Duration = Duration::from_millis(100);

/// Runs every kind.
pub fn run(check: &Check, findings: &mut Findings) -> Result<Value> {
    let folder = check.out.join("runs");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut runs = Vec::new();
    for kind in KINDS {
        let program = check.programs.join(format!("siren-{kind}"));
        let program = program.with_extension(std::env::consts::EXE_EXTENSION);
        if !program.is_file() {
            findings.skip(&format!("{kind}: there is no {}", program.display()));
            continue;
        }
        let config = check.root.join(format!("configs/{kind}.toml"));
        let mut series = Series {
            check,
            kind,
            steps: steps(&config, check.rehearse)?,
            program,
            config,
            folder: folder.clone(),
            rows: Vec::new(),
        };
        if let Err(error) = series.run(findings) {
            if check.left().is_zero() {
                findings.skip(&format!("{kind}: {error:#}"));
            } else {
                findings.fail(&format!("{kind}: {error:#}"));
            }
        }
        runs.extend(series.rows);
    }
    Ok(json!(runs))
}

/// Reads the number of steps of a config.
fn steps(config: &Path, rehearse: bool) -> Result<u64> {
    if rehearse {
        return Ok(TINY_STEPS);
    }
    let text = fs::read_to_string(config);
    let text = text.with_context(|| format!("cannot read {}", config.display()))?;
    let table: toml::Table = text.parse()?;
    let steps = table["train"]["steps"].as_integer();
    let steps = steps.with_context(|| format!("{} has no train.steps", config.display()))?;
    Ok(u64::try_from(steps)?)
}

/// The runs of one kind.
struct Series<'a> {
    check: &'a Check,
    kind: &'static str,
    steps: u64,
    program: PathBuf,
    config: PathBuf,
    /// Where the runs are.
    folder: PathBuf,
    rows: Vec<Value>,
}

/// A finished run.
struct Finished {
    folder: PathBuf,
    psnr_db: f64,
}

impl Series<'_> {
    /// Runs on the card and on the CPU, kills two runs and resumes them, and compares.
    fn run(&mut self, findings: &mut Findings) -> Result<()> {
        let device = self.check.device_name();
        let card = self.train("exact", &device, &[])?;
        let cpu = self.train("cpu", "cpu", &[])?;
        must_be_close(&card, &cpu, findings);
        // The accuracy of fast mode is reported, not judged.
        self.train("fast", &device, &["train.precision=fast"])?;
        if self.kill("resumed", &device)? {
            let resumed = self.resume("resumed", &device)?;
            must_be_same(&resumed, &card, findings)?;
        } else {
            findings.skip(&format!("{}: a run ended before it was killed", self.kind));
        }
        if self.kill("moved", &device)? {
            let moved = self.resume("moved", "cpu")?;
            must_be_close(&moved, &cpu, findings);
        } else {
            findings.skip(&format!("{}: a run ended before it was killed", self.kind));
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}-{name}", self.kind))
    }

    /// Starts the program with its messages in a file.
    fn start(&self, name: &str, args: &[String]) -> Result<Child> {
        let log = self.path(&format!("{name}.log"));
        let child = Command::new(&self.program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn();
        child.with_context(|| format!("cannot start {}", self.program.display()))
    }

    /// Starts a run.
    fn start_run(&self, name: &str, device: &str, settings: &[&str]) -> Result<Child> {
        let out = self.path(name);
        if out.exists() {
            fs::remove_dir_all(&out)?;
        }
        let mut all: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        all.push(format!("run.checkpoint_every={}", self.steps / 2));
        if self.check.rehearse {
            all.extend(TINY.map(str::to_owned));
            if self.kind == "image" {
                all.push(TINY_IMAGE.to_owned());
            }
        }
        let mut args = vec!["run".to_owned(), self.config.display().to_string()];
        args.extend(
            all.into_iter()
                .flat_map(|setting| ["--set".to_owned(), setting]),
        );
        args.extend(["--device".to_owned(), device.to_owned()]);
        args.extend(["--out".to_owned(), out.display().to_string()]);
        self.start(name, &args)
    }

    /// Trains a run to its end.
    fn train(&mut self, name: &str, device: &str, settings: &[&str]) -> Result<Finished> {
        let memory = CardMemory::new(self.check)?;
        let child = self.start_run(name, device, settings)?;
        self.finish(name, device, child, memory)
    }

    /// Resumes a run that was killed.
    fn resume(&mut self, name: &str, device: &str) -> Result<Finished> {
        let run = self.path(name).display().to_string();
        let args = ["resume", &run, "--device", device].map(str::to_owned);
        let memory = CardMemory::new(self.check)?;
        let child = self.start(name, &args)?;
        self.finish(name, device, child, memory)
    }

    /// Starts a run and kills it when it has its first checkpoint, half-way. Returns whether it was still going.
    fn kill(&self, name: &str, device: &str) -> Result<bool> {
        let mut child = Guarded(self.start_run(name, device, &[])?);
        let checkpoint = self.path(name).join("checkpoints/last.safetensors");
        while !checkpoint.exists() {
            ensure!(!self.check.left().is_zero(), "no time for {name}");
            if child.0.try_wait()?.is_some() {
                bail!(
                    "{name} has ended before its first checkpoint: {}",
                    self.last_words(name)
                );
            }
            sleep(PAUSE);
        }
        child.0.kill()?;
        Ok(!child.0.wait()?.success())
    }

    /// Waits for the end of a run, and adds a row about it.
    fn finish(
        &mut self,
        name: &str,
        device: &str,
        child: Child,
        mut memory: CardMemory,
    ) -> Result<Finished> {
        let mut child = Guarded(child);
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.0.try_wait()? {
                break status;
            }
            ensure!(!self.check.left().is_zero(), "no time for {name}");
            memory.look();
            sleep(PAUSE);
        };
        let seconds = start.elapsed().as_secs_f64();
        ensure!(status.success(), "{name}: {}", self.last_words(name));
        let folder = self.path(name);
        let record = Record::read(&folder)?;
        let number = |key: &str| record.last(key);
        let psnr_db = number("psnr_db").with_context(|| format!("{name} has no psnr_db"))?;
        self.rows.push(json!({
            "run": format!("{}-{name}", self.kind),
            "device": device,
            "psnr_db": psnr_db,
            "seconds_of_training": number("seconds"),
            "seconds": seconds,
            "peak_memory_mib": number("peak_memory_mib"),
            "card_memory_mib": (device != "cpu").then(|| memory.used_mib()),
        }));
        Ok(Finished { folder, psnr_db })
    }

    /// Returns the last line of the messages of a run.
    fn last_words(&self, name: &str) -> String {
        let log = fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default();
        log.trim().lines().last().unwrap_or("no message").to_owned()
    }
}

/// Compares the PSNR of two runs.
fn must_be_close(run: &Finished, other: &Finished, findings: &mut Findings) {
    let difference = (run.psnr_db - other.psnr_db).abs();
    // NaN is not close.
    if difference
        .partial_cmp(&MOST_DIFFERENCE_DB)
        .is_none_or(std::cmp::Ordering::is_gt)
    {
        findings.fail(&format!(
            "{} reaches {:.3} dB, and {} {:.3} dB",
            run.folder.display(),
            run.psnr_db,
            other.folder.display(),
            other.psnr_db
        ));
    }
}

/// Compares the bytes of two runs.
fn must_be_same(run: &Finished, other: &Finished, findings: &mut Findings) -> Result<()> {
    let files = |folder: &Path| -> Result<[Vec<u8>; 2]> {
        let folder = RunFolder::open(folder)?;
        let checkpoint = folder.checkpoint(CheckpointChoice::Last);
        Ok([fs::read(checkpoint)?, fs::read(folder.metrics())?])
    };
    if files(&run.folder)? != files(&other.folder)? {
        let (run, other) = (run.folder.display(), other.folder.display());
        findings.fail(&format!("{run} differs from {other}, which was not killed"));
    }
    Ok(())
}

/// A process that is killed when this is dropped.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Memory of the card that others take, by what is free.
struct CardMemory {
    worker: CardWorker,
    before: f64,
    least: f64,
    last: Instant,
}

impl CardMemory {
    fn new(check: &Check) -> Result<Self> {
        let mut memory = Self {
            worker: check.card_worker()?,
            before: f64::NAN,
            least: f64::INFINITY,
            last: Instant::now(),
        };
        memory.before = memory.free();
        Ok(memory)
    }

    /// Returns the free bytes; NaN if the card does not answer.
    fn free(&mut self) -> f64 {
        let answer = self.worker.ask(&Request::FreeBytes, MEMORY_PAUSE * 100);
        let free = answer.ok().and_then(|answer| answer["free_bytes"].as_f64());
        free.unwrap_or(f64::NAN)
    }

    fn look(&mut self) {
        if self.last.elapsed() > MEMORY_PAUSE {
            self.least = self.least.min(self.free());
            self.last = Instant::now();
        }
    }

    /// Returns how much less was free than before.
    fn used_mib(&self) -> f64 {
        (self.before - self.least.min(self.before)) / f64::from(1 << 20)
    }
}
