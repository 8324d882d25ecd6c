//! The field itself: a network as a plain value.

use std::sync::{Arc, Mutex};

use candle_core::{DType, Device, Tensor, Var};
use rand_chacha::ChaCha8Rng;

use super::batch::BatchOperation;
use super::config::{FieldShape, SirenConfig};
use super::encoding::Encoding;
use super::jet::{Jet, Order};
use super::kernel::Level;
use super::layout::Layout;
use super::operation::Pools;
use super::plan::Plan;
use super::prepared::Prepared;
use super::square_error::SquareError;
use super::{composed, frequency, init, kernel};
use crate::error::{Error, Result};

/// Rows (points × jet components) per differentiable application at the least, and at the most: enough work to hide the cost of a graph.
const CHUNK_ROWS: [usize; 2] = [192, 1536];
/// Elements of one hidden activation `(rows, width)` per differentiable application, between those bounds: few enough that what the reverse pass
/// needs is still in a near cache.
const CHUNK_ELEMENTS: usize = 192 * 256;
/// Points per differentiable application at the least, however many components the jet has.
const MIN_CHUNK_POINTS: usize = 32;
/// Elements of one hidden activation `(rows, width)` per differentiable application on a device other than the CPU: enough to
/// occupy it, and few enough that the intermediate tensors of candle's operations fit its memory.
const DEVICE_CHUNK_ELEMENTS: usize = 1 << 24;
/// Most parameters of a network: 1 GiB of them in single precision.
const MAX_PARAMETERS: usize = 1 << 28;

/// A multilayer perceptron `Φ: ℝᵈ → ℝᶜ` with its spatial derivatives, by default the paper's (§3).
///
/// All parameters are one flat [`Var`] `(P,)` with named views ([`layout`](Self::layout)), so an optimizer or a
/// checkpoint is one tensor.
#[derive(Clone)]
pub struct Siren {
    pub(super) plan: Arc<Plan>,
    pub(super) pools: Arc<Pools>,
    pub(super) level: Level,
    pub(super) params: Var,
    /// `B` of the Gaussian Fourier encoding, row by row; empty for the others.
    fourier_matrix: Vec<f64>,
}

impl SirenConfig {
    /// Draws a network from `rng`: the encoding first, then layer by layer the weights and the biases, so that the same
    /// seed gives the same network at either precision.
    ///
    /// # Errors
    /// If a value of the config or a size of `shape` is out of range.
    pub fn init(
        &self,
        shape: FieldShape,
        rng: &mut ChaCha8Rng,
        dtype: DType,
        device: &Device,
    ) -> Result<Siren> {
        self.validate()?;
        self.must_be_resolved()?;
        let fourier_matrix = match &self.encoding {
            Encoding::Fourier(f) => init::normal(f.scale, f.features * shape.in_features, rng),
            _ => Vec::new(),
        };
        let plan = self.plan(shape, &fourier_matrix)?;
        let mut params = Vec::with_capacity(plan.layout.len());
        if let Encoding::Rbf(rbf) = &self.encoding {
            params.extend(init::uniform(1.0, rbf.centers * shape.in_features, rng));
            params.extend(std::iter::repeat_n(rbf.sigma, rbf.centers));
        }
        let mut before = None;
        for (index, layer) in plan.layers.iter().enumerate() {
            params.extend(init::weights(self, index, (layer, before), rng));
            let fans = (layer.fan_in, layer.fan_out);
            params.extend(init::biases(self, index, fans, rng));
            params.extend(layer.frequency.map(|_| 1.0));
            before = Some(layer.pointwise);
        }
        let params = Tensor::from_vec(params, plan.layout.len(), &Device::Cpu)?;
        let params = params.to_dtype(dtype)?.to_device(device)?;
        Siren::assemble(plan, fourier_matrix, &params)
    }

    /// A network with the given parameters instead of drawn ones: `find` gives each tensor of
    /// [`Siren::named_tensors`] by its name.
    ///
    /// # Errors
    /// If the config is out of range, or a tensor is missing or has another shape.
    pub fn load(
        &self,
        shape: FieldShape,
        find: impl Fn(&str) -> Option<Tensor>,
        dtype: DType,
        device: &Device,
    ) -> Result<Siren> {
        self.validate()?;
        self.must_be_resolved()?;
        let mut fourier_matrix = Vec::new();
        if let Encoding::Fourier(fourier) = &self.encoding {
            let mut buffer = Layout::default();
            buffer.push(FOURIER_MATRIX, &[fourier.features, shape.in_features]);
            fourier_matrix = buffer.join(&find)?.to_dtype(DType::F64)?.to_vec1()?;
        }
        let plan = self.plan(shape, &fourier_matrix)?;
        let params = plan.layout.join(find)?.to_dtype(dtype)?.to_device(device)?;
        Siren::assemble(plan, fourier_matrix, &params)
    }

