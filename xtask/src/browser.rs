//! Chromium, in which the tests open exported pages: installs it.

use std::process::Command;

use anyhow::{Result, bail};

use crate::ffmpeg;

/// Debian. Ubuntu's package of that name is a snap, which does not start in every container.
const INSTALL: [&str; 2] = [
    "apt-get update",
    "apt-get install -y --no-install-recommends chromium",
];

/// Installs Chromium, unless it is installed already.
///
/// # Errors
/// If the system has no apt-get, or the installation fails.
pub fn setup() -> Result<()> {
    if ffmpeg::succeeds(Command::new("chromium").arg("--version")) {
        println!("Chromium is installed already: exported pages can be tested");
        return Ok(());
    }
    if !ffmpeg::succeeds(Command::new("apt-get").arg("--version")) {
        bail!("found no apt-get; install Chromium with your own package manager");
    }
    ffmpeg::run_as_root(&INSTALL)?;
    println!("installed: exported pages can be tested");
    Ok(())
}
