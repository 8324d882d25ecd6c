//! Optimizers whose rule is the same formula for every element.
//!
//! The formula is written once, over [`Value`]: numbers in place on the CPU, where new tensors of tens of millions of elements would take
//! longer than the arithmetic, and whole tensors on other devices.

use std::ops::{Add, Div, Mul, Sub};

use candle_core::{DType, Tensor};
use rayon::prelude::*;

use super::evaluation::Evaluation;
use super::group::{Group, Piece};
use crate::error::{Error, Result};
use crate::field::tensor::{Element, into_storage, modify, read};
use crate::field::{FlatGradient, Parameters, Threads, threads};

/// Parameters that one thread updates at once: its operations then find them in the nearest cache.
const PIECE: usize = 1 << 14;
/// Far below the largest number of single precision, and larger than any that training meets.
const FAR_FROM_INFINITE: f64 = 1e30;

/// Arithmetic of a [`Rule`]: on numbers, or on whole tensors.
pub(super) trait Value:
    Clone + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// Returns the product with a constant.
    fn scaled(self, factor: f64) -> Self;
    /// Returns the sum with a constant.
    fn plus(self, constant: f64) -> Self;
    /// Returns the square root.
    fn sqrt(self) -> Self;
}

macro_rules! number {
    ($number:ty) => {
        impl Value for $number {
            #[inline]
            fn scaled(self, factor: f64) -> Self {
                self * factor as $number
            }
            #[inline]
            fn plus(self, constant: f64) -> Self {
                self + constant as $number
            }
            #[inline]
            fn sqrt(self) -> Self {
                <$number>::sqrt(self)
            }
        }
    };
}

number!(f32);
number!(f64);

/// A tensor, or the first error on the way to it.
#[derive(Clone)]
struct Whole(std::result::Result<Tensor, std::sync::Arc<candle_core::Error>>);

impl Whole {
    fn new(tensor: Tensor) -> Self {
        Self(Ok(tensor))
    }

    fn map(self, f: impl FnOnce(Tensor) -> candle_core::Result<Tensor>) -> Self {
        Self(self.0.and_then(|tensor| f(tensor).map_err(Into::into)))
    }

    fn with(
        self,
        other: Self,
        f: impl FnOnce(&Tensor, &Tensor) -> candle_core::Result<Tensor>,
    ) -> Self {
        match (self.0, other.0) {
            (Ok(a), Ok(b)) => Self(f(&a, &b).map_err(Into::into)),
            (Err(error), _) | (_, Err(error)) => Self(Err(error)),
        }
    }

    fn finish(self) -> Result<Tensor> {
        let message = |error: std::sync::Arc<candle_core::Error>| {
            Error::Candle(candle_core::Error::msg(error.to_string()))
        };
        self.0.map_err(message)
    }
}

impl Add for Whole {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.with(other, |a, b| a + b)
    }
}

impl Sub for Whole {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.with(other, |a, b| a - b)
    }
}

impl Mul for Whole {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        self.with(other, |a, b| a * b)
    }
}

impl Div for Whole {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        self.with(other, |a, b| a / b)
    }
}

impl Value for Whole {
    fn scaled(self, factor: f64) -> Self {
        self.map(|tensor| tensor * factor)
    }
    fn plus(self, constant: f64) -> Self {
        self.map(|tensor| tensor + constant)
    }
    fn sqrt(self) -> Self {
        self.map(|tensor| tensor.sqrt())
    }
}

/// One parameter θ and its `N` numbers of state.
#[derive(Clone, Copy)]
pub(super) struct Slot<V, const N: usize> {
    pub(super) theta: V,
    pub(super) state: [V; N],
}

/// What is known before a step.
#[derive(Clone, Copy)]
pub(super) struct Before<const N: usize> {
    /// Upper bounds of the absolute values of the state.
    pub(super) state: [f64; N],
    /// Euclidean norm of the gradient.
    pub(super) gradient: f64,
    /// Upper bound of the absolute values of the parameters; infinite where it is not known.
    pub(super) theta: f64,
}

