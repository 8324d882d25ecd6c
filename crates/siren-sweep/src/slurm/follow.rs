//! Follows submitted runs to their ends, and submits those again that were stopped before.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use siren_core::train::StopToken;

use super::client::{self, QueuedTask};
use super::submission::{Submission, Submitter, job_labels, names};
use crate::display::Display;
use crate::ending::{FailedRun, RunEnding, is_finished, last_lines};
use crate::manifest::Assignment;
use crate::queue::SweepOutcome;

/// Times that one run is submitted again in one call.
const MOST_RESUBMISSIONS: u32 = 3;
/// Polls without a task in the queue after which it counts as ended: its files may appear later than it disappears.
const MOST_MISSES: u32 = 3;
/// Pause after the first poll; each poll without news makes it longer by a third, up to the longest. Administrators dislike frequent polls.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Time between two looks at the stop token.
const TICK: Duration = Duration::from_millis(100);

/// A run in a submission.
#[derive(Clone, Copy, Debug)]
struct Followed {
    /// Index of the submission.
    submission: usize,
    /// Number of the task in its array.
    task: usize,
    /// Polls in which the task was not in the queue.
    misses: u32,
}

/// What became of a followed run since the last poll.
enum Standing {
    /// In the queue, or perhaps so.
    Open,
    Finished,
    /// Out of the queue, and not finished.
    Ended(Option<RunEnding>),
}

/// Follows the runs of one sweep.
pub struct Follower<'a> {
    submitter: Submitter<'a>,
    display: Display<'a>,
    submissions: Vec<Submission>,
    followed: Vec<Followed>,
    /// Number of times that a run was submitted again.
    resubmissions: BTreeMap<String, u32>,
    outcome: SweepOutcome,
    /// Whether the last poll of the queue failed, which was said.
    is_blind: bool,
}

impl<'a> Follower<'a> {
    /// Finds the runs that an earlier call submitted, and submits the others of `unfinished`.
    ///
    /// # Errors
    /// If Slurm cannot be asked or refuses, a file cannot be read or written, or an earlier job runs other settings than this sweep.
    pub fn start(
        submitter: Submitter<'a>,
        display: Display<'a>,
        unfinished: &[Assignment],
    ) -> Result<Self> {
        let mut follower = Self {
            submissions: Submission::open_ones(submitter.folder)?,
            submitter,
            display,
            followed: Vec::new(),
            resubmissions: BTreeMap::new(),
            outcome: SweepOutcome::default(),
            is_blind: false,
        };
        let tasks = client::queued(&names(&follower.submissions))?;
        follower.pick_up(&tasks, unfinished)?;
        let mut new = Vec::new();
        for run in unfinished {
            if follower.knows(&run.name) {
                continue;
            }
            // The task of an earlier call may have finished since the members were checked.
            if is_finished(&run.run) {
                follower.display.count(&run.name);
            } else {
                new.push(run.clone());
            }
        }
        follower.submit(&new)?;
        follower.close_ended()?;
        Ok(follower)
    }

    /// Returns whether a run is followed, or has failed.
    fn knows(&self, name: &str) -> bool {
        let mut followed = self.followed.iter().map(|&run| self.assignment(run));
        followed.any(|assignment| assignment.name == name)
            || self
                .outcome
                .failed
                .iter()
                .any(|failure| failure.name == name)
    }

    fn assignment(&self, run: Followed) -> &Assignment {
        &self.submissions[run.submission].manifest.runs[run.task]
    }

