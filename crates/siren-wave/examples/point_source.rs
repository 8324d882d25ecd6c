//! Solves the Helmholtz equation for a point source beside a slow cylinder, prints the field on a line, and saves it.

use siren_core::train::Fit;
use siren_wave::Waves;
use siren_wave::config::{
    CircleMediumConfig, MediumConfig, PositionsConfig, WaveObjectiveConfig, WaveSignalConfig,
};

pub(crate) fn main() -> siren_core::Result<()> {
    let signal = WaveSignalConfig {
        medium: MediumConfig::Circle(CircleMediumConfig {
            radius: 0.15,
            squared_slowness: 2.0,
            ..CircleMediumConfig::default()
        }),
        sources: PositionsConfig::Points(vec![[-0.4, 0.0]]),
        ..WaveSignalConfig::default()
    };
    let objective = WaveObjectiveConfig {
        points: 800,
        source_points: 200,
        ..WaveObjectiveConfig::default()
    };
    let waves = Waves::from_config(&signal, &objective, 0)?;
    let mut fit = Fit::new(&waves, &waves.recipe())?;
    for _ in 0..12 {
        let report = fit.step()?;
        println!("step {}: loss {:.2e}", report.step, report.loss);
    }
    for score in fit.evaluate()? {
        println!(
            "{} {:.1} {}",
            score.metric.name, score.value, score.metric.unit
        );
    }
    let field = waves.field(fit.into_model())?;
    let line: Vec<[f64; 2]> = (0..7).map(|i| [-0.6 + 0.2 * f64::from(i), 0.3]).collect();
    for (point, u) in line.iter().zip(field.waves(0, &line)?) {
        println!("{point:.1?}: {u:.4}");
    }
    field.save(std::env::temp_dir().join("point_source.safetensors"))
}
