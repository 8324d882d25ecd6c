//! Networks without parameters: pure functions of parameters, coordinates and order.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use rand_chacha::ChaCha8Rng;
use siren_kernel::Level;
use siren_kernel::network::{Order, Plan};

use super::backend::{self, Backend, Composed, Mosaics};
use super::config::{FieldShape, SirenConfig};
use super::encoding::Encoding;
use super::engine::FieldEngine;
use super::gradients::Gradients;
use super::init;
use super::jet::{Jet, check_order};
use super::layout::{Layout, Role};
use super::mosaic::Tiling;
use super::parameters::Parameters;
use super::plan::lay_out;
use super::prepared::Prepared;
use crate::error::{Error, Result};

/// Largest number of parameters of a network: 1 GiB in single precision.
const MAX_PARAMETERS: usize = 1 << 28;
/// Name of the Fourier encoding's fixed matrix among the tensors of a network.
const FOURIER_MATRIX: &str = "encoding.fourier_matrix";

/// A multilayer perceptron `Φ: ℝᵈ → ℝᶜ` without its parameters, by default the paper's (§3).
///
/// Its methods are functions of flat parameters `(P,)`, or of the parameters `(b, P)` of a batch of fields. A [`Siren`](super::Siren)
/// is a network together with one set of parameters; a hypernetwork holds a network and computes the parameters.
#[derive(Clone)]
pub struct Network {
    config: SirenConfig,
    shape: FieldShape,
    layout: Arc<Layout>,
    pub(super) plan: Arc<Plan>,
    /// Backend of the engine.
    pub(super) backend: Arc<dyn Backend>,
    /// Backend of the engine [`FieldEngine::Cpu`].
    host: Arc<dyn Backend>,
    engine: FieldEngine,
    /// Layout of one tile of a mosaic, or that of the network.
    tile_layout: Arc<Layout>,
    /// The tiles of a mosaic; the plan is that of one of them.
    tiling: Option<Arc<Tiling>>,
    /// Matrix `B (features, d)` of the Gaussian Fourier encoding, row-major; empty for other encodings.
    fourier_matrix: Vec<f64>,
}

impl SirenConfig {
    /// Makes a network. Its only random constant, the matrix of the Fourier encoding, is drawn from `rng`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if a value of the config is out of range or still `"auto"`; [`Error::Shape`] if `shape` has no coordinate or
    /// no channel.
    pub fn network(
        &self,
        shape: FieldShape,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Result<Network> {
        self.validate()?;
        self.must_be_resolved()?;
        let fourier_matrix = match &self.encoding {
            Encoding::Fourier(f) => init::normal(f.scale, f.features * shape.in_features, rng),
            _ => Vec::new(),
        };
        Network::assemble(self, shape, fourier_matrix, device)
    }

    /// Makes a network whose fixed tensors are given: `find` returns each of [`Network::fixed_tensors`] by its name.
    ///
    /// # Errors
    /// As [`network`](Self::network); also [`Error::Missing`] or [`Error::Shape`] if a tensor is missing or has another shape.
    pub fn network_from(
        &self,
        shape: FieldShape,
        find: impl Fn(&str) -> Option<Tensor>,
        device: &Device,
    ) -> Result<Network> {
        self.validate()?;
        self.must_be_resolved()?;
        let mut fourier_matrix = Vec::new();
        if let Encoding::Fourier(fourier) = &self.encoding {
            let mut fixed = Layout::default();
            let sides = [fourier.features, shape.in_features];
            fixed.push(FOURIER_MATRIX, &sides, Role::Encoding);
            fourier_matrix = fixed.join(&find)?.to_dtype(DType::F64)?.to_vec1()?;
        }
        Network::assemble(self, shape, fourier_matrix, device)
    }
}

impl Network {
    /// Makes a network of a checked config.
    fn assemble(
        config: &SirenConfig,
        shape: FieldShape,
        fourier_matrix: Vec<f64>,
        device: &Device,
    ) -> Result<Self> {
        if shape.in_features == 0 || shape.out_features == 0 {
            return Err(Error::Shape {
                what: "field",
                expected: "at least one coordinate and one channel".to_owned(),
                got: format!("{} and {}", shape.in_features, shape.out_features),
            });
        }
        let (plan, own) = lay_out(config, shape, &fourier_matrix);
        let tiling = match &config.mosaic {
            Some(mosaic) => Some(Arc::new(Tiling::new(mosaic, shape.in_features)?)),
            None => None,
        };
        let tiles = tiling.as_ref().map_or(1, |tiling| tiling.count());
        let parameters = own.len().saturating_mul(tiles);
        if parameters > MAX_PARAMETERS {
            let expected = format!(
                "a width that, with {} hidden layers, this encoding and {tiles} tiles, gives at most {MAX_PARAMETERS} parameters; \
                 here it gives {parameters}",
                config.hidden_layers,
            );
            let key = "field.hidden_features";
            return Err(Error::invalid(key, config.hidden_features, &expected));
        }
        let host = match &tiling {
            Some(_) if !device.is_cpu() => return Err(not_on_a_device()),
            Some(tiling) => mosaics(tiling, &own, Level::best()),
            None => backend::for_device(device),
        };
        Ok(Self {
            config: config.clone(),
            shape,
            layout: Arc::new(match tiling {
                Some(_) => own.stacked(tiles),
                None => own.clone(),
            }),
            tile_layout: Arc::new(own),
            tiling,
            plan: Arc::new(plan),
            backend: Arc::clone(&host),
            host,
            engine: FieldEngine::Cpu,
            fourier_matrix,
        })
    }