/// Upper bounds after a step.
pub(super) struct Bounds<const N: usize> {
    /// Of the absolute values of the state.
    pub(super) state: [f64; N],
    /// Of the distance that a parameter moves.
    pub(super) step: f64,
}

impl<const N: usize> Bounds<N> {
    /// Returns whether everything surely stays finite.
    pub(super) fn are_finite(&self) -> bool {
        are_far_from_infinite(self.state.iter().copied().chain([self.step]))
    }
}

/// Returns whether single precision represents numbers up to these bounds, with much to spare.
pub(super) fn are_far_from_infinite(bounds: impl IntoIterator<Item = f64>) -> bool {
    bounds.into_iter().all(|bound| bound < FAR_FROM_INFINITE)
}

/// An update formula, with the constants of one step.
pub(super) trait Rule<const N: usize>: Copy + Send + Sync {
    /// Returns parameter and state after the step.
    fn update<V: Value>(&self, slot: Slot<V, N>, gradient: V) -> Slot<V, N>;

    /// Returns upper bounds after a step, given those before it. Infinite bounds are always right; finite ones spare a search for numbers
    /// that are not finite.
    fn bounds(&self, _before: Before<N>) -> Bounds<N> {
        Bounds {
            state: [f64::INFINITY; N],
            step: f64::INFINITY,
        }
    }
}

/// State of an optimizer with a [`Rule`]: `N` numbers for each parameter of its group.
pub(super) struct Elementwise<const N: usize> {
    group: Group,
    /// `(G,)` each, for the parameters of the group in order.
    state: [Tensor; N],
    /// Upper bounds of the absolute values of the state, where they are known.
    bounds: Option<[f64; N]>,
}

impl<const N: usize> Elementwise<N> {
    /// Makes a state of zeros.
    pub(super) fn zeros(group: Group, parameters: &Parameters) -> Result<Self> {
        let zeros = || Tensor::zeros(group.len(), parameters.dtype(), parameters.device());
        let state: Vec<Tensor> = (0..N)
            .map(|_| zeros())
            .collect::<candle_core::Result<_>>()?;
        Ok(Self {
            state: into_array(state)?,
            group,
            bounds: Some([0.0; N]),
        })
    }

    /// Returns the state, `(G,)` each; a step changes it in place.
    pub(super) fn state(&self) -> &[Tensor; N] {
        &self.state
    }

    /// Returns the parameters that are updated.
    pub(super) fn group(&self) -> &Group {
        &self.group
    }

    /// Returns upper bounds of the absolute values of the state, where they are known.
    pub(super) fn bounds(&self) -> Option<[f64; N]> {
        self.bounds
    }

    /// Returns upper bounds of the absolute values of the state: its norms where no finite ones are known.
    pub(super) fn finite_bounds(&self) -> Result<[f64; N]> {
        let is_finite = |bounds: &[f64; N]| bounds.iter().all(|bound| bound.is_finite());
        if let Some(bounds) = self.bounds.filter(is_finite) {
            return Ok(bounds);
        }
        let mut norms = [0.0; N];
        for (norm, state) in norms.iter_mut().zip(&self.state) {
            *norm = FlatGradient::from(state.clone()).norm()?;
        }
        Ok(norms)
    }

    /// Replaces the upper bounds of the absolute values of the state.
    pub(super) fn set_bounds(&mut self, bounds: Option<[f64; N]>) {
        self.bounds = bounds;
    }

    /// Returns the number of parameters in the group, `G`.
    pub(super) fn len(&self) -> usize {
        self.group.len()
    }

    /// Replaces the state.
    pub(super) fn set_state(&mut self, state: Vec<Tensor>) -> Result<()> {
        self.state = into_array(state)?;
        self.bounds = None;
        Ok(())
    }

    /// Updates parameters and state. `step` is the number of steps taken before, for messages.
    pub(super) fn step(
        &mut self,
        rule: &impl Rule<N>,
        parameters: &Parameters,
        evaluation: &Evaluation,
        step: u64,
    ) -> Result<()> {
        match (threads(parameters.device()), parameters.dtype()) {
            (Threads::Many, DType::F64) => {
                self.step_in_place::<f64>(rule, parameters, evaluation, step)
            }
            (Threads::Many, _) => self.step_in_place::<f32>(rule, parameters, evaluation, step),
            (Threads::One, _) => self.step_whole(rule, parameters, evaluation, step),
        }
    }

