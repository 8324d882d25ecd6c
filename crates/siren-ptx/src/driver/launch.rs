//! Modules, functions and launches.

use std::sync::Arc;

use super::report;
use super::status::{Result, Status};
use super::world::World;
use crate::card::Card;
use crate::execute::{Argument, KernelLaunch};
use crate::fault::{Fault, FaultKind};
use crate::module::{Kernel, Module};
use crate::parse::Refusal;

/// `CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES`.
const MAX_DYNAMIC_SHARED: i32 = 8;

pub(super) type LoadedModule = Arc<Module>;

/// A kernel of a loaded module.
#[derive(Clone, Debug)]
pub(super) struct Function {
    module: usize,
    name: String,
    pub(super) shared_limit: Option<u32>,
}

/// What a call asks to launch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) function: usize,
    pub(super) grid: [u32; 3],
    pub(super) block: [u32; 3],
    pub(super) shared_bytes: u32,
}

impl World {
    pub(super) fn load_module(&mut self, text: &str) -> Result<usize> {
        let parsed = match self.settings.refusal {
            Refusal::Module => Module::parse(text),
            Refusal::Kernel => Module::parse_supported(text),
        };
        let module = parsed.map_err(|error| {
            self.say("refused", &error.to_string());
            Status::INVALID_PTX
        })?;
        if module.version() > self.settings.newest_ptx() {
            let (version, newest) = (module.version(), self.settings.newest_ptx());
            self.say(
                "refused",
                &format!("PTX of version {version} (ten times), but the driver knows {newest}"),
            );
            return Err(Status::UNSUPPORTED_PTX_VERSION);
        }
        let [major, minor] = self.settings.card.compute_capability();
        if module.target() > 10 * major + minor {
            let card = self.settings.card.architecture();
            self.say(
                "refused",
                &format!("PTX for sm_{}, but the card is {card}", module.target()),
            );
            return Err(Status::NO_BINARY_FOR_GPU);
        }
        let handle = self.new_handle();
        self.modules.insert(handle, Arc::new(module));
        Ok(handle)
    }

    pub(super) fn unload_module(&mut self, module: usize) -> Result<()> {
        self.modules.remove(&module).ok_or(Status::INVALID_HANDLE)?;
        self.functions
            .retain(|_, function| function.module != module);
        Ok(())
    }

    pub(super) fn function(&mut self, module: usize, name: &str) -> Result<usize> {
        let loaded = self.modules.get(&module).ok_or(Status::INVALID_HANDLE)?;
        if let Some(error) = loaded.refusal(name) {
            self.say("refused", &error.to_string());
            return Err(Status::INVALID_PTX);
        }
        loaded.kernel(name).ok_or(Status::NOT_FOUND)?;
        let known = self
            .functions
            .iter()
            .find(|(_, function)| function.module == module && function.name == name);
        if let Some((&handle, _)) = known {
            return Ok(handle);
        }
        let handle = self.new_handle();
        self.functions.insert(
            handle,
            Function {
                module,
                name: name.to_owned(),
                shared_limit: None,
            },
        );
        Ok(handle)
    }

    /// Address and size of a variable.
    pub(super) fn variable(&mut self, module: usize, name: &str) -> Result<(u64, usize)> {
        let module = Arc::clone(self.modules.get(&module).ok_or(Status::INVALID_HANDLE)?);
        let found = self.memory.variable(&module, name);
        self.memory_result(found)?.ok_or(Status::NOT_FOUND)
    }

    fn find(&self, handle: usize) -> Result<(&Function, LoadedModule)> {
        let function = self.functions.get(&handle).ok_or(Status::INVALID_HANDLE)?;
        let module = self
            .modules
            .get(&function.module)
            .ok_or(Status::INVALID_HANDLE)?;
        Ok((function, Arc::clone(module)))
    }

    /// Runs `call` with the kernel of a function.
    fn with_kernel<T>(
        &self,
        handle: usize,
        call: impl FnOnce(&Kernel, &Function) -> T,
    ) -> Result<T> {
        let (function, module) = self.find(handle)?;
        let kernel = module
            .kernel(&function.name)
            .ok_or(Status::INVALID_HANDLE)?;
        Ok(call(kernel, function))
    }

    /// Sizes of a kernel's parameters in bytes.
    pub(super) fn parameter_sizes(&self, function: usize) -> Result<Vec<usize>> {
        self.with_kernel(function, |kernel, _| kernel.parameter_sizes().collect())
    }

