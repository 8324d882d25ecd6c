//! One trial: a run that is disturbed, damaged and continued, and what comes of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use crate::damage::Damaged;
use crate::disk::{MemoryDisk, Misbehavior, SmallDisk};
use crate::fault::{DiskKind, Fault, Reach, time_of};
use crate::launched::{Launch, end_all, wait_for_all};
use crate::outcome::{Allowed, Results, Verdict, check_nothing_else, judge};
use crate::process::{Ended, Limits, Line, PATIENCE, Place};
use crate::random::Choices;
use crate::subject::{Inputs, Subject};

/// Folder of the disk in the working folder, and of the run on the disk.
const DISK: &str = "disk";
const RUN: &str = "disk/run";

/// Numbers of ranks of a shared run. Its results do not depend on them.
const RANKS: [usize; 3] = [1, 2, 3];

/// Time after which a run with little memory is killed.
const PATIENCE_WITH_LITTLE_MEMORY: Duration = Duration::from_secs(20);

/// An unbroken run of a subject.
#[derive(Clone, Debug)]
pub struct Unbroken {
    /// How long it took.
    pub duration: Duration,
    /// What it wrote.
    pub results: Results,
}

/// What a trial needs from its campaign.
pub struct Bench<'a> {
    /// Configs and files that the subjects read.
    pub inputs: &'a Inputs,
    /// The folder of the executables.
    pub programs: &'a Path,
    /// Whether disks can be mounted.
    pub can_mount: bool,
    /// Whether the clock can be made wrong.
    pub has_faketime: bool,
}

/// The plan of a trial: a function of its seed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The disk.
    pub disk: DiskKind,
    /// The faults, one after the other.
    pub faults: Vec<Fault>,
    /// Seed of the choices while it runs.
    seed: u64,
}

impl Plan {
    /// Draws a plan for a subject.
    pub fn draw(bench: &Bench<'_>, subject: &Subject, choices: &mut Choices) -> Self {
        let disk = match choices.below(8) {
            0 | 1 if bench.can_mount => DiskKind::Small,
            2..5 if bench.can_mount => DiskKind::Forgetful,
            _ => DiskKind::Plain,
        };
        let count = *choices.of(&[1, 1, 2, 3]);
        let faults = (0..count).map(|_| {
            loop {
                let fault = Fault::draw(disk, bench.has_faketime, choices);
                if subject.launch == Launch::Alone || fault.strikes_launched() {
                    break fault;
                }
            }
        });
        Self {
            disk,
            faults: faults.collect(),
            seed: choices.number(),
        }
    }
}

/// The disk of a trial while it is mounted.
enum Mounted {
    Plain,
    Small(SmallDisk),
    Forgetful(Box<MemoryDisk>),
}

/// A trial in progress.
struct Trial<'a> {
    bench: &'a Bench<'a>,
    subject: &'a Subject,
    unbroken: &'a Unbroken,
    place: Place,
    disk: Mounted,
    choices: Choices,
}

impl Bench<'_> {
    fn place(&self, folder: &Path) -> Place {
        Place {
            programs: self.programs.to_path_buf(),
            folder: folder.to_path_buf(),
        }
    }

    /// Runs a subject without any fault, in an empty folder.
    ///
    /// # Errors
    /// If it fails, or leaves temporary files.
    pub fn run_unbroken(&self, subject: &Subject, folder: &Path) -> Result<Unbroken> {
        fs::create_dir_all(folder.join(DISK))?;
        subject.lay_out(self.inputs)?;
        let line = subject.start(self.inputs, RUN);
        let ended = line.run(&self.place(folder), Limits::default())?;
        let verdict = judge(&ended, Allowed::default())?;
        ensure!(verdict == Verdict::Finished, "the unbroken run did not end");
        check_nothing_else(&folder.join(DISK), &["run"])?;
        Ok(Unbroken {
            duration: ended.duration,
            results: Results::read(&folder.join(RUN))?,
        })
    }

    /// Runs the trial of a plan in an empty folder.
    ///
    /// # Errors
    /// What was found.
    pub fn try_plan(
        &self,
        plan: &Plan,
        subject: &Subject,
        unbroken: &Unbroken,
        folder: &Path,
    ) -> Result<()> {
        let at = folder.join(DISK);
        fs::create_dir_all(&at)?;
        let disk = match plan.disk {
            DiskKind::Plain => Mounted::Plain,
            DiskKind::Small => Mounted::Small(SmallDisk::mount(&at)?),
            DiskKind::Forgetful => Mounted::Forgetful(Box::new(MemoryDisk::mount(&at)?)),
        };
        let mut trial = Trial {
            bench: self,
            subject,
            unbroken,
            place: self.place(folder),
            disk,
            choices: Choices::of_seed(plan.seed),
        };
        let found = trial.run(&plan.faults);
        // Nothing may use the disk when it is unmounted.
        end_all(subject.launch, folder)?;
        found
    }
}

