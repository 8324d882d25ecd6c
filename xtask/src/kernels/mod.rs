//! `cargo xtask kernels`: compiles the CUDA kernels to PTX, and compares the result with the PTX that is checked in.
//!
//! The PTX is then assembled for several cards. Registers, shared memory and spills are listed by kernel and card; on request, so are the
//! machine instructions by the unit that executes them.

mod checksums;
mod compare;
mod compile;
mod loops;
mod pipes;
mod sass;
mod table;
mod toolkit;
mod usage;
mod variants;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::PossibleValuesParser;

use compile::{Compiled, Workshop, parallel};
use toolkit::{CudaToolkit, Disassembler};
use usage::{CARDS, KernelUsage};
use variants::KernelVariant;

pub use toolkit::output_of;

/// The folder of the kernels, relative to the root of the workspace.
const FOLDER: &str = "crates/siren-cuda/kernels";

#[derive(Args, Debug)]
#[command(after_help = "\
The folder of kernels holds CUDA C (*.cu, *.cuh, *.h), the PTX made of it, and variants.toml, which lists the PTX files:

  [[variant]]
  output = \"exact.ptx\"
  source = \"engine.cu\"
  defines = [\"PIECES=2\"]

Examples:
  cargo xtask kernels                          compares, and changes nothing
  cargo xtask kernels --write                  writes the PTX and checksums.txt anew, after a change of the sources
  cargo xtask kernels --sass=sm_120            also counts machine instructions of that card
  cargo xtask kernels --cuda-home /usr/local/cuda")]
pub struct KernelsArgs {
    /// Replace the PTX and the checksums in the folder by those of its sources.
    #[arg(long)]
    pub write: bool,

    /// Count machine instructions by the unit that executes them, on one card.
    #[arg(long, value_name = "CARD", num_args = 0..=1, require_equals = true, default_missing_value = "sm_90",
        value_parser = PossibleValuesParser::new(CARDS))]
    pub sass: Option<String>,

    /// The folder of variants.toml, the sources and the PTX [default: crates/siren-cuda/kernels].
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,

    /// A CUDA toolkit that is installed, with bin/nvcc and bin/ptxas, instead of the one that is downloaded.
    ///
    /// PTX differs from release to release, so PTX that is checked in is always that of the release that is downloaded.
    #[arg(long, value_name = "DIR")]
    pub cuda_home: Option<PathBuf>,
}

