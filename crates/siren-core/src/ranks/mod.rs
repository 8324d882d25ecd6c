//! Ranks: processes, or threads that stand for them, that compute one training together.
//!
//! A [`Link`] carries bytes among the ranks; [`links`] makes those of threads, and programs bring one of their own, such as MPI. [`Ranks`] is
//! what a [`Trainer`](crate::train::Trainer) is given. It is one rank by default, which costs nothing.
//!
//! All ranks run the same program on the same data and call the same functions in the same order. A rank that fails joins the next
//! [`gather`](Ranks::gather) with its error, so that all ranks end with one message. An exchange of many elements therefore follows a
//! `gather` directly, with nothing between them that can fail.

mod message;
mod slices;
mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};

pub(crate) use self::message::{Message, MessageReader};
pub use self::slices::Word;
pub use self::threads::{ThreadLink, links};

/// First byte of a message of a rank that goes on.
const FINE: u8 = 0;
/// First byte of a message of a rank that fails; the text of its error follows.
const FAILED: u8 = 1;
/// Bytes of the length in front of a message.
const LENGTH_BYTES: usize = 8;

/// Carries bytes among ranks. Every rank calls the same methods in the same order.
pub trait Link: Send + Sync {
    /// Returns the number of this rank, counted from 0.
    fn rank(&self) -> usize;

    /// Returns the number of ranks.
    fn count(&self) -> usize;

    /// Sends `own` to every rank, and returns what all ranks sent, in their order. Rank `r` sends `lens[r]` bytes.
    ///
    /// # Errors
    /// [`Error::Rank`] if a rank is gone.
    fn gather(&self, own: Vec<u8>, lens: &[usize]) -> Result<Vec<u8>>;

    /// Sends every rank its own part, and returns what all ranks sent to this one, in their order. Rank `r` sends it `lens[r]` bytes.
    ///
    /// # Errors
    /// [`Error::Rank`] if a rank is gone.
    fn exchange(&self, parts: Parts<'_>, lens: &[usize]) -> Result<Vec<u8>>;
}

/// Bytes for every rank, in the order of the ranks.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The parts, one after the other.
    pub bytes: Vec<u8>,
    /// Number of bytes of each part.
    pub lens: &'a [usize],
}

/// The ranks that share a training, as one of them sees them. Clones are the same rank.
#[derive(Clone, Default)]
pub struct Ranks(Option<Arc<Linked>>);

/// One of several ranks.
struct Linked {
    link: Box<dyn Link>,
    /// Bytes of the longest message so far, the same number on all ranks: such messages need no second round.
    frame: AtomicUsize,
}

impl Ranks {
    /// Returns a rank without others.
    #[must_use]
    pub fn one() -> Self {
        Self::default()
    }

    /// Makes one of the ranks of a link.
    #[must_use]
    pub fn new(link: impl Link + 'static) -> Self {
        if link.count() == 1 {
            return Self::one();
        }
        Self(Some(Arc::new(Linked {
            link: Box::new(link),
            frame: AtomicUsize::new(0),
        })))
    }