impl Trial<'_> {
    fn run(&mut self, faults: &[Fault]) -> Result<()> {
        for (index, &fault) in faults.iter().enumerate() {
            let name = || format!("fault {}, {fault}", index + 1);
            self.suffer(fault).with_context(name)?;
        }
        self.finish()
    }

    fn run_folder(&self) -> PathBuf {
        self.place.folder.join(RUN)
    }

    /// Continues the run under a fault, mends what the fault broke, and checks how the program ended.
    fn suffer(&mut self, fault: Fault) -> Result<()> {
        self.wait_for_orphans()?;
        self.prepare(fault)?;
        let ended = self.run_disturbed(fault)?;
        let verdict = judge(&ended, self.allowed(fault))?;
        self.mend(fault)?;
        if verdict == Verdict::Finished {
            return self.check_results(fault);
        }
        if matches!(fault, Fault::Damage { .. }) {
            return self.suffer_damage();
        }
        Ok(())
    }

    /// Breaks the disk, for faults that are there before the program starts.
    fn prepare(&mut self, fault: Fault) -> Result<()> {
        match (fault, &self.disk) {
            (Fault::FullDisk { spare }, Mounted::Small(disk)) => {
                let used = used_bytes(&self.place.folder.join(DISK));
                disk.resize(used + spare)?;
            }
            (Fault::ReadOnly, Mounted::Small(disk)) => disk.make_read_only()?,
            (Fault::FailingDisk(failing), Mounted::Forgetful(disk)) => {
                disk.behave(Misbehavior {
                    failing: Some(failing),
                    ..Misbehavior::default()
                });
            }
            (Fault::SlowDisk { milliseconds, .. }, Mounted::Forgetful(disk)) => {
                disk.behave(Misbehavior {
                    delay: Duration::from_millis(milliseconds),
                    ..Misbehavior::default()
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// Runs the program until the fault, or its end.
    fn run_disturbed(&mut self, fault: Fault) -> Result<Ended> {
        let line = self.line();
        let mut running = line.start(&self.place, fault.limits())?;
        if let Fault::LittleMemory { .. } = fault {
            // Near its limit, the allocator of the C library maps every allocation by itself: the run goes on, a hundred times slower.
            running.wait_for(PATIENCE_WITH_LITTLE_MEMORY)?;
            return running.end_group();
        }
        let Some(moment) = fault.moment() else {
            return running.end();
        };
        if !running.wait_for(time_of(moment, self.unbroken.duration))? {
            return running.end();
        }
        match fault {
            Fault::Kill {
                reach: Reach::Process,
                ..
            } => running.signal_one(Signal::SIGKILL, &mut self.choices),
            Fault::Stop { signal, again, .. } => {
                running.signal_one(signal, &mut self.choices);
                if let Some(milliseconds) = again {
                    running.wait_for(Duration::from_millis(milliseconds))?;
                    running.signal_one(signal, &mut self.choices);
                }
            }
            Fault::Pause { milliseconds, .. } => {
                running.signal_group(Signal::SIGSTOP);
                std::thread::sleep(Duration::from_millis(milliseconds));
                running.signal_group(Signal::SIGCONT);
            }
            _ => return running.end_group(),
        }
        running.end()
    }

    fn mend(&mut self, fault: Fault) -> Result<()> {
        match (fault, &mut self.disk) {
            (Fault::PowerCut { .. }, Mounted::Forgetful(disk)) => {
                let choices = &mut self.choices;
                disk.while_unmounted(|model| model.cut_power(choices))?;
            }
            (_, Mounted::Forgetful(disk)) => disk.behave(Misbehavior::default()),
            (_, Mounted::Small(disk)) => disk.mend()?,
            (_, Mounted::Plain) => {}
        }
        Ok(())
    }

    /// Damages a file of the stopped run. The next session must give the results of an unbroken run, or refuse.
    fn suffer_damage(&mut self) -> Result<()> {
        let runs = self.subject.runs(&self.run_folder());
        if runs.is_empty() {
            return Ok(());
        }
        self.wait_for_orphans()?;
        let run = self.choices.of(&runs).clone();
        let Some(damaged) = Damaged::inflict(&run, &mut self.choices)? else {
            return Ok(());
        };
        let name = || format!("{:?} of {}", damaged.damage, damaged.path().display());
        let ended = self.go_on()?;
        let refusal = Allowed {
            refusal: true,
            ..Allowed::default()
        };
        match judge(&ended, refusal).with_context(name)? {
            Verdict::Finished if self.subject.is_sweep => {
                // A sweep reads tables and summaries of finished runs, and leaves their checkpoints alone. Unfinished runs write new ones.
                if damaged.path().starts_with(run.join("checkpoints")) && damaged.is_untouched() {
                    damaged.mend()?;
                }
                self.check_finished().with_context(name)
            }
            Verdict::Finished => self.check_finished().with_context(name),
            Verdict::Refused | Verdict::Stopped => {
                self.check_advice(&ended, &damaged).with_context(name)?;
                damaged.mend()
            }
        }
    }

    /// Checks that a refusal names the damaged file.
    fn check_advice(&self, ended: &Ended, damaged: &Damaged) -> Result<()> {
        let name = damaged.path().file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        ensure!(
            ended.stderr.contains(&*name) || self.subject.is_sweep,
            "the refusal does not name {name}:\n{}",
            ended.stderr
        );
        Ok(())
    }

    /// Returns the line that starts or continues the subject, on any number of ranks.
    fn line(&mut self) -> Line {
        let folder = &self.place.folder;
        let mut line = self.subject.resume(self.bench.inputs, folder, RUN);
        if let Launch::Ranks(_) = self.subject.launch {
            line.launch = Launch::Ranks(*self.choices.of(&RANKS));
        }
        line
    }

    fn allowed(&self, fault: Fault) -> Allowed {
        let allowed = fault.allowed();
        // The signal may reach the program that checks a config for a sweep, and not the sweep.
        let reaches_others = self.subject.launch == Launch::Slurm && !allowed.signals.is_empty();
        Allowed {
            launch: self.subject.launch,
            refusal: allowed.refusal || reaches_others,
            ..allowed
        }
    }

    /// Starts or continues the subject without a fault, and waits for its end.
    fn go_on(&mut self) -> Result<Ended> {
        let line = self.line();
        line.run(&self.place, Limits::default())
    }

    /// Waits until runs of a killed sweep, which go on without it, have ended.
    fn wait_for_orphans(&self) -> Result<()> {
        let start = Instant::now();
        // Tasks of Slurm are meant to go on.
        let is_local = self.subject.launch == Launch::Alone;
        while self.subject.is_sweep && is_local && self.is_in_use() {
            ensure!(start.elapsed() < PATIENCE, "runs of a killed sweep hang");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn is_in_use(&self) -> bool {
        let runs = self.run_folder().join("runs");
        let entries = fs::read_dir(runs).into_iter().flatten().flatten();
        let locks = entries.map(|entry| entry.path().join(".lock"));
        locks
            .filter_map(|path| fs::File::open(path).ok())
            .any(|file| file.try_lock().is_err())
    }

    /// Continues the run to its end, after all faults are mended, and checks the results.
    fn finish(&mut self) -> Result<()> {
        self.wait_for_orphans()?;
        let ended = self.go_on()?;
        let verdict = judge(&ended, Allowed::default());
        let verdict = verdict.context("without a fault, the run does not go on")?;
        ensure!(verdict == Verdict::Finished, "the run did not end");
        let has_ended = wait_for_all(self.subject.launch, &self.place.folder);
        ensure!(has_ended, "tasks of a finished sweep hang");
        self.check_finished()
    }

    fn check_results(&self, fault: Fault) -> Result<()> {
        match fault {
            // A power cut after the end may lose what the end wrote; the next session writes it again.
            Fault::PowerCut { .. } => Ok(()),
            _ => self.check_finished(),
        }
    }

    fn check_finished(&self) -> Result<()> {
        let found = Results::read(&self.run_folder())?;
        found.check_same(&self.unbroken.results)?;
        check_nothing_else(&self.place.folder.join(DISK), &["run"])
    }
}

/// Returns the bytes of all files under a folder, in pages, with a page for every file and folder.
fn used_bytes(folder: &Path) -> u64 {
    let page = 4096;
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return page + used_bytes(&path);
        }
        let size = entry.metadata().map_or(0, |file| file.len());
        size.next_multiple_of(page)
    });
    sizes.sum()
}
