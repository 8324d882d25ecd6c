//! FFmpeg's development libraries: finds and installs them.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

/// The libraries that the feature `ffmpeg` of siren-video links.
const LIBRARIES: [&str; 5] = [
    "libavcodec",
    "libavformat",
    "libavutil",
    "libswresample",
    "libswscale",
];

/// A package manager with its names for the packages needed: the libraries, Clang for their bindings, and pkg-config.
struct Manager {
    program: &'static str,
    /// Commands to run before `install`.
    before: &'static [&'static str],
    /// The command that installs the packages.
    install: &'static str,
    needs_root: bool,
}

const MANAGERS: [Manager; 3] = [
    // Debian, Ubuntu.
    Manager {
        program: "apt-get",
        before: &["apt-get update"],
        install: "apt-get install -y --no-install-recommends libavcodec-dev libavformat-dev libavutil-dev libswresample-dev \
                  libswscale-dev clang libclang-dev pkg-config",
        needs_root: true,
    },
    // Fedora.
    Manager {
        program: "dnf",
        before: &[],
        install: "dnf install -y ffmpeg-free-devel clang clang-devel pkgconf-pkg-config",
        needs_root: true,
    },
    // Homebrew.
    Manager {
        program: "brew",
        before: &[],
        install: "brew install ffmpeg llvm pkgconf",
        needs_root: false,
    },
];

/// Returns whether siren-video can be built with FFmpeg on this machine: pkg-config finds the libraries, and Clang starts.
pub fn is_installed() -> bool {
    let has_libraries = succeeds(Command::new("pkg-config").arg("--exists").args(LIBRARIES));
    has_libraries && succeeds(Command::new("clang").arg("--version"))
}

/// Installs the libraries, Clang and pkg-config, unless they are installed already.
///
/// # Errors
/// If no known package manager is found, or the installation fails.
pub fn setup() -> Result<ExitCode> {
    if is_installed() {
        println!(
            "FFmpeg's development libraries are installed already: clips of all formats can be read, and MP4 can be written"
        );
        return Ok(ExitCode::SUCCESS);
    }
    let is_present = |manager: &&Manager| succeeds(Command::new(manager.program).arg("--version"));
    let Some(manager) = MANAGERS.iter().find(is_present) else {
        bail!(
            "found none of apt-get, dnf and brew; install these with your own package manager: the development files of {}, \
             Clang with libclang, and pkg-config",
            LIBRARIES.join(", ")
        );
    };
    let lines = [manager.before, &[manager.install]].concat();
    if manager.needs_root {
        run_as_root(&lines)?;
    } else {
        run_lines(&lines, &[])?;
    }
    if !is_installed() {
        bail!(
            "the packages are installed, but pkg-config does not find the libraries, or clang does not start; open a new shell and try again"
        );
    }
    println!("installed: clips of all formats can be read, and MP4 can be written");
    Ok(ExitCode::SUCCESS)
}

/// Runs command lines of a package manager as root, by sudo for other users, until one fails.
///
/// # Errors
/// If a command cannot be started or fails.
pub fn run_as_root(lines: &[&str]) -> Result<()> {
    run_lines(lines, if is_root() { &[] } else { &["sudo"] })
}

/// Runs command lines, each after the words of `prefix`, until one fails.
fn run_lines(lines: &[&str], prefix: &[&str]) -> Result<()> {
    for line in lines {
        let mut words = prefix.to_vec();
        words.extend(line.split_whitespace());
        println!("==> {}", words.join(" "));
        let status = Command::new(words[0]).args(&words[1..]).status();
        let status = status.with_context(|| format!("cannot start {}", words[0]))?;
        if !status.success() {
            bail!(
                "`{}` failed; its output above gives the reason",
                words.join(" ")
            );
        }
    }
    Ok(())
}

/// Returns whether a command can be started and exits with status 0. Its output is discarded.
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