    /// Follows the tasks of earlier submissions that are in the queue, and reports those that failed since.
    fn pick_up(&mut self, tasks: &[QueuedTask], unfinished: &[Assignment]) -> Result<()> {
        for (index, submission) in self.submissions.iter().enumerate() {
            for (task, run) in submission.manifest.runs.iter().enumerate() {
                let asked = unfinished.iter().find(|asked| asked.name == run.name);
                let is_same = asked.is_some_and(|asked| asked.checksum == run.checksum);
                let is_queued = find(tasks, submission, task).is_some();
                if is_queued && is_same {
                    self.followed.push(Followed {
                        submission: index,
                        task,
                        misses: 0,
                    });
                } else if is_queued && !is_finished(&run.run) {
                    let (job, name) = (submission.job_label(), &run.name);
                    bail!(
                        "job {job} in the queue of Slurm runs `{name}` with other settings than this sweep: cancel it with `scancel {job}`, \
                         or choose another folder with `--out`"
                    );
                } else if is_same && let Some(failure) = failure(submission, task)? {
                    self.outcome.failed.push(failure);
                }
            }
        }
        Ok(())
    }

    /// Submits runs and follows them.
    fn submit(&mut self, runs: &[Assignment]) -> Result<()> {
        if runs.is_empty() {
            return Ok(());
        }
        for submission in self.submitter.submit(runs)? {
            let (job, count) = (submission.job_label(), submission.manifest.runs.len());
            let unit = if count == 1 { "run" } else { "runs" };
            self.display
                .note(format_args!("submitted job {job}: {count} {unit}"));
            let index = self.submissions.len();
            self.followed.extend((0..count).map(|task| Followed {
                submission: index,
                task,
                misses: 0,
            }));
            self.submissions.push(submission);
        }
        Ok(())
    }

    /// Returns whether all runs have ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.followed.is_empty()
    }

    /// Returns the numbers of the jobs that are followed, for `scancel`.
    #[must_use]
    pub fn jobs(&self) -> String {
        job_labels(
            self.followed
                .iter()
                .map(|run| &self.submissions[run.submission]),
        )
    }

    /// Returns what is known so far.
    #[must_use]
    pub fn into_outcome(self) -> SweepOutcome {
        self.display.finish();
        self.outcome
    }

    /// Follows all runs to their ends, or until the user interrupts.
    ///
    /// # Errors
    /// If Slurm refuses to take a run again, or a file cannot be written. Failures to read the queue are waited out.
    pub fn follow(&mut self, stop: &StopToken) -> Result<()> {
        let mut pause = SHORTEST_PAUSE;
        while !self.is_done() {
            if sleep_unless_stopped(pause, stop) {
                self.outcome.interrupted = true;
                return Ok(());
            }
            let has_news = self.poll()?;
            let longer = pause.mul_f64(4.0 / 3.0).min(LONGEST_PAUSE);
            pause = if has_news { SHORTEST_PAUSE } else { longer };
        }
        Ok(())
    }

    /// Looks at the queue and at the run folders once. Returns whether a run has started or ended.
    fn poll(&mut self) -> Result<bool> {
        let tasks = match client::queued(&names(&self.submissions)) {
            Ok(tasks) => tasks,
            Err(error) => {
                if !self.is_blind {
                    self.display
                        .note(format_args!("note: {error:#}; the sweep tries again"));
                }
                self.is_blind = true;
                return Ok(false);
            }
        };
        self.is_blind = false;
        let mut stopped = Vec::new();
        let before = self.followed.len();
        for mut run in std::mem::take(&mut self.followed) {
            match self.standing(&mut run, &tasks)? {
                Standing::Open => self.followed.push(run),
                Standing::Finished => {
                    let name = self.assignment(run).name.clone();
                    self.display.count(&name);
                }
                Standing::Ended(ending) => stopped.extend(self.end(run, ending)?),
            }
        }
        let has_news = self.followed.len() < before;
        self.submit(&stopped)?;
        self.close_ended()?;
        self.display.remark(&remark(&tasks));
        Ok(has_news)
    }

    fn standing(&mut self, run: &mut Followed, tasks: &[QueuedTask]) -> Result<Standing> {
        let submission = &self.submissions[run.submission];
        let Assignment {
            name, run: path, ..
        } = &submission.manifest.runs[run.task];
        if is_finished(path) {
            return Ok(Standing::Finished);
        }
        if let Some(task) = find(tasks, submission, run.task) {
            run.misses = 0;
            if task.is_running() {
                self.display.show(name)?;
                self.display.update(name, path);
            } else {
                self.display.hide(name);
            }
            return Ok(Standing::Open);
        }
        run.misses += 1;
        self.display.hide(name);
        let ending = RunEnding::read(&submission.folder.ending(run.task));
        let is_known = matches!(ending, Some(RunEnding::Failed | RunEnding::Stopped));
        if is_known || run.misses >= MOST_MISSES {
            return Ok(Standing::Ended(ending));
        }
        Ok(Standing::Open)
    }

    /// Reports a run that ended before its last step, or returns it so that it is submitted again.
    fn end(&mut self, run: Followed, ending: Option<RunEnding>) -> Result<Option<Assignment>> {
        let submission = &self.submissions[run.submission];
        let assignment = self.assignment(run).clone();
        let name = &assignment.name;
        if ending == Some(RunEnding::Failed) {
            let failure = failure(submission, run.task)?;
            self.outcome.failed.extend(failure);
            self.display.note(format_args!("run `{name}` failed"));
            self.display.count(name);
            return Ok(None);
        }
        let times = self.resubmissions.entry(name.clone()).or_default();
        if *times == MOST_RESUBMISSIONS {
            let output = submission.folder.output(run.task);
            self.outcome.failed.push(FailedRun {
                name: name.clone(),
                reason: format!(
                    "was stopped {} times before its last step, and is not submitted again by this call; the last lines of its log:\n{}\n\
                     and of {}:\n{}",
                    MOST_RESUBMISSIONS + 1,
                    last_lines(&assignment.log),
                    output.display(),
                    last_lines(&output),
                ),
            });
            self.display.count(name);
            return Ok(None);
        }
        *times += 1;
        self.display.note(format_args!(
            "run `{name}` was stopped before its last step: it is submitted again"
        ));
        Ok(Some(assignment))
    }

    /// Closes the submissions of which no run is followed any more.
    fn close_ended(&mut self) -> Result<()> {
        for (index, submission) in self.submissions.iter_mut().enumerate() {
            let is_followed = self.followed.iter().any(|run| run.submission == index);
            if !is_followed && !submission.job.is_over {
                submission.close()?;
            }
        }
        Ok(())
    }
}

