//! Files in the folder of a finished run: pictures of waves, of media, and of values at receivers.

use std::path::Path;

use num_complex::Complex64;
use siren_core::Result;
use siren_core::field::Siren;
use siren_run::Exhibit;

use crate::Point;
use crate::draw::{self, Landmarks, ShotTraces, SquareGrid};
use crate::helmholtz::HelmholtzProblem;
use crate::inverse::{AdjointInversion, NetworkInversion, Survey};
use crate::offset::Formulation;
use crate::scores::grid;
use crate::shots::ShotFields;

/// Points along each side of a picture of waves.
const SIDE: usize = 257;
/// Range of velocities of a picture of media without contrast, relative to the background.
const PLAIN_VELOCITIES: [f64; 2] = [0.5, 1.5];

/// Returns the fields of all shots on a grid, without a value where a scattered field lacks that of the background.
pub(crate) fn fields_on_grid(
    fields: &ShotFields,
    field: &Siren,
    side: usize,
) -> Result<Vec<Complex64>> {
    let points = grid(side, 1.0);
    let mut values = fields.values(field, &points)?;
    let facts = fields.facts();
    if facts.formulation == Formulation::Scattered {
        for (index, value) in values.iter_mut().enumerate() {
            if facts.pml.contains(points[index % points.len()]) {
                *value = Complex64::new(f64::NAN, f64::NAN);
            }
        }
    }
    Ok(values)
}

/// Writes `waves.png` (real part, imaginary part, absolute value and phase), `comparison.png` (real parts of the network and of the reference, and
/// ten times their difference, outside the layer and the source), `medium.png` unless the medium is uniform, and `traces.svg` if there are
/// receivers.
///
/// # Errors
/// If a file cannot be written.
pub(crate) fn write_helmholtz(
    problem: &HelmholtzProblem,
    field: &Siren,
    folder: &Path,
) -> Result<Vec<Exhibit>> {
    let landmarks = Landmarks {
        inner: Some(problem.fields().facts().pml.inner()),
        sources: &problem.fields().facts().sources,
        receivers: problem.receivers(),
    };
    let values = fields_on_grid(problem.fields(), field, SIDE)?;
    let found = SquareGrid::new(&values, SIDE)?;
    draw::complex_field(found, &landmarks, &folder.join("waves.png"))?;
    let points = grid(SIDE, 1.0);
    let is_compared: Vec<bool> = points
        .iter()
        .map(|&point| problem.is_compared(point))
        .collect();
    let compared = points.iter().zip(&is_compared).filter(|(_, is)| **is);
    let compared: Vec<Point> = compared.map(|(&point, _)| point).collect();
    let mut reference = problem.reference_at(&compared)?.into_iter();
    let mut next = |&is: &bool| if is { reference.next() } else { None };
    let none = Complex64::ZERO;
    let reference: Vec<Complex64> = is_compared
        .iter()
        .map(|is| next(is).unwrap_or(none))
        .collect();
    let reference = SquareGrid::new(&reference, SIDE)?;
    let path = folder.join("comparison.png");
    draw::field_comparison(found, reference, &is_compared, &landmarks, &path)?;
    let mut exhibits = vec![
        waves_exhibit("Wave"),
        Exhibit::picture("Comparison", "comparison.png").captioned(
            "Real parts, from the left: network, reference, and ten times their difference, outside the layer and the source.",
        ),
    ];
    if !problem.medium().is_uniform() {
        let medium = problem.medium().on_grid(SIDE);
        let range = velocities(&medium);
        let medium = [SquareGrid::new(&medium, SIDE)?];
        draw::media(&medium, range, &landmarks, &folder.join("medium.png"))?;
        exhibits.push(
            Exhibit::picture("Medium", "medium.png")
                .captioned("Velocity, relative to that of the background."),
        );
    }
    if !problem.receivers().is_empty() {
        let traces = ShotTraces {
            predicted: &problem.fields().values(field, problem.receivers())?,
            recorded: &problem.reference_at(problem.receivers())?,
        };
        draw::receiver_traces(&[traces], &folder.join("traces.svg"))?;
        exhibits.push(traces_exhibit());
    }
    Ok(exhibits)
}

