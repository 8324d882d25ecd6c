//! Kernels that are right give right results in every order; kernels with a fault are found out.

mod arithmetic;
mod driver;
mod faults;
mod mutants;
mod programs;
mod support;