/// Compiles every variant, compares it or writes it, and prints the tables.
///
/// Returns failure if PTX differs, or if a kernel spills more than a little or has a stack frame for other reasons.
///
/// # Errors
/// If there is no toolkit, if the folder cannot be read or written, or if the compiler or the assembler refuses a variant.
pub fn run(root: &Path, args: &KernelsArgs) -> Result<ExitCode> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let folder = args.folder.clone().unwrap_or_else(|| root.join(FOLDER));
    let variants = variants::read(&folder)?;
    let toolkit = CudaToolkit::find(args.cuda_home.as_deref(), &target)?;
    let workshop = Workshop::new(toolkit, &folder, &target.join("kernels"))?;
    let compiled = parallel(&variants, |variant| workshop.compile(variant))?;
    for variant in compiled
        .iter()
        .filter(|variant| !variant.warnings.is_empty())
    {
        eprintln!("{}:\n{}", variant.output, variant.warnings);
    }
    let usages = assemble(&workshop, &compiled)?;
    print!("{}", usage::table(&usages));
    if let Some(card) = &args.sass {
        let home = args.cuda_home.as_deref();
        let disassembler = Disassembler::find(home, &target);
        count_instructions(&workshop, disassembler, &variants, card)?;
    }

    let is_current = if args.write {
        write(&folder, &compiled)?;
        true
    } else {
        report_differences(&folder, &compiled)?
    };
    let faults = usage::faults(&usages);
    for fault in &faults {
        eprintln!("error: {fault}");
    }
    Ok(if is_current && faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Assembles every variant for every card and returns what each kernel uses.
fn assemble(workshop: &Workshop, compiled: &[Compiled]) -> Result<Vec<KernelUsage>> {
    let jobs: Vec<(&Compiled, &str)> = compiled
        .iter()
        .flat_map(|variant| CARDS.map(|card| (variant, card)))
        .collect();
    let found = parallel(&jobs, |&(variant, card)| {
        let report = workshop.assemble(&variant.output, card)?;
        usage::parse(&report, &variant.output, card)
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// Prints the counts of machine instructions, or says why they are left out.
fn count_instructions(
    workshop: &Workshop,
    disassembler: Result<Disassembler>,
    variants: &[KernelVariant],
    card: &str,
) -> Result<()> {
    let disassembler = match disassembler {
        Ok(disassembler) => disassembler,
        Err(error) => {
            eprintln!("counts of machine instructions are left out: {error:#}");
            return Ok(());
        }
    };
    let texts = parallel(variants, |variant| {
        disassembler.text(&workshop.cubin(&variant.output, card))
    })?;
    let mut rows = Vec::new();
    for (variant, text) in variants.iter().zip(&texts) {
        let mut kernels = sass::parse(text)?;
        kernels.sort_by(|one, other| one.name.cmp(&other.name));
        rows.extend(
            kernels
                .iter()
                .map(|kernel| pipes::row(&variant.output, kernel)),
        );
    }
    print!("\n{}", pipes::table(card, &rows));
    Ok(())
}

/// Writes PTX and checksums to `folder`, and removes PTX that no variant makes.
fn write(folder: &Path, compiled: &[Compiled]) -> Result<()> {
    for name in compare::strays(folder, compiled)? {
        let file = folder.join(&name);
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        println!("removed {name}: no variant makes it");
    }
    let differing = compare::differences(folder, compiled)?;
    for variant in compiled {
        let file = folder.join(&variant.output);
        fs::write(&file, &variant.ptx)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    let file = folder.join(checksums::FILE);
    let text = checksums::of_folder(folder);
    let text = text.with_context(|| format!("cannot read {}", folder.display()))?;
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    println!(
        "\nwrote the PTX to {}; files that changed: {} of {}",
        folder.display(),
        differing.len(),
        compiled.len()
    );
    Ok(())
}

/// Prints what differs between the folder and the PTX compiled. Returns whether nothing does.
fn report_differences(folder: &Path, compiled: &[Compiled]) -> Result<bool> {
    let mut differences = compare::differences(folder, compiled)?;
    for name in compare::strays(folder, compiled)? {
        differences.push(format!("{name}: no variant in {} makes it", variants::FILE));
    }
    if differences.is_empty() {
        // With the right PTX, checksums are wrong if the sources changed in a way that the compiler does not see, such as a comment.
        let stale = checksums::stale(folder);
        differences = stale.with_context(|| format!("cannot read {}", folder.display()))?;
    }
    if differences.is_empty() {
        println!("\nthe PTX in {} is that of its sources", folder.display());
        return Ok(true);
    }
    for difference in &differences {
        eprintln!("error: {difference}");
    }
    eprintln!(
        "`cargo xtask kernels --write` replaces the files in {}",
        folder.display()
    );
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(line: &str) -> Result<KernelsArgs, clap::Error> {
        match Cli::parse_line(line.split(' '))? {
            Command::Kernels(args) => Ok(args),
            other => panic!("`{line}` is {other:?}"),
        }
    }

    #[test]
    fn counts_are_off_unless_asked_for_and_of_one_of_the_cards() {
        assert_eq!(parse("xtask kernels").unwrap().sass, None);
        assert_eq!(
            parse("xtask kernels --sass --write").unwrap().sass.unwrap(),
            "sm_90"
        );
        assert_eq!(
            parse("xtask kernels --sass=sm_120").unwrap().sass.unwrap(),
            "sm_120"
        );
        let error = parse("xtask kernels --sass=sm_75").unwrap_err().to_string();
        assert!(error.contains("sm_80, sm_86"), "{error}");
    }

    #[test]
    fn what_was_written_is_current_until_a_source_or_ptx_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let compiled = [Compiled {
            output: "a.ptx".to_owned(),
            ptx: ".version 7.0\n".to_owned(),
            warnings: String::new(),
        }];
        fs::write(path.join("a.cu"), "// one\n").unwrap();
        fs::write(path.join("old.ptx"), "").unwrap();
        assert!(!report_differences(path, &compiled).unwrap());

        write(path, &compiled).unwrap();
        assert!(report_differences(path, &compiled).unwrap());
        assert!(!path.join("old.ptx").exists());

        fs::write(path.join("a.cu"), "// two\n").unwrap();
        assert!(!report_differences(path, &compiled).unwrap());
        write(path, &compiled).unwrap();
        assert!(report_differences(path, &compiled).unwrap());

        fs::write(path.join("a.ptx"), ".version 7.1\n").unwrap();
        assert!(!report_differences(path, &compiled).unwrap());
    }
}
