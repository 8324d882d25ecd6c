//! PTX text to decoded instructions.

mod allocate;
mod arithmetic;
mod builder;
mod control;
mod convert;
mod instruction;
mod lexer;
mod logic;
mod memory;
mod moves;
mod operand;
mod slot;
mod variable;
mod visit;

use std::collections::HashMap;

use self::builder::Builder;
use self::lexer::Cursor;
use self::variable::SharedArray;
use crate::module::{Kernel, Module, Parameter, Variable};

/// PTX text that cannot be executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the PTX, `{text}`: {reason}")]
pub struct ParseError {
    /// Line of the text, from 1.
    pub line: u32,
    /// The token or instruction.
    pub text: String,
    /// What is not supported or not valid.
    pub reason: String,
}

impl ParseError {
    fn new(line: u32, text: &str, reason: &str) -> Self {
        Self {
            line,
            text: text.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

type Result<T> = std::result::Result<T, ParseError>;

/// What a module declares outside of its kernels.
#[derive(Default)]
struct Declarations {
    variables: Vec<Variable>,
    shared: Vec<(String, SharedArray)>,
}

/// What a kernel that cannot be executed spoils.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its module.
    Module,
    /// Itself.
    Kernel,
}

/// Kernels and variables of a module.
pub(crate) fn module(text: &str, refusal: Refusal) -> Result<Module> {
    let mut cursor = Cursor::new(text)?;
    let (mut version, mut target) = (0, 0);
    let lines: Vec<&str> = text.lines().collect();
    let (mut kernels, mut declarations) = (Vec::new(), Declarations::default());
    let mut refused = Vec::new();
    while !cursor.at_end() {
        let line = cursor.line();
        match cursor.next() {
            // `9.0`, and `sm_90a` or `sm_90`.
            ".version" => version = digits(cursor.next()),
            ".target" => {
                target = digits(cursor.peek());
                cursor.skip_line();
            }
            ".address_size" | ".file" | ".loc" => cursor.skip_line(),
            ".visible" | ".weak" | ".extern" | ".common" | ";" => {}
            ".section" => {
                cursor.next();
                cursor.skip_block();
            }
            ".entry" => {
                let place = cursor.place();
                match entry(&mut cursor, &declarations, &lines) {
                    Ok(kernel) => kernels.push(kernel),
                    Err(error) if refusal == Refusal::Kernel => {
                        cursor.go_to(place);
                        refused.push((cursor.peek().to_owned(), error));
                        skip_definition(&mut cursor);
                    }
                    Err(error) => return Err(error),
                }
            }
            ".func" => {
                let place = cursor.place();
                match function_declaration(&mut cursor) {
                    Err(_) if refusal == Refusal::Kernel => {
                        cursor.go_to(place);
                        skip_definition(&mut cursor);
                    }
                    read => read?,
                }
            }
            space @ (".global" | ".const") => declarations
                .variables
                .push(variable::variable(&mut cursor, space)?),
            ".shared" => declarations.shared.push(variable::shared(&mut cursor)?),
            other => {
                return Err(ParseError::new(
                    line,
                    other,
                    "a directive that is not supported",
                ));
            }
        }
    }
    if kernels.is_empty() && refused.is_empty() {
        return Err(ParseError::new(
            1,
            lines.first().unwrap_or(&""),
            "the module has no kernel (`.entry`)",
        ));
    }
    Ok(Module {
        id: 0,
        version,
        target,
        kernels,
        refused,
        variables: declarations.variables,
    })
}

/// The digits of a word as one number, or the largest one if they are more.
fn digits(word: &str) -> u32 {
    word.bytes()
        .filter(u8::is_ascii_digit)
        .fold(0, |number: u32, digit| {
            number
                .saturating_mul(10)
                .saturating_add(u32::from(digit - b'0'))
        })
}

/// Skips what is left of a definition: its head, and its body in braces.
fn skip_definition(cursor: &mut Cursor<'_>) {
    while !cursor.at_end() && cursor.peek() != "{" {
        cursor.next();
    }
    cursor.skip_block();
}

/// Skips the declaration of a function; a definition is an error.
fn function_declaration(cursor: &mut Cursor<'_>) -> Result<()> {
    let line = cursor.line();
    let mut name = "";
    while !cursor.at_end() {
        match cursor.peek() {
            ";" => return Ok(()),
            "{" => {
                return Err(ParseError::new(
                    line,
                    name,
                    "functions are not supported: declare it `__forceinline__`",
                ));
            }
            "(" => while !cursor.at_end() && cursor.next() != ")" {},
            word => {
                name = word;
                cursor.next();
            }
        }
    }
    Ok(())
}

fn entry(cursor: &mut Cursor<'_>, declarations: &Declarations, lines: &[&str]) -> Result<Kernel> {
    let name = cursor.next().to_owned();
    let mut kernel = Kernel {
        name,
        ..Kernel::default()
    };
    let names = parameters(cursor, &mut kernel)?;
    loop {
        let line = cursor.line();
        match cursor.next() {
            ".maxntid" | ".reqntid" => {
                let mut threads = Some(cursor.integer()?);
                while cursor.accept(",") {
                    let more = cursor.integer()?;
                    threads = threads.and_then(|threads| threads.checked_mul(more));
                }
                let threads = threads.and_then(|threads| u32::try_from(threads).ok());
                let too_many =
                    || ParseError::new(line, ".maxntid", "more threads than a number of 32 bits");
                kernel.max_threads = Some(threads.ok_or_else(too_many)?);
            }
            ".minnctapersm" | ".maxnreg" | ".maxnctapersm" => {
                cursor.integer()?;
            }
            ".noreturn" => {}
            "{" => break,
            other => {
                return Err(ParseError::new(
                    line,
                    other,
                    "a directive of a kernel that is not supported",
                ));
            }
        }
    }
    Builder::new(kernel, names, declarations, lines).body(cursor)
}

/// Reads the parameters in parentheses, if any. Returns their offsets by name.
fn parameters(cursor: &mut Cursor<'_>, kernel: &mut Kernel) -> Result<HashMap<String, u64>> {
    let mut names = HashMap::new();
    let mut offset = 0_usize;
    if !cursor.accept("(") || cursor.accept(")") {
        return Ok(names);
    }
    loop {
        cursor.expect(".param")?;
        let array = variable::declaration(cursor)?;
        offset = offset.next_multiple_of(array.align);
        let bytes = array.bytes.unwrap_or(0);
        kernel.parameters.push(Parameter { offset, bytes });
        names.insert(array.name, offset as u64);
        offset += bytes;
        if !cursor.accept(",") {
            cursor.expect(")")?;
            return Ok(names);
        }
    }
}