    fn step_in_place<T: Element + Value>(
        &mut self,
        rule: &impl Rule<N>,
        parameters: &Parameters,
        evaluation: &Evaluation,
        step: u64,
    ) -> Result<()> {
        let gradient = evaluation.gradient.tensor()?.contiguous()?;
        let before = match self.bounds {
            Some(bounds) => bounds,
            None => self.finite_bounds()?,
        };
        let mut state = self.take_state::<T>()?;
        let resting = evaluation.gradient.resting();
        let pieces = self.group.pieces_at_rest(PIECE, resting);
        let bounds = rule.bounds(Before {
            state: before,
            gradient: evaluation.norm,
            theta: f64::INFINITY,
        });
        let surely_finite = bounds.are_finite();
        let theta = parameters.var()?.as_tensor();
        let stepped = read(&gradient, |gradient: &[T]| {
            modify(theta, |theta: &mut [T]| {
                let parts = parts(&pieces, theta, &mut state, gradient);
                if !surely_finite {
                    check_finite(rule, &parts, step)?;
                }
                parts.into_par_iter().for_each(|part| part.apply(*rule));
                Ok::<(), Error>(())
            })
        });
        self.put_state(state)?;
        stepped???;
        // The state of parameters at rest may be beyond, but is not used again.
        self.bounds = Some(bounds.state);
        Ok(())
    }

    /// Moves the state out of its tensors. They are nobody else's: [`Optimizer::state`](super::Optimizer::state) copies.
    fn take_state<T: Element>(&mut self) -> Result<[Vec<T>; N]> {
        let mut taken = [const { Vec::new() }; N];
        for (tensor, taken) in self.state.iter().zip(&mut taken) {
            *taken = into_elements(tensor)?;
        }
        Ok(taken)
    }

    fn put_state<T: Element>(&mut self, state: [Vec<T>; N]) -> Result<()> {
        for (tensor, values) in self.state.iter_mut().zip(state) {
            let len = values.len();
            *tensor = Tensor::from_vec(values, len, tensor.device())?;
        }
        Ok(())
    }

    fn step_whole(
        &mut self,
        rule: &impl Rule<N>,
        parameters: &Parameters,
        evaluation: &Evaluation,
        step: u64,
    ) -> Result<()> {
        let theta = parameters.var()?.as_detached_tensor();
        let gradient = evaluation.gradient.tensor()?;
        let mut first = 0;
        let mut stepped = Vec::new();
        for range in self.group.ranges() {
            let part = |tensor: &Tensor| tensor.narrow(0, range.start, range.len());
            let state: Vec<Whole> = self
                .state
                .iter()
                .map(|state| Ok(Whole::new(state.narrow(0, first, range.len())?)))
                .collect::<Result<_>>()?;
            let slot = Slot {
                theta: Whole::new(part(&theta)?),
                state: into_array(state)?,
            };
            let slot = rule.update(slot, Whole::new(part(&gradient)?));
            stepped.push((range.start, first, slot.theta.finish()?, slot.state));
            first += range.len();
        }
        let mut writes = Vec::new();
        for (start, first, theta, state) in stepped {
            must_be_finite(&theta, "a parameter", step)?;
            let state: Vec<Tensor> = state
                .into_iter()
                .map(Whole::finish)
                .collect::<Result<_>>()?;
            for state in &state {
                must_be_finite(state, "the optimizer's state", step)?;
            }
            writes.push((start, first, theta, state));
        }
        for (start, first, theta, state) in writes {
            parameters.var()?.slice_set(&theta, 0, start)?;
            for (whole, state) in self.state.iter().zip(&state) {
                whole.slice_set(state, 0, first)?;
            }
        }
        Ok(())
    }
}

