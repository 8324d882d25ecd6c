//! What ptxas reports of a kernel: registers, shared memory, stack frame and spills.

use anyhow::{Context, Result, ensure};

use super::table::markdown;

/// The cards by compute capability: A100, RTX 30, RTX 40, H100, B200, RTX 50.
pub const CARDS: [&str; 6] = ["sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"];

/// The most warps that a multiprocessor of each card holds.
const MOST_WARPS: [u32; CARDS.len()] = [64, 48, 48, 64, 64, 48];

const LEGEND: &str = "
shared: bytes by block, without dynamic shared memory. stack, spills: bytes by thread. warps: how many a multiprocessor can hold as far as
registers limit it. These four columns are of the worst card.
";

/// Resources of one function on one card, as ptxas reports them. Sizes are in bytes: shared memory by block, stack and spills by thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelUsage {
    /// The name of the PTX file.
    pub variant: String,
    pub function: String,
    pub card: String,
    /// Registers by thread. A function that kernels call has none of its own.
    pub registers: Option<u32>,
    /// Shared memory with a size in the source; the size of dynamic shared memory is stated at launch.
    pub shared: u32,
    pub stack: u32,
    pub spill_stores: u32,
    pub spill_loads: u32,
}

impl KernelUsage {
    fn spills(&self) -> u32 {
        self.spill_stores + self.spill_loads
    }

    /// Returns how many warps a multiprocessor can hold, as far as registers limit it.
    ///
    /// Each of its four parts has 16,384 registers, and a warp takes a multiple of 8 registers by thread.
    fn warps(&self) -> Option<u32> {
        let card = CARDS.iter().position(|card| *card == self.card)?;
        let by_warp = 32 * self.registers?.max(1).next_multiple_of(8);
        Some((4 * (16_384 / by_warp)).min(MOST_WARPS[card]))
    }

    /// Returns a line on the largest value of a quantity in a table.
    fn sentence(&self, quantity: &str, value: u32) -> String {
        let Self {
            variant,
            function,
            card,
            ..
        } = self;
        format!("Most {quantity}: {value}, {function} of {variant} on {card}.\n")
    }
}

/// Reads the report of `ptxas -v` on one variant for one card.
///
/// # Errors
/// If it lists no kernel, or a line differs from the form expected.
pub fn parse(report: &str, variant: &str, card: &str) -> Result<Vec<KernelUsage>> {
    let mut found: Vec<KernelUsage> = Vec::new();
    for line in report.lines() {
        let unexpected = || format!("cannot read this line of ptxas's report on {variant}: {line}");
        if let Some((_, name)) = line.split_once("Function properties for ") {
            found.push(KernelUsage {
                variant: variant.to_owned(),
                function: name.trim().to_owned(),
                card: card.to_owned(),
                registers: None,
                shared: 0,
                stack: 0,
                spill_stores: 0,
                spill_loads: 0,
            });
        } else if line.contains(" bytes stack frame, ") {
            let last = found.last_mut().with_context(unexpected)?;
            let number = |unit| before(line, unit).with_context(unexpected);
            last.stack = number(" bytes stack frame")?;
            last.spill_stores = number(" bytes spill stores")?;
            last.spill_loads = number(" bytes spill loads")?;
        } else if line.contains(": Used ") {
            let last = found.last_mut().with_context(unexpected)?;
            last.registers = Some(before(line, " registers").with_context(unexpected)?);
            last.shared = before(line, " bytes smem").unwrap_or(0);
        }
    }
    let has_kernel = found.iter().any(|usage| usage.registers.is_some());
    ensure!(
        has_kernel,
        "ptxas's report on {variant} for {card} lists no kernel:\n{report}"
    );
    Ok(found)
}

/// Returns the number directly before `unit`.
fn before(line: &str, unit: &str) -> Option<u32> {
    let (start, _) = line.split_once(unit)?;
    start.rsplit([' ', ',']).next()?.parse().ok()
}

/// Bytes of spill stores and loads of a kernel that is held to fewer registers, so that more blocks are resident. More of them reach its loops.
const MOST_SPILLS: u32 = 256;

/// Returns one sentence for each function that spills more than a little, or has a stack frame for other reasons, on some card.
pub fn faults(usages: &[KernelUsage]) -> Vec<String> {
    let is_fault = |usage: &&KernelUsage| match usage.spills() {
        0 => usage.stack > 0,
        spills => spills > MOST_SPILLS,
    };
    let faulty: Vec<&KernelUsage> = usages.iter().filter(is_fault).collect();
    let mut sentences = Vec::new();
    for (index, usage) in faulty.iter().enumerate() {
        let is_same = |other: &&&KernelUsage| {
            other.variant == usage.variant && other.function == usage.function
        };
        if faulty[..index].iter().any(|other| is_same(&other)) {
            continue;
        }
        let own: Vec<&KernelUsage> = faulty.iter().filter(is_same).copied().collect();
        let cards: Vec<&str> = own.iter().map(|usage| usage.card.as_str()).collect();
        let most = |value: fn(&KernelUsage) -> u32| own.iter().map(|usage| value(usage)).max();
        sentences.push(format!(
            "{}: {} has a stack frame of up to {} bytes and up to {} bytes of spill stores and loads, expected none, or at most {MOST_SPILLS} of spills; on {}",
            usage.variant,
            usage.function,
            most(|usage| usage.stack).unwrap_or(0),
            most(KernelUsage::spills).unwrap_or(0),
            cards.join(", ")
        ));
    }
    sentences
}

