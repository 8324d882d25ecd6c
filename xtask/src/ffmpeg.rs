//! FFmpeg's development libraries: whether they are here, and how they come to be.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

/// What the feature `ffmpeg` of siren-video links.
const LIBRARIES: [&str; 5] = [
    "libavcodec",
    "libavformat",
    "libavutil",
    "libswresample",
    "libswscale",
];

/// A package manager, what makes it install, and its names for what is needed: the libraries, Clang for their bindings, pkg-config.
struct Manager {
    program: &'static str,
    /// Commands before the one that installs.
    first: &'static [&'static str],
    install: &'static str,
    needs_root: bool,
}

const MANAGERS: [Manager; 3] = [
    // Debian, Ubuntu.
    Manager {
        program: "apt-get",
        first: &["apt-get update"],
        install: "apt-get install -y --no-install-recommends libavcodec-dev libavformat-dev libavutil-dev libswresample-dev \
                  libswscale-dev clang libclang-dev pkg-config",
        needs_root: true,
    },
    // Fedora.
    Manager {
        program: "dnf",
        first: &[],
        install: "dnf install -y ffmpeg-free-devel clang clang-devel pkgconf-pkg-config",
        needs_root: true,
    },
    // Homebrew.
    Manager {
        program: "brew",
        first: &[],
        install: "brew install ffmpeg llvm pkgconf",
        needs_root: false,
    },
];

/// Whether siren-video can be built with FFmpeg here.
pub fn is_installed() -> bool {
    let has_libraries = succeeds(Command::new("pkg-config").arg("--exists").args(LIBRARIES));
    has_libraries && succeeds(Command::new("clang").arg("--version"))
}

/// `cargo xtask setup`: installs them, unless they are here.
pub fn setup() -> Result<ExitCode> {
    if is_installed() {
        println!(
            "FFmpeg's development libraries are installed already: clips of every format are read, and MP4 is written"
        );
        return Ok(ExitCode::SUCCESS);
    }
    let here = |manager: &&Manager| succeeds(Command::new(manager.program).arg("--version"));
    let Some(manager) = MANAGERS.iter().find(here) else {
        bail!(
            "found none of apt-get, dnf and brew; install with your own package manager the development files of {}, Clang with \
             libclang, and pkg-config",
            LIBRARIES.join(", ")
        );
    };
    let as_root = manager.needs_root && !is_root();
    for line in manager.first.iter().chain([&manager.install]) {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if as_root {
            words.insert(0, "sudo");
        }
        println!("==> {}", words.join(" "));
        let status = Command::new(words[0]).args(&words[1..]).status();
        let status = status.with_context(|| format!("cannot start {}", words[0]))?;
        if !status.success() {
            bail!("`{}` failed; what it says above tells why", words.join(" "));
        }
    }
    if !is_installed() {
        bail!(
            "the packages are installed, but pkg-config or clang does not find them; open a new shell and try again"
        );
    }
    println!("installed: clips of every format are read from now on, and MP4 is written");
    Ok(ExitCode::SUCCESS)
}

/// Whether a command can be started and ends well; it is not heard.
fn succeeds(command: &mut Command) -> bool {
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
