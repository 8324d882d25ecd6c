//! Phase 1: every activation, order, encoding and class of widths, on the card and on the CPU in double precision.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::matrix::{
    MOST_SINGLE_ERRORS, OracleCase, WIDTHS, every_kind, every_width, narrow, wide,
};
use super::worker::Request;
use super::{Check, Findings};

/// Longest time of a case.
const CASE_LIMIT: Duration = Duration::from_mins(1);
/// A rehearsal takes one of so many cases.
const REHEARSAL_STRIDE: usize = 97;
/// After so many processes that died, the card is given up.
const MOST_DEATHS: usize = 10;

/// Largest error in exact mode of a network with more than [`NARROW`] features, as a multiple of that of the CPU in single precision. Tensor cores cut
/// sums off where the interpreter of the tests rounds, so that errors grow with the number of products: an H200 has 4.2 at width 1024.
pub const MOST_SINGLE_ERRORS_WIDE: f64 = 6.0;
/// Most features for which the bound is that of the tests.
pub const NARROW: usize = 512;

/// Returns the largest error in exact mode that a case may have, as a multiple of that of the CPU in single precision.
pub fn most_single_errors(case: &OracleCase) -> f64 {
    if case.sizes.width > NARROW {
        MOST_SINGLE_ERRORS_WIDE
    } else {
        MOST_SINGLE_ERRORS
    }
}

/// Returns all cases: wide networks, every class of widths, narrow networks of every depth, then every kind at every width of [`WIDTHS`].
pub fn oracle_cases() -> Vec<OracleCase> {
    let mut cases = wide();
    cases.extend(every_width());
    cases.extend(narrow());
    for shift in 0..WIDTHS.len() {
        cases.extend(every_kind(shift));
    }
    cases
}

/// Largest errors of all cases.
#[derive(Default)]
struct Largest {
    exact: [f64; 2],
    fast: [f64; 2],
    single: [f64; 2],
    quotient: f64,
}

impl Largest {
    fn add(&mut self, answer: &Value) {
        let raise = |most: &mut f64, value: &Value| {
            *most = most.max(value.as_f64().unwrap_or(f64::INFINITY));
        };
        for i in 0..2 {
            raise(&mut self.exact[i], &answer["exact"][i]);
            raise(&mut self.single[i], &answer["single"][i]);
            if answer["is_smooth"] == true {
                raise(&mut self.fast[i], &answer["fast"][i]);
            }
        }
        raise(&mut self.quotient, &answer["quotient"]);
    }
}

/// Compares every case, as far as the time goes.
pub fn run(check: &Check, findings: &mut Findings) -> Result<Value> {
    let cases = oracle_cases();
    // The first two cases are wide, which an interpreter takes long for.
    let indices: Vec<usize> = if check.rehearse {
        (2..cases.len()).step_by(REHEARSAL_STRIDE).collect()
    } else {
        (0..cases.len()).collect()
    };
    let mut largest = Largest::default();
    let (mut compared, mut faults, mut deaths) = (0, 0, 0);
    let mut worker = check.card_worker()?;
    for (position, &index) in indices.iter().enumerate() {
        if check.left().is_zero() || deaths > MOST_DEATHS {
            let rest = indices.len() - position;
            findings.skip(&format!("{rest} of {} cases", indices.len()));
            break;
        }
        let name = cases[index].name();
        match worker.ask(&Request::Oracle { index }, CASE_LIMIT) {
            Ok(answer) => {
                compared += 1;
                largest.add(&answer);
                if let Some(fault) = answer["fault"].as_str() {
                    faults += 1;
                    findings.fail(&format!("{name}: {fault}"));
                }
            }
            Err(error) => {
                // After an error the driver refuses all further work of the process.
                faults += 1;
                deaths += 1;
                findings.fail(&format!("{name}: {error:#}"));
                worker = check.card_worker()?;
            }
        }
    }
    Ok(json!({
        "cases": indices.len(),
        "compared": compared,
        "faults": faults,
        "largest": {
            "single": largest.single,
            "exact": largest.exact,
            "fast": largest.fast,
            "quotient": largest.quotient,
        },
    }))
}
