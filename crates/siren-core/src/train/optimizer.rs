use std::ops::Range;

use candle_core::{DType, Tensor, Var};
use rayon::prelude::*;

use super::adam::Adam;
use super::config::TrainConfig;
use super::muon::{self, MuonConfig};
use crate::error::{Error, Result};
use crate::field::Layout;

/// The update of all parameters of a network: [Muon](MuonConfig) for the hidden matrices if the config asks for it, Adam for
/// everything else.
pub struct Optimizer {
    adam: Adam,
    muon: Option<MuonConfig>,
    learning_rate: f64,
    weight_decay: f64,
    pieces: Vec<Piece>,
    moments: Moments,
}

/// The state of an [`Optimizer`]: everything a checkpoint must hold besides the parameters.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Steps taken, `t`.
    pub step: u64,
    /// Running mean of the gradient, `(P,)`.
    pub first: Tensor,
    /// Running mean of its square, `(P,)`; stays zero where Muon steps.
    pub second: Tensor,
}

/// Some of the parameters and their moments.
pub(super) struct Part {
    pub(super) theta: Tensor,
    pub(super) first: Tensor,
    pub(super) second: Tensor,
}

/// Parameters that are stepped together.
struct Piece {
    range: Range<usize>,
    /// `(m, n)` if Muon steps them.
    matrix: Option<(usize, usize)>,
}

/// Parameters that Adam works on at once: the dozen operations of a step then find them in the nearest cache, and pieces are
/// what threads share. (Candle's own threads, which start at four times this, spin while they wait.)
const PIECE: usize = 1 << 14;

impl Optimizer {
    /// At `t = 0`, both moments zero; `layout` is that of `params`.
    ///
    /// # Errors
    /// Only from candle.
    pub fn new(config: &TrainConfig, params: &Var, layout: &Layout) -> Result<Self> {
        let matrices = if config.muon.is_some() {
            hidden_matrices(layout)
        } else {
            Vec::new()
        };
        Ok(Self {
            adam: Adam::new(config),
            muon: config.muon.clone(),
            learning_rate: config.learning_rate,
            weight_decay: config.weight_decay,
            pieces: pieces(layout.len(), &matrices),
            moments: Moments {
                step: 0,
                first: params.zeros_like()?,
                second: params.zeros_like()?,
            },
        })
    }

    /// The state.
    #[must_use]
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// Replaces the state.
    ///
    /// # Errors
    /// If the shapes are not those of this network.
    pub fn restore(&mut self, moments: Moments) -> Result<()> {
        let expected = self.moments.first.dims();
        for moment in [&moments.first, &moments.second] {
            if moment.dims() != expected {
                return Err(Error::Shape {
                    what: "optimizer moments",
                    expected: format!("{expected:?}"),
                    got: format!("{:?}", moment.dims()),
                });
            }
        }
        self.moments = moments;
        Ok(())
    }

    /// One step on `params (P,)` with `gradient (P,)`; nothing is changed by one that fails.
    ///
    /// # Errors
    /// [`Error::Diverged`] if the step would leave the finite numbers.
    pub fn step(&mut self, params: &Var, gradient: &Tensor, learning_rate: f64) -> Result<()> {
        let now = params.as_detached_tensor();
        let pieces = self.pieces.par_iter();
        let parts = pieces.map(|piece| self.step_piece(piece, [&now, gradient], learning_rate));
        let parts = parts.collect::<Result<Vec<Part>>>()?;
        let join = |which: fn(&Part) -> &Tensor| {
            let parts: Vec<&Tensor> = parts.iter().map(which).collect();
            Tensor::cat(&parts, 0)
        };
        let moments = Moments {
            step: self.moments.step + 1,
            first: join(|part| &part.first)?,
            second: join(|part| &part.second)?,
        };
        params.set(&join(|part| &part.theta)?)?;
        self.moments = moments;
        Ok(())
    }

