//! Memory of this machine, for signals that are read whole.

use sysinfo::System;

/// Returns the number of bytes of memory that are available, or [`u64::MAX`] where the system does not tell.
#[must_use]
pub fn available_memory() -> u64 {
    let bytes = System::new().map_or(0, |mut system| {
        system.refresh_memory();
        system.available_memory()
    });
    if bytes == 0 { u64::MAX } else { bytes }
}
