//! State of a kernel while it is decoded: names, register slots, constants, labels.

use std::collections::{HashMap, HashSet};

use super::lexer::Cursor;
use super::operand::Type;
use super::variable::SharedArray;
use super::{Declarations, ParseError, Result, instruction, variable};
use crate::isa::{Instruction, Op, Slot, Special, TRUE};
use crate::module::Kernel;

/// What a name means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning {
    Predicate(Slot),
    /// Register of 16 or 32 bits.
    Word(Slot, u32),
    Long(Slot),
    Param(u64),
    Shared(u64),
    Local(u64),
}

/// Decodes the body of one kernel.
pub(super) struct Builder<'a> {
    pub(super) kernel: Kernel,
    /// Innermost block last.
    pub(super) scopes: Vec<HashMap<String, Meaning>>,
    pub(super) parameters: HashMap<String, u64>,
    pub(super) declarations: &'a Declarations,
    lines: &'a [&'a str],
    line: u32,
    guard: Slot,
    guard_flip: u32,
    first: bool,
    pub(super) words: HashMap<u32, Slot>,
    pub(super) longs: HashMap<u64, Slot>,
    pub(super) specials: HashMap<Special, Slot>,
    labels: HashMap<String, u32>,
    /// Branches whose targets are not known yet.
    branches: Vec<(usize, String, u32)>,
    tables: HashMap<String, u16>,
    table_labels: Vec<Vec<(String, u32)>>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        kernel: Kernel,
        parameters: HashMap<String, u64>,
        declarations: &'a Declarations,
        lines: &'a [&'a str],
    ) -> Self {
        let kernel = Kernel {
            predicates: 2,
            ..kernel
        };
        Self {
            kernel,
            scopes: vec![HashMap::new()],
            parameters,
            declarations,
            lines,
            line: 0,
            guard: TRUE,
            guard_flip: 0,
            first: true,
            words: HashMap::new(),
            longs: HashMap::new(),
            specials: HashMap::new(),
            labels: HashMap::new(),
            branches: Vec::new(),
            tables: HashMap::new(),
            table_labels: Vec::new(),
        }
    }

    /// Decodes the statements up to the brace that closes the body.
    pub(super) fn body(mut self, cursor: &mut Cursor<'_>) -> Result<Kernel> {
        self.place_shared_arrays(cursor)?;
        loop {
            self.line = cursor.line();
            match cursor.peek() {
                "" => return Err(self.error("the end of the text inside of a kernel")),
                ";" => {
                    cursor.next();
                }
                "{" => {
                    cursor.next();
                    self.scopes.push(HashMap::new());
                }
                "}" => {
                    cursor.next();
                    self.scopes.pop();
                    if self.scopes.is_empty() {
                        return self.finish();
                    }
                }
                word if word.starts_with('.') => self.directive(cursor)?,
                label if cursor.ahead(1) == ":" => {
                    cursor.next();
                    cursor.next();
                    self.label(label, cursor)?;
                }
                _ => {
                    self.first = true;
                    instruction::statement(&mut self, cursor)?;
                }
            }
        }
    }

    /// Gives every shared array that the body declares or names its place; `extern` ones start after all others.
    fn place_shared_arrays(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let (start, names): (usize, Vec<&str>) = (cursor.place(), cursor.block().collect());
        for (at, _) in names
            .iter()
            .enumerate()
            .filter(|(_, name)| **name == ".shared")
        {
            cursor.go_to(start + at + 1);
            let (name, array) = variable::shared(cursor)?;
            self.place_shared(&name, &array);
        }
        cursor.go_to(start);
        let names: HashSet<&str> = names.into_iter().collect();
        let declared = &self.declarations.shared;
        let named = declared
            .iter()
            .filter(|(name, _)| names.contains(name.as_str()));
        let (fixed, dynamic): (Vec<_>, Vec<_>) =
            named.partition(|(_, array)| array.bytes.is_some());
        for (name, array) in fixed {
            self.place_shared(name, array);
        }
        for (_, array) in &dynamic {
            self.kernel.static_shared_bytes = self
                .kernel
                .static_shared_bytes
                .checked_next_multiple_of(array.align.max(16))
                .unwrap_or(u32::MAX);
        }
        for (name, _) in dynamic {
            self.scopes[0].insert(
                name.clone(),
                Meaning::Shared(u64::from(self.kernel.static_shared_bytes)),
            );
        }
        Ok(())
    }

    fn place_shared(&mut self, name: &str, array: &SharedArray) {
        let start = self
            .kernel
            .static_shared_bytes
            .checked_next_multiple_of(array.align)
            .unwrap_or(u32::MAX);
        self.scopes[0].insert(name.to_owned(), Meaning::Shared(u64::from(start)));
        // A kernel that needs more than a card has is refused when it is launched.
        self.kernel.static_shared_bytes = start.saturating_add(array.bytes.unwrap_or(0));
    }

    fn directive(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        match cursor.next() {
            ".reg" => self.registers(cursor),
            ".local" => {
                let align = if cursor.peek() == ".align" {
                    super::lexer::integer(cursor.ahead(1))
                } else {
                    None
                };
                let line = cursor.line();
                let array = variable::declaration(cursor)?;
                let align = array.align.max(align.unwrap_or(1) as usize);
                variable::check_align(align, line, &array.name)?;
                let start = self.kernel.local_bytes.next_multiple_of(align);
                self.kernel.local_bytes = start + array.bytes.unwrap_or(0);
                self.declare(&array.name, Meaning::Local(start as u64));
                cursor.expect(";")
            }
            // Placed before.
            ".shared" => variable::shared(cursor).map(drop),
            ".pragma" => {
                cursor.next();
                cursor.expect(";")
            }
            ".loc" | ".file" => {
                cursor.skip_line();
                Ok(())
            }
            other => Err(ParseError::new(
                self.line,
                other,
                "a directive that is not supported",
            )),
        }
    }

    fn registers(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let word = cursor.next();
        let of = word.strip_prefix('.').and_then(Type::parse);
        let of = of.ok_or_else(|| {
            ParseError::new(self.line, word, "a type of registers that is not supported")
        })?;
        loop {
            let name = cursor.next();
            if cursor.accept("<") {
                let count = cursor.integer()?;
                cursor.expect(">")?;
                for number in 0..count {
                    let register = self.register(of)?;
                    self.declare(&format!("{name}{number}"), register);
                }
            } else {
                let register = self.register(of)?;
                self.declare(name, register);
            }
            if !cursor.accept(",") {
                return cursor.expect(";");
            }
        }
    }

    fn register(&mut self, of: Type) -> Result<Meaning> {
        Ok(match of {
            Type::Pred => Meaning::Predicate(self.new_predicate()?),
            _ if of.bits() == 64 => Meaning::Long(self.new_long()?),
            _ => Meaning::Word(self.new_word()?, of.bits()),
        })
    }

    fn declare(&mut self, name: &str, meaning: Meaning) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), meaning);
        }
    }

    fn label(&mut self, name: &str, cursor: &mut Cursor<'_>) -> Result<()> {
        if cursor.accept(".branchtargets") {
            let mut targets = Vec::new();
            loop {
                targets.push((cursor.next().to_owned(), self.line));
                if !cursor.accept(",") {
                    break;
                }
            }
            self.tables
                .insert(name.to_owned(), self.table_labels.len() as u16);
            self.table_labels.push(targets);
            return cursor.expect(";");
        }
        let here = self.kernel.code.len() as u32;
        if self.labels.insert(name.to_owned(), here).is_some() {
            return Err(ParseError::new(
                self.line,
                name,
                "a label that exists already",
            ));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Kernel> {
        // A body may end without `ret`.
        self.guard = TRUE;
        self.guard_flip = 0;
        self.first = false;
        self.emit(Op::Exit);
        let labels = &self.labels;
        let find = |name: &String, line: u32| {
            labels
                .get(name)
                .copied()
                .ok_or_else(|| ParseError::new(line, name, "a label that does not exist"))
        };
        for (at, name, line) in &self.branches {
            let found = find(name, *line)?;
            if let Op::Branch { target } = &mut self.kernel.code[*at].op {
                *target = found;
            }
        }
        for table in &self.table_labels {
            let targets: Result<Vec<u32>> =
                table.iter().map(|(name, line)| find(name, *line)).collect();
            self.kernel.branch_tables.push(targets?);
        }
        self.kernel.word_constants = self
            .words
            .iter()
            .map(|(&value, &slot)| (slot, value))
            .collect();
        self.kernel.long_constants = self
            .longs
            .iter()
            .map(|(&value, &slot)| (slot, value))
            .collect();
        self.kernel.specials = self
            .specials
            .iter()
            .map(|(&special, &slot)| (slot, special))
            .collect();
        super::allocate::allocate(&mut self.kernel);
        Ok(self.kernel)
    }

    /// An error at the current line, with its text.
    pub(super) fn error(&self, reason: &str) -> ParseError {
        ParseError::new(self.line, self.text(), reason)
    }

    fn text(&self) -> &'a str {
        self.lines
            .get(self.line as usize - 1)
            .map_or("", |line| line.trim())
    }

    pub(super) fn set_guard(&mut self, guard: Slot, flip: bool) {
        self.guard = guard;
        self.guard_flip = if flip { u32::MAX } else { 0 };
    }

    pub(super) fn emit(&mut self, op: Op) {
        let line = self.line;
        if self
            .kernel
            .lines
            .last()
            .is_none_or(|&(last, _)| last != line)
        {
            self.kernel.lines.push((line, self.text().to_owned()));
        }
        let counted = u32::from(self.first);
        self.kernel.code.push(Instruction {
            op,
            guard: self.guard,
            guard_flip: self.guard_flip,
            counted,
            line,
        });
        self.first = false;
    }

    /// Branches to a label that may follow.
    pub(super) fn emit_branch(&mut self, label: &str) {
        self.branches
            .push((self.kernel.code.len(), label.to_owned(), self.line));
        self.emit(Op::Branch { target: 0 });
    }

    pub(super) fn branch_table(&self, name: &str) -> Result<u16> {
        self.tables
            .get(name)
            .copied()
            .ok_or_else(|| self.error("a branch table that does not exist"))
    }
}