    /// Returns the same network computed by an engine. Tensors stay in CPU memory.
    #[must_use]
    pub fn on(mut self, engine: &FieldEngine) -> Self {
        self.backend = backend::for_engine(engine, &self.host);
        self.engine = engine.clone();
        self
    }

    /// Returns the engine that computes the network.
    #[must_use]
    pub fn engine(&self) -> &FieldEngine {
        &self.engine
    }

    /// Returns the same network computed by a backend for tensors on the CPU.
    fn hosted(mut self, backend: Arc<dyn Backend>) -> Self {
        self.host = backend;
        self.on(&FieldEngine::Cpu)
    }

    /// Returns the same network with its fused CPU operation at another SIMD level than the widest, for comparisons.
    ///
    /// # Errors
    /// [`Error::UnavailableLevel`] if the processor does not have that level.
    pub fn at_level(self, level: Level) -> Result<Self> {
        if !level.is_available() {
            let available: Vec<_> = Level::available().map(|level| level.to_string()).collect();
            return Err(Error::UnavailableLevel {
                level,
                available: available.join(", "),
            });
        }
        let backend = match &self.tiling {
            Some(tiling) => mosaics(tiling, &self.tile_layout, level),
            None => backend::at_level(level),
        };
        Ok(self.hosted(backend))
    }

    /// Returns the same network computed by candle's own operations, on any device: slower, and a reference implementation of the same
    /// formulas for tests and benchmarks. A mosaic stays as it is.
    #[must_use]
    pub fn composed(self) -> Self {
        if self.tiling.is_some() {
            return self;
        }
        self.hosted(Arc::new(Composed))
    }

    /// Checks that an engine can compute the network.
    pub(super) fn must_run_on(&self, engine: &FieldEngine) -> Result<()> {
        match (&self.tiling, engine) {
            (None, _) | (_, FieldEngine::Cpu) => Ok(()),
            #[cfg(feature = "cuda")]
            (Some(_), FieldEngine::Cuda { .. }) => Err(not_on_a_device()),
        }
    }

    /// Returns the number of networks of a mosaic; 1 for a single network.
    #[must_use]
    pub fn tiles(&self) -> usize {
        self.tiling.as_ref().map_or(1, |tiling| tiling.count())
    }

    /// Returns the tiles of a mosaic.
    pub(super) fn tiling(&self) -> Option<&Tiling> {
        self.tiling.as_deref()
    }

    /// Returns the config from which the network was made.
    #[must_use]
    pub fn config(&self) -> &SirenConfig {
        &self.config
    }

    /// Returns the sizes that the signal determines.
    #[must_use]
    pub fn shape(&self) -> FieldShape {
        self.shape
    }

    /// Returns the number of coordinates per point, `d`.
    #[must_use]
    pub fn in_features(&self) -> usize {
        self.plan.in_features
    }

    /// Returns the number of channels per point, `c`.
    #[must_use]
    pub fn out_features(&self) -> usize {
        self.plan.out_features
    }

