//! Compiles variants to PTX, and assembles the PTX for cards.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};

use super::toolkit::{CudaToolkit, output_of, written};
use super::usage::CARDS;
use super::variants::KernelVariant;

/// The oldest version of PTX for compute capability 8.0: drivers from CUDA 11.0 on load it.
const OLDEST: PtxVersion = PtxVersion { major: 7, minor: 0 };

/// A variant compiled to PTX.
#[derive(Debug)]
pub struct Compiled {
    /// The name of the PTX file.
    pub output: String,
    pub ptx: String,
    /// What the compiler wrote although it succeeded; empty as a rule.
    pub warnings: String,
}

/// The version that PTX states at its head, `.version 7.0`. A driver refuses versions later than its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PtxVersion {
    major: u32,
    minor: u32,
}

/// Compiles and assembles in a folder of its own, which is emptied first.
#[derive(Debug)]
pub struct Workshop {
    toolkit: CudaToolkit,
    sources: PathBuf,
    work: PathBuf,
}

impl Workshop {
    /// # Errors
    /// If `work` cannot be emptied or created.
    pub fn new(toolkit: CudaToolkit, sources: &Path, work: &Path) -> Result<Self> {
        let cannot = || format!("cannot empty {}", work.display());
        if work.exists() {
            fs::remove_dir_all(work).with_context(cannot)?;
        }
        fs::create_dir_all(work).with_context(cannot)?;
        Ok(Self {
            toolkit,
            sources: sources.to_owned(),
            work: work.canonicalize().with_context(cannot)?,
        })
    }

    /// Compiles a variant to PTX of the oldest version that has all its instructions.
    ///
    /// # Errors
    /// If nvcc refuses the source, or ptxas the PTX.
    pub fn compile(&self, variant: &KernelVariant) -> Result<Compiled> {
        let file = self.work.join(&variant.output);
        let mut nvcc = self.toolkit.nvcc();
        nvcc.args(["-ptx", "-arch=compute_80", "-O3", "-std=c++17"]);
        nvcc.args(variant.defines.iter().map(|define| format!("-D{define}")));
        nvcc.arg("-o").arg(&file).arg(&variant.source);
        let output = output_of(nvcc.current_dir(&self.sources))?;
        let text = fs::read_to_string(&file);
        let text = text.with_context(|| format!("cannot read {}", file.display()))?;
        let text = without_late_hints(&with_stable_names(&text));

        let mut version = OLDEST;
        loop {
            let ptx = with_version(&text, version)?;
            fs::write(&file, &ptx).with_context(|| format!("cannot write {}", file.display()))?;
            let Some(needed) = self.version_needed(&variant.output)? else {
                let warnings = written(&output).trim().to_owned();
                let output = variant.output.clone();
                return Ok(Compiled {
                    output,
                    ptx,
                    warnings,
                });
            };
            if needed <= version {
                bail!("ptxas refuses {} for its version", file.display());
            }
            version = needed;
        }
    }

    /// Returns the version that ptxas asks for, if that of the file is too old for an instruction.
    fn version_needed(&self, output: &str) -> Result<Option<PtxVersion>> {
        let mut ptxas = self.toolkit.ptxas();
        // Without optimization: only whether the file is accepted matters.
        ptxas.args(["-O0", &format!("-arch={}", CARDS[0]), output, "-o"]);
        ptxas.arg(format!("{output}.probe")).current_dir(&self.work);
        let result = ptxas.output().context("cannot start ptxas")?;
        if result.status.success() {
            return Ok(None);
        }
        let report = written(&result);
        let needed = version_asked_for(&report);
        needed
            .map(Some)
            .with_context(|| format!("ptxas refuses {output}:\n{report}"))
    }

    /// Assembles a compiled variant for `card`, such as `sm_90`, and returns the report of ptxas.
    ///
    /// # Errors
    /// If ptxas refuses the PTX.
    pub fn assemble(&self, output: &str, card: &str) -> Result<String> {
        let mut ptxas = self.toolkit.ptxas();
        ptxas.args(["-v", "-O3", &format!("-arch={card}"), output, "-o"]);
        ptxas.arg(self.cubin(output, card)).current_dir(&self.work);
        Ok(written(&output_of(&mut ptxas)?))
    }

    /// Returns the path of the machine code that [`Self::assemble`] writes.
    pub fn cubin(&self, output: &str, card: &str) -> PathBuf {
        self.work.join(format!("{output}.{card}.cubin"))
    }
}

/// Returns PTX without the hints that only drivers of CUDA 12.3 and later know: which bytes of a vector load are used.
fn without_late_hints(ptx: &str) -> String {
    let is_kept = |line: &&str| !line.trim_start().starts_with(".pragma \"used_bytes_mask");
    ptx.split_inclusive('\n').filter(is_kept).collect()
}

