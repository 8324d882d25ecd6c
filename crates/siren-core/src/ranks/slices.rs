//! Slices of flat parameters and gradients: every rank has one.

use std::ops::{AddAssign, Range};

use super::{Parts, Ranks};
use crate::error::Result;

/// Elements of a slice that are exchanged at once: the buffers of an exchange hold so many for each rank.
const PIECE: usize = 1 << 20;

/// `f32` or `f64`, as ranks exchange them: the bytes of this machine.
pub trait Word: Copy + AddAssign {
    /// Number of bytes.
    const BYTES: usize;

    /// Appends the bytes of some elements.
    fn write(elements: &[Self], bytes: &mut Vec<u8>);

    /// Appends the elements that [`write`](Self::write) wrote.
    fn read(bytes: &[u8], elements: &mut Vec<Self>);
}

macro_rules! word {
    ($number:ty) => {
        impl Word for $number {
            const BYTES: usize = size_of::<$number>();

            fn write(elements: &[Self], bytes: &mut Vec<u8>) {
                bytes.extend(elements.iter().flat_map(|element| element.to_ne_bytes()));
            }

            fn read(bytes: &[u8], elements: &mut Vec<Self>) {
                let words = bytes.chunks_exact(Self::BYTES).map(|bytes| {
                    let mut word = [0; Self::BYTES];
                    word.copy_from_slice(bytes);
                    Self::from_ne_bytes(word)
                });
                elements.extend(words);
            }
        }
    };
}

word!(f32);
word!(f64);

impl Ranks {
    /// Returns the slice of `len` elements that a rank has.
    pub(crate) fn slice(&self, len: usize, rank: usize) -> Range<usize> {
        let bound = |rank: usize| (rank as u128 * len as u128 / self.count() as u128) as usize;
        bound(rank)..bound(rank + 1)
    }

    /// Returns the own slice of `len` elements.
    pub(crate) fn own_slice(&self, len: usize) -> Range<usize> {
        self.slice(len, self.rank())
    }

    /// Sends every rank its slice of some vectors of `len` elements, and returns the own slice of the vectors of all ranks: `vectors[r]` of rank
    /// `r`, in the order of ranks.
    pub(crate) fn exchange_slices<T: Word>(
        &self,
        own: &[Vec<T>],
        vectors: &[usize],
        len: usize,
    ) -> Result<Vec<Vec<T>>> {
        let Some(link) = self.link() else {
            return Ok(own.to_vec());
        };
        let mut bytes = Vec::with_capacity(own.len() * len * T::BYTES);
        let mut sent = Vec::with_capacity(self.count());
        for rank in 0..self.count() {
            let slice = self.slice(len, rank);
            for vector in own {
                T::write(&vector[slice.clone()], &mut bytes);
            }
            sent.push(own.len() * slice.len() * T::BYTES);
        }
        let slice = self.own_slice(len).len();
        let lens: Vec<usize> = vectors
            .iter()
            .map(|count| count * slice * T::BYTES)
            .collect();
        let parts = Parts { bytes, lens: &sent };
        let received = link.exchange(parts, &lens)?;
        let read = |index: usize| {
            let mut elements = Vec::with_capacity(slice);
            T::read(
                &received[index * slice * T::BYTES..][..slice * T::BYTES],
                &mut elements,
            );
            elements
        };
        Ok((0..vectors.iter().sum()).map(read).collect())
    }

    /// Returns the slices of all ranks as one vector of `len` elements.
    pub(crate) fn gather_slices<T: Word>(&self, own: &[T], len: usize) -> Result<Vec<T>> {
        let lens = (0..self.count()).map(|rank| self.slice(len, rank).len());
        self.gather_parts(own, &lens.collect::<Vec<_>>())
    }

    /// Returns the vectors of all ranks, one after the other. Rank `r` sends `lens[r]` elements.
    pub(crate) fn gather_parts<T: Word>(&self, own: &[T], lens: &[usize]) -> Result<Vec<T>> {
        let Some(link) = self.link() else {
            return Ok(own.to_vec());
        };
        let mut bytes = Vec::with_capacity(own.len() * T::BYTES);
        T::write(own, &mut bytes);
        let lens: Vec<usize> = lens.iter().map(|len| len * T::BYTES).collect();
        let received = link.gather(bytes, &lens)?;
        let mut all = Vec::with_capacity(received.len() / T::BYTES);
        T::read(&received, &mut all);
        Ok(all)
    }

