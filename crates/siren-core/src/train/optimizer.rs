use std::ops::Range;

use candle_core::{DType, Device, Tensor, Var};
use rayon::prelude::*;

use super::adam::{Adam, Rule};
use super::config::TrainConfig;
use super::in_place::with_numbers;
use super::muon::{self, MuonConfig};
use crate::error::{Error, Result};
use crate::field::{Layout, Real, read, sum_of_squares};

/// The update of all parameters of a network: [Muon](MuonConfig) for the hidden matrices if the config asks for it, Adam for
/// everything else.
pub struct Optimizer {
    adam: Adam,
    muon: Option<MuonConfig>,
    learning_rate: f64,
    weight_decay: f64,
    clip_norm: Option<f64>,
    pieces: Vec<Piece>,
    moments: Moments,
    /// No number of the moments is larger, where that is known.
    bounds: Option<[f64; 2]>,
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

/// A gradient that is read times a factor.
struct Clipped<'a> {
    gradient: &'a Tensor,
    /// Of the gradient itself.
    norm: f64,
    factor: f64,
}

impl<'a> Clipped<'a> {
    fn new(gradient: &'a Tensor, limit: Option<f64>) -> Result<Self> {
        // In f64: the square of a large but finite f32 would overflow, and clipping is there to mend just that.
        let here = gradient.to_device(&Device::Cpu)?.contiguous()?;
        let sum = match here.dtype() {
            DType::F64 => read(&here, sum_of_squares::<f64>)?,
            _ => read(&here, sum_of_squares::<f32>)?,
        };
        let norm = sum.sqrt();
        let factor = match limit {
            // PyTorch's `clip_grad_norm_` divides by the norm plus 1e-6.
            Some(limit) if norm > limit => limit / (norm + 1e-6),
            _ => 1.0,
        };
        Ok(Self {
            gradient,
            norm,
            factor,
        })
    }
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
            clip_norm: config.clip_norm,
            // On a device every operation is a launch: as few as there can be.
            pieces: if params.device().is_cpu() {
                pieces(layout.len(), &matrices, PIECE)
            } else {
                pieces(layout.len(), &matrices, usize::MAX)
            },
            moments: Moments {
                step: 0,
                first: params.zeros_like()?,
                second: params.zeros_like()?,
            },
            bounds: Some([0.0; 2]),
        })
    }

    /// The state, which the next step changes where it is.
    #[must_use]
    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    /// Replaces the state.
    ///
    /// # Errors
    /// If the shapes are not those of this network.
    pub fn restore(&mut self, moments: &Moments) -> Result<()> {
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
        // In memory of their own: whoever gave them may go on.
        self.moments = Moments {
            step: moments.step,
            first: moments.first.copy()?,
            second: moments.second.copy()?,
        };
        self.bounds = None;
        Ok(())
    }

    /// One step on `params (P,)` with `gradient (P,)`, which is clipped first; nothing is changed by one that fails. On the CPU the numbers of
    /// parameters and moments are changed where they are, and with them what shares their memory. Returns the Euclidean norm of the
    /// gradient before clipping.
    ///
    /// # Errors
    /// [`Error::Diverged`] if the gradient is not finite or the step would leave the finite numbers.
    pub fn step(&mut self, params: &Var, gradient: &Tensor, learning_rate: f64) -> Result<f64> {
        let gradient = Clipped::new(gradient, self.clip_norm)?;
        if !gradient.norm.is_finite() {
            return Err(Error::Diverged {
                step: self.moments.step,
                what: "the gradient".to_owned(),
            });
        }
        let is_here = params.device().is_cpu();
        let now = params.as_detached_tensor();
        let wanted = |piece: &&Piece| !is_here || piece.matrix.is_some();
        let pieces: Vec<&Piece> = self.pieces.iter().filter(wanted).collect();
        let step = |piece| self.step_piece(piece, (&now, &gradient), learning_rate);
        let parts: Result<Vec<Part>> = if is_here {
            pieces.into_par_iter().map(step).collect()
        } else {
            pieces.into_iter().map(step).collect()
        };
        let parts = parts?;
        match (is_here, params.dtype()) {
            (true, DType::F64) => self.step_here::<f64>(&now, &gradient, learning_rate, &parts)?,
            (true, _) => self.step_here::<f32>(&now, &gradient, learning_rate, &parts)?,
            (false, _) => {
                let join = |which: fn(&Part) -> &Tensor| {
                    let parts: Vec<&Tensor> = parts.iter().map(which).collect();
                    Tensor::cat(&parts, 0)
                };
                self.moments.first = join(|part| &part.first)?;
                self.moments.second = join(|part| &part.second)?;
                params.set(&join(|part| &part.theta)?)?;
            }
        }
        self.moments.step += 1;
        Ok(gradient.norm)
    }

    /// The step in place: of the matrices as `parts` say, of all else by Adam, which is first tried.
    fn step_here<T: Real>(
        &mut self,
        theta: &Tensor,
        clipped: &Clipped<'_>,
        learning_rate: f64,
        parts: &[Part],
    ) -> Result<()> {
        let time = (self.moments.step + 1, learning_rate);
        let rule: Rule<T> = self.adam.rule(time, clipped.factor);
        let matrices = parts.iter().map(|part| {
            let numbers = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<T>();
            Ok([
                numbers(&part.theta)?,
                numbers(&part.first)?,
                numbers(&part.second)?,
            ])
        });
        let matrices = matrices.collect::<Result<Vec<[Vec<T>; 3]>>>()?;
        let gradient = clipped.gradient.contiguous()?;
        let tensors = [theta, &self.moments.first, &self.moments.second];
        let stepped: Result<[f64; 2]> = read(&gradient, |gradient: &[T]| {
            with_numbers(tensors, |numbers| {
                let [theta, first, second] = numbers;
                let before = self.bounds.unwrap_or_else(|| {
                    [&*first, second].map(|numbers| sum_of_squares(numbers).sqrt())
                });
                let bounds = rule.bounds(before, clipped.norm);
                if !self.is_surely_finite(&rule, bounds) {
                    self.must_be_finite(&rule, [theta, first, second], gradient)?;
                }
                self.apply(&rule, [theta, first, second], (gradient, &matrices));
                Ok(bounds)
            })
        })??;
        self.bounds = Some(stepped?);
        Ok(())
    }

    /// Whether a step by Adam that leaves moments of at most this size cannot leave the finite numbers: the steps that people take.
    fn is_surely_finite<T: Real>(&self, rule: &Rule<T>, [first, second]: [f64; 2]) -> bool {
        let step = rule.largest_step(first);
        self.weight_decay == 0.0 && step < FAR_FROM_INFINITE && second < FAR_FROM_INFINITE
    }

    fn must_be_finite<T: Real>(
        &self,
        rule: &Rule<T>,
        numbers: [&[T]; 3],
        gradient: &[T],
    ) -> Result<()> {
        let pieces = self
            .pieces
            .par_iter()
            .filter(|piece| piece.matrix.is_none());
        let wrong = pieces.map(|piece| {
            let [theta, first, second] = numbers.map(|numbers| &numbers[piece.range.clone()]);
            not_finite(rule, [theta, first, second, &gradient[piece.range.clone()]])
        });
        match wrong.collect::<Vec<_>>().into_iter().flatten().next() {
            Some(what) => Err(Error::Diverged {
                step: self.moments.step,
                what: what.to_owned(),
            }),
            None => Ok(()),
        }
    }

    fn apply<T: Real>(
        &self,
        rule: &Rule<T>,
        [theta, first, second]: [&mut [T]; 3],
        (gradient, matrices): (&[T], &[[Vec<T>; 3]]),
    ) {
        let mut places = matrices.iter();
        let new = self
            .pieces
            .iter()
            .map(|piece| piece.matrix.and_then(|_| places.next()));
        let new: Vec<Option<&[Vec<T>; 3]>> = new.collect();
        let numbers = self
            .apart(theta)
            .into_par_iter()
            .zip(self.apart(first))
            .zip(self.apart(second));
        let pieces = numbers.zip(&self.pieces).zip(new);
        pieces.for_each(|((((theta, first), second), piece), new)| {
            if let Some([new_theta, new_first, new_second]) = new {
                theta.copy_from_slice(new_theta);
                first.copy_from_slice(new_first);
                second.copy_from_slice(new_second);
            } else {
                apply(rule, [theta, first, second], &gradient[piece.range.clone()]);
            }
        });
    }

    /// The numbers of each piece.
    fn apart<'a, T>(&self, mut numbers: &'a mut [T]) -> Vec<&'a mut [T]> {
        let pieces = self.pieces.iter().map(|piece| {
            let (own, rest) = std::mem::take(&mut numbers).split_at_mut(piece.range.len());
            numbers = rest;
            own
        });
        pieces.collect()
    }

    /// New parameters and moments of one piece.
    fn step_piece(
        &self,
        piece: &Piece,
        (theta, gradient): (&Tensor, &Clipped<'_>),
        learning_rate: f64,
    ) -> Result<Part> {
        let Moments {
            step,
            first,
            second,
        } = &self.moments;
        let narrow = |tensor: &Tensor| tensor.narrow(0, piece.range.start, piece.range.len());
        let gradient = (narrow(gradient.gradient)? * gradient.factor)?;
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
fn pieces(len: usize, matrices: &[(Range<usize>, (usize, usize))], most: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut done = 0;
    let between = |pieces: &mut Vec<Piece>, range: Range<usize>| {
        pieces.extend(range.clone().step_by(most).map(|start| Piece {
            range: start..range.end.min(start.saturating_add(most)),
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

/// Far below the largest number of single precision, and still larger than any that training meets.
const FAR_FROM_INFINITE: f64 = 1e30;

/// What would leave the finite numbers, if anything would.
fn not_finite<T: Real>(
    rule: &Rule<T>,
    [theta, first, second, gradient]: [&[T]; 4],
) -> Option<&'static str> {
    let zero = T::of(0.0);
    let (mut thetas, mut seconds) = (zero, zero);
    for ((&theta, &first), (&second, &gradient)) in
        theta.iter().zip(first).zip(second.iter().zip(gradient))
    {
        let [theta, _, second] = rule.stepped([theta, first, second], gradient);
        // Zero times what is not finite is not a number.
        thetas += theta * zero;
        seconds += second * zero;
    }
    match (seconds == zero, thetas == zero) {
        (false, _) => Some("the optimizer's second moment"),
        (true, false) => Some("a parameter"),
        (true, true) => None,
    }
}

fn apply<T: Real>(rule: &Rule<T>, [theta, first, second]: [&mut [T]; 3], gradient: &[T]) {
    let moments = first.iter_mut().zip(second);
    for ((theta, (first, second)), &gradient) in theta.iter_mut().zip(moments).zip(gradient) {
        [*theta, *first, *second] = rule.stepped([*theta, *first, *second], gradient);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_all_parameters_once_and_in_order() {
        let matrices = [(5..11, (2, 3)), (11..20, (3, 3))];
        for len in [20, 21, 20 + 3 * PIECE] {
            let mut end = 0;
            for piece in pieces(len, &matrices, PIECE) {
                assert!(piece.range.start == end && !piece.range.is_empty());
                let size = piece.matrix.map_or(1..=PIECE, |(m, n)| m * n..=m * n);
                assert!(size.contains(&piece.range.len()));
                end = piece.range.end;
            }
            assert_eq!(end, len);
        }
    }
}
