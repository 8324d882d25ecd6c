//! How the network of a run of waves is looked at by other programs, and what it lacks of the waves.

use siren_core::field::Siren;
use siren_run::portable::{Axis, Direction, Look, Values};

use crate::WaveMetadata;
use crate::objective::{LEAST_SQUARED_SLOWNESS, SlownessMap};
use crate::offset::{Formulation, LARGEST_NEAR_FIELD};
use crate::shots::ShotFacts;
use crate::wave::{Ansatz, InitialPulse};

/// Name of the channel of an unknown medium.
const MEDIUM: &str = "medium";

/// Returns how a network is looked at: its own values, with notes on what they lack.
pub(crate) fn look(metadata: &WaveMetadata, field: &Siren) -> Look {
    let channels = field.out_features();
    let time = match metadata {
        WaveMetadata::Motion(facts) => {
            Some(Axis::of_range("t", Direction::Time, [0.0, facts.duration]))
        }
        WaveMetadata::Shots(_) | WaveMetadata::Medium(_) => None,
    };
    let place = [("x", Direction::Right), ("y", Direction::Up)];
    let place = place.map(|(name, direction)| Axis::of_range(name, direction, [-1.0, 1.0]));
    Look {
        values: Values::Signed,
        axes: time.into_iter().chain(place).collect(),
        tone: vec![[1.0, 0.0]; channels],
        channels: channel_names(metadata, channels),
        weights: Vec::new(),
        notes: notes(metadata, field),
    }
}

/// Returns what the values of a network lack of the waves and of the medium, with the formulas where they are short.
fn notes(metadata: &WaveMetadata, field: &Siren) -> Vec<String> {
    match metadata {
        WaveMetadata::Shots(facts) => {
            let names = channel_names(metadata, field.out_features());
            let has_medium = names.last().is_some_and(|name| name == MEDIUM);
            let medium = facts.medium.map(|medium| if has_medium {
                medium_note("the channel `medium`", SlownessMap::Clamp, medium.half_width)
            } else {
                "The medium of this inversion is not in this file: `render --quantity medium` computes it from the waves and their Laplacians.".to_owned()
            });
            waves_note(facts).into_iter().chain(medium).collect()
        }
        WaveMetadata::Medium(facts) => {
            vec![medium_note("the network", facts.map, facts.half_width)]
        }
        WaveMetadata::Motion(facts) => motion_note(facts.ansatz).into_iter().collect(),
    }
}

/// Returns what the network of the Helmholtz equation lacks of the waves; `None` if it computes all of them.
fn waves_note(facts: &ShotFacts) -> Option<String> {
    let inner = facts.pml.inner();
    let lacks = match facts.formulation {
        Formulation::Total => return None,
        Formulation::NearField => format!(
            "the near field of the source s, which `render` adds to the real and to the imaginary part: \
             (1 - (r/R)^2)^4 * (ln((r/R)^2) + E1(r^2/(2*V))) / (4*pi) where r = |x - s| < R = min({LARGEST_NEAR_FIELD}, {inner} - max(|s.x|, |s.y|)), \
             with V = {} and the exponential integral E1",
            facts.source_variance
        ),
        Formulation::Scattered => format!(
            "the field of the source in the background (wavenumber {}), which `render` adds where |x|, |y| <= {inner}: these are the scattered waves",
            facts.wavenumber
        ),
    };
    Some(format!(
        "The values are those of the network alone. They lack {lacks}."
    ))
}

/// Returns how the values of a network become a medium.
fn medium_note(values: &str, map: SlownessMap, half_width: f64) -> String {
    let formula = match map {
        SlownessMap::Exponential => "exp(v)",
        SlownessMap::Clamp => "1 + v",
    };
    format!(
        "The values v of {values} are not the squared slowness m, which is max({formula}, {LEAST_SQUARED_SLOWNESS}) where |x|, |y| <= {half_width}, and 1 elsewhere."
    )
}

/// Returns how the values of a network become waves in time; `None` if they are the waves.
fn motion_note(ansatz: Ansatz) -> Option<String> {
    let Ansatz::Blend { pulse, unit, time } = ansatz else {
        return None;
    };
    let InitialPulse {
        center: [x, y],
        amplitude,
        variance,
    } = pulse;
    Some(format!(
        "The values v are those of the network alone. The wave, which `render` draws, is (1 - g)*f + {unit}*g*v with g = t^2/(t^2 + {time}^2) and the \
         initial pulse f = {amplitude}*exp(-((x - {x})^2 + (y - {y})^2)/(2*{variance}))."
    ))
}

/// Returns the names of the channels of a network: the quantities that it computes, without known offsets and factors.
fn channel_names(metadata: &WaveMetadata, channels: usize) -> Vec<String> {
    let name = |channel: usize| match metadata {
        WaveMetadata::Shots(facts) if channel < 2 * facts.sources.len() => {
            let part = ["real", "imaginary"][channel % 2];
            format!("shot {}, {part} part", channel / 2)
        }
        WaveMetadata::Shots(_) | WaveMetadata::Medium(_) => MEDIUM.to_owned(),
        WaveMetadata::Motion(_) => "wave".to_owned(),
    };
    (0..channels).map(name).collect()
}

#[cfg(test)]
mod tests {
    use siren_core::field::{FieldShape, SirenConfig};

    use super::*;
    use crate::config::UnknownMedium;
    use crate::field::{MotionFacts, SlownessFacts, WaveField};
    use crate::pml::Pml;
    use crate::reference::hankel::exponential_integral;
    use crate::shots::MediumFacts;