    /// Adds the vectors of all ranks, in their order; all have the same length. Each rank gets the sum of its own slice: part `r` of as many equal
    /// ones as there are ranks. The other elements are undefined afterwards.
    ///
    /// # Errors
    /// [`Error::Rank`](crate::Error::Rank) if a rank is gone.
    pub fn sum_slices<T: Word>(&self, vector: &mut [T]) -> Result<()> {
        for piece in self.pieces(vector.len()) {
            let gathered: Vec<T> = piece
                .iter()
                .flat_map(|range| vector[range.clone()].iter().copied())
                .collect();
            let own = piece[self.rank()].clone();
            let received = self.exchange_pieces(gathered, &piece)?;
            let Some((first, others)) = received.split_first() else {
                continue;
            };
            let sum = &mut vector[own];
            sum.copy_from_slice(first);
            for other in others {
                for (sum, &term) in sum.iter_mut().zip(other) {
                    *sum += term;
                }
            }
        }
        Ok(())
    }

    /// Replaces all slices of a vector but the own one by those of their ranks.
    ///
    /// # Errors
    /// [`Error::Rank`](crate::Error::Rank) if a rank is gone.
    pub fn share_slices<T: Word>(&self, vector: &mut [T]) -> Result<()> {
        let Some(link) = self.link() else {
            return Ok(());
        };
        for piece in self.pieces(vector.len()) {
            let mut bytes = Vec::new();
            T::write(&vector[piece[self.rank()].clone()], &mut bytes);
            let lens: Vec<usize> = piece.iter().map(|range| range.len() * T::BYTES).collect();
            let mut all = Vec::new();
            T::read(&link.gather(bytes, &lens)?, &mut all);
            let mut all = all.as_slice();
            for range in piece {
                let (own, rest) = all.split_at(range.len());
                vector[range].copy_from_slice(own);
                all = rest;
            }
        }
        Ok(())
    }

    /// Sends the slices of a vector of `len` elements to rank 0, which gets the whole; the other ranks get nothing.
    pub(crate) fn slices_to_first<T: Word>(&self, own: &[T], len: usize) -> Result<Option<Vec<T>>> {
        let Some(link) = self.link() else {
            return Ok(Some(own.to_vec()));
        };
        let mut bytes = Vec::with_capacity(own.len() * T::BYTES);
        T::write(own, &mut bytes);
        let mut sent = vec![0; self.count()];
        sent[0] = bytes.len();
        let lens = (0..self.count()).map(|rank| match self.rank() {
            0 => self.slice(len, rank).len() * T::BYTES,
            _ => 0,
        });
        let lens: Vec<usize> = lens.collect();
        let parts = Parts { bytes, lens: &sent };
        let received = link.exchange(parts, &lens)?;
        let mut all = Vec::with_capacity(received.len() / T::BYTES);
        T::read(&received, &mut all);
        Ok(self.is_first().then_some(all))
    }

    /// Cuts the slices of all ranks into pieces that are exchanged together: a range for each rank.
    fn pieces(&self, len: usize) -> Vec<Vec<Range<usize>>> {
        let slices: Vec<Range<usize>> = (0..self.count())
            .map(|rank| self.slice(len, rank))
            .collect();
        let longest = slices.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let piece = |first: usize| {
            let cut = |slice: &Range<usize>| {
                let start = (slice.start + first).min(slice.end);
                start..(start + PIECE).min(slice.end)
            };
            slices.iter().map(cut).collect()
        };
        (0..longest).step_by(PIECE).map(piece).collect()
    }

    /// Sends every rank its range of a piece, and returns the own range of all ranks.
    fn exchange_pieces<T: Word>(&self, own: Vec<T>, piece: &[Range<usize>]) -> Result<Vec<Vec<T>>> {
        let Some(link) = self.link() else {
            return Ok(vec![own]);
        };
        let sent: Vec<usize> = piece.iter().map(|range| range.len() * T::BYTES).collect();
        let len = sent[self.rank()];
        let mut bytes = Vec::with_capacity(own.len() * T::BYTES);
        T::write(&own, &mut bytes);
        let parts = Parts { bytes, lens: &sent };
        let received = link.exchange(parts, &vec![len; self.count()])?;
        let read = |rank: usize| {
            let mut elements = Vec::with_capacity(len / T::BYTES);
            T::read(&received[rank * len..][..len], &mut elements);
            elements
        };
        Ok((0..self.count()).map(read).collect())
    }
}
