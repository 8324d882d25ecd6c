//! Ranks that are threads of one process.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use super::{Link, Parts};
use crate::error::{Error, Result};

/// Link of one of several threads, made by [`links`].
pub struct ThreadLink {
    rank: usize,
    senders: Vec<Sender<Vec<u8>>>,
    receivers: Vec<Mutex<Receiver<Vec<u8>>>>,
}

/// Returns the links of `count` ranks, one for each thread that is to be a rank.
///
/// Each thread should compute in a rayon pool of its own: threads of one pool that wait for one another may wait forever.
///
/// # Examples
/// ```
/// use siren_core::ranks::{Ranks, links};
///
/// let any = std::thread::scope(|scope| {
///     let ranks = links(3).into_iter().map(Ranks::new);
///     let threads: Vec<_> = ranks.map(|own| scope.spawn(move || own.any(own.rank() == 2))).collect();
///     threads.into_iter().map(|one| one.join().unwrap().unwrap()).collect::<Vec<bool>>()
/// });
/// assert_eq!(any, [true; 3]);
/// ```
#[must_use]
pub fn links(count: usize) -> Vec<ThreadLink> {
    let empty = |rank| ThreadLink {
        rank,
        senders: Vec::new(),
        receivers: Vec::new(),
    };
    let mut links: Vec<ThreadLink> = (0..count).map(empty).collect();
    for from in 0..count {
        for to in 0..count {
            let (sender, receiver) = channel();
            links[from].senders.push(sender);
            links[to].receivers.push(Mutex::new(receiver));
        }
    }
    links
}

impl ThreadLink {
    fn gone(&self, rank: usize) -> Error {
        Error::Rank {
            rank,
            count: self.count(),
            message: "has ended before the others".to_owned(),
        }
    }

    fn send(&self, to: usize, bytes: Vec<u8>) -> Result<()> {
        let sent = self.senders[to].send(bytes);
        sent.map_err(|_| self.gone(to))
    }

    /// Returns what all ranks sent, in their order.
    fn receive(&self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        for (rank, receiver) in self.receivers.iter().enumerate() {
            let receiver = receiver.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(receiver.recv().map_err(|_| self.gone(rank))?);
        }
        Ok(all)
    }
}

impl Link for ThreadLink {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.senders.len()
    }

    fn gather(&self, own: Vec<u8>, _lens: &[usize]) -> Result<Vec<u8>> {
        for rank in 0..self.count() {
            self.send(rank, own.clone())?;
        }
        self.receive()
    }

    fn exchange(&self, parts: Parts<'_>, _lens: &[usize]) -> Result<Vec<u8>> {
        let mut rest = parts.bytes.as_slice();
        for (rank, &len) in parts.lens.iter().enumerate() {
            let (part, others) = rest.split_at(len);
            self.send(rank, part.to_vec())?;
            rest = others;
        }
        self.receive()
    }
}