/// Writes `medium.png` (the medium found, and the true one if it is known), `traces.svg` (the network's fields at the receivers, and the data) and
/// `waves.png` (the field of the first shot).
///
/// # Errors
/// If a file cannot be written.
pub(crate) fn write_network(
    problem: &NetworkInversion,
    field: &Siren,
    folder: &Path,
) -> Result<Vec<Exhibit>> {
    let survey = problem.survey();
    let medium = problem.fields().medium(field, &grid(SIDE, 1.0))?;
    write_media(survey, &medium, folder)?;
    let values = fields_on_grid(problem.fields(), field, SIDE)?;
    let first = SquareGrid::new(&values[..SIDE * SIDE], SIDE)?;
    draw::complex_field(first, &survey.landmarks(), &folder.join("waves.png"))?;
    let predicted = problem
        .fields()
        .values(field, survey.recording.receivers())?;
    write_traces(survey, &predicted, folder)?;
    let waves = waves_exhibit("Wave of the first shot");
    Ok(vec![medium_exhibit(), waves, traces_exhibit()])
}

/// Writes `medium.png` (the medium found, and the true one if it is known) and `traces.svg` (the fields of the found medium at the receivers, and the
/// data).
///
/// # Errors
/// If a file cannot be written.
pub(crate) fn write_adjoint(
    problem: &AdjointInversion,
    field: &Siren,
    folder: &Path,
) -> Result<Vec<Exhibit>> {
    let medium = problem.facts().medium(field, &grid(SIDE, 1.0))?;
    write_media(problem.survey(), &medium, folder)?;
    let predicted = problem.predicted(field)?;
    write_traces(problem.survey(), &predicted, folder)?;
    Ok(vec![medium_exhibit(), traces_exhibit()])
}

fn waves_exhibit(title: &str) -> Exhibit {
    Exhibit::picture(title, "waves.png")
        .captioned("Real part, imaginary part, absolute value and phase of the network's field.")
}

fn medium_exhibit() -> Exhibit {
    Exhibit::picture("Medium", "medium.png").captioned(
        "Velocity, relative to that of the background: the medium found, and beside it the true one if it is known.",
    )
}

fn traces_exhibit() -> Exhibit {
    Exhibit::picture("Receivers", "traces.svg")
        .captioned("Values at the receivers, beside the data.")
}

fn write_media(survey: &Survey, found: &[f64], folder: &Path) -> Result<()> {
    let truth = survey.truth.as_ref().map(|truth| truth.on_grid(SIDE));
    let range = velocities(truth.as_deref().unwrap_or(found));
    let mut media = vec![SquareGrid::new(found, SIDE)?];
    if let Some(truth) = &truth {
        media.push(SquareGrid::new(truth, SIDE)?);
    }
    draw::media(
        &media,
        range,
        &survey.landmarks(),
        &folder.join("medium.png"),
    )
}

fn write_traces(survey: &Survey, predicted: &[Complex64], folder: &Path) -> Result<()> {
    let receivers = survey.recording.receivers().len();
    let shots = predicted.chunks(receivers).zip(survey.recording.shots());
    let traces: Vec<ShotTraces<'_>> = shots
        .map(|(predicted, recorded)| ShotTraces {
            predicted,
            recorded,
        })
        .collect();
    draw::receiver_traces(&traces, &folder.join("traces.svg"))
}

/// Returns the lowest and the highest velocity `1/√m`, with the background among them.
pub(crate) fn velocities(medium: &[f64]) -> [f64; 2] {
    let velocities = medium.iter().map(|m| m.sqrt().recip());
    let finite = velocities.filter(|v| v.is_finite());
    let [low, high] = finite.fold([1.0_f64, 1.0_f64], |[low, high], v| {
        [low.min(v), high.max(v)]
    });
    if high - low < 1e-6 {
        return PLAIN_VELOCITIES;
    }
    [low, high]
}
