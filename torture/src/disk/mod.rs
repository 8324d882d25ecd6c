//! Disks that fail: one in memory that forgets what was not synced, and small ones that fill up.

mod model;
#[cfg(target_os = "linux")]
mod mount;
#[cfg(target_os = "linux")]
mod small;

pub use self::model::{Model, Node, ROOT};
#[cfg(target_os = "linux")]
pub use self::mount::{DiskError, Failing, MemoryDisk, Misbehavior};
#[cfg(target_os = "linux")]
pub use self::small::SmallDisk;