    fn plan(&self, shape: FieldShape, fourier_matrix: &[f64]) -> Result<Plan> {
        if shape.in_features == 0 || shape.out_features == 0 {
            return Err(Error::Shape {
                what: "field",
                expected: "at least one coordinate and one channel".to_owned(),
                got: format!("{} and {}", shape.in_features, shape.out_features),
            });
        }
        let plan = Plan::new(self, shape, fourier_matrix);
        if plan.layout.len() > MAX_PARAMETERS {
            let expected = format!(
                "a width that, with {} hidden layers and this encoding, gives at most {MAX_PARAMETERS} parameters; \
                 here it gives {}",
                self.hidden_layers,
                plan.layout.len()
            );
            let key = "field.hidden_features";
            return Err(Error::invalid(key, self.hidden_features, &expected));
        }
        Ok(plan)
    }
}

/// Name of the Fourier encoding's fixed matrix among the tensors of a network.
const FOURIER_MATRIX: &str = "encoding.fourier_matrix";

impl Siren {
    fn assemble(plan: Plan, fourier_matrix: Vec<f64>, params: &Tensor) -> Result<Self> {
        Ok(Self {
            plan: Arc::new(plan),
            pools: Arc::default(),
            level: Level::best(),
            params: Var::from_tensor(params)?,
            fourier_matrix,
        })
    }

    /// The same field with its operation in `f32` at another SIMD level than the widest, for comparisons.
    ///
    /// # Errors
    /// If the processor does not have it.
    pub fn at_level(mut self, level: Level) -> Result<Self> {
        if !level.is_available() {
            let available: Vec<_> = Level::available().map(|level| level.to_string()).collect();
            return Err(Error::Shape {
                what: "SIMD level",
                expected: format!("one of this processor's: {}", available.join(", ")),
                got: level.to_string(),
            });
        }
        self.level = level;
        Ok(self)
    }

    /// Coordinates per point, `d`.
    #[must_use]
    pub fn in_features(&self) -> usize {
        self.plan.in_features
    }

    /// Channels per point, `c`.
    #[must_use]
    pub fn out_features(&self) -> usize {
        self.plan.out_features
    }

    /// How many points one differentiable application is best given: what its reverse pass needs then stays near.
    #[must_use]
    pub fn chunk_points(&self, order: &Order) -> usize {
        if !self.params.device().is_cpu() {
            let rows = DEVICE_CHUNK_ELEMENTS / self.plan.widest().max(1);
            return (rows / order.components(self.plan.in_features)).max(MIN_CHUNK_POINTS);
        }
        let [least, most] = CHUNK_ROWS;
        let tile = kernel::tile_rows(&self.plan);
        let rows =
            (CHUNK_ELEMENTS / self.plan.widest().max(1)).clamp(least.max(tile), most.max(tile));
        let rows = rows - rows % tile;
        (rows / kernel::rows_per_point(&self.plan, order)).max(MIN_CHUNK_POINTS)
    }

    /// The flat parameters `(P,)`.
    #[must_use]
    pub fn parameters(&self) -> &Var {
        &self.params
    }

