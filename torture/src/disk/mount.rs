//! The file system in memory as a mounted one, by FUSE. Writes can be slow and can fail.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use fuser::{
    FileAttr, FileType, Filesystem, MountOption, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow,
};
use nix::errno::Errno;
use nix::libc::{EIO, EISDIR, ENOENT, ENOSPC, ENOTDIR, ENOTEMPTY};
use nix::mount::{MntFlags, umount2};

use super::model::{Model, Node, ROOT};

/// How long the kernel may remember attributes. Nobody else changes them.
const TTL: Duration = Duration::from_secs(1);
const BLOCK: u32 = 4096;

/// How the disk misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Misbehavior {
    /// Every write and sync takes so long.
    pub delay: Duration,
    /// Number of operations that still succeed, and the error of those after them.
    pub failing: Option<Failing>,
}

/// Operations that fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Number of changes that succeed first.
    pub after: u32,
    /// What the failing ones report.
    pub error: DiskError,
}

/// Error of a failing disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// The disk is full.
    Full,
    /// Input or output failed.
    Broken,
}

/// State that the mounted file system and the campaign share.
#[derive(Debug, Default)]
struct Shared {
    model: Model,
    misbehavior: Misbehavior,
}

/// A disk that is mounted while this value lives.
pub struct MemoryDisk {
    shared: Arc<Mutex<Shared>>,
    session: Option<fuser::BackgroundSession>,
    at: PathBuf,
}

/// Longest time for which a process that was killed holds its files.
const PATIENCE: Duration = Duration::from_secs(5);

impl MemoryDisk {
    /// Mounts an empty disk at an existing folder.
    ///
    /// # Errors
    /// Where this user or this system cannot mount one.
    pub fn mount(at: &Path) -> std::io::Result<Self> {
        let mut disk = Self {
            shared: Arc::default(),
            session: None,
            at: at.to_path_buf(),
        };
        disk.mount_again()?;
        Ok(disk)
    }

    fn mount_again(&mut self) -> std::io::Result<()> {
        let files = Files(self.shared.clone());
        let options = [MountOption::FSName("siren-torture".to_owned())];
        self.session = Some(fuser::spawn_mount2(files, &self.at, &options)?);
        Ok(())
    }

    /// Sets how the disk behaves from now on.
    pub fn behave(&self, misbehavior: Misbehavior) {
        lock(&self.shared).misbehavior = misbehavior;
    }

    /// Unmounts the disk, lets `change` change it, and mounts it again, so that nothing is left of it in the caches of the kernel.
    ///
    /// # Errors
    /// If it cannot be mounted again.
    pub fn while_unmounted(&mut self, change: impl FnOnce(&mut Model)) -> std::io::Result<()> {
        self.unmount();
        change(&mut lock(&self.shared).model);
        self.mount_again()
    }

