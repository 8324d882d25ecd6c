//! Slices of flat parameters and gradients: every rank has one.

use std::ops::{AddAssign, Range};

use bytemuck::{AnyBitPattern, NoUninit};

use super::{Parts, Ranks};
use crate::error::Result;

/// Elements of a slice that are exchanged at once: the buffers of an exchange hold so many for each rank.
const PIECE: usize = 1 << 20;

/// `f32` or `f64`, as ranks exchange them: the bytes of this machine.
pub trait Word: NoUninit + AnyBitPattern + AddAssign {
    /// Number of bytes.
    const BYTES: usize = size_of::<Self>();

    /// Appends the bytes of some elements.
    fn write(elements: &[Self], bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(bytemuck::cast_slice(elements));
    }

    /// Returns the elements that [`write`](Self::write) wrote.
    #[must_use]
    fn read(bytes: &[u8]) -> Vec<Self> {
        bytemuck::pod_collect_to_vec(bytes)
    }
}

impl Word for f32 {}
impl Word for f64 {}

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
        let size = slice * T::BYTES;
        let read = |index: usize| T::read(&received[index * size..][..size]);
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
        Ok(T::read(&link.gather(bytes, &lens)?))
    }

    /// Adds the vectors of all ranks, in their order; all have the same length. Each rank gets the sum of its own slice: part `r` of as many equal
    /// ones as there are ranks. The other elements are undefined afterwards.
    ///
    /// # Errors
    /// [`Error::Rank`](crate::Error::Rank) if a rank is gone.
    pub fn sum_slices<T: Word>(&self, vector: &mut [T]) -> Result<()> {
        let Some(link) = self.link() else {
            return Ok(());
        };
        for piece in self.pieces(vector.len()) {
            let lens: Vec<usize> = piece.iter().map(|range| range.len() * T::BYTES).collect();
            let mut bytes = Vec::with_capacity(lens.iter().sum());
            for range in &piece {
                T::write(&vector[range.clone()], &mut bytes);
            }
            let own = lens[self.rank()];
            let parts = Parts { bytes, lens: &lens };
            let received = link.exchange(parts, &vec![own; self.count()])?;
            let mut vectors = received.chunks_exact(own.max(1)).map(T::read);
            let sum = &mut vector[piece[self.rank()].clone()];
            if let Some(first) = vectors.next() {
                sum.copy_from_slice(&first);
            }
            for other in vectors {
                for (sum, term) in sum.iter_mut().zip(other) {
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
            let all: Vec<T> = T::read(&link.gather(bytes, &lens)?);
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
        Ok(self.is_first().then(|| T::read(&received)))
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
}
