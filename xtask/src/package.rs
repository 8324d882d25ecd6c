//! `cargo xtask package`: the program `siren` as an archive for people without Cargo.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::kernels::output_of;
use crate::launch::cargo;

/// Files of the workspace that an archive has besides the program.
const FILES: [&str; 3] = ["README.md", "LICENSE-APACHE", "LICENSE-MIT"];
/// Shells, with the names under which they look for completions.
const COMPLETIONS: [(&str, &str); 5] = [
    ("bash", "siren"),
    ("elvish", "siren.elv"),
    ("fish", "siren.fish"),
    ("powershell", "siren.ps1"),
    ("zsh", "_siren"),
];

/// Arguments of `package`.
#[derive(Args, Debug)]
pub struct PackageArgs {
    /// The folder for the archive.
    #[arg(long, value_name = "DIR", default_value = "target/package")]
    out: PathBuf,
    /// Features of the package `siren`, such as `las,segy`.
    #[arg(long, value_name = "LIST")]
    features: Option<String>,
}

/// Builds the program, and writes `siren-VERSION-TARGET.tar.gz` with it, completions, manual pages and configs.
pub fn run(root: &Path, args: &PackageArgs) -> Result<ExitCode> {
    let program = build(root, args)?;
    let name = format!("siren-{}-{}", version(&program)?, host()?);
    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder {}", args.out.display()))?;
    let folder = args.out.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot replace {}", folder.display()))?;
    }
    fill(root, &program, &folder)?;
    let archive = format!("{name}.tar.gz");
    // On Linux, macOS and Windows alike.
    let mut tar = Command::new("tar");
    tar.args(["-czf", &archive, &name]).current_dir(&args.out);
    output_of(&mut tar)?;
    println!("wrote {}", args.out.join(archive).display());
    Ok(ExitCode::SUCCESS)
}

/// Builds the program and returns its path, which Cargo reports: the target folder may be anywhere.
fn build(root: &Path, args: &PackageArgs) -> Result<PathBuf> {
    let mut build = cargo();
    build.current_dir(root).args([
        "build",
        "--release",
        "--package",
        "siren",
        "--message-format",
        "json-render-diagnostics",
    ]);
    if let Some(features) = &args.features {
        build.args(["--features", features]);
    }
    build.stderr(std::process::Stdio::inherit());
    let output = build.output().context("cannot start Cargo")?;
    ensure!(output.status.success(), "the program was not built");
    let messages = String::from_utf8_lossy(&output.stdout);
    match messages.lines().rev().find_map(executable) {
        Some(path) => Ok(path),
        None => bail!("Cargo reported no executable"),
    }
}

/// Returns the executable in one of Cargo's messages, if it has one.
fn executable(message: &str) -> Option<PathBuf> {
    // One key of one line: JSON strings escape backslashes alone in a path.
    let (_, rest) = message.split_once("\"executable\":\"")?;
    let (path, _) = rest.split_once('"')?;
    Some(PathBuf::from(path.replace("\\\\", "\\")))
}

fn version(program: &Path) -> Result<String> {
    let text = output(program, &["--version"])?;
    let version = text.split_whitespace().last();
    Ok(version.context("no version")?.to_owned())
}

/// Returns the target triple of this machine.
fn host() -> Result<String> {
    let text = output(Path::new("rustc"), &["-vV"])?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

/// Runs a program to its end and returns its standard output.
fn output(program: &Path, args: &[&str]) -> Result<String> {
    let output = output_of(Command::new(program).args(args))?;
    String::from_utf8(output.stdout)
        .with_context(|| format!("{} printed no UTF-8", program.display()))
}

/// Fills the folder of the archive.
fn fill(root: &Path, program: &Path, folder: &Path) -> Result<()> {
    let make = |path: &Path| {
        fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))
    };
    let copy = |from: &Path, to: PathBuf| {
        let copied = fs::copy(from, &to).map(drop);
        copied.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
    };
    let [completions, man, configs] =
        ["completions", "man", "configs"].map(|name| folder.join(name));
    for path in [&completions, &man, &configs] {
        make(path)?;
    }
    let name = program.file_name().context("a program without a name")?;
    copy(program, folder.join(name))?;
    for file in FILES {
        copy(&root.join(file), folder.join(file))?;
    }
    for (shell, file) in COMPLETIONS {
        let script = output(program, &["completions", shell])?;
        let path = completions.join(file);
        fs::write(&path, script).with_context(|| format!("cannot write {}", path.display()))?;
    }
    output(program, &["man", "--out", &man.to_string_lossy()])?;
    for listed in output(program, &["new"])?.lines() {
        let name = listed.split_whitespace().next().context("an empty name")?;
        let path = configs.join(format!("{name}.toml"));
        output(program, &["new", name, "-o", &path.to_string_lossy()])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_read_from_a_message_of_cargo() {
        let message = r#"{"reason":"compiler-artifact","executable":"/a b/siren","fresh":true}"#;
        assert_eq!(executable(message), Some(PathBuf::from("/a b/siren")));
        let message = r#"{"executable":"C:\\a\\siren.exe","fresh":true}"#;
        assert_eq!(executable(message), Some(PathBuf::from("C:\\a\\siren.exe")));
        let library = r#"{"reason":"compiler-artifact","executable":null}"#;
        assert_eq!(executable(library), None);
    }
}
