//! Device, threads and ranks of a run: choices that do not belong to the experiment.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

use siren_core::field::FieldEngine;
use siren_core::ranks::Ranks;
use siren_core::{Error, Result};

/// Device, number of threads, and the processes that share a run.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What computes networks. Everything else is computed on the CPU.
    pub engine: FieldEngine,
    /// Threads that share the chunks of a step. Results do not depend on it.
    pub threads: usize,
    /// The ranks that compute a run together, as this one of them sees them.
    pub ranks: Ranks,
}

impl Machine {
    /// Selects a device, `cpu` or `cuda:N`, and a number of threads from 1 to 1024, by default one per core.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the device has another name, or the number of threads is out of range; [`Error::Cuda`] if the device cannot
    /// be opened.
    pub fn new(device: &str, threads: Option<usize>) -> Result<Self> {
        let fail = |expected: &str| Err(Error::invalid("--device", device, expected));
        let engine = match device.split_once(':') {
            None if device == "cpu" => FieldEngine::Cpu,
            Some(("cuda", index)) => match index.parse() {
                Ok(index) => FieldEngine::cuda(index)?,
                Err(_) => return fail("`cuda:` and a number, such as cuda:0"),
            },
            _ => return fail("cpu, or cuda:0"),
        };
        let threads = threads.unwrap_or_else(available_threads);
        if !(1..=1024).contains(&threads) {
            return Err(Error::invalid("--threads", threads, "1 to 1024"));
        }
        Ok(Self {
            engine,
            threads,
            ranks: Ranks::one(),
        })
    }

    /// Selects a device and a number of threads as [`new`](Self::new) does, for one of several ranks that share a run. By default the ranks of
    /// a computer share its cores. All ranks must call this function.
    ///
    /// # Errors
    /// As [`new`](Self::new), on all ranks if one of them fails; also if several ranks are to use another device than `cpu`.
    pub fn among(device: &str, threads: Option<usize>, ranks: &Ranks) -> Result<Self> {
        if ranks.count() == 1 {
            return Self::new(device, threads);
        }
        let own = if device == "cpu" {
            Self::new(device, threads)
        } else {
            let expected = "cpu: a run that several processes share is computed on CPUs";
            Err(Error::invalid("--device", device, expected))
        };
        let place = Place::of_this_process();
        let (own, text) = match own {
            Ok(own) => (Some(own), Ok(place.to_text().into_bytes())),
            Err(error) => (None, Err(error)),
        };
        let places = ranks.gather(text)?;
        let places = places
            .iter()
            .map(|text| Place::from_text(&String::from_utf8_lossy(text)));
        let shared = place.share(&places.collect::<Vec<_>>());
        let machine = own.map_or_else(|| Self::new("cpu", None), Ok)?;
        Ok(Self {
            threads: threads.unwrap_or(shared.min(machine.threads)),
            ranks: ranks.clone(),
            ..machine
        })
    }

    /// Runs `work` in a rayon pool of its own with this number of threads.
    ///
    /// # Errors
    /// Those of `work`; also if the threads cannot be started.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let cannot_start = |error: &dyn Display, threads: usize| {
            let expected = format!(
                "a number of threads that the system can start ({error}): give fewer, or raise its limit of memory or processes"
            );
            Error::invalid("--threads", threads, &expected)
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .build();
        let pool = pool.map_err(|error| cannot_start(&error, self.threads))?;
        let candle = candle_threads();
        start_candle_threads(candle)
            .map_err(|error| cannot_start(&error, self.threads + candle))?;
        pool.install(work)
    }
}

/// Returns the number of threads that candle starts for itself.
fn candle_threads() -> usize {
    let set = std::env::var("CANDLE_NUM_THREADS").ok();
    let set = set.and_then(|text| text.parse().ok()).filter(|&n| n > 0);
    // The caller is one of them.
    set.unwrap_or_else(candle_core::utils::get_num_threads) - 1
}

/// Starts the threads of candle's pool, if they do not run yet. Candle starts them when it first needs them, in the middle of a run, and panics if it cannot.
///
/// # Errors
/// If the system does not start so many threads.
fn start_candle_threads(count: usize) -> std::io::Result<()> {
    static STARTED: Mutex<bool> = Mutex::new(false);
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if *started {
        return Ok(());
    }
    let gate = Mutex::new(());
    // As many threads at once as candle needs. They are joined, so that their stacks are free when candle starts its own: the end of a scope waits
    // for what threads compute, not for the threads.
    std::thread::scope(|scope| {
        let closed = gate.lock();
        let mut threads = Vec::new();
        let started: std::io::Result<()> = (0..count).try_for_each(|_| {
            let thread = std::thread::Builder::new();
            threads.push(thread.spawn_scoped(scope, || drop(gate.lock()))?);
            Ok(())
        });
        drop(closed);
        for thread in threads {
            // Nothing in it can panic.
            let _ = thread.join();
        }
        started
    })?;
    candle_core::utils::barrier_pool();
    *started = true;
    Ok(())
}