/// Returns PTX with the version in its directive `.version` replaced.
fn with_version(ptx: &str, version: PtxVersion) -> Result<String> {
    let is_directive = |line: &&str| line.starts_with(".version ");
    let directive = ptx.lines().find(is_directive);
    let directive = directive.context("found no `.version` in the PTX that nvcc wrote")?;
    let PtxVersion { major, minor } = version;
    Ok(ptx.replacen(directive, &format!(".version {major}.{minor}"), 1))
}

/// Returns the latest version in messages such as ``Feature 'stmatrix' requires PTX ISA .version 7.8 or later``.
fn version_asked_for(report: &str) -> Option<PtxVersion> {
    let messages = report.split("requires PTX ISA .version ").skip(1);
    let versions = messages.filter_map(|rest| {
        let (major, minor) = rest.split_whitespace().next()?.split_once('.')?;
        Some(PtxVersion {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    });
    versions.max()
}

/// Returns PTX whose names do not depend on the folder of the source.
///
/// nvcc derives eight hexadecimal digits from the path of the source, and puts them into the names of variables and functions that are
/// `static` or in a namespace without a name. They become zeros, so that every checkout compiles to the same text.
fn with_stable_names(ptx: &str) -> String {
    const DIGITS: usize = 8;
    let mut text = ptx.to_owned();
    for marker in ["_INTERNAL_", "_GLOBAL__N__"] {
        let found = ptx.split(marker).skip(1);
        let digits = found.filter_map(|rest| rest.get(..DIGITS));
        let mut digits: Vec<&str> = digits
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .collect();
        digits.sort_unstable();
        digits.dedup();
        for digits in digits {
            text = text.replace(
                &format!("{marker}{digits}"),
                &format!("{marker}{}", "0".repeat(DIGITS)),
            );
        }
    }
    text
}

/// Calls `work` for every item, on all processors, and returns the results in the order of the items.
///
/// # Errors
/// The first error, in that order.
pub fn parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    let worker = || {
        while let Some((index, item)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            items.get(index).map(|item| (index, item))
        } {
            let result = work(item);
            let mut results = results
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            results.push((index, result));
        }
    };
    let count = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..count.min(items.len()) {
            scope.spawn(worker);
        }
    });
    let results = results.into_inner();
    let mut results = results.unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_ptx_is_replaced_and_nothing_else() {
        let ptx = "// .version of CUDA\n.version 9.0\n.target sm_80\n// .version 9.0\n";
        assert_eq!(
            with_version(ptx, OLDEST).unwrap(),
            "// .version of CUDA\n.version 7.0\n.target sm_80\n// .version 9.0\n"
        );
        assert!(with_version(".target sm_80\n", OLDEST).is_err());
    }

    #[test]
    fn hints_of_late_drivers_are_left_out_and_other_pragmas_stay() {
        let ptx = "\t.pragma \"nounroll\";\n\t.pragma \"used_bytes_mask 0xff0\";\n\tret;\n";
        assert_eq!(without_late_hints(ptx), "\t.pragma \"nounroll\";\n\tret;\n");
    }

    #[test]
    fn the_latest_version_that_the_assembler_asks_for_is_taken() {
        let report = "ptxas e.ptx, line 33; error   : Feature 'stmatrix' requires PTX ISA .version 7.8 or later\n\
            ptxas e.ptx, line 40; error   : Feature 'x' requires PTX ISA .version 7.10 or later\n\
            ptxas fatal   : Ptx assembly aborted due to errors\n";
        let version = version_asked_for(report).unwrap();
        assert_eq!(
            version,
            PtxVersion {
                major: 7,
                minor: 10
            }
        );
        assert_eq!(version_asked_for("ptxas fatal   : Parsing error"), None);
    }

    #[test]
    fn names_do_not_depend_on_the_folder_of_the_source() {
        // Names of the same function, compiled in two folders.
        let name = |id: &str| {
            format!(
                ".func _ZN34_INTERNAL_{id}_4_t_cu_73fc6ea736_GLOBAL__N__{id}_4_t_cu_73fc6ea75otherEf(\n"
            )
        };
        let [one, two] = ["e07e891f", "e065efe8"].map(|id| with_stable_names(&name(id)));
        assert_eq!(one, two);
        assert_eq!(one, name("00000000"));
        let other = "mov.f32 %f1, 0fe07e891f; // _INTERNAL_ and _INTERNAL_short\n";
        assert_eq!(with_stable_names(other), other);
    }

    #[test]
    fn parallel_work_keeps_the_order_and_returns_the_first_error() {
        let items: Vec<u32> = (0..50).collect();
        let doubled = parallel(&items, |item| Ok(item * 2)).unwrap();
        assert_eq!(
            doubled,
            items.iter().map(|item| item * 2).collect::<Vec<_>>()
        );
        let error = parallel(&items, |&item| {
            if item % 20 == 7 {
                bail!("item {item}")
            }
            Ok(())
        });
        assert_eq!(error.unwrap_err().to_string(), "item 7");
        assert!(parallel(&[0_u32; 0], |&item| Ok(item)).unwrap().is_empty());
    }
}
