//! Declarations of variables: parameters, shared and local arrays, tables of constants.

use super::lexer::Cursor;
use super::operand::{Type, literal};
use super::{ParseError, Result};
use crate::module::Variable;

/// `.align A .type name[n]`.
pub(super) struct Declaration {
    pub(super) name: String,
    pub(super) align: usize,
    pub(super) element: Type,
    /// Size of the whole; none for `name[]`.
    pub(super) bytes: Option<usize>,
}

/// An array in shared memory.
#[derive(Clone, Debug)]
pub(super) struct SharedArray {
    pub(super) align: u32,
    /// None for `extern __shared__`, whose size a launch gives.
    pub(super) bytes: Option<u32>,
}

/// Reads a declaration after its space.
pub(super) fn declaration(cursor: &mut Cursor<'_>) -> Result<Declaration> {
    let (mut align, mut element, mut vector) = (None, None, 1);
    loop {
        let line = cursor.line();
        let word = cursor.next();
        match word {
            ".align" => align = Some(cursor.integer()? as usize),
            ".ptr" | ".global" | ".const" | ".shared" | ".local" | ".attribute" | ".managed" => {}
            ".v2" => vector = 2,
            ".v4" => vector = 4,
            _ => {
                if let Some(parsed) = word.strip_prefix('.').and_then(Type::parse) {
                    element = Some(parsed);
                } else if word.starts_with('.') || word.is_empty() {
                    return Err(ParseError::new(
                        line,
                        word,
                        "a declaration that is not supported",
                    ));
                } else {
                    let element = element.ok_or_else(|| {
                        ParseError::new(line, word, "a declaration without a type")
                    })?;
                    let size = element.bits() as usize / 8 * vector;
                    // `.ptr .align` is the alignment of what a parameter points to.
                    let align = if vector == 1 && element.bits() > 8 {
                        size
                    } else {
                        align.unwrap_or(size)
                    };
                    check_align(align, line, word)?;
                    let bytes = extent(cursor, size)?;
                    return Ok(Declaration {
                        name: word.to_owned(),
                        align,
                        element,
                        bytes,
                    });
                }
            }
        }
    }
}

/// Largest variable in bytes, far above what a multiprocessor has.
const MAX_BYTES: usize = 1 << 24;
/// Largest alignment in bytes.
const MAX_ALIGN: usize = 1 << 16;

/// Checks that an alignment is a power of two; a predicate has none.
pub(super) fn check_align(align: usize, line: u32, word: &str) -> Result<()> {
    if align.is_power_of_two() && align <= MAX_ALIGN {
        return Ok(());
    }
    Err(ParseError::new(
        line,
        word,
        "an alignment that is no power of two, or too large",
    ))
}

/// Bytes of an array: the product of the lengths in brackets, 1 without any, and the size of an element; none for `[]`.
fn extent(cursor: &mut Cursor<'_>, size: usize) -> Result<Option<usize>> {
    let mut bytes = Some(size);
    while cursor.accept("[") {
        if cursor.accept("]") {
            bytes = None;
            continue;
        }
        let line = cursor.line();
        let length = cursor.integer()?;
        if let Some(own) = bytes {
            let product = usize::try_from(length).ok();
            let product = product.and_then(|length| own.checked_mul(length));
            let product = product.filter(|&bytes| bytes <= MAX_BYTES);
            bytes = Some(product.ok_or_else(|| {
                ParseError::new(line, &length.to_string(), "a variable of more than 16 MiB")
            })?);
        }
        cursor.expect("]")?;
    }
    Ok(bytes)
}

/// Reads a `.shared` array.
pub(super) fn shared(cursor: &mut Cursor<'_>) -> Result<(String, SharedArray)> {
    // An explicit alignment of an array of words counts, too.
    let align = if cursor.peek() == ".align" {
        super::lexer::integer(cursor.ahead(1))
    } else {
        None
    };
    let line = cursor.line();
    let declared = declaration(cursor)?;
    cursor.expect(";")?;
    let align = align.unwrap_or(1).max(declared.align as u64);
    check_align(align as usize, line, &declared.name)?;
    let align = align as u32;
    Ok((
        declared.name,
        SharedArray {
            align,
            bytes: declared.bytes.map(|bytes| bytes as u32),
        },
    ))
}

/// Reads a `.global` or `.const` variable with its initial values.
pub(super) fn variable(cursor: &mut Cursor<'_>, space: &str) -> Result<Variable> {
    let line = cursor.line();
    let declared = declaration(cursor)?;
    let mut initial = Vec::new();
    if cursor.accept("=") {
        values(cursor, declared.element, &mut initial)?;
    }
    cursor.expect(";")?;
    let bytes = declared.bytes.unwrap_or(initial.len());
    if bytes == 0 || initial.len() > bytes {
        return Err(ParseError::new(
            line,
            &declared.name,
            &format!("a {space} variable of {bytes} bytes"),
        ));
    }
    Ok(Variable {
        name: declared.name,
        initial,
        bytes,
    })
}

fn values(cursor: &mut Cursor<'_>, element: Type, bytes: &mut Vec<u8>) -> Result<()> {
    if cursor.accept("{") {
        loop {
            values(cursor, element, bytes)?;
            if !cursor.accept(",") {
                return cursor.expect("}");
            }
        }
    }
    let (line, negative) = (cursor.line(), cursor.accept("-"));
    let text = cursor.next();
    let value = literal(text)
        .ok_or_else(|| ParseError::new(line, text, "an initial value that is no number"))?;
    let value = if negative {
        value.wrapping_neg()
    } else {
        value
    };
    bytes.extend_from_slice(&value.to_le_bytes()[..element.bits() as usize / 8]);
    Ok(())
}
