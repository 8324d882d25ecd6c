//! Reference solutions: closed forms and finite differences, without a field.

pub mod frequency;
pub mod hankel;
pub mod sampler;
