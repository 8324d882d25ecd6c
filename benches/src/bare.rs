//! Steps of the kernels of an NVIDIA device alone: upload and packing of the parameters, jets, squared errors, and the gradient. Neither a
//! tensor library nor an optimizer takes part.

use std::sync::Arc;

use anyhow::Result;
use candle_core::Device as TensorDevice;
use siren_cuda::{Device, DeviceArray, Fields, Precision, SquareTargets};
use siren_kernel::Pointwise;
use siren_kernel::network::{Features, Order, Plan};

use crate::case::{Case, HIDDEN_LAYERS, Kind};
use crate::engine::{field, order};
use crate::gpu_check::cases::{Sizes, plan};
use crate::inputs;

/// Rows of jets, points times components, of one call, as in `siren-core`.
const ROWS: usize = 1 << 16;
/// Most bytes of a tape, as in `siren-core`.
const MOST_TAPE_BYTES: usize = 1 << 30;

/// A case that is ready to take steps.
pub struct BareStep {
    device: Device,
    precision: Precision,
    plan: Arc<Plan>,
    params: Vec<f32>,
    order: Order,
    chunks: Vec<PointChunk>,
    /// The first component with a target, and the number of these components.
    first: usize,
    count: usize,
    /// Factor of each component's squared errors.
    factors: Vec<f32>,
    is_evaluation: bool,
}

/// Some points of a case.
struct PointChunk {
    /// For evaluation, which copies coordinates up at every step.
    coords: Vec<f32>,
    on_device: DeviceArray,
    targets: DeviceArray,
}

impl BareStep {
    /// Returns whether the kernels alone compute a kind of case.
    pub fn supports(kind: Kind) -> bool {
        matches!(
            kind,
            Kind::Value | Kind::Gradient | Kind::Laplacian | Kind::Render
        )
    }

    /// Uploads the points of a case.
    pub fn new(case: &Case, device: &Device, precision: Precision) -> Result<Self> {
        let sizes = Sizes {
            dims: case.in_features,
            width: case.width,
            hidden: HIDDEN_LAYERS,
            channels: case.out_features,
            points: case.points,
            fields: 1,
        };
        let plan = plan(sizes, Features::Identity, Pointwise::Sine { omega: 30.0 });
        let field = field(case, &TensorDevice::Cpu)?;
        let (coords, targets) = inputs::grid(case, &TensorDevice::Cpu)?;
        let coords: Vec<f32> = coords.flatten_all()?.to_vec1()?;
        let targets: Vec<f32> = targets.flatten_all()?.to_vec1()?;
        let order = order(case);
        let components = order.components(case.in_features);
        let (first, count) = match case.kind {
            Kind::Gradient => (1, case.in_features),
            Kind::Laplacian => (1 + case.in_features, 1),
            _ => (0, 1),
        };
        let mut factors = vec![0.0; components];
        let elements = case.points * case.out_features * count;
        factors[first..first + count].fill(1.0 / elements as f32);
        let most =
            (ROWS / components).min(MOST_TAPE_BYTES / Fields::tape_bytes_per_point(&plan, &order));
        let points = most.max(1);
        let of_chunk = targets.len() / case.points * points;
        let pairs = coords
            .chunks(points * case.in_features)
            .zip(targets.chunks(of_chunk));
        let chunks = pairs.map(|(coords, targets)| {
            Ok(PointChunk {
                coords: coords.to_vec(),
                on_device: device.array(coords)?,
                targets: device.array(targets)?,
            })
        });
        Ok(Self {
            device: device.clone(),
            precision,
            plan: Arc::new(plan),
            params: field.parameters().flat()?.to_vec1()?,
            order,
            chunks: chunks.collect::<siren_cuda::Result<_>>()?,
            first,
            count,
            factors,
            is_evaluation: case.kind == Kind::Render,
        })
    }

    /// Takes a step and returns its loss, the mean squared error; none for an evaluation.
    pub fn take(&self) -> siren_cuda::Result<Option<f64>> {
        let fields = self
            .device
            .fields(&self.plan, &self.params, self.precision)?;
        if self.is_evaluation {
            for chunk in &self.chunks {
                fields.jets(&chunk.coords, &self.order)?;
            }
            return Ok(None);
        }
        let mut gradient = fields.gradient()?;
        let mut loss = 0.0;
        for chunk in &self.chunks {
            let targets = SquareTargets {
                targets: &chunk.targets,
                first: self.first,
                count: self.count,
                factors: &self.factors,
            };
            let sums =
                fields.square_error(&chunk.on_device, &self.order, &targets, &mut gradient)?;
            let weighted = sums.iter().zip(&self.factors);
            loss += weighted
                .map(|(sum, &factor)| sum * f64::from(factor))
                .sum::<f64>();
        }
        std::hint::black_box(gradient.read()?);
        Ok(Some(loss))
    }
}
