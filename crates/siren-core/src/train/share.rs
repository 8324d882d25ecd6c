//! The loss of one constraint, computed by several ranks.
//!
//! Every rank evaluates its share of the chunks, and adds them up as far as the tree of all chunks allows within its share: the sums of some
//! subtrees. Every rank is then sent its slice of the gradients of all subtrees, adds these along the rest of the tree, and sends the sum to
//! all. That takes as many bytes as any other sum over ranks, and makes the additions of a single rank, in the same order.

use std::borrow::Cow;

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::chunk::{Evaluator, PartialLoss, TermSum, WholeLoss, add_gradients};
use super::tree::{Node, Subtree};
use crate::error::{Error, Result};
use crate::field::Threads;
use crate::field::tensor::{Element, read};
use crate::ranks::{Message, MessageReader, Ranks, Word};

/// Sums over the chunks of a subtree.
#[derive(Clone, Debug, PartialEq)]
struct SubtreeSums {
    terms: Vec<TermSum>,
    /// Gradient with respect to the coefficients.
    coefficients: Vec<f64>,
}

/// Sums over the chunks of a subtree of this rank.
struct OwnSums<T> {
    sums: SubtreeSums,
    /// With respect to the parameters `(P,)`, as the backend adds it.
    gradient: Vec<T>,
}

impl Evaluator<'_> {
    /// Evaluates the chunks of a tree together with all other ranks.
    pub(super) fn shared(&self, tree: Node, ranks: &Ranks) -> Result<WholeLoss> {
        match self.prepared.dtype() {
            DType::F64 => self.shared_in::<f64>(tree, ranks),
            _ => self.shared_in::<f32>(tree, ranks),
        }
    }

    fn shared_in<T: Element + Word>(&self, tree: Node, ranks: &Ranks) -> Result<WholeLoss> {
        let shares = tree.shares(ranks.count());
        let (sums, gradients) = match self.own_sums::<T>(&shares, ranks.rank()) {
            Ok(own) => {
                let own = own.into_iter().map(|own| (own.sums, own.gradient));
                let (sums, gradients): (Vec<_>, Vec<_>) = own.unzip();
                (Ok(message(&sums)), gradients)
            }
            Err(error) => (Err(error), Vec::new()),
        };
        let messages = ranks.gather(sums)?;
        let gradient = total_gradient(tree, &shares, &gradients, ranks, self.parameters())?;
        let mut sums = Vec::new();
        for message in &messages {
            read_message(message, &mut sums)?;
        }
        let SubtreeSums {
            terms,
            coefficients,
        } = self.total_sums(tree, &shares, sums)?;
        let gradient = Tensor::from_vec(gradient, self.parameters(), &Device::Cpu)?;
        Ok(WholeLoss {
            sums: terms,
            gradient: self.prepared.gradient_of(&gradient)?,
            coefficients,
        })
    }

    /// Evaluates the chunks of the subtrees of a rank.
    fn own_sums<T: Element>(&self, shares: &[Subtree], rank: usize) -> Result<Vec<OwnSums<T>>> {
        let own = shares.iter().filter(|share| share.rank == rank);
        let own: Vec<Node> = own.map(|share| share.node).collect();
        let sums = |node: Node| {
            let PartialLoss {
                sums,
                accumulator,
                coefficients,
            } = self.reduce(node)?;
            let gradient = accumulator.into_raw()?.contiguous()?;
            Ok(OwnSums {
                sums: SubtreeSums {
                    terms: sums,
                    coefficients,
                },
                gradient: read(&gradient, <[T]>::to_vec)?,
            })
        };
        match self.prepared.threads() {
            Threads::Many => own.into_par_iter().map(sums).collect(),
            Threads::One => own.into_iter().map(sums).collect(),
        }
    }

    /// Adds the sums of all subtrees.
    fn total_sums(
        &self,
        tree: Node,
        shares: &[Subtree],
        sums: Vec<SubtreeSums>,
    ) -> Result<SubtreeSums> {
        for pair in sums.windows(2) {
            self.must_match(&pair[0].terms, &pair[1].terms)?;
        }
        let add = |sum: &mut SubtreeSums, more: SubtreeSums| {
            for (sum, more) in sum.terms.iter_mut().zip(more.terms) {
                sum.total += more.total;
            }
            add_gradients(&mut sum.coefficients, &more.coefficients);
        };
        sum_along(tree, shares, sums, &add)
    }

    fn parameters(&self) -> usize {
        self.prepared.parameters()
    }
}

/// Adds the values of all subtrees along the tree.
fn sum_along<V>(
    tree: Node,
    shares: &[Subtree],
    values: Vec<V>,
    add: &impl Fn(&mut V, V),
) -> Result<V> {
    let found = values.len();
    let nodes = shares.iter().map(|share| share.node);
    let sum = tree.sum(&mut nodes.zip(values).peekable(), add);
    sum.ok_or_else(|| Error::Shape {
        what: "sums of all ranks",
        expected: format!("{} of them", shares.len()),
        got: found.to_string(),
    })
}

/// Returns the sum of the gradients `(P,)` of all subtrees, given those of this rank.
fn total_gradient<T: Element + Word>(
    tree: Node,
    shares: &[Subtree],
    own: &[Vec<T>],
    ranks: &Ranks,
    parameters: usize,
) -> Result<Vec<T>> {
    let subtrees = |rank: usize| shares.iter().filter(|share| share.rank == rank).count();
    let subtrees: Vec<usize> = (0..ranks.count()).map(subtrees).collect();
    let slices = ranks.exchange_slices(own, &subtrees, parameters)?;
    let add = |sum: &mut Vec<T>, more: Vec<T>| {
        for (sum, more) in sum.iter_mut().zip(more) {
            *sum += more;
        }
    };
    let slice = sum_along(tree, shares, slices, &add)?;
    ranks.gather_slices(&slice, parameters)
}

/// Returns the message of a rank with the sums of its subtrees.
fn message(sums: &[SubtreeSums]) -> Vec<u8> {
    let mut message = Message::default();
    message.count(sums.len());
    for SubtreeSums {
        terms,
        coefficients,
    } in sums
    {
        message.count(terms.len());
        for term in terms {
            message.text(&term.name);
            message.number(term.weight);
            message.number(term.total);
        }
        message.count(coefficients.len());
        for &gradient in coefficients {
            message.number(gradient);
        }
    }
    message.into_bytes()
}

/// Appends the sums of the subtrees of another rank.
fn read_message(message: &[u8], sums: &mut Vec<SubtreeSums>) -> Result<()> {
    let mut message = MessageReader::new(message);
    for _ in 0..message.count()? {
        let mut read = SubtreeSums {
            terms: Vec::new(),
            coefficients: Vec::new(),
        };
        for _ in 0..message.count()? {
            read.terms.push(TermSum {
                name: Cow::Owned(message.text()?),
                weight: message.number()?,
                total: message.number()?,
            });
        }
        for _ in 0..message.count()? {
            read.coefficients.push(message.number()?);
        }
        sums.push(read);
    }
    Ok(())
}
