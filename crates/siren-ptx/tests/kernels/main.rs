//! Kernels that are right give right results in every order; kernels with a fault are found out.

mod arithmetic;
#[expect(unsafe_code, reason = "launches of cudarc are unsafe")]
mod client;
mod driver;
mod faults;
mod floats;
mod mutants;
mod programs;
mod support;
