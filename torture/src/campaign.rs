//! Many trials: which are drawn, what they find, and what is printed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::disk::{MemoryDisk, SmallDisk};
use crate::launched::{Launch, MPIRUN};
use crate::process::{End, Limits, Line, Place, is_installed};
use crate::random::Choices;
use crate::subject::{Inputs, KINDS, SUBJECTS, Subject};
use crate::trial::{Bench, Plan, Unbroken};

/// Share of trials of mutated inputs: one in so many.
const INPUT_SHARE: usize = 4;

/// Files and folders that a campaign uses.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The root of the workspace.
    pub root: PathBuf,
    /// The folder of the executables.
    pub programs: PathBuf,
}

/// Trials of one session.
pub struct Campaign {
    programs: PathBuf,
    inputs: Inputs,
    /// The kind to which trials are limited.
    kind: Option<String>,
    work: TempDir,
    can_mount: bool,
    has_faketime: bool,
    has_ranks: bool,
    unbroken: BTreeMap<&'static str, Unbroken>,
    tally: Tally,
}

/// What a campaign did.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Number of trials.
    pub trials: u64,
    /// Number of faults by name.
    pub faults: BTreeMap<&'static str, u64>,
    /// Number of trials by subject.
    pub subjects: BTreeMap<&'static str, u64>,
    /// Seeds with what was found.
    pub findings: Vec<(u64, String)>,
    /// Longest time without a finding.
    pub longest_calm: Duration,
}

impl Campaign {
    /// Prepares a campaign of all kinds, or of one.
    ///
    /// # Errors
    /// If the kind is unknown, or a temporary folder cannot be made.
    pub fn new(folders: Folders, kind: Option<&str>) -> Result<Self> {
        if let Some(kind) = kind {
            ensure!(
                KINDS.contains(&kind),
                "unknown kind `{kind}`; expected one of: {}",
                KINDS.join(", ")
            );
        }
        let work = tempfile::Builder::new().prefix("siren-torture-").tempdir();
        let work = work.context("cannot create a temporary folder")?;
        let can_mount = can_mount(work.path());
        let has_ranks = has_ranks(&folders, work.path());
        ensure!(
            has_ranks || kind != Some("mpi"),
            "runs on several processes need `mpirun`, and siren-image built with the feature `mpi` in {}",
            folders.programs.display()
        );
        Ok(Self {
            inputs: Inputs {
                corpus: folders.root.join("torture/corpus"),
                root: folders.root,
                copies: work.path().join("inputs"),
            },
            programs: folders.programs,
            kind: kind.map(str::to_owned),
            work,
            can_mount,
            has_faketime: is_installed("faketime"),
            has_ranks,
            unbroken: BTreeMap::new(),
            tally: Tally::default(),
        })
    }