/// Takes the elements out of a tensor that nothing else holds.
fn into_elements<T: Element>(tensor: &Tensor) -> Result<Vec<T>> {
    let mut storage = into_storage(tensor.clone())?;
    let elements = T::elements_of(&mut storage).map(std::mem::take);
    let mixed = || candle_core::Error::msg("state and parameters of an optimizer are of one type");
    Ok(elements.ok_or_else(mixed)?)
}

fn into_array<V, const N: usize>(values: Vec<V>) -> Result<[V; N]> {
    let found = values.len();
    values.try_into().map_err(|_| Error::Shape {
        what: "optimizer state",
        expected: format!("{N} tensors"),
        got: format!("{found}"),
    })
}

/// Checks that every element of a tensor is finite. A sum in double precision keeps what is not, and elements of `f32` do not overflow it.
pub(super) fn must_be_finite(tensor: &Tensor, what: &str, step: u64) -> Result<()> {
    let sum = tensor.to_dtype(DType::F64)?.sum_all()?;
    if sum.to_scalar::<f64>()?.is_finite() {
        return Ok(());
    }
    Err(Error::Diverged {
        step,
        what: what.to_owned(),
    })
}

/// The elements of one piece.
struct Part<'a, T, const N: usize> {
    theta: &'a mut [T],
    state: [&'a mut [T]; N],
    gradient: &'a [T],
}

impl<T: Element + Value, const N: usize> Part<'_, T, N> {
    /// Updates every element.
    fn apply<R: Rule<N>>(mut self, rule: R) {
        for (index, theta) in self.theta.iter_mut().enumerate() {
            let state = self.state.each_ref().map(|state| state[index]);
            let slot = Slot {
                theta: *theta,
                state,
            };
            let slot = rule.update(slot, self.gradient[index]);
            *theta = slot.theta;
            for (state, new) in self.state.iter_mut().zip(slot.state) {
                state[index] = new;
            }
        }
    }

    /// Returns whether parameters and state stay finite.
    fn stays_finite<R: Rule<N>>(&self, rule: R) -> [bool; 2] {
        let zero = T::of(0.0);
        let (mut thetas, mut states) = (zero, zero);
        for (index, &theta) in self.theta.iter().enumerate() {
            let state = self.state.each_ref().map(|state| state[index]);
            let slot = rule.update(Slot { theta, state }, self.gradient[index]);
            // Zero times a number that is not finite is not a number.
            thetas += slot.theta * zero;
            for state in slot.state {
                states += state * zero;
            }
        }
        [thetas == zero, states == zero]
    }
}

/// Cuts parameters, state and gradient into pieces, and returns the active ones. The state holds the group's parameters alone, one piece after the
/// other.
fn parts<'a, T, const N: usize>(
    pieces: &[Piece],
    mut theta: &'a mut [T],
    state: &'a mut [Vec<T>; N],
    gradient: &'a [T],
) -> Vec<Part<'a, T, N>> {
    let mut state = state.each_mut().map(Vec::as_mut_slice);
    let mut end = 0;
    let mut parts = Vec::with_capacity(pieces.len());
    for Piece {
        range: piece,
        is_active,
    } in pieces
    {
        let (_, rest) = theta.split_at_mut(piece.start - end);
        let (own, rest) = rest.split_at_mut(piece.len());
        theta = rest;
        end = piece.end;
        let own_state = state.each_mut().map(|state| {
            let (own, rest) = std::mem::take(state).split_at_mut(piece.len());
            *state = rest;
            own
        });
        if *is_active {
            parts.push(Part {
                theta: own,
                state: own_state,
                gradient: &gradient[piece.clone()],
            });
        }
    }
    parts
}

fn check_finite<T: Element + Value, const N: usize>(
    rule: &impl Rule<N>,
    parts: &[Part<'_, T, N>],
    step: u64,
) -> Result<()> {
    let finite = parts.par_iter().map(|part| part.stays_finite(*rule));
    let finite = finite.reduce(|| [true; 2], |a, b| [a[0] && b[0], a[1] && b[1]]);
    let what = match finite {
        [true, true] => return Ok(()),
        [_, false] => "the optimizer's state",
        [false, true] => "a parameter",
    };
    Err(Error::Diverged {
        step,
        what: what.to_owned(),
    })
}
