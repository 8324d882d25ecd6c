//! A process that answers lines on its standard input with lines of JSON.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// How long to wait for the error messages of a process that has ended.
const PATIENCE: Duration = Duration::from_secs(2);

/// A process with its open conversation. It is killed when this is dropped.
pub struct Dialog {
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<std::io::Result<String>>,
    /// All of the standard error, sent at its end.
    errors: Receiver<String>,
    /// When waiting for an answer ends.
    pub deadline: Option<Instant>,
}

impl Dialog {
    /// Starts a program.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let pipes = child.stdout.take().zip(child.stderr.take());
        let (stdout, mut stderr) =
            pipes.context("the engine's process has no standard output or error")?;
        let (send_answer, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                if send_answer.send(line).is_err() {
                    return;
                }
            }
        });
        let (send_errors, errors) = channel();
        thread::spawn(move || {
            let mut text = Vec::new();
            // What was read before an error is worth reporting too.
            let _ = stderr.read_to_end(&mut text);
            let _ = send_errors.send(String::from_utf8_lossy(&text).into_owned());
        });
        Ok(Self {
            input: child.stdin.take(),
            child,
            answers,
            errors,
            deadline: None,
        })
    }

    /// Writes a line and waits for the answer.
    ///
    /// # Errors
    /// As [`answer`](Self::answer); also if the process has ended.
    pub fn ask(&mut self, line: &str) -> Result<Value> {
        let input = self
            .input
            .as_mut()
            .context("the engine has already finished")?;
        if writeln!(input, "{line}").is_err() {
            // The process has ended; its last words say why.
            self.input = None;
        }
        self.answer()
    }

    /// Reads the next line of the output as JSON.
    ///
    /// # Errors
    /// If the line is not JSON, or does not come before the deadline. If the process has ended, with the last line of its standard error.
    pub fn answer(&mut self) -> Result<Value> {
        let line = match self.deadline {
            None => self.answers.recv().map_err(RecvTimeoutError::from),
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                self.answers.recv_timeout(left)
            }
        };
        match line {
            Ok(line) => {
                let line = line?;
                serde_json::from_str(&line)
                    .with_context(|| format!("the engine wrote {line:?}, expected a line of JSON"))
            }
            Err(RecvTimeoutError::Timeout) => {
                bail!("the engine did not answer in the time that was left")
            }
            Err(RecvTimeoutError::Disconnected) => {
                let errors = self.errors.recv_timeout(PATIENCE).unwrap_or_default();
                bail!(
                    "the engine's process has ended: {}",
                    errors.trim().lines().last().unwrap_or("no error message")
                )
            }
        }
    }

    /// Ends the input, at which the process reports and exits, and returns its last answer.
    pub fn finish(mut self) -> Result<Value> {
        self.input = None;
        let answer = self.answer();
        if answer.is_ok() {
            drop(self.child.wait());
        }
        answer
    }
}

impl Drop for Dialog {
    /// Kills the process, so that an engine that failed does not go on computing.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
