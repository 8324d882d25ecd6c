//! Small file systems in memory of the kernel (tmpfs), which can be resized and made read-only.

use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// Size in bytes that no run of the campaign fills.
const LARGE: u64 = 256 << 20;

/// A small disk that is mounted while this value lives.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts an empty disk at an existing folder.
    ///
    /// # Errors
    /// Where this user may not mount one.
    pub fn mount(at: &Path) -> std::io::Result<Self> {
        mount_tmpfs(at, MsFlags::empty(), LARGE)?;
        Ok(Self(at.to_path_buf()))
    }

    /// Limits the size of the disk.
    ///
    /// # Errors
    /// If more is used already.
    pub fn resize(&self, bytes: u64) -> std::io::Result<()> {
        mount_tmpfs(&self.0, MsFlags::MS_REMOUNT, bytes)
    }

    /// Makes the disk read-only.
    ///
    /// # Errors
    /// While a file is open for writing.
    pub fn make_read_only(&self) -> std::io::Result<()> {
        mount_tmpfs(&self.0, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, LARGE)
    }

    /// Makes the disk large and writable again.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn mend(&self) -> std::io::Result<()> {
        self.resize(LARGE)
    }
}

fn mount_tmpfs(at: &Path, flags: MsFlags, bytes: u64) -> std::io::Result<()> {
    let size = format!("size={bytes}");
    mount(Some("tmpfs"), at, Some("tmpfs"), flags, Some(size.as_str()))?;
    Ok(())
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // If this fails, the folder of the trial is not removed, and nothing else is affected.
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}