    /// Where each named parameter lives in [`parameters`](Self::parameters).
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.plan.layout
    }

    /// Every tensor that makes this network, by name: the parameters, and the fixed matrix of a Fourier encoding.
    ///
    /// # Errors
    /// Only from candle.
    pub fn named_tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let mut tensors = self.plan.layout.split(self.params.as_tensor())?;
        if !self.fourier_matrix.is_empty() {
            let shape = ((), self.plan.in_features);
            let matrix =
                Tensor::new(self.fourier_matrix.as_slice(), &Device::Cpu)?.reshape(shape)?;
            tensors.push((FOURIER_MATRIX.to_owned(), matrix));
        }
        Ok(tensors)
    }

    /// The jet at `coords (n, d)`, differentiable in the parameters (not in the coordinates: they are data).
    ///
    /// # Errors
    /// If the coordinates or the traces have another number of axes than the field.
    pub fn jet(&self, coords: &Tensor, order: &Order) -> Result<Jet> {
        self.prepare(true)?.jet(coords, order)
    }

    /// Packs the weights as they are now, once for many calls: what is prepared must not be asked after the parameters
    /// have changed. For [`Prepared::jet`] it must be `differentiable`.
    ///
    /// # Errors
    /// Only from candle.
    pub fn prepare(&self, differentiable: bool) -> Result<Prepared<'_>> {
        Prepared::new(self, differentiable)
    }

    /// The jet at `coords (n, d)`, for looking only: no graph is built, memory beyond the result stays constant, and
    /// the threads of the current rayon pool share the work.
    ///
    /// # Errors
    /// As [`jet`](Self::jet).
    pub fn evaluate(&self, coords: &Tensor, order: &Order) -> Result<Jet> {
        self.prepare(false)?.evaluate(coords, order)
    }

    pub(super) fn empty_jet(&self, order: &Order) -> candle_core::Result<Jet> {
        let dims = self.plan.in_features;
        let shape = (0, self.plan.out_features, order.components(dims));
        let packed = Tensor::zeros(shape, self.params.dtype(), self.params.device())?;
        Ok(Jet::from_packed(packed, order, dims))
    }

    pub(super) fn check(&self, coords: &Tensor, order: &Order) -> Result<()> {
        let dims = self.plan.in_features;
        order.check(dims)?;
        if coords.rank() == 2 && coords.dims()[1] == dims && coords.dtype() == self.params.dtype() {
            return Ok(());
        }
        Err(Error::Shape {
            what: "coordinates",
            expected: format!("(n, {dims}) of {:?}", self.params.dtype()),
            got: format!("{:?} of {:?}", coords.dims(), coords.dtype()),
        })
    }

    /// The jets at `coords (b, n, d)` of `b` fields of this shape with parameters `params (b, P)` of their own, `(b, n, c, …)`,
    /// differentiable in `params`; the parameters of `self` play no part. This is how a hypernetwork's output is evaluated
    /// (§4.4 of the paper).
    ///
    /// # Errors
    /// If the shapes do not fit one another or the field.
    pub fn jet_of(&self, params: &Tensor, coords: &Tensor, order: &Order) -> Result<Jet> {
        let dims = self.plan.in_features;
        order.check(dims)?;
        self.check_batch(params, coords)?;
        let coords = coords.detach();
        let packed = if params.device().is_cpu() {
            let params = frequency::effective(&self.plan, params)?;
            let coords = coords.contiguous()?;
            coords.apply_op2(&params.contiguous()?, self.batch(order))?
        } else {
            let signals = (0..params.dim(0)?).map(|signal| {
                let (coords, params) = (coords.get(signal)?, params.get(signal)?);
                composed::jet(&self.plan, &coords, &params, order)
            });
            Tensor::stack(&signals.collect::<candle_core::Result<Vec<_>>>()?, 0)?
        };
        Ok(Jet::from_packed(packed, order, dims))
    }

    /// `mean (Φ − t)²` over all points and channels of `b` fields with parameters `params (b, P)` of their own, at `coords (b, n, d)` for
    /// `targets (b, n, c)`, and the mean square of `params`; both differentiable in `params`, once. The first is the same as the mean over
    /// [`jet_of`](Self::jet_of)'s values, in one pass where that takes two.
    ///
    /// # Errors
    /// If the shapes do not fit one another or the field.
    pub fn square_error_of(
        &self,
        params: &Tensor,
        coords: &Tensor,
        targets: &Tensor,
    ) -> Result<[Tensor; 2]> {
        self.check_batch(params, coords)?;
        let (signals, points, _) = coords.dims3()?;
        let expected = (signals, points, self.plan.out_features);
        if targets.dims3()? != expected || targets.dtype() != params.dtype() {
            return Err(Error::Shape {
                what: "targets of a batch",
                expected: format!("{expected:?} of {:?}", params.dtype()),
                got: format!("{:?} of {:?}", targets.dims(), targets.dtype()),
            });
        }
        if !params.device().is_cpu() {
            let values = self.jet_of(params, coords, &Order::Value)?.value()?;
            let error = (values - targets)?.sqr()?.mean_all()?;
            return Ok([error, params.sqr()?.mean_all()?]);
        }
        let operation = SquareError {
            batch: self.batch(&Order::Value),
            coords: coords.detach().contiguous()?,
            targets: targets.detach().contiguous()?,
            gradient: Mutex::default(),
        };
        let effective = frequency::effective(&self.plan, params)?.contiguous()?;
        let means = effective.apply_op1(operation)?;
        let square = if frequency::is_learned(&self.plan) {
            params.sqr()?.mean_all()?
        } else {
            means.get(1)?
        };
        Ok([means.get(0)?, square])
    }

    fn batch(&self, order: &Order) -> BatchOperation {
        BatchOperation {
            plan: Arc::clone(&self.plan),
            order: order.clone(),
            pools: Arc::clone(&self.pools),
            level: self.level,
            chunk_points: self.chunk_points(order),
        }
    }

    fn check_batch(&self, params: &Tensor, coords: &Tensor) -> Result<()> {
        let dims = self.plan.in_features;
        let parameters = self.plan.layout.len();
        let fits = |params: &[usize], coords: &[usize]| match (params, coords) {
            (&[b, p], &[signals, _, d]) => b == signals && p == parameters && d == dims,
            _ => false,
        };
        if fits(params.dims(), coords.dims()) && params.dtype() == coords.dtype() {
            return Ok(());
        }
        Err(Error::Shape {
            what: "parameters and coordinates of a batch",
            expected: format!("(b, {parameters}) and (b, n, {dims}) of one type"),
            got: format!(
                "{:?} of {:?} and {:?} of {:?}",
                params.dims(),
                params.dtype(),
                coords.dims(),
                coords.dtype()
            ),
        })
    }

    /// [`jet`](Self::jet) from candle's own operations, on any device: slower, and an independent account of the same
    /// formulas for tests and benchmarks.
    ///
    /// # Errors
    /// As [`jet`](Self::jet).
    pub fn jet_composed(&self, coords: &Tensor, order: &Order) -> Result<Jet> {
        self.check(coords, order)?;
        let packed = composed::jet(&self.plan, &coords.detach(), self.params.as_tensor(), order)?;
        Ok(Jet::from_packed(packed, order, self.plan.in_features))
    }
}
