//! Reference solutions: closed forms and finite differences, without a field.

pub mod leapfrog;
pub mod pulse;
