//! Queue of a sweep's members, several of which run at a time on this computer.

use std::collections::{BTreeSet, VecDeque};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use siren_core::train::StopToken;

use crate::display::Display;
use crate::ending::{FailedRun, RunEnding, is_in_use};
use crate::manifest::Assignment;
use crate::program::Program;

/// Time between two polls of the running members.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Polls between two readings of a running member's curve.
const POLLS_PER_READING: u32 = 10;

/// What became of the members that were not finished.
#[derive(Debug, Default)]
pub struct SweepOutcome {
    /// The members that failed.
    pub failed: Vec<FailedRun>,
    /// Whether the user interrupted the sweep.
    pub interrupted: bool,
}

/// How many members run on this computer.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Number of members that run at a time.
    pub jobs: usize,
    /// Threads of each member.
    pub threads: usize,
}

/// Runs members with one program on this computer.
pub struct Queue<'a> {
    program: &'a Program,
    /// Stops the sweep: no further member is started.
    stop: StopToken,
    load: Load,
    display: Display<'a>,
    outcome: SweepOutcome,
    /// Names of members whose folders another process used.
    awaited: BTreeSet<String>,
}

/// A member whose process has been started. Dropping the process stops the run at a checkpoint.
struct RunningMember<'a> {
    assignment: &'a Assignment,
    child: Child,
}

impl<'a> Queue<'a> {
    /// Prepares a queue that shows its progress on `display`. When `stop` is set, it starts no further member.
    #[must_use]
    pub fn new(program: &'a Program, load: Load, display: Display<'a>, stop: StopToken) -> Self {
        Self {
            program,
            stop,
            load,
            display,
            outcome: SweepOutcome::default(),
            awaited: BTreeSet::new(),
        }
    }

    /// Runs `members` to their ends.
    ///
    /// # Errors
    /// If a process cannot be started or polled.
    pub fn run(mut self, members: &'a [Assignment]) -> Result<SweepOutcome> {
        let mut waiting: VecDeque<&Assignment> = members.iter().collect();
        let mut running: Vec<RunningMember<'_>> = Vec::new();
        let mut polls = 0;
        while !running.is_empty() || !waiting.is_empty() {
            if self.stop.is_stopped() {
                self.outcome.interrupted = true;
                waiting.clear();
                // The end of its standard input stops a run that the signal did not reach.
                for run in &mut running {
                    drop(run.child.stdin.take());
                }
            }
            self.start_members(&mut waiting, &mut running)?;
            std::thread::sleep(POLL_INTERVAL);
            polls += 1;
            let mut still_running = Vec::new();
            for mut run in running {
                let Assignment {
                    name, run: path, ..
                } = run.assignment;
                let status = run.child.try_wait();
                match status.with_context(|| format!("cannot poll the process of run `{name}`"))? {
                    None => {
                        if polls % POLLS_PER_READING == 0 {
                            self.display.update(name, path);
                        }
                        still_running.push(run);
                    }
                    Some(status) => {
                        self.display.count(name);
                        self.record_exit(run.assignment, status);
                    }
                }
            }
            running = still_running;
        }
        self.display.finish();
        Ok(self.outcome)
    }

    /// Starts waiting members, as many as may run. One whose folder another process still uses, such as a run of a killed sweep, waits.
    fn start_members(
        &mut self,
        waiting: &mut VecDeque<&'a Assignment>,
        running: &mut Vec<RunningMember<'a>>,
    ) -> Result<()> {
        let mut in_use = Vec::new();
        while running.len() < self.load.jobs
            && let Some(assignment) = waiting.pop_front()
        {
            if is_in_use(&assignment.run)? {
                in_use.push(assignment);
                continue;
            }
            self.display.show(&assignment.name)?;
            running.push(RunningMember {
                assignment,
                child: self.program.start(assignment, self.load.threads)?,
            });
        }
        for assignment in in_use {
            if self.awaited.insert(assignment.name.clone()) {
                let run = assignment.run.display();
                self.display.note(format_args!(
                    "{run} is in use by another run: it is continued when that run ends"
                ));
            }
            waiting.push_back(assignment);
        }
        Ok(())
    }

    /// Records a member that failed, or that was interrupted with the sweep.
    fn record_exit(&mut self, assignment: &Assignment, status: ExitStatus) {
        if RunEnding::from(status) == RunEnding::Finished {
            return;
        }
        if self.outcome.interrupted || self.stop.is_stopped() {
            self.outcome.interrupted = true;
            return;
        }
        let name = &assignment.name;
        self.display
            .note(format_args!("run `{name}` failed ({status})"));
        self.outcome
            .failed
            .push(FailedRun::of(name, &assignment.log));
    }
}