/// Returns the entry of a task in the queue.
fn find<'t>(
    tasks: &'t [QueuedTask],
    submission: &Submission,
    task: usize,
) -> Option<&'t QueuedTask> {
    tasks
        .iter()
        .find(|queued| queued.task == task && submission.owns(queued))
}

/// Returns the failure of a task that ended with an error of its own and was not reported yet. It counts as reported then.
fn failure(submission: &Submission, task: usize) -> Result<Option<FailedRun>> {
    let path = submission.folder.ending(task);
    if RunEnding::read(&path) != Some(RunEnding::Failed) {
        return Ok(None);
    }
    std::fs::remove_file(&path)?;
    let run = &submission.manifest.runs[task];
    Ok(Some(FailedRun::of(&run.name, &run.log)))
}

/// Counts the tasks by state, with the reason of the first one that waits.
fn remark(tasks: &[QueuedTask]) -> String {
    let running = tasks.iter().filter(|task| task.is_running()).count();
    let pending: Vec<_> = tasks
        .iter()
        .filter(|task| task.state == "PENDING")
        .collect();
    match pending.first() {
        Some(first) => format!(
            "{running} running, {} pending ({})",
            pending.len(),
            first.reason
        ),
        None => format!("{running} running"),
    }
}

/// Sleeps, and returns whether the user interrupted.
fn sleep_unless_stopped(pause: Duration, stop: &StopToken) -> bool {
    let start = Instant::now();
    while start.elapsed() < pause && !stop.is_stopped() {
        std::thread::sleep(TICK);
    }
    stop.is_stopped()
}