    /// New parameters and moments of one piece.
    fn step_piece(
        &self,
        piece: &Piece,
        [theta, gradient]: [&Tensor; 2],
        learning_rate: f64,
    ) -> Result<Part> {
        let Moments {
            step,
            first,
            second,
        } = &self.moments;
        let narrow = |tensor: &Tensor| tensor.narrow(0, piece.range.start, piece.range.len());
        let gradient = narrow(gradient)?;
        let part = Part {
            theta: narrow(theta)?,
            first: narrow(first)?,
            second: narrow(second)?,
        };
        let stepped = match (piece.matrix, &self.muon) {
            (Some(shape), Some(muon)) => {
                let rate = muon.learning_rate * (learning_rate / self.learning_rate);
                let part = part.map(|tensor| tensor.reshape(shape))?;
                let gradient = gradient.reshape(shape)?;
                muon::step(muon, part, &gradient, (rate, self.weight_decay))?
                    .map(Tensor::flatten_all)?
            }
            _ => self.adam.step(part, gradient, (step + 1, learning_rate))?,
        };
        for (what, tensor) in [
            ("the optimizer's second moment", &stepped.second),
            ("a parameter", &stepped.theta),
        ] {
            if !is_finite(tensor)? {
                return Err(Error::Diverged {
                    step: *step,
                    what: what.to_owned(),
                });
            }
        }
        Ok(stepped)
    }
}

impl Part {
    fn map(self, to: impl Fn(&Tensor) -> candle_core::Result<Tensor>) -> Result<Self> {
        Ok(Self {
            theta: to(&self.theta)?,
            first: to(&self.first)?,
            second: to(&self.second)?,
        })
    }
}

/// The matrices between the first layer's and the last's.
fn hidden_matrices(layout: &Layout) -> Vec<(Range<usize>, (usize, usize))> {
    let entries = layout.entries().iter();
    let weights: Vec<_> = entries
        .filter(|entry| entry.name.ends_with(".weight"))
        .collect();
    let hidden = weights
        .get(1..weights.len().saturating_sub(1))
        .unwrap_or_default();
    let matrix = |range: &Range<usize>, shape: &[usize]| match *shape {
        [rows, columns] => Some((range.clone(), (rows, columns))),
        _ => None,
    };
    hidden
        .iter()
        .filter_map(|entry| matrix(&entry.range, &entry.shape))
        .collect()
}

/// All of `0..len` in order: the matrices, and what lies between them in pieces of at most [`PIECE`].
fn pieces(len: usize, matrices: &[(Range<usize>, (usize, usize))]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut done = 0;
    let between = |pieces: &mut Vec<Piece>, range: Range<usize>| {
        pieces.extend(range.clone().step_by(PIECE).map(|start| Piece {
            range: start..range.end.min(start + PIECE),
            matrix: None,
        }));
    };
    for (range, shape) in matrices {
        between(&mut pieces, done..range.start);
        pieces.push(Piece {
            range: range.clone(),
            matrix: Some(*shape),
        });
        done = range.end;
    }
    between(&mut pieces, done..len);
    pieces
}

/// Whether every element is: a sum in `f64` keeps whatever is not, and `f32` cannot overflow it.
fn is_finite(tensor: &Tensor) -> Result<bool> {
    let sum = tensor.to_dtype(DType::F64)?.sum_all()?;
    Ok(sum.to_scalar::<f64>()?.is_finite())
}

/// `Σ xᵢ²` in `f64`, piece by piece.
pub(super) fn sum_of_squares(tensor: &Tensor) -> Result<f64> {
    let mut sum = 0.0;
    for piece in pieces(tensor.elem_count(), &[]) {
        let part = tensor.narrow(0, piece.range.start, piece.range.len())?;
        sum += part
            .to_dtype(DType::F64)?
            .sqr()?
            .sum_all()?
            .to_scalar::<f64>()?;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_all_parameters_once_and_in_order() {
        let matrices = [(5..11, (2, 3)), (11..20, (3, 3))];
        for len in [20, 21, 20 + 3 * PIECE] {
            let mut end = 0;
            for piece in pieces(len, &matrices) {
                assert!(piece.range.start == end && !piece.range.is_empty());
                let size = piece.matrix.map_or(1..=PIECE, |(m, n)| m * n..=m * n);
                assert!(size.contains(&piece.range.len()));
                end = piece.range.end;
            }
            assert_eq!(end, len);
        }
    }
}
