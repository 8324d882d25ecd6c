//! Programs that a launcher of MPI, such as `mpirun` or `srun`, starts as several processes.

use siren_core::ranks::Ranks;
use siren_core::{Error, Result};

/// Environment variables in which launchers say how many processes they started: Open MPI, and those with MPICH's process manager interface.
const COUNTS: [&str; 2] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"];
/// Environment variables that launchers set for every process.
#[cfg(feature = "mpi")]
const RANKS: [&str; 3] = ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"];

/// Returns the number of processes that a launcher says it started.
fn started() -> Option<usize> {
    let mut counts = COUNTS.iter().filter_map(|name| std::env::var(name).ok());
    counts.find_map(|count| count.trim().parse().ok())
}

/// Returns the ranks of this program: the processes that a launcher of MPI started together, or this process alone.
///
/// # Errors
/// [`Error::InvalidValue`] if there are several processes that cannot reach one another.
#[cfg(feature = "mpi")]
pub fn ranks() -> Result<Ranks> {
    if RANKS.iter().all(|name| std::env::var_os(name).is_none()) {
        return Ok(Ranks::one());
    }
    let ranks = super::mpi::join()?;
    match started() {
        Some(count) if count != ranks.count() => {
            let expected = format!(
                "{} as the MPI library of this program finds: use the `mpirun` of the library that it was built with",
                ranks.count()
            );
            Err(Error::invalid("number of ranks", count, &expected))
        }
        _ => Ok(ranks),
    }
}

/// Returns the ranks of this program: without the feature `mpi`, this process alone.
///
/// # Errors
/// [`Error::InvalidValue`] if a launcher started several processes: each would compute the same run.
#[cfg(not(feature = "mpi"))]
pub fn ranks() -> Result<Ranks> {
    match started() {
        Some(count) if count > 1 => {
            let expected = "1: this program was built without the feature `mpi`, so that its processes cannot share a run; build it with \
                            `--features mpi`, which needs an MPI library";
            Err(Error::invalid("number of ranks", count, expected))
        }
        _ => Ok(Ranks::one()),
    }
}