    /// Returns the number of this rank, counted from 0.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, |linked| linked.link.rank())
    }

    /// Returns the number of ranks.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.as_ref().map_or(1, |linked| linked.link.count())
    }

    /// Returns whether this is rank 0, which writes files and talks to the user.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Sends a message to every rank, and returns those of all ranks, in their order. An error of one rank becomes that of all.
    ///
    /// # Errors
    /// [`Error::Rank`] with the error of the first rank that failed; the own error if all ranks failed for the same reason.
    pub fn gather(&self, own: Result<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        let Some(linked) = &self.0 else {
            return Ok(vec![own?]);
        };
        let (mut message, error) = match own {
            Ok(bytes) => (vec![FINE], Ok(bytes)),
            // All ranks know it already.
            Err(error @ Error::Rank { .. }) => return Err(error),
            Err(error) => (vec![FAILED], Err(error)),
        };
        let error = match error {
            Ok(bytes) => {
                message.extend(bytes);
                None
            }
            Err(error) => {
                message.extend(error.to_string().into_bytes());
                Some(error)
            }
        };
        let messages = linked.messages(&message)?;
        let texts: Vec<Option<&[u8]>> = messages.iter().map(|bytes| failure(bytes)).collect();
        let Some(rank) = texts.iter().position(Option::is_some) else {
            let unwrapped = messages.into_iter().map(|bytes| bytes[1..].to_vec());
            return Ok(unwrapped.collect());
        };
        match error {
            Some(error) if texts.iter().all(|text| *text == texts[rank]) => Err(error),
            _ => Err(Error::Rank {
                rank,
                count: self.count(),
                message: String::from_utf8_lossy(texts[rank].unwrap_or_default()).into_owned(),
            }),
        }
    }

    /// Returns the own result if no rank failed.
    ///
    /// # Errors
    /// As [`gather`](Self::gather).
    pub fn agree<T>(&self, own: Result<T>) -> Result<T> {
        if self.0.is_none() {
            return own;
        }
        match own {
            Ok(value) => self.gather(Ok(Vec::new())).map(|_| value),
            Err(error) => Err(match self.gather(Err(error)) {
                Err(error) => error,
                Ok(_) => unreachable!("a gather in which a rank failed is an error"),
            }),
        }
    }

    /// Returns whether a flag is set on any rank.
    ///
    /// # Errors
    /// As [`gather`](Self::gather).
    pub fn any(&self, own: bool) -> Result<bool> {
        let flags = self.gather(Ok(vec![u8::from(own)]))?;
        Ok(flags.iter().any(|flag| flag.contains(&1)))
    }

    /// Returns the bytes of rank 0; those of the other ranks do not count.
    ///
    /// # Errors
    /// As [`gather`](Self::gather).
    pub fn from_first(&self, own: Result<Vec<u8>>) -> Result<Vec<u8>> {
        let own = own.map(|bytes| if self.is_first() { bytes } else { Vec::new() });
        Ok(self.gather(own)?.swap_remove(0))
    }

    /// Checks that a text, such as a config, is the same on all ranks. `what` completes "has another …".
    ///
    /// # Errors
    /// [`Error::Rank`] if a rank has another text than rank 0; an error in place of the text is that of all ranks.
    pub fn must_share(&self, what: &str, text: Result<String>) -> Result<()> {
        let texts = self.gather(text.map(String::into_bytes))?;
        let Some(rank) = texts.iter().position(|other| *other != texts[0]) else {
            return Ok(());
        };
        let show = |text: &[u8]| match text.len() {
            0..=80 => format!(" ({})", String::from_utf8_lossy(text)),
            _ => String::new(),
        };
        Err(Error::Rank {
            rank,
            count: self.count(),
            message: format!(
                "has another {what}{} than rank 0{}: start all ranks with the same program, arguments and files, on processors of one kind",
                show(&texts[rank]),
                show(&texts[0])
            ),
        })
    }

    /// Returns the link, if there are other ranks.
    fn link(&self) -> Option<&dyn Link> {
        self.0.as_ref().map(|linked| linked.link.as_ref())
    }
}

impl Linked {
    /// Sends a message of any length to every rank, and returns those of all ranks.
    fn messages(&self, own: &[u8]) -> Result<Vec<Vec<u8>>> {
        let count = self.link.count();
        let frame = self.frame.load(Ordering::Relaxed);
        let (start, rest) = own.split_at(frame.min(own.len()));
        let mut head = (own.len() as u64).to_le_bytes().to_vec();
        head.extend(start);
        head.resize(LENGTH_BYTES + frame, 0);
        let heads = self.link.gather(head, &vec![LENGTH_BYTES + frame; count])?;
        let mut lens = Vec::with_capacity(count);
        let mut messages = Vec::with_capacity(count);
        for head in heads.chunks_exact(LENGTH_BYTES + frame) {
            let (length, start) = head.split_at(LENGTH_BYTES);
            let length = length
                .iter()
                .rev()
                .fold(0, |sum, &byte| sum << 8 | usize::from(byte));
            messages.push(start[..frame.min(length)].to_vec());
            lens.push(length);
        }
        let longest = lens.iter().copied().max().unwrap_or(0);
        if longest > frame {
            let rests: Vec<usize> = lens.iter().map(|len| len.saturating_sub(frame)).collect();
            let all = self.link.gather(rest.to_vec(), &rests)?;
            let mut all = all.as_slice();
            for (message, len) in messages.iter_mut().zip(rests) {
                let (own, others) = all.split_at(len);
                message.extend(own);
                all = others;
            }
            self.frame.store(longest, Ordering::Relaxed);
        }
        Ok(messages)
    }
}