    /// Returns the structure of the network: its encoding and its layers, with the ranges of their parameters. That of a mosaic is the structure
    /// of one tile's network.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns names, shapes and roles of the parameters.
    #[must_use]
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Draws parameters `(P,)` from `rng`, layer by layer the weights and the biases, in double precision: the same seed gives the same
    /// network at either precision. The networks of a mosaic are drawn one after the other.
    #[must_use]
    pub fn draw_parameters(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let tiles = self.tiles();
        if tiles == 1 {
            return self.draw_network(rng);
        }
        let mut params = vec![0.0; self.layout.len()];
        for tile in 0..tiles {
            let drawn = self.draw_network(rng);
            for entry in self.tile_layout.entries() {
                let place = self.range_of_tile(&entry.range, tile);
                params[place].copy_from_slice(&drawn[entry.range.clone()]);
            }
        }
        params
    }

    /// Draws the parameters of one network.
    fn draw_network(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let mut params = Vec::with_capacity(self.tile_layout.len());
        if let Encoding::Rbf(rbf) = &self.config.encoding {
            let coordinates = rbf.centers * self.shape.in_features;
            params.extend(init::uniform(1.0, coordinates, rng));
            params.extend(std::iter::repeat_n(rbf.sigma, rbf.centers));
        }
        let mut before = None;
        for (index, layer) in self.plan.layers.iter().enumerate() {
            params.extend(init::weights(&self.config, index, layer, before, rng));
            params.extend(init::biases(&self.config, index, layer, rng));
            params.extend(layer.frequency.map(|_| 1.0));
            before = Some(layer.pointwise);
        }
        params
    }

    /// Returns the constant tensors of the network by name: the matrix of a Fourier encoding, if there is one.
    ///
    /// # Errors
    /// Only from candle.
    pub fn fixed_tensors(&self) -> Result<Vec<(String, Tensor)>> {
        if self.fourier_matrix.is_empty() {
            return Ok(Vec::new());
        }
        let matrix = Tensor::new(self.fourier_matrix.as_slice(), &Device::Cpu)?;
        let matrix = matrix.reshape(((), self.plan.in_features))?;
        Ok(vec![(FOURIER_MATRIX.to_owned(), matrix)])
    }

    /// Returns the number of points per differentiable application for which a training step is fastest.
    #[must_use]
    pub fn chunk_points(&self, order: &Order) -> usize {
        self.backend.chunk_points(&self.plan, order)
    }

    /// Returns the jet at `coords (n, d)` for parameters `params (P,)`, differentiable in the parameters (not in the coordinates, which are
    /// data).
    ///
    /// # Errors
    /// [`Error::Shape`] if the coordinates, the parameters or the traces do not fit the network.
    pub fn jet(&self, params: &Tensor, coords: &Tensor, order: &Order) -> Result<Jet> {
        self.prepare(params, Gradients::Tracked)?.jet(coords, order)
    }

    /// Packs the weights of `params (P,)` once for many calls. `params` must not change while the result is in use.
    ///
    /// # Errors
    /// [`Error::Shape`] if `params` does not fit the network.
    pub fn prepare(&self, params: &Tensor, gradients: Gradients) -> Result<Prepared<'_>> {
        if params.dims() != [self.layout.len()] {
            return Err(Error::Shape {
                what: "parameters",
                expected: format!("[{}]", self.layout.len()),
                got: format!("{:?}", params.dims()),
            });
        }
        let pass = self.backend.prepare(&self.plan, params, gradients)?;
        Ok(self.prepared(pass, params, gradients))
    }

