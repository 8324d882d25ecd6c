//! Reads the machine instructions that nvdisasm prints.

use std::collections::HashMap;

use anyhow::{Result, ensure};

/// The machine instructions of a kernel, with the functions that it calls.
#[derive(Debug)]
pub struct SassKernel {
    pub name: String,
    /// In the order of their addresses, without `NOP`.
    pub instructions: Vec<SassInstruction>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct SassInstruction {
    /// The name without modifiers: `HMMA` of `HMMA.16816.F32`.
    pub opcode: String,
    /// The index of the instruction that a branch leads to.
    pub target: Option<usize>,
    /// Whether execution may go on with the next instruction.
    pub falls_through: bool,
}

/// Reads the output of `nvdisasm --print-code`: every section `.text.<kernel>`.
///
/// # Errors
/// If there are no instructions.
pub fn parse(text: &str) -> Result<Vec<SassKernel>> {
    let sections = text.split(".section\t.text.").skip(1);
    let kernels: Vec<SassKernel> = sections.map(section).collect();
    let is_read =
        !kernels.is_empty() && kernels.iter().all(|kernel| !kernel.instructions.is_empty());
    ensure!(
        is_read,
        "found no instructions in what nvdisasm printed:\n{}",
        &text[..text.floor_char_boundary(500)]
    );
    Ok(kernels)
}

/// Reads a section, from its name to its end.
fn section(text: &str) -> SassKernel {
    let name = text.split(',').next().unwrap_or_default().trim();
    let mut labels = HashMap::new();
    let mut lines = Vec::new();
    for line in text.lines().skip(1).map(str::trim) {
        if let Some(label) = line.strip_suffix(':') {
            labels.insert(label, lines.len());
        } else if let Some(line) = SassLine::parse(line)
            && line.opcode != "NOP"
        {
            lines.push(line);
        }
    }
    let resolve = |line: &SassLine| {
        let target = line.branch_label().and_then(|label| labels.get(label));
        SassInstruction {
            opcode: line.opcode.to_owned(),
            // A label at the very end has no instruction.
            target: target.copied().filter(|&index| index < lines.len()),
            falls_through: line.falls_through(),
        }
    };
    SassKernel {
        name: name.to_owned(),
        instructions: lines.iter().map(resolve).collect(),
    }
}

/// The parts of a line such as ``/*0120*/  @!P0 BRA `(.L_x_0) ;``.
struct SassLine<'a> {
    has_predicate: bool,
    opcode: &'a str,
    operands: &'a str,
}

impl<'a> SassLine<'a> {
    /// Returns the parts of a line, or nothing if it has no address in front.
    fn parse(line: &'a str) -> Option<Self> {
        let (address, rest) = line.strip_prefix("/*")?.split_once("*/")?;
        let is_address =
            !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut rest = rest.trim_start_matches([' ', '\t', '{']);
        let has_predicate = rest.starts_with('@');
        if has_predicate {
            rest = rest
                .split_once(' ')
                .map_or("", |(_, rest)| rest.trim_start());
        }
        let (name, operands) = rest.split_once([' ', ';']).unwrap_or((rest, ""));
        let opcode = name.split('.').next().unwrap_or(name);
        (is_address && !opcode.is_empty()).then_some(Self {
            has_predicate,
            opcode,
            operands: operands.trim_start(),
        })
    }

    fn branch_label(&self) -> Option<&'a str> {
        let is_branch = matches!(self.opcode, "BRA" | "JMP");
        let (_, rest) = self.operands.split_once("`(")?;
        rest.split(')').next().filter(|_| is_branch)
    }

    fn falls_through(&self) -> bool {
        match self.opcode {
            // A condition may stand in front of the label: ``BRA.U !UP0, `(.L_x_0)``.
            "BRA" | "JMP" => self.has_predicate || !self.operands.starts_with("`("),
            "EXIT" | "RET" | "BRX" | "JMX" | "KILL" => self.has_predicate,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_become_kernels_and_labels_become_indices() {
        let kernels = parse(include_str!("samples/sass.txt")).unwrap();
        let names: Vec<&str> = kernels.iter().map(|kernel| kernel.name.as_str()).collect();
        assert_eq!(names, ["product", "plain"]);
        let product = &kernels[0].instructions;
        let opcodes: Vec<&str> = product.iter().map(|line| line.opcode.as_str()).collect();
        let expected = "LDC S2R BAR LDSM HMMA BRA SHFL HMMA FFMA UIADD3 BRA MUFU BRA STG EXIT WARPSYNC BRA BRA";
        assert_eq!(opcodes.join(" "), expected);
        let lines = product.iter().enumerate();
        let branches: Vec<(usize, usize)> = lines
            .filter_map(|(index, line)| Some((index, line.target?)))
            .collect();
        assert_eq!(branches, [(5, 15), (10, 3), (12, 2), (16, 7), (17, 17)]);
    }

    #[test]
    fn only_branches_without_a_condition_and_ends_do_not_fall_through() {
        for (line, falls_through) in [
            ("/*0120*/              @!P0 BRA `(.L_x_0) ;", true),
            ("/*0120*/                   BRA `(.L_x_0) ;", false),
            ("/*0120*/                   BRA !P0, `(.L_x_0) ;", true),
            ("/*0120*/                   BRA.U !UP0, `(.L_x_0) ;", true),
            ("/*0120*/               @P0 EXIT ;", true),
            ("/*0120*/                   EXIT ;", false),
            (
                "/*0120*/                   RET.REL.NODEC R2 `(reduce) ;",
                false,
            ),
            (
                "/*0120*/                   CALL.REL.NOINC `(.L_x_9) ;",
                true,
            ),
            ("/*0120*/                   BSSY B0, `(.L_x_9) ;", true),
        ] {
            let parsed = SassLine::parse(line).unwrap();
            assert_eq!(parsed.falls_through(), falls_through, "{line}");
            assert_eq!(
                parsed.branch_label().is_some(),
                line.contains("BRA"),
                "{line}"
            );
        }
        assert!(SassLine::parse(".L_x_0:").is_none());
        assert!(SassLine::parse("/* 0x000fe200078e00ff */").is_none());
    }

    #[test]
    fn text_without_instructions_is_an_error() {
        assert!(parse("").is_err());
        assert!(parse("\t.section\t.text.k,\"ax\",@progbits\nk:\n").is_err());
    }
}
