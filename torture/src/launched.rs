//! Processes that a program under test does not start by itself: ranks of MPI, and tasks of Slurm.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::PATIENCE;
use crate::slurm;

/// Time between two looks at the processes.
const POLL: Duration = Duration::from_millis(20);
/// The launcher of MPI.
pub const MPIRUN: &str = "mpirun";
/// Folder of the state of Slurm in the working folder.
pub const SLURM: &str = "slurm";
/// Environment variable that holds the working folder. Whatever a program starts, and whatever that starts, inherits it.
const MARK: &str = "SIREN_TORTURE_FOLDER";
/// What Open MPI needs on one computer with fewer cores than ranks; other libraries ignore it.
const ENVIRONMENT: [(&str, &str); 2] = [
    ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
    ("OMPI_MCA_hwloc_base_binding_policy", "none"),
];
/// Root is refused by Open MPI unless both are set.
const AS_ROOT: [&str; 2] = ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"];

/// What starts the processes that compute a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Launch {
    /// The program itself.
    #[default]
    Alone,
    /// `mpirun`, which starts so many processes.
    Ranks(usize),
    /// The stand-in for Slurm, at the request of the program.
    Slurm,
}

impl Launch {
    /// Prepares a command in a working folder.
    ///
    /// # Errors
    /// If the stand-in cannot be written.
    pub fn prepare(self, command: &mut Command, folder: &Path) -> std::io::Result<()> {
        command.env(MARK, folder);
        match self {
            Self::Alone => {}
            Self::Ranks(_) => {
                command.envs(ENVIRONMENT);
                if fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
                    command.envs(AS_ROOT.map(|name| (name, "1")));
                }
            }
            Self::Slurm => {
                let state = folder.join(SLURM);
                if !state.exists() {
                    slurm::install(&state)?;
                }
                let others = std::env::var_os("PATH").unwrap_or_default();
                let mut path = state.join(slurm::PROGRAMS).into_os_string();
                path.push(":");
                path.push(others);
                command.env("PATH", path).env("SLURM_STATE", state);
            }
        }
        Ok(())
    }
}

/// Returns the processes that were started in a working folder, in the order of their numbers. If `programs` is given, only those whose executable lies in that folder.
#[must_use]
pub fn processes(folder: &Path, programs: Option<&Path>) -> Vec<Pid> {
    let mark = [MARK.as_bytes(), b"=", folder.as_os_str().as_bytes()].concat();
    let is_one = |process: &Path| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        let is_marked = environment.split(|&byte| byte == 0).any(|one| one == mark);
        is_marked
            && programs.is_none_or(|programs| {
                let executable = fs::read_link(process.join("exe"));
                executable.is_ok_and(|path| path.parent() == Some(programs))
            })
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let found = entries.map(|entry| entry.path());
    let mut pids: Vec<i32> = found
        .filter(|path| is_one(path))
        .filter_map(|path| path.file_name()?.to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    pids.into_iter().map(Pid::from_raw).collect()
}

/// Waits until all that was launched in a working folder has ended. Returns whether it has, within [`PATIENCE`].
#[must_use]
pub fn wait_for_all(launch: Launch, folder: &Path) -> bool {
    let start = Instant::now();
    while launch != Launch::Alone && !processes(folder, None).is_empty() {
        if start.elapsed() >= PATIENCE {
            return false;
        }
        std::thread::sleep(POLL);
    }
    true
}

/// Kills everything that was started in a working folder. Slurm finds that its node is lost.
///
/// # Errors
/// If the queue cannot be cleared.
pub fn end_all(launch: Launch, folder: &Path) -> std::io::Result<()> {
    if launch == Launch::Alone {
        return Ok(());
    }
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let left = processes(folder, None);
        if left.is_empty() {
            break;
        }
        for process in left {
            // One that has ended meanwhile is left in peace.
            let _ = kill(process, Signal::SIGKILL);
        }
        std::thread::sleep(POLL);
    }
    if launch == Launch::Slurm {
        slurm::clear_queue(&folder.join(SLURM))?;
    }
    Ok(())
}
