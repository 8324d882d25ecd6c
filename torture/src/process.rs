//! Programs under test: how they are started, disturbed and waited for.

use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::launched::{Launch, MPIRUN, end_all, processes};
use crate::random::Choices;

/// A program that has not ended after this time hangs. Undisturbed, on a machine that does nothing else, every one takes a few seconds.
pub const PATIENCE: Duration = Duration::from_mins(5);
/// Time between two looks at a running program.
const POLL: Duration = Duration::from_millis(2);
/// Address space of a program that is not meant to run out of memory: what asks for more is a memory bomb.
pub const ENOUGH_MEMORY: u64 = 8 << 30;

/// What a process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Address space in bytes.
    pub memory: u64,
    /// Size in bytes of the largest file, if it is limited.
    pub file: Option<u64>,
    /// Days by which the clock is ahead, and how many times too fast it runs, if it is wrong.
    pub clock: Option<WrongClock>,
}

/// A clock that shows another time, by the program `faketime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongClock {
    /// Days ahead; negative for a clock that is behind.
    pub days: i32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: ENOUGH_MEMORY,
            file: None,
            clock: None,
        }
    }
}

/// A command line of one of the programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The program's name without `siren-`.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// What starts the processes.
    pub launch: Launch,
}

/// Where the programs are, and where they run.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder of the executables.
    pub programs: PathBuf,
    /// The working folder.
    pub folder: PathBuf,
}

/// A program that was started, as the leader of a process group of its own.
pub struct Running {
    child: Child,
    start: Instant,
    place: Place,
    launch: Launch,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited with this status.
    Exited(i32),
    /// A signal ended it.
    Killed(i32),
    /// It was still running after [`PATIENCE`], and was killed.
    Hung,
}

/// End and output of a program.
#[derive(Clone, Debug)]
pub struct Ended {
    /// How it ended.
    pub end: End,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// How long it ran.
    pub duration: Duration,
}

impl Line {
    /// Makes a line from words.
    pub fn new(program: &str, args: &[&str]) -> Self {
        Self {
            program: program.to_owned(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            launch: Launch::Alone,
        }
    }

    /// Starts the program. A shell sets its limits, and is replaced by it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(&self, place: &Place, limits: Limits) -> Result<Running> {
        let program = place.programs.join(format!("siren-{}", self.program));
        let mut script = format!("ulimit -c 0; ulimit -v {}; ", limits.memory / 1024);
        if let Some(bytes) = limits.file {
            // The shell counts blocks of 512 bytes. A write past the limit then fails, where it otherwise ends the process.
            let _ = write!(script, "trap '' XFSZ; ulimit -f {}; ", bytes.div_ceil(512));
        }
        script += "exec ";
        if let Some(clock) = limits.clock {
            let _ = write!(script, "faketime -f '{:+}d' ", clock.days);
        }
        if let Launch::Ranks(ranks) = self.launch {
            let _ = write!(script, "{MPIRUN} -n {ranks} ");
        }
        script += "\"$0\" \"$@\"";
        let output = |name| File::create(place.folder.join(name));
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(&program).args(&self.args);
        command.current_dir(&place.folder).process_group(0);
        command
            .env_remove("SIREN_COMMAND")
            .env_remove("RUST_BACKTRACE");
        command.stdin(std::process::Stdio::null());
        command
            .stdout(output(".stdout")?)
            .stderr(output(".stderr")?);
        self.launch.prepare(&mut command, &place.folder)?;
        let child = command.spawn();
        Ok(Running {
            child: child.with_context(|| format!("cannot start {}", program.display()))?,
            start: Instant::now(),
            place: place.clone(),
            launch: self.launch,
        })
    }

    /// Starts the program and waits for its end.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn run(&self, place: &Place, limits: Limits) -> Result<Ended> {
        self.start(place, limits)?.end()
    }
}

impl Running {
    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Sends a signal to the process alone. One that has ended is left in peace.
    pub fn signal(&mut self, signal: Signal) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = kill(self.pid(), signal);
        }
    }

    /// Sends a signal to the process, or to one of those that were launched for it.
    pub fn signal_one(&mut self, signal: Signal, choices: &mut Choices) {
        let launched = self.launched();
        match choices.below(launched.len() + 1) {
            0 => self.signal(signal),
            // One that has ended meanwhile is left in peace.
            chosen => drop(kill(launched[chosen - 1], signal)),
        }
    }

    /// Sends a signal to the process and those that it started.
    pub fn signal_group(&mut self, signal: Signal) {
        let _ = killpg(self.pid(), signal);
        // Ranks and tasks are in groups of their own.
        for process in self.launched() {
            let _ = kill(process, signal);
        }
    }

    /// Returns the programs that were launched for the child and have not ended, though the child may have.
    fn launched(&self) -> Vec<Pid> {
        if self.launch == Launch::Alone {
            return Vec::new();
        }
        let mut found = processes(&self.place.folder, Some(&self.place.programs));
        found.retain(|&process| process != self.pid());
        found
    }

    /// Waits for the ranks, which end with their launcher. Returns whether one still runs after [`PATIENCE`].
    fn wait_for_ranks(&self) -> bool {
        let start = Instant::now();
        while matches!(self.launch, Launch::Ranks(_)) && !self.launched().is_empty() {
            if start.elapsed() >= PATIENCE {
                return true;
            }
            std::thread::sleep(10 * POLL);
        }
        false
    }

    /// Waits so long, or until the program ends. Returns whether it still runs.
    ///
    /// # Errors
    /// If the process cannot be waited for.
    pub fn wait_for(&mut self, duration: Duration) -> Result<bool> {
        let start = Instant::now();
        loop {
            if self.child.try_wait()?.is_some() {
                return Ok(false);
            }
            if start.elapsed() >= duration {
                return Ok(true);
            }
            std::thread::sleep(POLL.min(duration));
        }
    }

    /// Waits for the end, and kills what is left of the process group.
    ///
    /// # Errors
    /// If the process cannot be waited for.
    pub fn end(mut self) -> Result<Ended> {
        let mut hangs = self.wait_for(PATIENCE)?;
        let duration = self.start.elapsed();
        hangs = hangs || self.wait_for_ranks();
        if hangs {
            self.signal_group(Signal::SIGKILL);
            end_all(self.launch, &self.place.folder)?;
        }
        let status = self.child.wait()?;
        let read = |name| {
            let bytes = std::fs::read(self.place.folder.join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Ok(Ended {
            end: if hangs { End::Hung } else { End::of(status) },
            stdout: read(".stdout"),
            stderr: read(".stderr"),
            duration,
        })
    }

    /// Kills the whole group and all that was launched, and waits for the processes. Their number is that of the group, so a process that outlives its parent counts.
    ///
    /// # Errors
    /// If the process cannot be waited for.
    pub fn end_group(mut self) -> Result<Ended> {
        self.signal_group(Signal::SIGKILL);
        let pid = self.pid();
        self.child.wait()?;
        end_all(self.launch, &self.place.folder)?;
        let start = Instant::now();
        while killpg(pid, None).is_ok() && start.elapsed() < PATIENCE {
            std::thread::sleep(POLL);
        }
        self.end()
    }
}

impl End {
    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, signal) => Self::Killed(signal.unwrap_or_default()),
        }
    }
}

/// Returns whether a program of this name can be started.
#[must_use]
pub fn is_installed(program: &str) -> bool {
    let found = std::env::var_os("PATH").map(|paths| {
        std::env::split_paths(&paths).any(|folder| is_executable(&folder.join(program)))
    });
    found.unwrap_or(false)
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(path);
    metadata.is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