    fn unmount(&mut self) {
        let start = Instant::now();
        // A process that was killed is gone before its files are closed.
        while umount2(&self.at, MntFlags::empty()) == Err(Errno::EBUSY) {
            if start.elapsed() > PATIENCE {
                // If this fails, the folder of the trial is not removed, and nothing else is affected.
                let _ = umount2(&self.at, MntFlags::MNT_DETACH);
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.session = None;
    }
}

impl Drop for MemoryDisk {
    fn drop(&mut self) {
        self.unmount();
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file system as FUSE calls it.
struct Files(Arc<Mutex<Shared>>);

impl Files {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        lock(&self.0)
    }

    /// Returns the disk for a change, or the error with which the change fails.
    fn lock_for_change(&self) -> Result<MutexGuard<'_, Shared>, i32> {
        let delay = self.lock().misbehavior.delay;
        if !delay.is_zero() {
            std::thread::sleep(delay);
        }
        let mut shared = self.lock();
        match &mut shared.misbehavior.failing {
            Some(Failing { after: 0, error }) => Err(match error {
                DiskError::Full => ENOSPC,
                DiskError::Broken => EIO,
            }),
            Some(Failing { after, .. }) => {
                *after -= 1;
                Ok(shared)
            }
            None => Ok(shared),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Model) -> Option<T>) -> Result<T, i32> {
        change(&mut self.lock_for_change()?.model).ok_or(ENOENT)
    }
}

fn attributes(model: &Model, number: u64) -> Option<FileAttr> {
    let (kind, perm, size) = match model.node(number)? {
        Node::File(file) => (FileType::RegularFile, 0o644, file.data.len() as u64),
        Node::Folder { .. } => (FileType::Directory, 0o755, u64::from(BLOCK)),
    };
    let time = SystemTime::UNIX_EPOCH;
    Some(FileAttr {
        ino: number,
        size,
        blocks: size.div_ceil(512),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind,
        perm,
        nlink: 1,
        uid: nix::unistd::getuid().as_raw(),
        gid: nix::unistd::getgid().as_raw(),
        rdev: 0,
        blksize: BLOCK,
        flags: 0,
    })
}

fn reply_empty(result: Result<(), i32>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Files {
    fn lookup(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEntry) {
        let model = &self.lock().model;
        let found = model.find(parent, name);
        match found.and_then(|number| attributes(model, number)) {
            Some(found) => reply.entry(&TTL, &found, 0),
            None => reply.error(ENOENT),
        }
    }

    fn getattr(&mut self, _: &Request<'_>, ino: u64, _: Option<u64>, reply: ReplyAttr) {
        match attributes(&self.lock().model, ino) {
            Some(found) => reply.attr(&TTL, &found),
            None => reply.error(ENOENT),
        }
    }

    fn setattr(
        &mut self,
        _: &Request<'_>,
        ino: u64,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<u64>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<u32>,
        reply: ReplyAttr,
    ) {
        let changed = self.change(|model| {
            if let Some(size) = size {
                model.resize(ino, size as usize)?;
            }
            attributes(model, ino)
        });
        match changed {
            Ok(found) => reply.attr(&TTL, &found),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(
        &mut self,
        _: &Request<'_>,
        parent: u64,
        name: &OsStr,
        _: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        let made = self.change(|model| {
            let number = model.make_folder(parent, name)?;
            attributes(model, number)
        });
        match made {
            Ok(found) => reply.entry(&TTL, &found, 0),
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEmpty) {
        let removed = self.change(|model| model.remove(parent, name));
        reply_empty(removed.map(drop), reply);
    }

    fn rmdir(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEmpty) {
        let is_empty = {
            let model = &self.lock().model;
            let number = model.find(parent, name);
            let entries = number.and_then(|number| model.entries(number));
            entries.map(std::collections::BTreeMap::is_empty)
        };
        let removed = match is_empty {
            Some(true) => self.change(|model| model.remove(parent, name)).map(drop),
            Some(false) => Err(ENOTEMPTY),
            None => Err(ENOENT),
        };
        reply_empty(removed, reply);
    }

    fn rename(
        &mut self,
        _: &Request<'_>,
        parent: u64,
        name: &OsStr,
        new_parent: u64,
        new_name: &OsStr,
        _: u32,
        reply: ReplyEmpty,
    ) {
        let is_occupied = {
            let model = &self.lock().model;
            let target = model.find(new_parent, new_name);
            target.is_some_and(|number| model.entries(number).is_some_and(|all| !all.is_empty()))
        };
        let renamed = if is_occupied {
            Err(ENOTEMPTY)
        } else {
            self.change(|model| model.rename((parent, name), (new_parent, new_name)))
                .map(drop)
        };
        reply_empty(renamed, reply);
    }

    fn open(&mut self, _: &Request<'_>, _: u64, _: i32, reply: ReplyOpen) {
        reply.opened(0, 0);
    }

    fn read(
        &mut self,
        _: &Request<'_>,
        ino: u64,
        _: u64,
        offset: i64,
        size: u32,
        _: i32,
        _: Option<u64>,
        reply: ReplyData,
    ) {
        match self.lock().model.node(ino) {
            Some(Node::File(file)) => {
                let start = (offset as usize).min(file.data.len());
                let end = (start + size as usize).min(file.data.len());
                reply.data(&file.data[start..end]);
            }
            Some(Node::Folder { .. }) => reply.error(EISDIR),
            None => reply.error(ENOENT),
        }
    }

    fn write(
        &mut self,
        _: &Request<'_>,
        ino: u64,
        _: u64,
        offset: i64,
        data: &[u8],
        _: u32,
        _: i32,
        _: Option<u64>,
        reply: ReplyWrite,
    ) {
        match self.change(|model| model.write(ino, offset as usize, data)) {
            Ok(()) => reply.written(data.len() as u32),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&mut self, _: &Request<'_>, _: u64, _: u64, _: u64, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&mut self, _: &Request<'_>, ino: u64, _: u64, _: bool, reply: ReplyEmpty) {
        reply_empty(self.change(|model| model.sync(ino)), reply);
    }

    fn fsyncdir(&mut self, _: &Request<'_>, ino: u64, _: u64, _: bool, reply: ReplyEmpty) {
        reply_empty(self.change(|model| model.sync(ino)), reply);
    }

    fn readdir(
        &mut self,
        _: &Request<'_>,
        ino: u64,
        _: u64,
        offset: i64,
        mut reply: ReplyDirectory,
    ) {
        let model = &self.lock().model;
        let Some(entries) = model.entries(ino) else {
            return reply.error(ENOTDIR);
        };
        let dots = [(OsStr::new("."), ino), (OsStr::new(".."), ROOT)];
        let named = entries
            .iter()
            .map(|(name, number)| (name.as_os_str(), *number));
        let all = dots.into_iter().chain(named).enumerate();
        for (index, (name, number)) in all.skip(offset as usize) {
            let kind = match model.node(number) {
                Some(Node::File(_)) => FileType::RegularFile,
                _ => FileType::Directory,
            };
            if reply.add(number, index as i64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&mut self, _: &Request<'_>, _: u64, reply: ReplyStatfs) {
        let blocks = 1 << 20;
        reply.statfs(blocks, blocks, blocks, blocks, blocks, BLOCK, 255, BLOCK);
    }

    fn create(
        &mut self,
        _: &Request<'_>,
        parent: u64,
        name: &OsStr,
        _: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let made = self.change(|model| {
            let number = model.make_file(parent, name)?;
            attributes(model, number)
        });
        match made {
            Ok(found) => reply.created(&TTL, &found, 0, 0, 0),
            Err(error) => reply.error(error),
        }
    }
}
