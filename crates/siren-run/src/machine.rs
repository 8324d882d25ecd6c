//! Device and threads of a run: choices that do not belong to the experiment.

use siren_core::field::FieldEngine;
use siren_core::{Error, Result};

/// Device and number of threads.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What computes networks. Everything else is computed on the CPU.
    pub engine: FieldEngine,
    /// Threads that share the chunks of a step. Results do not depend on it.
    pub threads: usize,
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
        let available = || std::thread::available_parallelism().map_or(1, Into::into);
        let threads = threads.unwrap_or_else(available);
        if !(1..=1024).contains(&threads) {
            return Err(Error::invalid("--threads", threads, "1 to 1024"));
        }
        Ok(Self { engine, threads })
    }

    /// Runs `work` in a rayon pool of its own with this number of threads.
    ///
    /// # Errors
    /// Those of `work`; also if the threads cannot be started.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .build();
        let pool =
            pool.map_err(|error| {
                let expected = format!("a number of threads that the system can start ({error}): give fewer, or raise its limit of memory or processes");
                Error::invalid("--threads", self.threads, &expected)
            })?;
        pool.install(work)
    }
}

/// Returns the peak memory of this process in MiB, or `None` if the system does not report it.
pub(crate) fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