/// Returns the number of threads that may run at once in this process.
fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// Where a process runs: its computer, and the cores that it may use.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    host: String,
    cores: BTreeSet<usize>,
}

impl Place {
    fn of_this_process() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let status = read("/proc/self/status");
        let list = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let cores = list.map_or_else(|| (0..available_threads()).collect(), cores);
        Self {
            host: read("/proc/sys/kernel/hostname").trim().to_owned(),
            cores,
        }
    }

    fn to_text(&self) -> String {
        let cores = self.cores.iter().map(usize::to_string);
        format!("{}\n{}", self.host, cores.collect::<Vec<_>>().join(","))
    }

    fn from_text(text: &str) -> Self {
        let (host, list) = text.split_once('\n').unwrap_or((text, ""));
        Self {
            host: host.to_owned(),
            cores: cores(list),
        }
    }

    /// Returns the number of cores for this process, if the processes of `places` that may use a core share it evenly: at least 1.
    fn share(&self, places: &[Self]) -> usize {
        let users = |core: &usize| {
            let users = places.iter();
            let users = users.filter(|place| place.host == self.host && place.cores.contains(core));
            users.count().max(1)
        };
        let share: f64 = self.cores.iter().map(|core| 1.0 / users(core) as f64).sum();
        // Thirds of three cores may add up to less than one.
        ((share + 1e-6) as usize).max(1)
    }
}

/// Returns the cores of a list such as `0-3,8`.
fn cores(list: &str) -> BTreeSet<usize> {
    let parts = list.trim().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse::<usize>().ok()?..=last.trim().parse::<usize>().ok()?)
    });
    parts.flatten().collect()
}

/// Returns the peak memory of this process in MiB, or `None` if the system does not report it.
pub(crate) fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

/// Returns the name of the processor; `None` where the system does not say it (systems other than Linux).
pub(crate) fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(host: &str, list: &str) -> Place {
        Place::from_text(&format!("{host}\n{list}"))
    }

    fn shares(places: &[Place]) -> Vec<usize> {
        places.iter().map(|place| place.share(places)).collect()
    }

    #[test]
    fn ranks_share_the_cores_that_they_may_use_with_those_of_the_same_computer() {
        // Not bound: four ranks on eight cores, and one alone on another computer.
        let free = vec![place("a", "0-7"); 4];
        assert_eq!(
            shares(&[free, vec![place("b", "0-7")]].concat()),
            [2, 2, 2, 2, 8]
        );
        // Bound by the launcher: each has its own cores.
        assert_eq!(shares(&[place("a", "0-3"), place("a", "4-7,9")]), [4, 5]);
        assert_eq!(shares(&[place("a", "0"), place("a", "1")]), [1, 1]);
        // More ranks than cores.
        assert_eq!(shares(&vec![place("a", "0-1"); 3]), [1, 1, 1]);
        assert_eq!(shares(&vec![place("a", "0-2"); 3]), [1, 1, 1]);
    }

    #[test]
    fn a_place_survives_the_way_to_another_rank() {
        let own = Place::of_this_process();
        assert!(!own.cores.is_empty());
        assert_eq!(Place::from_text(&own.to_text()), own);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_threads_of_candle_run_before_the_work_starts() {
        let machine = Machine::new("cpu", Some(1)).unwrap();
        let count_of_candle = || {
            let threads = std::fs::read_dir("/proc/self/task").unwrap();
            let paths = threads.map(|thread| thread.unwrap().path().join("comm"));
            let names = paths.filter_map(|path| std::fs::read_to_string(path).ok());
            names.filter(|name| name.starts_with("candle-bp-")).count()
        };
        let count = machine.install(|| {
            // A thread gives itself its name, some time after it was started.
            let mut waits = 0;
            while count_of_candle() < candle_threads() && waits < 500 {
                std::thread::sleep(std::time::Duration::from_millis(10));
                waits += 1;
            }
            Ok(count_of_candle())
        });
        assert_eq!(count.unwrap(), candle_threads());
        assert_eq!(
            candle_core::utils::barrier_pool().n_workers(),
            candle_threads()
        );
    }
}
