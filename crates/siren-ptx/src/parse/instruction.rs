//! One statement of a kernel: guard, operation with its modifiers, operands.

use super::builder::Builder;
use super::lexer::Cursor;
use super::operand::{Operand, Type, operand};
use super::{Result, arithmetic, control, convert, logic, memory, moves};
use crate::isa::TRUE;

/// An instruction as written. Each modifier that is understood is taken; one that is left over is an error.
pub(super) struct Written<'a> {
    pub(super) name: &'a str,
    modifiers: Vec<&'a str>,
    pub(super) operands: Vec<Operand<'a>>,
}

impl<'a> Written<'a> {
    /// Takes a modifier if it is there.
    pub(super) fn take(&mut self, modifier: &str) -> bool {
        self.take_any(&[modifier]).is_some()
    }

    /// Takes the first of these modifiers that is there.
    pub(super) fn take_any(&mut self, modifiers: &[&str]) -> Option<&'a str> {
        let at = self
            .modifiers
            .iter()
            .position(|modifier| modifiers.contains(modifier))?;
        Some(self.modifiers.remove(at))
    }

    /// Takes the first modifier.
    pub(super) fn take_first(&mut self) -> Option<&'a str> {
        (!self.modifiers.is_empty()).then(|| self.modifiers.remove(0))
    }

    /// Takes the first type among the modifiers.
    pub(super) fn take_type(&mut self, builder: &Builder<'_>) -> Result<Type> {
        let at = self
            .modifiers
            .iter()
            .position(|modifier| Type::parse(modifier).is_some());
        let found = at.and_then(|at| Type::parse(self.modifiers.remove(at)));
        found.ok_or_else(|| builder.error("an instruction without a type that is supported"))
    }

    pub(super) fn has(&self, modifier: &str) -> bool {
        self.modifiers.contains(&modifier)
    }

    /// Fails if a modifier is left, or if the number of operands differs.
    pub(super) fn check(&self, builder: &Builder<'_>, operands: usize) -> Result<()> {
        if let Some(left) = self.modifiers.first() {
            return Err(builder.error(&format!("the modifier `.{left}` is not supported here")));
        }
        if self.operands.len() != operands {
            return Err(builder.error(&format!(
                "{} operands, expected {operands}",
                self.operands.len()
            )));
        }
        Ok(())
    }
}

/// Reads and decodes a statement with its semicolon.
pub(super) fn statement(builder: &mut Builder<'_>, cursor: &mut Cursor<'_>) -> Result<()> {
    builder.set_guard(TRUE, false);
    if cursor.accept("@") {
        let negated = cursor.accept("!");
        let (slot, _) = builder.predicate(&Operand::Name(cursor.next()))?;
        builder.set_guard(slot, negated);
    }
    let mut words = cursor.next().split('.');
    let name = words.next().unwrap_or("");
    let mut written = Written {
        name,
        modifiers: words.collect(),
        operands: Vec::new(),
    };
    while !cursor.accept(";") {
        if !written.operands.is_empty() {
            cursor.expect(",")?;
        }
        written.operands.push(operand(cursor)?);
    }
    decode(builder, written)
}

fn decode(builder: &mut Builder<'_>, written: Written<'_>) -> Result<()> {
    match written.name {
        "mov" => moves::decode(builder, written),
        "cvt" => convert::decode(builder, written),
        "cvta" => moves::generic_address(builder, written),
        "ld" | "ldu" | "st" | "atom" | "red" | "cp" | "ldmatrix" | "prefetch" | "membar"
        | "fence" => memory::decode(builder, written),
        "bra" | "brx" | "ret" | "exit" | "bar" | "barrier" | "shfl" | "vote" | "activemask"
        | "redux" | "trap" | "mma" | "nop" => control::decode(builder, written),
        "call" => Err(builder.error("calls are not supported: inline the function")),
        "ex2" | "lg2" | "sin" | "cos" | "tanh" | "rsqrt" => Err(builder.error(
            "approximations differ between cards: compute the function with rounded operations",
        )),
        "shl" | "shr" => logic::shift(builder, written),
        "setp" | "set" => logic::compare(builder, written),
        "selp" => logic::select(builder, written),
        "lop3" | "prmt" | "shf" | "bfe" | "bfi" => logic::bits(builder, written),
        _ => arithmetic::decode(builder, written),
    }
}