    pub(super) fn function_attribute(&self, function: usize, attribute: i32) -> Result<i32> {
        let card = self.settings.card;
        self.with_kernel(function, |kernel, function| match attribute {
            0 => Ok(kernel.max_threads().unwrap_or(1024) as i32),
            1 => Ok(kernel.static_shared_bytes() as i32),
            3 => Ok(kernel.local_bytes() as i32),
            // Registers are the compiler's; PTX has virtual ones.
            2 | 4 | 7 => Ok(0),
            5 | 6 => {
                let [major, minor] = card.compute_capability();
                Ok((10 * major + minor) as i32)
            }
            MAX_DYNAMIC_SHARED => {
                let usual = Card::SHARED_BYTES.saturating_sub(kernel.static_shared_bytes());
                Ok(function.shared_limit.unwrap_or(usual) as i32)
            }
            9 => Ok(-1),
            _ => Err(Status::INVALID_VALUE),
        })?
    }

    pub(super) fn set_function_attribute(
        &mut self,
        function: usize,
        attribute: i32,
        value: i32,
    ) -> Result<()> {
        let most = self.settings.card.shared_bytes_opt_in();
        let fixed = self.with_kernel(function, |kernel, _| kernel.static_shared_bytes())?;
        match attribute {
            MAX_DYNAMIC_SHARED => {
                let value = u32::try_from(value).map_err(|_| Status::INVALID_VALUE)?;
                if value + fixed > most {
                    let card = self.settings.card.architecture();
                    self.say("error", &format!("{value} bytes of shared memory, beside {fixed}, where {card} has {most}"));
                    return Err(Status::INVALID_VALUE);
                }
                if let Some(function) = self.functions.get_mut(&function) {
                    function.shared_limit = Some(value);
                }
                Ok(())
            }
            // How much of the cache is shared memory: a hint.
            9 => Ok(()),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    /// Blocks of a kernel that a multiprocessor holds, by threads and shared memory; registers are not known.
    pub(super) fn resident_blocks(
        &self,
        function: usize,
        threads: u32,
        shared_bytes: usize,
    ) -> Result<i32> {
        let card = self.settings.card;
        let fixed = self.with_kernel(function, |kernel, _| kernel.static_shared_bytes())?;
        if threads == 0 {
            return Err(Status::INVALID_VALUE);
        }
        let by_threads = card.threads_of_multiprocessor() / threads.next_multiple_of(32);
        // The system takes a KiB of each block.
        let by_shared = u64::from(card.shared_bytes_of_multiprocessor())
            / (u64::from(fixed) + shared_bytes as u64 + 1024);
        Ok(u64::from(by_threads).min(by_shared).min(32) as i32)
    }

    pub(super) fn launch(&mut self, request: Request, arguments: &[Argument]) -> Result<()> {
        let (function, module) = self.find(request.function)?;
        let shared_limit = function.shared_limit;
        let kernel = module
            .kernel(&function.name)
            .ok_or(Status::INVALID_HANDLE)?;
        let launch = KernelLaunch {
            grid: request.grid,
            block: request.block,
            shared_bytes: request.shared_bytes,
            shared_limit,
            order: self.settings.order.of_launch(self.launches),
            card: self.settings.card,
            ..KernelLaunch::new(kernel, 1, 1)
        };
        self.launches += 1;
        match launch.run(arguments, &mut self.memory) {
            Ok(statistics) => {
                self.report(&report::launched(&launch, &statistics));
                Ok(())
            }
            Err(fault) => Err(self.fail(&fault)),
        }
    }

    /// Says the fault. One of a kernel, not of its launch, breaks the context.
    fn fail(&mut self, fault: &Fault) -> Status {
        self.say("fault", &fault.to_string());
        let status = match fault.kind {
            FaultKind::OutOfBounds { .. } => Status::ILLEGAL_ADDRESS,
            FaultKind::Misaligned { .. } => Status::MISALIGNED_ADDRESS,
            FaultKind::Budget { .. } => Status::LAUNCH_TIMEOUT,
            FaultKind::Limit {
                what: "threads of a block",
                ..
            } => Status::LAUNCH_OUT_OF_RESOURCES,
            FaultKind::Limit { .. } | FaultKind::Empty | FaultKind::Arguments { .. } => {
                Status::INVALID_VALUE
            }
            FaultKind::Variables(_) => Status::OUT_OF_MEMORY,
            _ => Status::LAUNCH_FAILED,
        };
        if fault.place.is_some() {
            self.fault = Some(status);
        }
        status
    }
}
