//! Shapes as a domain of `siren-run`: how a config is opened, and what a run folder keeps.

use std::path::Path;

use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::Metric;
use siren_core::signal::checksum;
use siren_run::portable::{Axis, Direction, Look, Portable, Values};
use siren_run::{Artifacts, ConfigOf, Domain, Recorded};

use crate::config::{ShapeObjectiveConfig, ShapeSignalConfig};
use crate::metrics::CHAMFER_PERCENT;
use crate::{Frame, Shape, artifacts};

impl Recorded for Shape {
    type Metadata = Frame;

    fn checksum(&self) -> Result<u32> {
        let fitted = self.fitted();
        let normals = fitted.normals.iter().flatten();
        let numbers = fitted.points.iter().chain(normals).flatten();
        Ok(checksum(numbers.map(|&x| x as f32)))
    }

    fn metadata(&self, _field: &Siren) -> Result<Frame> {
        Ok(self.frame())
    }

    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<Artifacts> {
        artifacts::write(self, field, folder)
    }

    fn portable<'a>(frame: &Frame, field: &'a Siren) -> Result<Portable<'a>> {
        let directions = [Direction::Right, Direction::Up, Direction::Depth];
        let low = frame.position([-1.0; 3]);
        let high = frame.position([1.0; 3]);
        let axis = |(index, name): (usize, &'static str)| Axis {
            quantity: [low[index], high[index]],
            ..Axis::of_range(name, directions[index], [-1.0, 1.0])
        };
        let look = Look {
            values: Values::Distance,
            axes: ["x", "y", "z"].into_iter().enumerate().map(axis).collect(),
            tone: vec![[frame.scale.recip(), 0.0]],
            channels: Vec::new(),
            weights: Vec::new(),
            notes: Vec::new(),
        };
        Ok(Portable { field, look })
    }

    fn notes(&self) -> &[String] {
        self.notes()
    }
}

impl Domain for Shape {
    const KIND: &'static str = "shape";
    const HEADLINE: Metric = CHAMFER_PERCENT;
    type Signal = ShapeSignalConfig;
    type Objective = ShapeObjectiveConfig;

    fn open(config: &ConfigOf<Self>) -> Result<Self> {
        Self::from_config(&config.signal, &config.objective, config.seed)
    }
}
