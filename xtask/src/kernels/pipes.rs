//! Counts machine instructions by the unit of a multiprocessor that executes them.

use super::loops::innermost_with;
use super::sass::SassKernel;
use super::table::markdown;

/// A group of instructions: those of one unit, as far as the tables tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pipe {
    Tensor,
    F32,
    F16,
    Special,
    Shared,
    Global,
    Barrier,
    Integer,
    Other,
}

const PIPES: [(Pipe, &str); 9] = [
    (Pipe::Tensor, "HMMA"),
    (Pipe::F32, "f32"),
    (Pipe::F16, "f16, convert"),
    (Pipe::Special, "MUFU"),
    (Pipe::Shared, "shared"),
    (Pipe::Global, "global"),
    (Pipe::Barrier, "BAR"),
    (Pipe::Integer, "integer"),
    (Pipe::Other, "other"),
];

const LEGEND: &str = "
Static counts: instructions in the code, not instructions executed. Padding is left out.
f32: FFMA, FADD, FMUL, comparisons and selections. f16, convert: HFMA2, HADD2, HMUL2, F2F, F2FP, F2I, I2F, FRND. shared: LDS, STS, LDSM,
ATOMS, SHFL. global: LDG, STG, LDGSTS, RED, ATOM, and loads and stores of generic addresses. other: moves, predicates, constants, branches.
HMMA in loops: its share of the instructions of the innermost loops that hold HMMA.
";

impl Pipe {
    fn of(opcode: &str) -> Self {
        match opcode {
            "MUFU" => return Self::Special,
            "BAR" => return Self::Barrier,
            "LDS" | "STS" | "LDSM" | "STSM" | "ATOMS" | "SHFL" => return Self::Shared,
            "LDG" | "STG" | "LD" | "ST" | "LDGSTS" | "RED" | "REDG" | "ATOM" | "ATOMG" => {
                return Self::Global;
            }
            _ if opcode.ends_with("MMA") => return Self::Tensor,
            _ => {}
        }
        // Instructions on uniform registers have the same names after a `U`: UIADD3, ULOP3.
        match opcode.strip_prefix('U').unwrap_or(opcode) {
            "FFMA" | "FADD" | "FMUL" | "FFMA2" | "FADD2" | "FMUL2" | "FFMA32I" | "FADD32I"
            | "FMUL32I" | "FMNMX" | "FMNMX3" | "FSEL" | "FSET" | "FSETP" | "FCHK" | "FSWZADD" => {
                Self::F32
            }
            "HFMA2" | "HADD2" | "HMUL2" | "HMNMX2" | "HSET2" | "HSETP2" | "F2F" | "F2FP"
            | "F2I" | "F2IP" | "I2F" | "I2FP" | "FRND" => Self::F16,
            "IADD" | "IADD3" | "IADD32I" | "IMAD" | "IMUL" | "IABS" | "IDP" | "IMNMX" | "ISET"
            | "ISETP" | "ISCADD" | "LEA" | "LOP" | "LOP3" | "LOP32I" | "SHF" | "SHL" | "SHR"
            | "SEL" | "PRMT" | "POPC" | "FLO" | "BREV" | "BMSK" | "SGXT" | "VIADD"
            | "VIADDMNMX" | "VIMNMX" | "VIMNMX3" | "I2I" | "I2IP" => Self::Integer,
            _ => Self::Other,
        }
    }
}

/// Returns the row of a kernel, for [`table`].
pub fn row(variant: &str, kernel: &SassKernel) -> Vec<String> {
    let pipes: Vec<Pipe> = kernel
        .instructions
        .iter()
        .map(|line| Pipe::of(&line.opcode))
        .collect();
    let count = |pipe: Pipe| pipes.iter().filter(|&&other| other == pipe).count();
    let mut cells = vec![format!("{variant} {}", kernel.name)];
    cells.extend(PIPES.map(|(pipe, _)| count(pipe).to_string()));
    cells.push(pipes.len().to_string());

    let is_tensor: Vec<bool> = pipes.iter().map(|&pipe| pipe == Pipe::Tensor).collect();
    let is_inside = innermost_with(&kernel.instructions, &is_tensor);
    let all = is_inside.iter().filter(|&&is_inside| is_inside).count();
    let tensor = is_tensor
        .iter()
        .zip(&is_inside)
        .filter(|&(&tensor, &inside)| tensor && inside)
        .count();
    cells.push(match all {
        0 => "–".to_owned(),
        _ => format!(
            "{tensor} of {all}, {:.0} %",
            100.0 * tensor as f64 / all as f64
        ),
    });
    cells
}

/// Returns the table of `rows` for a card, in Markdown.
pub fn table(card: &str, rows: &[Vec<String>]) -> String {
    let kernel = format!("instructions on {card}");
    let mut heads = vec![kernel.as_str()];
    heads.extend(PIPES.map(|(_, head)| head));
    heads.extend(["all", "HMMA in loops"]);
    markdown(&heads, rows) + LEGEND
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::sass;

    #[test]
    fn instructions_are_counted_by_unit_and_hmma_within_its_loops() {
        let kernels = sass::parse(include_str!("samples/sass.txt")).unwrap();
        let rows: Vec<Vec<String>> = kernels.iter().map(|kernel| row("a.ptx", kernel)).collect();
        // HMMA, f32, f16, MUFU, shared, global, BAR, integer, other, all, in loops.
        assert_eq!(
            rows[0],
            [
                "a.ptx product",
                "2",
                "1",
                "0",
                "1",
                "2",
                "1",
                "1",
                "1",
                "9",
                "18",
                "2 of 10, 20 %"
            ]
        );
        assert_eq!(
            rows[1],
            [
                "a.ptx plain",
                "1",
                "0",
                "0",
                "0",
                "0",
                "1",
                "0",
                "0",
                "2",
                "4",
                "–"
            ]
        );
        let text = table("sm_90", &rows);
        assert!(
            text.starts_with("| instructions on sm_90 | HMMA | f32 |"),
            "{text}"
        );
    }

    #[test]
    fn uniform_instructions_belong_with_their_ordinary_forms() {
        for (opcode, pipe) in [
            ("UIADD3", Pipe::Integer),
            ("USHF", Pipe::Integer),
            ("UMOV", Pipe::Other),
            ("ULDC", Pipe::Other),
            ("UI2F", Pipe::F16),
            ("HGMMA", Pipe::Tensor),
            ("HFMA2", Pipe::F16),
            ("BRA", Pipe::Other),
        ] {
            assert_eq!(Pipe::of(opcode), pipe, "{opcode}");
        }
    }
}
