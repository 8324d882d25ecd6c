//! Waves: the Helmholtz equation, its inverse problem and the wave equation, solved by fields (Sitzmann et al. 2020, §4.3).

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod medium;
pub mod pml;
pub mod reference;
pub mod source;

/// Point of the plane, `(x, y)`, in coordinates: the domain is [−1, 1]².
pub type Point = [f64; 2];
