//! Slots of registers, constants and operands.

use super::Result;
use super::builder::{Builder, Meaning};
use super::operand::{Operand, literal};
use crate::isa::{Base, SINK, Slot, Special, TRUE};
use crate::module::Variable;

impl Builder<'_> {
    fn count(&self, counter: usize) -> Result<Slot> {
        Slot::try_from(counter)
            .map_err(|_| self.error("more than 65,536 registers and constants of a class"))
    }

    pub(super) fn new_predicate(&mut self) -> Result<Slot> {
        self.kernel.predicates += 1;
        self.count(self.kernel.predicates - 1)
    }

    pub(super) fn new_word(&mut self) -> Result<Slot> {
        self.kernel.words += 1;
        self.count(self.kernel.words - 1)
    }

    pub(super) fn new_long(&mut self) -> Result<Slot> {
        self.kernel.longs += 1;
        self.count(self.kernel.longs - 1)
    }

    /// Slot of a constant.
    pub(super) fn constant(&mut self, value: u32) -> Result<Slot> {
        if let Some(&slot) = self.words.get(&value) {
            return Ok(slot);
        }
        let slot = self.new_word()?;
        self.words.insert(value, slot);
        Ok(slot)
    }

    pub(super) fn long_constant(&mut self, value: u64) -> Result<Slot> {
        if let Some(&slot) = self.longs.get(&value) {
            return Ok(slot);
        }
        let slot = self.new_long()?;
        self.longs.insert(value, slot);
        Ok(slot)
    }

    pub(super) fn meaning(&self, name: &str) -> Option<Meaning> {
        let declared = self
            .scopes
            .iter()
            .rev()
            .find_map(|scope| scope.get(name))
            .copied();
        declared.or_else(|| {
            self.parameters
                .get(name)
                .map(|&offset| Meaning::Param(offset))
        })
    }

    /// Slot of a source of at most 32 bits.
    pub(super) fn word(&mut self, operand: &Operand<'_>) -> Result<Slot> {
        match operand {
            Operand::Number(value) => self.constant(*value as u32),
            Operand::Name(name) => match self.meaning(name) {
                Some(Meaning::Word(slot, _)) => Ok(slot),
                Some(Meaning::Shared(at) | Meaning::Local(at) | Meaning::Param(at)) => {
                    self.constant(at as u32)
                }
                Some(_) => {
                    Err(self.error("a register of another size than the instruction's type"))
                }
                None => self.special(name),
            },
            _ => Err(self.error("expected a register or a number")),
        }
    }

    /// Slot of a source of 64 bits.
    pub(super) fn long(&mut self, operand: &Operand<'_>) -> Result<Slot> {
        match operand {
            Operand::Number(value) => self.long_constant(*value),
            Operand::Name(name) => match self.meaning(name) {
                Some(Meaning::Long(slot)) => Ok(slot),
                Some(Meaning::Shared(at) | Meaning::Local(at) | Meaning::Param(at)) => {
                    self.long_constant(at)
                }
                Some(_) => {
                    Err(self.error("a register of another size than the instruction's type"))
                }
                None => self.variable_address(name, 0),
            },
            _ => Err(self.error("expected a register or a number")),
        }
    }

    /// Slot that holds the address of a variable of the module.
    fn variable_address(&mut self, name: &str, offset: u64) -> Result<Slot> {
        let found: Option<Variable> = self
            .declarations
            .variables
            .iter()
            .find(|variable| variable.name == name)
            .cloned();
        let variable = found.ok_or_else(|| {
            self.error(&format!("the name {name} is not declared or not supported"))
        })?;
        let known = self
            .kernel
            .addresses
            .iter()
            .find(|(_, other, at)| other.name == name && *at == offset);
        if let Some(&(slot, ..)) = known {
            return Ok(slot);
        }
        let slot = self.new_long()?;
        self.kernel.addresses.push((slot, variable, offset));
        Ok(slot)
    }

    fn special(&mut self, name: &str) -> Result<Slot> {
        let axis = match name.rsplit('.').next() {
            Some("x") => 0,
            Some("y") => 1,
            _ => 2,
        };
        let special = match name {
            "%tid.x" | "%tid.y" | "%tid.z" => Special::Tid(axis),
            "%ntid.x" | "%ntid.y" | "%ntid.z" => Special::Ntid(axis),
            "%ctaid.x" | "%ctaid.y" | "%ctaid.z" => Special::Ctaid(axis),
            "%nctaid.x" | "%nctaid.y" | "%nctaid.z" => Special::Nctaid(axis),
            "%laneid" => Special::Lane,
            "%warpid" => Special::Warp,
            "%nwarpid" => Special::Warps,
            "%lanemask_eq" => Special::LanesEq,
            "%lanemask_le" => Special::LanesLe,
            "%lanemask_lt" => Special::LanesLt,
            "%lanemask_ge" => Special::LanesGe,
            "%lanemask_gt" => Special::LanesGt,
            _ => {
                return Err(
                    self.error(&format!("the name {name} is not declared or not supported"))
                );
            }
        };
        if let Some(&slot) = self.specials.get(&special) {
            return Ok(slot);
        }
        let slot = self.new_word()?;
        self.specials.insert(special, slot);
        Ok(slot)
    }

    /// Slot of a source predicate, and whether it is negated.
    pub(super) fn predicate(&mut self, operand: &Operand<'_>) -> Result<(Slot, bool)> {
        let (name, negated) = match operand {
            Operand::Name(name) => (name, false),
            Operand::Not(name) => (name, true),
            Operand::Number(value) => return Ok((TRUE, *value == 0)),
            _ => return Err(self.error("expected a predicate")),
        };
        match self.meaning(name) {
            Some(Meaning::Predicate(slot)) => Ok((slot, negated)),
            _ => Err(self.error("expected a predicate")),
        }
    }

    /// Slot of a destination of at most 32 bits.
    pub(super) fn word_target(&mut self, operand: &Operand<'_>) -> Result<Slot> {
        match operand {
            Operand::Name("_") => self.new_word(),
            Operand::Name(name) => match self.meaning(name) {
                Some(Meaning::Word(slot, _)) => Ok(slot),
                _ => Err(self.error("the destination is no register of the instruction's size")),
            },
            _ => Err(self.error("expected a register as destination")),
        }
    }

    pub(super) fn long_target(&mut self, operand: &Operand<'_>) -> Result<Slot> {
        match operand {
            Operand::Name("_") => self.new_long(),
            Operand::Name(name) => match self.meaning(name) {
                Some(Meaning::Long(slot)) => Ok(slot),
                _ => Err(self.error("the destination is no register of the instruction's size")),
            },
            _ => Err(self.error("expected a register as destination")),
        }
    }

    pub(super) fn predicate_target(&mut self, name: &str) -> Result<Slot> {
        if name == "_" {
            return Ok(SINK);
        }
        match self.meaning(name) {
            Some(Meaning::Predicate(slot)) => Ok(slot),
            _ => Err(self.error("the destination is no predicate")),
        }
    }

    /// Whether the operand is a register of 64 bits.
    pub(super) fn is_long(&self, operand: &Operand<'_>) -> bool {
        matches!(operand, Operand::Name(name) if matches!(self.meaning(name), Some(Meaning::Long(_))))
    }

    /// Base register and offset of an address.
    pub(super) fn address(&mut self, operand: &Operand<'_>) -> Result<(Base, i64)> {
        let Operand::Address(base, offset) = operand else {
            return Err(self.error("expected an address in brackets"));
        };
        let base = match &**base {
            Operand::Name(name) => match self.meaning(name) {
                Some(Meaning::Word(slot, 32)) => Base::Word(slot),
                _ => Base::Long(self.long(&Operand::Name(name))?),
            },
            Operand::Number(value) => Base::Long(self.long_constant(*value)?),
            _ => return Err(self.error("expected a register or a name in brackets")),
        };
        Ok((base, *offset))
    }

    /// A number that must be known when the kernel is decoded.
    pub(super) fn immediate(&self, operand: &Operand<'_>) -> Result<u64> {
        match operand {
            Operand::Number(value) => Ok(*value),
            Operand::Name(name) => literal(name).ok_or_else(|| self.error("expected a number")),
            _ => Err(self.error("expected a number")),
        }
    }
}
