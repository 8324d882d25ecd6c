//! Where a run is computed: choices that do not belong to the experiment.

use candle_core::Device;
use siren_core::{Error, Result};

/// Device and threads.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Where tensors live.
    pub device: Device,
    /// Threads that share the chunks of a step.
    pub threads: usize,
}

impl Machine {
    /// `device` is `cpu` or `cuda:N`; the default number of threads is one a core.
    ///
    /// # Errors
    /// If there is no such device, or zero threads are asked for.
    pub fn new(device: &str, threads: Option<usize>) -> Result<Self> {
        let fail = |expected: &str| Err(Error::invalid("--device", device, expected));
        let device = match device.split_once(':') {
            None if device == "cpu" => Device::Cpu,
            Some(("cuda", index)) => match index.parse() {
                Ok(index) => match Device::new_cuda(index) {
                    Ok(device) => device,
                    Err(error) => return fail(&format!("a device that is there ({error})")),
                },
                Err(_) => return fail("`cuda:` and a number, such as cuda:0"),
            },
            _ => return fail("cpu, or cuda:0"),
        };
        let available = || std::thread::available_parallelism().map_or(1, Into::into);
        let threads = threads.unwrap_or_else(available);
        if !(1..=1024).contains(&threads) {
            return Err(Error::invalid("--threads", threads, "1 to 1024"));
        }
        Ok(Self { device, threads })
    }

    /// Runs `work` with this many threads.
    ///
    /// # Errors
    /// Those of `work`; also if the threads cannot be started.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .build();
        let pool =
            pool.map_err(|error| Error::invalid("--threads", self.threads, &error.to_string()))?;
        pool.install(work)
    }

    /// How the device is written on the command line.
    pub(super) fn device_name(&self) -> String {
        match self.device.location() {
            candle_core::DeviceLocation::Cpu => "cpu".to_owned(),
            candle_core::DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
            candle_core::DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
        }
    }
}

/// The most memory this process has held so far, MiB; `None` where the system does not say.
pub(super) fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