/// Returns the table of kernels by card, with the largest values below.
pub fn table(usages: &[KernelUsage]) -> String {
    let mut kernels: Vec<(&str, &str)> = Vec::new();
    for usage in usages.iter().filter(|usage| usage.registers.is_some()) {
        let kernel = (usage.variant.as_str(), usage.function.as_str());
        if !kernels.contains(&kernel) {
            kernels.push(kernel);
        }
    }
    // ptxas lists kernels in an order of its own.
    kernels.sort_unstable();
    let rows: Vec<Vec<String>> = kernels.iter().map(|kernel| row(usages, *kernel)).collect();
    let heads: Vec<&str> = ["registers by thread"]
        .into_iter()
        .chain(CARDS)
        .chain(["shared", "stack", "spills", "warps"])
        .collect();
    let mut text = markdown(&heads, &rows) + LEGEND;
    if let Some(largest) = usages.iter().max_by_key(|usage| usage.registers) {
        text += &largest.sentence("registers", largest.registers.unwrap_or(0));
    }
    let largest = usages.iter().max_by_key(|usage| usage.shared);
    if let Some(largest) = largest.filter(|usage| usage.shared > 0) {
        text += &largest.sentence("shared memory in bytes", largest.shared);
    }
    text
}

fn row(usages: &[KernelUsage], (variant, function): (&str, &str)) -> Vec<String> {
    let is_own = |usage: &&KernelUsage| usage.variant == variant && usage.function == function;
    let own: Vec<&KernelUsage> = usages.iter().filter(is_own).collect();
    let registers = CARDS.map(|card| {
        let usage = own.iter().find(|usage| usage.card == card);
        usage
            .and_then(|usage| usage.registers)
            .map_or_else(|| "–".to_owned(), |count| count.to_string())
    });
    let most = |value: fn(&KernelUsage) -> u32| {
        let values = own.iter().map(|usage| value(usage));
        values.max().unwrap_or(0).to_string()
    };
    let warps = own
        .iter()
        .filter_map(|usage| usage.warps())
        .min()
        .unwrap_or(0);
    let mut cells = vec![format!("{variant} {function}")];
    cells.extend(registers);
    cells.push(most(|usage| usage.shared));
    cells.push(most(|usage| usage.stack));
    cells.push(most(KernelUsage::spills));
    cells.push(warps.to_string());
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = include_str!("samples/ptxas.txt");

    fn sample() -> Vec<KernelUsage> {
        parse(REPORT, "a.ptx", "sm_90").unwrap()
    }

    #[test]
    fn kernels_and_the_functions_that_they_call_are_read_with_their_resources() {
        let usages = sample();
        let brief = |usage: &KernelUsage| {
            let KernelUsage {
                registers,
                shared,
                stack,
                spill_stores,
                spill_loads,
                ..
            } = usage;
            format!(
                "{} {registers:?} {shared} {stack} {spill_stores} {spill_loads}",
                usage.function
            )
        };
        let found: Vec<String> = usages.iter().map(brief).collect();
        assert_eq!(
            found,
            [
                "spill Some(32) 0 264 312 316",
                "k1 Some(26) 512 64 0 0",
                "_Z6helperfi None 0 0 0 0",
            ]
        );
    }

    #[test]
    fn spills_and_stack_frames_are_faults_with_the_cards_that_have_them() {
        let mut usages = sample();
        usages.extend(parse(REPORT, "a.ptx", "sm_120").unwrap());
        usages[0].stack = 300;
        assert_eq!(
            faults(&usages),
            [
                "a.ptx: spill has a stack frame of up to 300 bytes and up to 628 bytes of spill stores and loads, expected none, or at most 256 of spills; \
                 on sm_90, sm_120",
                "a.ptx: k1 has a stack frame of up to 64 bytes and up to 0 bytes of spill stores and loads, expected none, or at most 256 of spills; \
                 on sm_90, sm_120",
            ]
        );
        assert!(faults(&usages[2..3]).is_empty());
    }

    #[test]
    fn a_report_without_kernels_is_an_error() {
        let error = parse("ptxas info    : 0 bytes gmem\n", "a.ptx", "sm_90").unwrap_err();
        assert!(error.to_string().contains("lists no kernel"), "{error}");
        let error = parse("ptxas info    : Used 3 registers\n", "a.ptx", "sm_90").unwrap_err();
        assert!(
            error.to_string().contains("cannot read this line"),
            "{error}"
        );
    }

    #[test]
    fn registers_limit_the_warps_of_a_multiprocessor() {
        let warps = |registers, card: &str| {
            let usage = KernelUsage {
                registers: Some(registers),
                card: card.to_owned(),
                ..sample()[0].clone()
            };
            usage.warps().unwrap()
        };
        // CUDA's occupancy calculator: 128 registers leave 16 warps, 129 take 136 each, 32 leave as many as there can be.
        assert_eq!(warps(128, "sm_90"), 16);
        assert_eq!(warps(129, "sm_90"), 12);
        assert_eq!(warps(255, "sm_80"), 8);
        assert_eq!(warps(32, "sm_90"), 64);
        assert_eq!(warps(32, "sm_120"), 48);
    }

    #[test]
    fn the_table_has_a_row_per_kernel_and_names_the_largest() {
        let mut usages = sample();
        let other = KernelUsage {
            registers: Some(140),
            card: "sm_80".to_owned(),
            ..usages[1].clone()
        };
        usages.push(other);
        let text = table(&usages);
        let rows: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("| a.ptx"))
            .collect();
        assert_eq!(rows.len(), 2);
        let cells: Vec<&str> = rows[0].split('|').map(str::trim).collect();
        assert_eq!(
            cells,
            [
                "", "a.ptx k1", "140", "–", "–", "26", "–", "–", "512", "64", "0", "12", ""
            ]
        );
        assert!(
            text.contains(
                "Most registers: 140, k1 of a.ptx on sm_80.\nMost shared memory in bytes: 512, k1 of a.ptx on sm_"
            ),
            "{text}"
        );
    }
}
