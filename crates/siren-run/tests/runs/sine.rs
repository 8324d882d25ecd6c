//! A small domain for these tests: a sine on a line.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use siren_core::config::{NoTable, Table};
use siren_core::field::{FieldShape, Order, Siren};
use siren_core::metrics::{MSE, Metric, Metrics, PSNR_DB, psnr_db};
use siren_core::objective::{Constraint, ValueMse};
use siren_core::signal::{NoMetadata, Sample, Spectrum, WholeSampler, checksum};
use siren_core::train::Task;
use siren_core::{Error, Result};
use siren_run::portable::{Axis, Direction, Look, Portable, Values};
use siren_run::{Artifacts, ConfigOf, Domain, Recorded};

/// The `[signal]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SineConfig {
    /// Number of points on [−1, 1].
    points: usize,
    /// Angular frequency.
    frequency: f64,
}

impl Default for SineConfig {
    fn default() -> Self {
        Self {
            points: 64,
            frequency: 3.0,
        }
    }
}

impl Table for SineConfig {
    fn validate(&self) -> Result<()> {
        if self.points < 2 {
            return Err(Error::invalid("signal.points", self.points, "at least 2"));
        }
        Ok(())
    }
}

/// `y = sin(frequency · x)` at equidistant points.
pub struct Sine {
    coords: Tensor,
    targets: Tensor,
    notes: Vec<String>,
}

impl Task for Sine {
    type Model = Siren;

    fn shape(&self) -> FieldShape {
        FieldShape {
            in_features: 1,
            out_features: 1,
            samples_per_side: None,
        }
    }

    fn spectrum(&self) -> Result<Option<Spectrum>> {
        Ok(None)
    }

    fn constraints(&self, dtype: DType, device: &Device) -> Result<Vec<Constraint>> {
        let place = |tensor: &Tensor| tensor.to_dtype(dtype)?.to_device(device);
        let sample = Sample::with_targets(place(&self.coords)?, place(&self.targets)?)?;
        let sampler = Box::new(WholeSampler::new(sample));
        Ok(vec![Constraint::boxed(
            "points",
            sampler,
            Box::new(ValueMse),
        )])
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        let values = field.evaluate(&self.coords, &Order::Value)?.value()?;
        let mse = (values - &self.targets)?.sqr()?.mean_all()?;
        let mse = f64::from(mse.to_scalar::<f32>()?);
        Ok(vec![PSNR_DB.of(psnr_db(mse, 2.0)), MSE.of(mse)])
    }
}

impl Recorded for Sine {
    type Metadata = NoMetadata;

    fn checksum(&self) -> Result<u32> {
        let values = self.targets.flatten_all().unwrap().to_vec1().unwrap();
        Ok(checksum(values))
    }

    fn metadata(&self, _field: &Siren) -> Result<NoMetadata> {
        Ok(NoMetadata {})
    }

    fn write_artifacts(&self, _field: &Siren, folder: &Path) -> Result<Artifacts> {
        let path = folder.join("sine.txt");
        std::fs::write(&path, "fitted").map_err(Error::io("write", &path))?;
        Ok(Artifacts {
            notes: vec!["note: no sound was written".to_owned()],
            ..Artifacts::default()
        })
    }

    fn portable<'a>(_: &NoMetadata, field: &'a Siren) -> Result<Portable<'a>> {
        let look = Look {
            values: Values::Amplitude,
            axes: vec![Axis::of_range("x", Direction::Right, [-1.0, 1.0])],
            tone: vec![[1.0, 0.0]],
            channels: Vec::new(),
            weights: Vec::new(),
            notes: Vec::new(),
        };
        Ok(Portable { field, look })
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

impl Domain for Sine {
    const KIND: &'static str = "sine";
    const HEADLINE: Metric = PSNR_DB;
    type Signal = SineConfig;
    type Objective = NoTable;

    fn open(config: &ConfigOf<Self>) -> Result<Self> {
        let SineConfig { points, frequency } = config.signal;
        let x = (0..points).map(|i| 2.0 * i as f64 / (points - 1) as f64 - 1.0);
        let coords = Tensor::from_iter(x, &Device::Cpu)?.reshape((points, 1))?;
        Ok(Self {
            targets: (&coords * frequency)?.sin()?.to_dtype(DType::F32)?,
            coords: coords.to_dtype(DType::F32)?,
            notes: vec![format!("note: {points} points")],
        })
    }
}
