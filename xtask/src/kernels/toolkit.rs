//! NVIDIA's compiler, assembler and disassembler: downloaded by pip, or those of a toolkit that is installed.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

/// The release of nvcc. Another release makes other PTX of the same sources.
const RELEASE: &str = "13.0.88";

/// nvcc with what it starts and includes, of one release of CUDA.
const COMPILER: [&str; 5] = [
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-cccl==13.0.85",
];

const DISASSEMBLER_RELEASE: &str = "13.5.37";

/// Of a later release, since there are no wheels of it for CUDA 13.0. It reads cubins of earlier releases.
const DISASSEMBLER: [&str; 1] = ["nvidia-cuda-nvdisasm==13.5.37"];

/// The compiler and the assembler.
#[derive(Debug)]
pub struct CudaToolkit {
    nvcc: PathBuf,
    ptxas: PathBuf,
}

impl CudaToolkit {
    /// Returns the toolkit in `home`, or else the one in the folder `target`, to which it is downloaded first unless it lies there already.
    ///
    /// # Errors
    /// If `home` lacks the programs, or if there is no Python with pip, or if the download fails.
    pub fn find(home: Option<&Path>, target: &Path) -> Result<Self> {
        let bin = match home {
            Some(home) => home.join("bin"),
            None => fetched(target, &format!("nvcc-{RELEASE}"), &COMPILER)?,
        };
        Ok(Self {
            nvcc: program(&bin, "nvcc")?,
            ptxas: program(&bin, "ptxas")?,
        })
    }

    pub fn nvcc(&self) -> Command {
        Command::new(&self.nvcc)
    }

    pub fn ptxas(&self) -> Command {
        Command::new(&self.ptxas)
    }
}

/// The program that prints the machine instructions of a cubin.
#[derive(Debug)]
pub struct Disassembler(PathBuf);

impl Disassembler {
    /// As [`CudaToolkit::find`].
    pub fn find(home: Option<&Path>, target: &Path) -> Result<Self> {
        let name = format!("nvdisasm-{DISASSEMBLER_RELEASE}");
        let bin = match home {
            Some(home) => home.join("bin"),
            None => fetched(target, &name, &DISASSEMBLER)?,
        };
        program(&bin, "nvdisasm").map(Self)
    }

    /// Returns the machine instructions of a cubin, as text.
    ///
    /// # Errors
    /// If nvdisasm refuses the file.
    pub fn text(&self, cubin: &Path) -> Result<String> {
        let output = output_of(Command::new(&self.0).arg("--print-code").arg(cubin))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Runs a program to its end and returns its output.
///
/// # Errors
/// If it cannot be started, or fails; the error holds the command and what it wrote.
pub fn output_of(command: &mut Command) -> Result<Output> {
    let output = command.output();
    let name = command.get_program().display();
    let output = output.with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        let words = command.get_args().map(|word| word.to_string_lossy());
        let line = words.collect::<Vec<_>>().join(" ");
        bail!("`{name} {line}` failed:\n{}", written(&output).trim_end());
    }
    Ok(output)
}

/// Returns what a program wrote, to both of its outputs.
pub fn written(output: &Output) -> String {
    let [out, error] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{error}")
}

fn program(bin: &Path, name: &str) -> Result<PathBuf> {
    let path = bin.join(format!("{name}{EXE_SUFFIX}"));
    if !path.is_file() {
        bail!(
            "there is no {name} in {}; expected the `bin` of a CUDA toolkit, the folder of which `--cuda-home` names",
            bin.display()
        );
    }
    Ok(path)
}

/// Returns the folder of the programs of `wheels`, downloaded to `<target>/cuda-toolkit/<name>` unless they lie there already.
fn fetched(target: &Path, name: &str, wheels: &[&str]) -> Result<PathBuf> {
    let cache = target.join("cuda-toolkit");
    let home = cache.join(name);
    let bin = home.join("nvidia").join("cu13").join("bin");
    if bin.is_dir() {
        return Ok(bin);
    }
    let python = python()?;
    eprintln!("downloading {} to {}", wheels.join(", "), home.display());
    // Renamed when complete, so that a download that was interrupted is not taken for a toolkit.
    let partial = cache.join(format!("{name}.partial"));
    if partial.exists() {
        fs::remove_dir_all(&partial)
            .with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    let options =
        "-m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --target";
    let mut install = Command::new(python);
    install.args(options.split(' ')).arg(&partial).args(wheels);
    output_of(install.env("PIP_ROOT_USER_ACTION", "ignore")).context(
        "cannot download NVIDIA's compiler from PyPI; go online, or name a CUDA toolkit that is installed by `--cuda-home DIR`",
    )?;
    fs::rename(&partial, &home).with_context(|| format!("cannot rename {}", partial.display()))?;
    Ok(bin)
}

/// Returns the name of a Python that has pip.
fn python() -> Result<&'static str> {
    let has_pip = |name: &&str| {
        let version = Command::new(name).args(["-m", "pip", "--version"]).output();
        version.is_ok_and(|output| output.status.success())
    };
    ["python3", "python"].into_iter().find(has_pip).context(
        "NVIDIA's compiler is downloaded by pip, and neither `python3 -m pip` nor `python -m pip` works; install Python 3 with pip \
         (Debian: apt-get install python3-pip), or name a CUDA toolkit that is installed by `--cuda-home DIR`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toolkit_without_the_compiler_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let error = CudaToolkit::find(Some(home.path()), Path::new("unused")).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("there is no nvcc in"), "{error}");
        assert!(error.contains("--cuda-home"), "{error}");
    }

    #[test]
    fn a_toolkit_that_was_fetched_is_used_again() {
        let target = tempfile::tempdir().unwrap();
        let name = format!("nvcc-{RELEASE}");
        let bin = target
            .path()
            .join("cuda-toolkit")
            .join(name)
            .join("nvidia/cu13/bin");
        fs::create_dir_all(&bin).unwrap();
        for name in ["nvcc", "ptxas"] {
            fs::write(bin.join(format!("{name}{EXE_SUFFIX}")), "").unwrap();
        }
        let toolkit = CudaToolkit::find(None, target.path()).unwrap();
        assert_eq!(toolkit.nvcc, bin.join(format!("nvcc{EXE_SUFFIX}")));
        assert_eq!(toolkit.ptxas, bin.join(format!("ptxas{EXE_SUFFIX}")));
    }

    #[test]
    fn the_compilers_wheels_are_of_the_release_that_names_the_cache() {
        assert!(COMPILER[0].ends_with(&format!("=={RELEASE}")));
        assert!(DISASSEMBLER[0].ends_with(&format!("=={DISASSEMBLER_RELEASE}")));
    }

    #[test]
    fn a_failure_shows_the_command_and_its_output() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let error = output_of(Command::new(cargo).arg("no-such-command")).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("no-such-command` failed:\nerror: no such command"),
            "{error}"
        );
    }
}