    /// Returns remarks on what this machine cannot do.
    #[must_use]
    pub fn notes(&self) -> Vec<&'static str> {
        let mut notes = Vec::new();
        if !self.can_mount {
            notes.push("note: this user cannot mount disks, so that no power is cut and no disk is full; start as root for that");
        }
        if !self.has_faketime {
            notes.push(
                "note: `faketime` is not installed, so that the clock is right in all trials",
            );
        }
        if !self.has_ranks {
            notes.push(
                "note: `mpirun` is not installed, or siren-image is built without the feature `mpi`, so that no run is shared by processes",
            );
        }
        notes
    }

    /// Runs one trial. What it finds is added to the tally, and returned.
    ///
    /// # Errors
    /// If the trial cannot be carried out; a finding is no error.
    pub fn run_trial(&mut self, seed: u64) -> Result<Finding> {
        let mut choices = Choices::of_seed(seed);
        let folder = self.work.path().join(format!("trial-{seed}"));
        std::fs::create_dir(&folder)?;
        self.tally.trials += 1;
        let is_input = match self.kind.as_deref() {
            Some(kind) => kind == "input",
            None => choices.one_in(INPUT_SHARE),
        };
        let (plan, found) = if is_input {
            let found = self.bench().try_input(&mut choices, &folder);
            let name = found.as_ref().copied().unwrap_or("mutated input");
            *self.tally.faults.entry("mutated input").or_default() += 1;
            *self.tally.subjects.entry(name).or_default() += 1;
            (format!("mutated input, {name}"), found.map(drop))
        } else {
            self.run_plan(&mut choices, &folder)?
        };
        let found = found.err().map(|error| format!("{error:#}"));
        if let Some(found) = &found {
            self.tally.findings.push((seed, found.clone()));
        } else {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        Ok(Finding { seed, plan, found })
    }

    fn run_plan(&mut self, choices: &mut Choices, folder: &Path) -> Result<(String, Result<()>)> {
        let kind = self.kind.as_deref();
        let subjects: Vec<&'static Subject> = SUBJECTS
            .iter()
            .filter(|subject| kind.is_none_or(|kind| subject.selected_by() == kind))
            .filter(|subject| self.has_ranks || !matches!(subject.launch, Launch::Ranks(_)))
            .collect();
        let subject = *choices.of(&subjects);
        let plan = Plan::draw(&self.bench(), subject, choices);
        for fault in &plan.faults {
            *self.tally.faults.entry(fault.name()).or_default() += 1;
        }
        *self.tally.subjects.entry(subject.name).or_default() += 1;
        let unbroken = self.unbroken(subject)?;
        let mut text = format!("{}, {:?} disk", subject.name, plan.disk);
        for fault in &plan.faults {
            // Writing to a string cannot fail.
            let _ = write!(text, ", {fault}");
        }
        let found = self.bench().try_plan(&plan, subject, &unbroken, folder);
        Ok((text, found))
    }

    /// Returns the unbroken run of a subject, which is run once.
    fn unbroken(&mut self, subject: &'static Subject) -> Result<Unbroken> {
        let folder = self.work.path().join(subject.name);
        let bench = Bench {
            inputs: &self.inputs,
            programs: &self.programs,
            can_mount: self.can_mount,
            has_faketime: self.has_faketime,
        };
        match self.unbroken.entry(subject.name) {
            Entry::Occupied(entry) => Ok(entry.get().clone()),
            Entry::Vacant(entry) => {
                let run = bench.run_unbroken(subject, &folder);
                let run = run.with_context(|| format!("the unbroken run `{}`", subject.name))?;
                Ok(entry.insert(run).clone())
            }
        }
    }

    fn bench(&self) -> Bench<'_> {
        Bench {
            inputs: &self.inputs,
            programs: &self.programs,
            can_mount: self.can_mount,
            has_faketime: self.has_faketime,
        }
    }

    /// Runs trials for a time. `report` is called after each of them.
    ///
    /// # Errors
    /// As [`run_trial`](Self::run_trial).
    pub fn run_for(
        &mut self,
        duration: Duration,
        seed: u64,
        mut report: impl FnMut(&Finding, &Tally),
    ) -> Result<&Tally> {
        let start = Instant::now();
        let mut calm = Instant::now();
        let mut seeds = Choices::of_seed(seed);
        while start.elapsed() < duration {
            // Seeds of trials are short enough to be typed.
            let finding = self.run_trial(seeds.number() >> 32)?;
            if finding.found.is_some() {
                calm = Instant::now();
            }
            self.tally.longest_calm = self.tally.longest_calm.max(calm.elapsed());
            report(&finding, &self.tally);
        }
        Ok(&self.tally)
    }

    /// Returns what the campaign did so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Keeps the working folder, and returns its path.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        self.work.keep()
    }
}

/// What a trial was, and what it found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its seed.
    pub seed: u64,
    /// What was done, in words.
    pub plan: String,
    /// What was found; `None` if all was well.
    pub found: Option<String>,
}

impl Tally {
    /// Returns the numbers as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "{} trials, {} findings, longest time without one {:.1} min\n",
            self.trials,
            self.findings.len(),
            self.longest_calm.as_secs_f64() / 60.0
        );
        for (title, counts) in [("faults", &self.faults), ("subjects", &self.subjects)] {
            let _ = writeln!(text, "{title}:");
            for (name, count) in counts {
                let _ = writeln!(text, "  {name:<20} {count:>6}");
            }
        }
        text
    }
}

/// Returns whether a run can be shared by processes of MPI, by a run of one step.
fn has_ranks(folders: &Folders, work: &Path) -> bool {
    let config = folders.root.join("configs/image.toml");
    let config = config.display().to_string();
    let mut line = Line::new("image", &["run", &config, "--out", "probe-ranks"]);
    for set in ["signal.size=8", "train.steps=1", "field.hidden_features=8"] {
        line.args.extend(["--set", set].map(str::to_owned));
    }
    line.launch = Launch::Ranks(2);
    let place = Place {
        programs: folders.programs.clone(),
        folder: work.to_path_buf(),
    };
    let ends_well = || line.run(&place, Limits::default()).map(|ended| ended.end);
    is_installed(MPIRUN) && ends_well().is_ok_and(|end| end == End::Exited(0))
}

/// Returns whether both kinds of disks can be mounted in a folder.
fn can_mount(folder: &Path) -> bool {
    let at = folder.join("probe");
    let made = std::fs::create_dir(&at);
    let mounted = made.is_ok() && SmallDisk::mount(&at).is_ok() && MemoryDisk::mount(&at).is_ok();
    let _ = std::fs::remove_dir(&at);
    mounted
}
