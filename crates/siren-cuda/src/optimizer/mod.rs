//! Steps of optimizers on parameters, gradients and state that stay on the device. Each changes the parameters `(P,)` of one field in place.

mod adam;
mod muon;
#[cfg(test)]
pub(crate) mod tests;

use std::ops::Range;

pub use self::adam::{AdamMoments, AdamStep};
pub use self::muon::{MuonMatrix, MuonMomenta, MuonStep};

use crate::array::DeviceArray;
use crate::error::{Error, Result};
use crate::gradient::{Gradient, check_length};

/// Checks that ranges of the parameters are disjoint and ascend, and returns the number of parameters that they need.
fn check_ranges(ranges: impl Iterator<Item = Range<usize>>) -> Result<usize> {
    let mut end = 0;
    for range in ranges {
        let at_least = |what, least: usize, got| {
            if got >= least {
                return Ok(());
            }
            Err(Error::Length {
                what,
                expected: format!("at least {least}, since ranges are disjoint and ascend"),
                got,
            })
        };
        at_least("the start of a range of parameters", end, range.start)?;
        at_least("the end of a range of parameters", range.start, range.end)?;
        end = range.end;
    }
    Ok(end)
}

/// Checks that there are at least `needed` parameters, with as many elements of a gradient.
fn check_parameters(needed: usize, parameters: &DeviceArray, gradient: &Gradient) -> Result<()> {
    if parameters.len() < needed {
        return Err(Error::Length {
            what: "parameters that an optimizer steps",
            expected: format!("at least {needed}"),
            got: parameters.len(),
        });
    }
    let what = "gradient with respect to the parameters that an optimizer steps";
    check_length(what, parameters.len(), gradient.len())
}
