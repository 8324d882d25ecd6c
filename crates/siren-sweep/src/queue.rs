//! Runs the members of a sweep, several at a time.

use std::collections::VecDeque;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use siren_core::run::{Record, console, interrupt};

use crate::folder::SweepFolder;
use crate::member::Member;
use crate::program::Program;

/// How often running members are looked at.
const PERIOD: Duration = Duration::from_millis(100);
/// Looks between two readings of a member's curve.
const LOOKS_PER_READING: u32 = 10;
/// Lines of a failed member's output that are shown.
const SHOWN_LINES: usize = 12;

/// How a sweep ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// Members that failed, and the ends of what they printed.
    pub failed: Vec<(String, String)>,
    /// Whether the user stopped it.
    pub interrupted: bool,
}

/// What is needed to run a member.
pub struct Queue<'a> {
    pub program: &'a Program,
    pub folder: &'a SweepFolder,
    /// Members at a time, and threads of each.
    pub jobs: usize,
    pub threads: usize,
    /// What is shown of a running member.
    pub metric: &'a str,
}

struct Running<'a> {
    member: &'a Member,
    child: Child,
    line: ProgressBar,
}

impl Queue<'_> {
    /// Runs `members`, `done` others being finished already.
    ///
    /// # Errors
    /// If a program cannot be started or watched.
    pub fn run(&self, members: &[&Member], done: usize) -> Result<Ended> {
        let display = MultiProgress::new();
        let total = display.add(ProgressBar::new((members.len() + done) as u64));
        let style = "{wide_bar:.cyan/blue} {pos}/{len} runs  {elapsed_precise} < {eta_precise}";
        total.set_style(ProgressStyle::with_template(style)?);
        total.set_position(done as u64);
        total.reset_eta();
        let mut waiting: VecDeque<&Member> = members.iter().copied().collect();
        let mut running: Vec<Running<'_>> = Vec::new();
        let mut ended = Ended::default();
        let mut looks = 0;
        while !running.is_empty() || !waiting.is_empty() {
            ended.interrupted |= interrupt::requested();
            if ended.interrupted {
                waiting.clear();
            }
            while running.len() < self.jobs
                && let Some(member) = waiting.pop_front()
            {
                running.push(self.start(member, &display)?);
            }
            std::thread::sleep(PERIOD);
            looks += 1;
            let mut still = Vec::new();
            for mut one in running {
                match one.child.try_wait().context("cannot watch a run")? {
                    None => {
                        if looks % LOOKS_PER_READING == 0 {
                            self.show(&one);
                        }
                        still.push(one);
                    }
                    Some(status) => {
                        one.line.finish_and_clear();
                        total.inc(1);
                        self.judge(one.member, status, &mut ended);
                    }
                }
            }
            running = still;
        }
        total.finish_and_clear();
        Ok(ended)
    }

    fn start<'a>(&self, member: &'a Member, display: &MultiProgress) -> Result<Running<'a>> {
        let line = display.add(ProgressBar::new_spinner());
        line.set_style(ProgressStyle::with_template("{wide_msg}")?);
        line.set_message(member.name.clone());
        Ok(Running {
            member,
            child: self.program.start(member, self.folder, self.threads)?,
            line,
        })
    }

    fn show(&self, running: &Running<'_>) {
        // A run that has not made its folder yet is no error.
        let Ok(record) = Record::read(&self.folder.run(running.member)) else {
            return;
        };
        if let (Some(row), Some(value)) = (record.curve.last(), record.last(self.metric)) {
            let name = &running.member.name;
            let message = format!("{name}  step {}  {} {value:.2}", row.step, self.metric);
            running.line.set_message(message);
        }
    }

    fn judge(&self, member: &Member, status: ExitStatus, ended: &mut Ended) {
        if status.success() {
            return;
        }
        if ended.interrupted || interrupt::requested() {
            ended.interrupted = true;
            return;
        }
        let log = std::fs::read_to_string(self.folder.log(member)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
        console::note(format_args!("{} failed ({status})", member.name));
        ended.failed.push((member.name.clone(), last));
    }
}
