//! State behind the functions: one card, its memory, and the objects that handles name.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::launch::{Function, LoadedModule};
use super::report;
use super::settings::Settings;
use super::status::{Result, Status};
use crate::memory::{Memory, MemoryError};

/// Handle of the card's only context.
pub(super) const CONTEXT: usize = 0x100;
/// `CU_EVENT_DISABLE_TIMING`.
const DISABLE_TIMING: u32 = 2;

/// An event: when it was recorded.
#[derive(Clone, Copy, Debug)]
struct Timer {
    recorded: Option<Instant>,
    timed: bool,
}

pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) memory: Memory,
    pub(super) modules: BTreeMap<usize, LoadedModule>,
    pub(super) functions: BTreeMap<usize, Function>,
    streams: Vec<usize>,
    timers: BTreeMap<usize, Timer>,
    host: BTreeMap<usize, Box<[u128]>>,
    last_handle: usize,
    pub(super) launches: u64,
    /// Error of a fault, which every later call repeats.
    pub(super) fault: Option<Status>,
}

static WORLD: Mutex<Option<World>> = Mutex::new(None);

thread_local! {
    /// Context of this thread, 0 for none.
    static CURRENT: Cell<usize> = const { Cell::new(0) };
}

pub(super) fn current_context() -> usize {
    CURRENT.get()
}

pub(super) fn set_current_context(context: usize) -> Result<()> {
    if context != 0 && context != CONTEXT {
        return Err(Status::INVALID_CONTEXT);
    }
    CURRENT.set(context);
    Ok(())
}

/// `cuInit`.
pub(super) fn initialize() -> Result<()> {
    let mut world = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    if world.is_none() {
        let settings = Settings::from_environment().map_err(|message| {
            eprintln!("siren-ptx: {message}");
            Status::OPERATING_SYSTEM
        })?;
        *world = Some(World::new(settings));
    }
    Ok(())
}

/// Runs a call that needs `cuInit` alone.
pub(super) fn with_world<T>(call: impl FnOnce(&mut World) -> Result<T>) -> Result<T> {
    let mut world = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    call(world.as_mut().ok_or(Status::NOT_INITIALIZED)?)
}

/// Runs a call that needs a context, which a fault has not broken.
pub(super) fn in_context<T>(call: impl FnOnce(&mut World) -> Result<T>) -> Result<T> {
    with_world(|world| {
        if current_context() == 0 {
            return Err(Status::INVALID_CONTEXT);
        }
        match world.fault {
            Some(status) => Err(status),
            None => call(world),
        }
    })
}

impl World {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            memory: Memory::with_limit(settings.memory_bytes),
            settings,
            modules: BTreeMap::new(),
            functions: BTreeMap::new(),
            streams: Vec::new(),
            timers: BTreeMap::new(),
            host: BTreeMap::new(),
            last_handle: 0x1000,
            launches: 0,
            fault: None,
        }
    }

    pub(super) fn new_handle(&mut self) -> usize {
        self.last_handle += 0x10;
        self.last_handle
    }

    /// Writes to standard error and to the report.
    pub(super) fn say(&self, key: &str, text: &str) {
        eprintln!("siren-ptx: {text}");
        self.report(&report::message(key, text));
    }

    pub(super) fn report(&self, line: &str) {
        if let Some(file) = &self.settings.report {
            report::append(file, line);
        }
    }

    /// Result of a call about memory; what was wrong is said.
    pub(super) fn memory_result<T>(
        &self,
        result: std::result::Result<T, MemoryError>,
    ) -> Result<T> {
        result.map_err(|error| match error {
            MemoryError::OutOfMemory { .. } => Status::OUT_OF_MEMORY,
            MemoryError::Invalid { .. } => {
                self.say("error", &error.to_string());
                Status::INVALID_VALUE
            }
        })
    }

    pub(super) fn allocate(&mut self, bytes: usize) -> Result<u64> {
        if bytes == 0 {
            return Err(Status::INVALID_VALUE);
        }
        let result = self.memory.allocate(bytes);
        self.memory_result(result)
    }

    pub(super) fn free(&mut self, address: u64) -> Result<()> {
        if address == 0 {
            return Ok(());
        }
        let result = self.memory.free(address);
        self.memory_result(result)
    }

    /// Memory of the host, as `u128` for its alignment. Returns its address.
    pub(super) fn allocate_host(&mut self, bytes: usize) -> *mut u128 {
        let mut buffer = vec![0_u128; bytes.div_ceil(16).max(1)].into_boxed_slice();
        let pointer = buffer.as_mut_ptr();
        self.host.insert(pointer.addr(), buffer);
        pointer
    }

    pub(super) fn free_host(&mut self, address: usize) -> Result<()> {
        self.host
            .remove(&address)
            .map(drop)
            .ok_or(Status::INVALID_VALUE)
    }

    pub(super) fn create_stream(&mut self) -> usize {
        let handle = self.new_handle();
        self.streams.push(handle);
        handle
    }

    /// Streams 0, 1 and 2 are the default ones.
    pub(super) fn check_stream(&self, stream: usize) -> Result<()> {
        if stream <= 2 || self.streams.contains(&stream) {
            Ok(())
        } else {
            Err(Status::INVALID_HANDLE)
        }
    }

    pub(super) fn destroy_stream(&mut self, stream: usize) -> Result<()> {
        let at = self
            .streams
            .iter()
            .position(|&known| known == stream)
            .ok_or(Status::INVALID_HANDLE)?;
        self.streams.swap_remove(at);
        Ok(())
    }

    pub(super) fn create_event(&mut self, flags: u32) -> usize {
        let handle = self.new_handle();
        self.timers.insert(
            handle,
            Timer {
                recorded: None,
                timed: flags & DISABLE_TIMING == 0,
            },
        );
        handle
    }

    pub(super) fn check_event(&self, event: usize) -> Result<()> {
        if self.timers.contains_key(&event) {
            Ok(())
        } else {
            Err(Status::INVALID_HANDLE)
        }
    }

    pub(super) fn record_event(&mut self, event: usize, stream: usize) -> Result<()> {
        self.check_stream(stream)?;
        let timer = self.timers.get_mut(&event).ok_or(Status::INVALID_HANDLE)?;
        timer.recorded = Some(Instant::now());
        Ok(())
    }

    pub(super) fn destroy_event(&mut self, event: usize) -> Result<()> {
        self.timers
            .remove(&event)
            .map(drop)
            .ok_or(Status::INVALID_HANDLE)
    }

    /// Milliseconds from one event to another: time of the CPU, not of a card.
    pub(super) fn elapsed(&self, start: usize, end: usize) -> Result<f32> {
        let recorded = |event| {
            let timer = self
                .timers
                .get(&event)
                .filter(|timer| timer.timed)
                .ok_or(Status::INVALID_HANDLE)?;
            timer.recorded.ok_or(Status::INVALID_HANDLE)
        };
        let (start, end) = (recorded(start)?, recorded(end)?);
        Ok(end.saturating_duration_since(start).as_secs_f32() * 1e3)
    }
}
