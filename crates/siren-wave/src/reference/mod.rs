//! Reference solutions: closed forms and finite differences, without a field.

pub mod adjoint;
pub mod cylinder;
pub mod frequency;
pub mod hankel;
pub mod inversion;
pub mod lbfgs;
pub mod leapfrog;
pub mod pulse;
pub mod sampler;
