//! Lines of JSON about launches, copies and faults.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use crate::execute::KernelLaunch;
use crate::statistics::Statistics;

/// A text in quotes.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", control as u32);
            }
            other => out.push(other),
        }
    }
    out + "\""
}

/// Line of a launch that went well.
pub(super) fn launched(launch: &KernelLaunch<'_>, statistics: &Statistics) -> String {
    let s = statistics;
    let counts = [
        ("instructions", s.instructions),
        ("divergent_instructions", s.divergent_instructions),
        ("matrix_products", s.matrix_products),
        ("barriers", s.barriers),
        ("shared_accesses", s.shared_accesses),
        ("shared_wavefronts", s.shared_wavefronts),
        ("shared_wavefronts_needed", s.shared_wavefronts_needed),
        ("shared_bytes", s.shared_bytes),
        ("global_accesses", s.global_accesses),
        ("global_sectors", s.global_sectors),
        ("global_bytes", s.global_bytes),
    ];
    let mut line = format!(
        "{{\"kernel\":{},\"grid\":{:?}",
        quoted(launch.kernel.name()),
        launch.grid
    );
    let _ = write!(
        line,
        ",\"block\":{:?},\"dynamic_shared_bytes\":{}",
        launch.block, launch.shared_bytes
    );
    let _ = write!(
        line,
        ",\"static_shared_bytes\":{}",
        launch.kernel.static_shared_bytes()
    );
    for (name, count) in counts {
        let _ = write!(line, ",\"{name}\":{count}");
    }
    line + "}"
}

/// Direction of a copy between the host and the device.
#[derive(Clone, Copy)]
pub(super) enum CopyDirection {
    ToDevice,
    FromDevice,
}

/// Line of a copy.
pub(super) fn copied(direction: CopyDirection, bytes: usize) -> String {
    let direction = match direction {
        CopyDirection::ToDevice => "to the device",
        CopyDirection::FromDevice => "from the device",
    };
    format!("{{\"copy\":{},\"bytes\":{bytes}}}", quoted(direction))
}

/// Line of a fault or of a refused module.
pub(super) fn message(key: &str, text: &str) -> String {
    format!("{{{}:{}}}", quoted(key), quoted(text))
}

/// Appends a line.
pub(super) fn append(file: &Path, line: &str) {
    let opened = OpenOptions::new().create(true).append(true).open(file);
    let written = opened.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    if let Err(error) = written {
        eprintln!(
            "siren-ptx: the report {} cannot be written: {error}",
            file.display()
        );
    }
}