/// Returns the text of a message of a rank that failed.
fn failure(message: &[u8]) -> Option<&[u8]> {
    match message.split_first() {
        Some((&FINE, _)) => None,
        Some((_, text)) => Some(text),
        None => Some(b"sent nothing"),
    }
}

impl std::fmt::Debug for Ranks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rank {} of {}", self.rank(), self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a function on every rank, and returns the results in order.
    fn on_ranks<T: Send>(count: usize, run: impl Fn(Ranks) -> T + Sync) -> Vec<T> {
        let run = &run;
        std::thread::scope(|scope| {
            let ranks = links(count).into_iter().map(Ranks::new);
            let threads: Vec<_> = ranks.map(|own| scope.spawn(move || run(own))).collect();
            threads.into_iter().map(|one| one.join().unwrap()).collect()
        })
    }

    #[test]
    fn messages_of_any_length_arrive_in_the_order_of_ranks() {
        let results = on_ranks(5, |ranks| {
            let mut seen = Vec::new();
            for round in 0..4 {
                let own = vec![ranks.rank() as u8; (ranks.rank() * 7 + round * 3) % 19];
                seen.push(ranks.gather(Ok(own)).unwrap());
            }
            seen
        });
        for seen in results {
            for (round, messages) in seen.iter().enumerate() {
                for (rank, message) in messages.iter().enumerate() {
                    assert_eq!(*message, vec![rank as u8; (rank * 7 + round * 3) % 19]);
                }
            }
        }
    }

    #[test]
    fn the_error_of_one_rank_is_that_of_all() {
        let errors = on_ranks(3, |ranks| {
            let own = if ranks.rank() == 1 {
                Err(Error::NoConstraints)
            } else {
                Ok(())
            };
            ranks.agree(own).unwrap_err().to_string()
        });
        let expected = format!("rank 1 of 3: {}", Error::NoConstraints);
        assert_eq!(errors, vec![expected; 3]);
    }

    #[test]
    fn an_error_that_all_ranks_have_stays_what_it_is() {
        let errors = on_ranks(3, |ranks| ranks.agree::<()>(Err(Error::NoConstraints)));
        assert!(
            errors
                .iter()
                .all(|error| matches!(error, Err(Error::NoConstraints)))
        );
    }

    #[test]
    fn a_rank_that_is_gone_is_an_error_on_the_others() {
        let results = on_ranks(3, |ranks| {
            if ranks.rank() == 2 {
                return None;
            }
            // The other rank may end first, with this error.
            Some(ranks.any(false).unwrap_err().to_string())
        });
        for text in results.into_iter().flatten() {
            assert!(
                text.starts_with("rank ") && text.contains("of 3: has ended"),
                "{text}"
            );
        }
    }

    #[test]
    fn texts_that_differ_are_named_with_their_rank() {
        let errors = on_ranks(3, |ranks| {
            let text = if ranks.rank() == 2 { "b" } else { "a" };
            let text = Ok(text.to_owned());
            ranks.must_share("config", text).unwrap_err().to_string()
        });
        for error in errors {
            assert!(
                error.starts_with("rank 2 of 3: has another config (b) than rank 0 (a)"),
                "{error}"
            );
        }
    }
}