    fn field(inputs: usize, outputs: usize) -> Siren {
        let config = SirenConfig {
            hidden_features: 8.into(),
            hidden_layers: 1,
            ..SirenConfig::default()
        };
        config
            .init_seeded(FieldShape::new(inputs, outputs), 0)
            .unwrap()
    }

    fn shots(formulation: Formulation, medium: Option<MediumFacts>) -> ShotFacts {
        ShotFacts {
            wavenumber: 20.0,
            source_variance: 1e-4,
            sources: vec![[0.1, -0.2]],
            formulation,
            pml: Pml::default(),
            medium,
        }
    }

    /// Returns the notes, joined.
    fn notes_of(metadata: &WaveMetadata, inputs: usize, outputs: usize) -> String {
        look(metadata, &field(inputs, outputs)).notes.join("\n")
    }

    #[test]
    fn the_note_on_the_near_field_has_the_formula_of_what_the_field_adds_to_the_network() {
        let facts = shots(Formulation::NearField, None);
        let note = notes_of(&WaveMetadata::Shots(facts.clone()), 2, 2);
        let inner = facts.pml.inner();
        for part in [
            "real and to the imaginary part",
            "(1 - (r/R)^2)^4 * (ln((r/R)^2) + E1(r^2/(2*V))) / (4*pi)",
            &format!("R = min(0.4, {inner} - max(|s.x|, |s.y|))"),
            "V = 0.0001",
        ] {
            assert!(note.contains(part), "{part}: {note}");
        }
        let [source, point] = [[0.1, -0.2], [0.13, -0.11]];
        let siren = field(2, 2);
        let network = siren.values(&point).unwrap();
        let waves = WaveField::new(siren, WaveMetadata::Shots(facts)).unwrap();
        let wave = waves.waves(0, &[point]).unwrap()[0];
        let r = f64::hypot(point[0] - source[0], point[1] - source[1]);
        let radius = f64::min(0.4, inner - 0.2);
        let share = (r / radius).powi(2);
        let near = (1.0 - share).powi(4) * (share.ln() + exponential_integral(r * r / 2e-4));
        let near = near / (4.0 * std::f64::consts::PI);
        assert!(near.abs() > 0.01, "{near}");
        for (part, own) in [wave.re, wave.im].into_iter().zip(network) {
            assert!((part - own - near).abs() < 1e-6, "{part} {own} {near}");
        }
    }

    #[test]
    fn the_note_on_waves_in_time_has_the_formula_of_the_wave() {
        let pulse = InitialPulse {
            center: [0.1, -0.2],
            amplitude: 0.02,
            variance: 0.004,
        };
        let ansatz = Ansatz::Blend {
            pulse,
            unit: 0.03,
            time: 0.05,
        };
        let facts = |ansatz| MotionFacts {
            ansatz,
            duration: 0.5,
        };
        let note = notes_of(&WaveMetadata::Motion(facts(ansatz)), 3, 1);
        for part in [
            "(1 - g)*f + 0.03*g*v with g = t^2/(t^2 + 0.05^2)",
            "f = 0.02*exp(-((x - 0.1)^2 + (y - -0.2)^2)/(2*0.004))",
        ] {
            assert!(note.contains(part), "{part}: {note}");
        }
        let [t, x, y] = [0.04, 0.12, -0.15];
        let siren = field(3, 1);
        let v = siren.values(&[t, x, y]).unwrap()[0];
        let wave = facts(ansatz).wave(&siren, t, &[[x, y]]).unwrap()[0];
        let g = t * t / (t * t + 0.0025);
        let f = 0.02 * f64::exp(-((x - 0.1).powi(2) + (y + 0.2).powi(2)) / (2.0 * 0.004));
        assert!((wave - ((1.0 - g) * f + 0.03 * g * v)).abs() < 1e-9);
        let whole = WaveMetadata::Motion(facts(Ansatz::Field));
        assert_eq!(notes_of(&whole, 3, 1), "");
    }

    #[test]
    fn only_a_network_that_computes_all_of_the_waves_has_no_note() {
        let total = WaveMetadata::Shots(shots(Formulation::Total, None));
        assert_eq!(notes_of(&total, 2, 2), "");
        let scattered = WaveMetadata::Shots(shots(Formulation::Scattered, None));
        assert!(notes_of(&scattered, 2, 2).contains("background (wavenumber 20)"));
    }

    #[test]
    fn the_note_on_a_medium_has_its_map_and_its_place() {
        let medium = |unknown| {
            let facts = MediumFacts {
                half_width: 0.35,
                unknown,
            };
            WaveMetadata::Shots(shots(Formulation::Total, Some(facts)))
        };
        let channel = notes_of(&medium(UnknownMedium::Channel), 2, 3);
        assert!(
            channel.contains("max(1 + v, 0.001) where |x|, |y| <= 0.35"),
            "{channel}"
        );
        let absent = notes_of(&medium(UnknownMedium::ClosedForm), 2, 2);
        assert!(absent.contains("not in this file"), "{absent}");
        let map = SlownessMap::Exponential;
        let alone = WaveMetadata::Medium(SlownessFacts {
            half_width: 0.3,
            map,
        });
        let alone = notes_of(&alone, 2, 1);
        assert!(alone.contains("max(exp(v), 0.001)"), "{alone}");
    }
}