    /// Packs the weights of a field of this network, as [`prepare`](Self::prepare). Its backend may keep the parameters between calls.
    pub(super) fn prepare_field(
        &self,
        parameters: &Parameters,
        gradients: Gradients,
    ) -> Result<Prepared<'_>> {
        let pass = self
            .backend
            .prepare_field(&self.plan, parameters, gradients)?;
        Ok(self.prepared(pass, parameters.leaf(), gradients))
    }

    /// Returns the jets `(b, n, c, …)` at `coords (b, n, d)` of `b` fields with parameters `params (b, P)`, differentiable in `params`.
    /// Fields whose parameters a hypernetwork computes are evaluated with this method (§4.4 of the paper).
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes do not fit one another or the network.
    pub fn batch_jet(&self, params: &Tensor, coords: &Tensor, order: &Order) -> Result<Jet> {
        let dims = self.plan.in_features;
        check_order(order, dims)?;
        self.check_batch(params, coords)?;
        let coords = coords.detach();
        let packed = self
            .backend
            .batch_jets(&self.plan, params, &coords, order)?;
        Ok(Jet::from_packed(packed, order, dims))
    }

    /// Returns `mean (Φ − t)²` over all points and channels of `b` fields with parameters `params (b, P)` at `coords (b, n, d)` for
    /// `targets (b, n, c)`, and the mean square of `params`, both scalars `()`. Both are differentiable in `params`, by one backward pass
    /// only. The first equals the mean squared error of the values of [`batch_jet`](Self::batch_jet), but takes one pass over the chunks
    /// instead of two.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes do not fit one another or the network.
    pub fn batch_square_error(
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
        let (coords, targets) = (coords.detach(), targets.detach());
        self.backend
            .batch_square_error(&self.plan, params, &coords, &targets)
    }

    /// Checks parameters and coordinates of a batch of fields.
    fn check_batch(&self, params: &Tensor, coords: &Tensor) -> Result<()> {
        let dims = self.plan.in_features;
        let parameters = self.layout.len();
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
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("config", &self.config)
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

/// Returns the backend of a mosaic.
fn mosaics(tiling: &Arc<Tiling>, tile: &Layout, level: Level) -> Arc<dyn Backend> {
    let tensors = tile.entries().iter().map(|entry| entry.range.clone());
    Arc::new(Mosaics::new(Arc::clone(tiling), tensors.collect(), level))
}

/// Makes the error of a mosaic on a device.
fn not_on_a_device() -> Error {
    let expected = "absent on this device: mosaics are computed by the CPU, `--device cpu`";
    Error::invalid("field.mosaic", "set", expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Siren;
    use crate::field::backend::Double;
    use crate::objective::{Constraint, ValueMse};
    use crate::signal::{Sample, Stream, WholeSampler};
    use crate::train::{TrainConfig, Trainer};

    /// Puts the example of a backend in the place of the chosen one: the one line that a new backend needs.
    fn on_double(network: Network) -> Network {
        network.hosted(Arc::new(Double))
    }

    #[test]
    fn a_backend_of_one_file_evaluates_and_trains_networks() {
        let config = SirenConfig {
            hidden_features: 24.into(),
            hidden_layers: 1,
            ..SirenConfig::default()
        };
        let shape = FieldShape::new(2, 1);
        let mut rng = Stream::PARAMETERS.rng(0, 0);
        let network = config.network(shape, &mut rng, &Device::Cpu).unwrap();
        let params = network.draw_parameters(&mut rng);
        let params = Tensor::new(params.as_slice(), &Device::Cpu).unwrap();
        let coords = (0..600).map(|i| (0.7 * f64::from(i)).sin() as f32);
        let coords = Tensor::from_iter(coords, &Device::Cpu).unwrap();
        let coords = coords.reshape((300, 2)).unwrap();
        let targets = coords.narrow(1, 0, 1).unwrap();
        let train = |network: &Network| {
            let field = Siren::new(network.clone(), &params.to_dtype(DType::F32).unwrap());
            let mut trainer = Trainer::new(field.unwrap(), &TrainConfig::default()).unwrap();
            let sample = Sample::with_targets(coords.clone(), targets.clone()).unwrap();
            let sampler = WholeSampler::new(sample);
            let constraints = [Constraint::new("points", sampler, ValueMse)];
            for _ in 0..3 {
                trainer.step(&constraints).unwrap();
            }
            let order = Order::laplacian(2);
            let jet = trainer.model().evaluate(&coords, &order).unwrap();
            let jet = jet.packed().flatten_all().unwrap();
            jet.to_vec1::<f32>().unwrap()
        };
        let (chosen, double) = (train(&network), train(&on_double(network)));
        let scale = chosen.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
        for (a, b) in chosen.iter().zip(&double) {
            assert!((a - b).abs() < 1e-4 * scale, "{a} and {b}");
        }
        assert_ne!(chosen, double);
    }
}
