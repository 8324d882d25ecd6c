//! Expressions in the notation of a language.

use std::fmt::Write as _;

use siren_core::field::Pointwise;

use crate::expression::{Expression, Function, derivatives};

/// A language in which activations are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// C99, one `float` at a time.
    C,
    /// GLSL ES 3.00, four values at a time.
    Glsl,
    /// WGSL, four values at a time.
    Wgsl,
}

impl Dialect {
    /// Returns a constant in single precision.
    pub(crate) fn constant(self, value: f64) -> String {
        match self {
            Self::C => hexadecimal(value as f32),
            Self::Glsl | Self::Wgsl => decimal(value as f32),
        }
    }

    /// Returns an expression of the variable `z`.
    fn expression(self, expression: &Expression) -> String {
        let of = |e: &Expression| self.expression(e);
        match expression {
            Expression::Argument => "z".to_owned(),
            Expression::Constant(value) => {
                let value = self.constant(*value);
                match self {
                    Self::C => value,
                    Self::Glsl => format!("vec4({value})"),
                    Self::Wgsl => format!("vec4f({value})"),
                }
            }
            Expression::Sum(a, b) => format!("({} + {})", of(a), of(b)),
            Expression::Product(a, b) => format!("({} * {})", of(a), of(b)),
            Expression::Quotient(a, b) => format!("({} / {})", of(a), of(b)),
            Expression::Call(function, a) => format!("{}({})", self.function(*function), of(a)),
            Expression::Select {
                condition,
                bound,
                above,
                below,
            } => {
                let (condition, above, below) = (of(condition), of(above), of(below));
                let bound = of(&Expression::Constant(*bound));
                match self {
                    Self::C => format!("({condition} > {bound} ? {above} : {below})"),
                    Self::Glsl => {
                        format!("mix({below}, {above}, greaterThan({condition}, {bound}))")
                    }
                    Self::Wgsl => format!("select({below}, {above}, {condition} > {bound})"),
                }
            }
        }
    }

    fn function(self, function: Function) -> &'static str {
        match (self, function) {
            (Self::C, Function::Sine) => "sinf",
            (Self::C, Function::Cosine) => "cosf",
            (Self::C, Function::Exponential) => "expf",
            (Self::C, Function::Logarithm) => "logf",
            (Self::C, Function::HyperbolicTangent) => "tanhf",
            (_, Function::Sine) => "siren_sin",
            (_, Function::Cosine) => "siren_cos",
            (_, Function::Exponential) => "exp",
            (_, Function::Logarithm) => "log",
            (_, Function::HyperbolicTangent) => "siren_tanh",
        }
    }

    /// Returns definitions of a function `NAME_ORDER(z)` for an activation and each of its derivatives up to `order`; `NAME_0` is the activation.
    pub(crate) fn activation(self, name: &str, function: Pointwise, order: usize) -> String {
        let mut text = String::new();
        for (k, expression) in derivatives(function, order).iter().enumerate() {
            let body = self.expression(expression);
            let (head, unused) = match self {
                Self::C if body.contains('z') => (format!("static float {name}_{k}(float z)"), ""),
                Self::C => (format!("static float {name}_{k}(float z)"), "(void)z; "),
                Self::Glsl => (format!("vec4 {name}_{k}(vec4 z)"), ""),
                Self::Wgsl => (format!("fn {name}_{k}(z: vec4f) -> vec4f"), ""),
            };
            let _ = writeln!(text, "{head} {{ {unused}return {body}; }}");
        }
        text
    }

    /// Returns the functions that [`activation`](Self::activation) calls, beyond those of the language.
    ///
    /// Shading languages bound the error of their sine by 2⁻¹¹ alone, and not at all for large arguments. This one is that of the CPU kernel:
    /// `x = n π/2 + r` by Cody and Waite, then polynomials on |r| ≤ π/4.
    pub(crate) fn library(self) -> &'static str {
        match self {
            Self::C => "",
            Self::Glsl => include_str!("library.glsl"),
            Self::Wgsl => include_str!("library.wgsl"),
        }
    }
}

/// Returns a decimal literal that is read back as the same number.
fn decimal(value: f32) -> String {
    let text = format!("{value:?}");
    match text.find(['.', 'e']) {
        Some(_) => text,
        None => format!("{text}.0"),
    }
}

/// Returns a hexadecimal literal of C99, which is exact: `0x1.8p+1f`.
fn hexadecimal(value: f32) -> String {
    let bits = value.to_bits();
    let sign = if bits >> 31 == 1 { "-" } else { "" };
    let (exponent, fraction) = ((bits >> 23 & 0xff) as i32, bits & 0x7f_ffff);
    let (whole, power) = match (exponent, fraction) {
        (0, 0) => return format!("{sign}0.0f"),
        (0, _) => (0, -126),
        _ => (1, exponent - 127),
    };
    let digits = format!("{:06x}", fraction << 1);
    format!("{sign}0x{whole}.{digits}p{power:+}f")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_exact() {
        assert_eq!(hexadecimal(3.0), "0x1.800000p+1f");
        assert_eq!(hexadecimal(-0.1), "-0x1.99999ap-4f");
        assert_eq!(hexadecimal(1e-45), "0x0.000002p-126f");
        for value in [0.1_f32, 1e-9, -3.0, 16_777_216.0, f32::MIN_POSITIVE] {
            assert_eq!(decimal(value).parse(), Ok(value));
            assert!(decimal(value).contains(['.', 'e']));
        }
    }
}
