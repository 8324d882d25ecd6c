//! Queue of a sweep's members, several of which run at a time.

use std::collections::VecDeque;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use siren_core::train::StopToken;
use siren_run::Record;
use siren_run::program::print_note;

use crate::folder::SweepFolder;
use crate::member::Member;
use crate::program::Program;

/// Time between two polls of the running members.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Polls between two readings of a running member's curve.
const POLLS_PER_READING: u32 = 10;
/// Number of last lines of a failed member's log that are shown.
const SHOWN_LOG_LINES: usize = 12;

/// Outcome of running the queue.
#[derive(Debug, Default)]
pub struct QueueOutcome {
    /// Name and last log lines of every member that failed.
    pub failed: Vec<(String, String)>,
    /// Whether the user interrupted the sweep.
    pub interrupted: bool,
}

/// Runs members with one program, into one sweep folder.
pub struct Queue<'a> {
    pub program: &'a Program,
    pub folder: &'a SweepFolder,
    /// Stops the sweep: no further member is started.
    pub stop: StopToken,
    /// Number of members that run at a time.
    pub jobs: usize,
    /// Threads of each member.
    pub threads: usize,
    /// The metric that the progress line of a running member shows.
    pub metric: &'a str,
}

/// A member whose process has been started.
struct RunningMember<'a> {
    member: &'a Member,
    child: Child,
    progress: ProgressBar,
}

impl Queue<'_> {
    /// Runs `members` to their ends. `finished` is the number of other members of the sweep, all of which are finished.
    ///
    /// # Errors
    /// If a process cannot be started or polled.
    pub fn run(&self, members: &[&Member], finished: usize) -> Result<QueueOutcome> {
        let display = MultiProgress::new();
        let total = display.add(ProgressBar::new((members.len() + finished) as u64));
        let style = "{wide_bar:.cyan/blue} {pos}/{len} runs  {elapsed_precise} < {eta_precise}";
        total.set_style(ProgressStyle::with_template(style)?);
        total.set_position(finished as u64);
        total.reset_eta();
        let mut waiting: VecDeque<&Member> = members.iter().copied().collect();
        let mut running: Vec<RunningMember<'_>> = Vec::new();
        let mut outcome = QueueOutcome::default();
        let mut polls = 0;
        while !running.is_empty() || !waiting.is_empty() {
            outcome.interrupted |= self.stop.is_stopped();
            if outcome.interrupted {
                waiting.clear();
            }
            while running.len() < self.jobs
                && let Some(member) = waiting.pop_front()
            {
                running.push(self.start(member, &display)?);
            }
            std::thread::sleep(POLL_INTERVAL);
            polls += 1;
            let mut still_running = Vec::new();
            for mut run in running {
                let name = &run.member.name;
                let status = run.child.try_wait();
                match status.with_context(|| format!("cannot poll the process of run `{name}`"))? {
                    None => {
                        if polls % POLLS_PER_READING == 0 {
                            self.update_progress(&run);
                        }
                        still_running.push(run);
                    }
                    Some(status) => {
                        run.progress.finish_and_clear();
                        total.inc(1);
                        self.record_exit(run.member, status, &mut outcome);
                    }
                }
            }
            running = still_running;
        }
        total.finish_and_clear();
        Ok(outcome)
    }

    fn start<'a>(&self, member: &'a Member, display: &MultiProgress) -> Result<RunningMember<'a>> {
        let progress = display.add(ProgressBar::new_spinner());
        progress.set_style(ProgressStyle::with_template("{wide_msg}")?);
        progress.set_message(member.name.clone());
        Ok(RunningMember {
            member,
            child: self.program.start(member, self.folder, self.threads)?,
            progress,
        })
    }

    /// Shows a member's last evaluation in its progress line.
    fn update_progress(&self, running: &RunningMember<'_>) {
        // A run that has not created its folder yet is not an error.
        let Ok(record) = Record::read(&self.folder.run(running.member)) else {
            return;
        };
        if let (Some(row), Some(value)) = (record.curve.last(), record.last(self.metric)) {
            let name = &running.member.name;
            let message = format!("{name}  step {}  {} {value:.2}", row.step, self.metric);
            running.progress.set_message(message);
        }
    }

    /// Records a member that failed, or that the user interrupted.
    fn record_exit(&self, member: &Member, status: ExitStatus, outcome: &mut QueueOutcome) {
        if status.success() {
            return;
        }
        if outcome.interrupted || self.stop.is_stopped() {
            outcome.interrupted = true;
            return;
        }
        let log = std::fs::read_to_string(self.folder.log(member)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last_lines = lines[lines.len().saturating_sub(SHOWN_LOG_LINES)..].join("\n");
        print_note(format_args!("run `{}` failed ({status})", member.name));
        outcome.failed.push((member.name.clone(), last_lines));
    }
}
