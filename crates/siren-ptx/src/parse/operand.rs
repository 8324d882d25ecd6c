//! Types and operands of instructions.

use super::lexer::{Cursor, integer};
use super::{ParseError, Result};

/// Type of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Pred,
    Bits(u32),
    Unsigned(u32),
    Signed(u32),
    Float(u32),
    Bf16,
    /// Pairs of halves in a word.
    F16x2,
    Bf16x2,
}

impl Type {
    /// Parses a type without its dot.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "pred" => return Some(Self::Pred),
            "bf16" => return Some(Self::Bf16),
            "f16x2" => return Some(Self::F16x2),
            "bf16x2" => return Some(Self::Bf16x2),
            _ => {}
        }
        let bits = text
            .get(1..)?
            .parse()
            .ok()
            .filter(|bits| matches!(bits, 8 | 16 | 32 | 64))?;
        match text.as_bytes()[0] {
            b'b' => Some(Self::Bits(bits)),
            b'u' => Some(Self::Unsigned(bits)),
            b's' => Some(Self::Signed(bits)),
            b'f' if bits > 8 => Some(Self::Float(bits)),
            _ => None,
        }
    }

    pub(super) fn bits(self) -> u32 {
        match self {
            Self::Pred => 1,
            Self::Bits(bits) | Self::Unsigned(bits) | Self::Signed(bits) | Self::Float(bits) => {
                bits
            }
            Self::Bf16 => 16,
            Self::F16x2 | Self::Bf16x2 => 32,
        }
    }

    pub(super) fn is_signed(self) -> bool {
        matches!(self, Self::Signed(_))
    }

    pub(super) fn is_integer(self) -> bool {
        matches!(self, Self::Bits(_) | Self::Unsigned(_) | Self::Signed(_))
    }
}

/// An operand as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand<'a> {
    /// A register, symbol or label.
    Name(&'a str),
    /// `!name`.
    Not(&'a str),
    /// A number: the bits of a float, or an integer in two's complement.
    Number(u64),
    Vector(Vec<Operand<'a>>),
    /// `[base + offset]`.
    Address(Box<Operand<'a>>, i64),
    /// `d|q`.
    Pair(&'a str, &'a str),
}

/// Bits of a literal.
pub(super) fn literal(text: &str) -> Option<u64> {
    if let Some(digits) = text.strip_prefix("0f").or_else(|| text.strip_prefix("0F")) {
        return u64::from_str_radix(digits, 16).ok();
    }
    if let Some(digits) = text.strip_prefix("0d").or_else(|| text.strip_prefix("0D")) {
        return u64::from_str_radix(digits, 16).ok();
    }
    if text == "WARP_SZ" {
        return Some(32);
    }
    integer(text)
}

/// Reads one operand.
pub(super) fn operand<'a>(cursor: &mut Cursor<'a>) -> Result<Operand<'a>> {
    let line = cursor.line();
    match cursor.next() {
        "{" => {
            let mut parts = Vec::new();
            loop {
                parts.push(operand(cursor)?);
                if !cursor.accept(",") {
                    cursor.expect("}")?;
                    return Ok(Operand::Vector(parts));
                }
            }
        }
        "[" => {
            let base = operand(cursor)?;
            let mut offset = 0_i64;
            if cursor.accept("+") || cursor.peek() == "-" {
                offset = cursor.integer()? as i64;
            }
            cursor.expect("]")?;
            Ok(Operand::Address(Box::new(base), offset))
        }
        "!" => Ok(Operand::Not(cursor.next())),
        "-" => {
            let text = cursor.next();
            let value = integer(text)
                .ok_or_else(|| ParseError::new(line, text, "expected an integer after `-`"))?;
            Ok(Operand::Number(value.wrapping_neg()))
        }
        text if text.starts_with(|first: char| first.is_ascii_digit()) || text == "WARP_SZ" => {
            literal(text)
                .map(Operand::Number)
                .ok_or_else(|| ParseError::new(line, text, "a number that is not supported"))
        }
        text if text
            .starts_with(|first: char| first.is_ascii_alphabetic() || "%$_".contains(first)) =>
        {
            Ok(if cursor.accept("|") {
                Operand::Pair(text, cursor.next())
            } else {
                Operand::Name(text)
            })
        }
        text => Err(ParseError::new(line, text, "expected an operand")),
    }
}
