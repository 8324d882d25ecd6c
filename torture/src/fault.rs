//! The faults of a trial, and which end each of them permits.

use std::fmt;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::disk::{DiskError, Failing};
use crate::outcome::Allowed;
use crate::process::{Limits, WrongClock};
use crate::random::Choices;

/// Whom a signal reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The process alone.
    Process,
    /// The process and all that it started.
    Group,
}

/// A fault. Moments are shares of the duration of an unbroken run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// SIGKILL.
    Kill { moment: f64, reach: Reach },
    /// SIGTERM, SIGINT or SIGHUP, and perhaps once more after some milliseconds.
    Stop {
        signal: Signal,
        moment: f64,
        again: Option<u64>,
    },
    /// SIGSTOP, and SIGCONT after some milliseconds.
    Pause { moment: f64, milliseconds: u64 },
    /// A disk with so many bytes left.
    FullDisk { spare: u64 },
    /// A limit in bytes of the size of a file.
    LargestFile { bytes: u64 },
    /// A disk that cannot be written.
    ReadOnly,
    /// A limit in bytes of the address space.
    LittleMemory { bytes: u64 },
    /// All that was not synced is lost in part.
    PowerCut { moment: f64 },
    /// The disk fails after some operations.
    FailingDisk(Failing),
    /// The disk needs so many milliseconds for every write; killed in the end.
    SlowDisk { milliseconds: u64, moment: f64 },
    /// The clock is wrong.
    WrongClock(WrongClock),
    /// A kill, and then damage to a file of the run.
    Damage { moment: f64 },
}

/// The disk of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskKind {
    /// A folder of the machine.
    Plain,
    /// A small disk of the kernel.
    Small,
    /// A disk in memory that forgets.
    Forgetful,
}

impl Fault {
    /// Draws a fault for a disk.
    pub fn draw(disk: DiskKind, has_faketime: bool, choices: &mut Choices) -> Self {
        let special = choices.below(10) < 7;
        match disk {
            DiskKind::Small if special => match choices.below(3) {
                0 => Self::ReadOnly,
                _ => Self::FullDisk {
                    spare: size(choices, 4 << 10, 512 << 10),
                },
            },
            DiskKind::Forgetful if special => match choices.below(8) {
                0 => Self::FailingDisk(Failing {
                    after: choices.below(400) as u32,
                    error: DiskError::Full,
                }),
                1 => Self::FailingDisk(Failing {
                    after: choices.below(400) as u32,
                    error: DiskError::Broken,
                }),
                2 => Self::SlowDisk {
                    milliseconds: 1 + choices.below(8) as u64,
                    moment: moment(choices),
                },
                _ => Self::PowerCut {
                    moment: moment(choices),
                },
            },
            _ => Self::draw_common(has_faketime, choices),
        }
    }

    fn draw_common(has_faketime: bool, choices: &mut Choices) -> Self {
        match choices.below(12) {
            0..3 => Self::Kill {
                moment: moment(choices),
                reach: *choices.of(&[Reach::Process, Reach::Group]),
            },
            3 | 4 => Self::Stop {
                signal: *choices.of(&[Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]),
                moment: moment(choices),
                again: choices.one_in(2).then(|| choices.below(60) as u64),
            },
            5 => Self::Pause {
                moment: moment(choices),
                milliseconds: 20 + choices.below(300) as u64,
            },
            6 => Self::LargestFile {
                bytes: size(choices, 1 << 10, 256 << 10),
            },
            7 => Self::LittleMemory {
                // The system cannot load a program into less.
                bytes: size(choices, 40 << 20, 512 << 20),
            },
            8 if has_faketime => Self::WrongClock(WrongClock {
                days: *choices.of(&[-20_000, -1, 1, 5_000, 30_000]),
            }),
            _ => Self::Damage {
                moment: moment(choices),
            },
        }
    }

    /// Returns whether processes that others launch can suffer the fault. Limits strike the launcher first, and tasks would keep them.
    #[must_use]
    pub fn strikes_launched(self) -> bool {
        !matches!(self, Self::LittleMemory { .. } | Self::LargestFile { .. })
    }

    /// Returns the limits under which the fault runs the program.
    #[must_use]
    pub fn limits(self) -> Limits {
        let limits = Limits::default();
        match self {
            Self::LargestFile { bytes } => Limits {
                file: Some(bytes),
                ..limits
            },
            Self::LittleMemory { bytes } => Limits {
                memory: bytes,
                ..limits
            },
            Self::WrongClock(clock) => Limits {
                clock: Some(clock),
                ..limits
            },
            _ => limits,
        }
    }

    /// Returns how the program may end under the fault.
    #[must_use]
    pub fn allowed(self) -> Allowed {
        const KILL: &[i32] = &[Signal::SIGKILL as i32];
        const STOP: &[i32] = &[
            Signal::SIGTERM as i32,
            Signal::SIGINT as i32,
            Signal::SIGHUP as i32,
        ];
        let nothing = Allowed::default();
        match self {
            Self::Kill { .. }
            | Self::PowerCut { .. }
            | Self::SlowDisk { .. }
            | Self::Damage { .. } => Allowed {
                signals: KILL,
                ..nothing
            },
            Self::Stop { .. } => Allowed {
                interruption: true,
                // Before the program has installed its handler.
                signals: STOP,
                ..nothing
            },
            Self::Pause { .. } | Self::WrongClock(_) => nothing,
            Self::FullDisk { .. }
            | Self::LargestFile { .. }
            | Self::ReadOnly
            | Self::FailingDisk(_) => Allowed {
                refusal: true,
                ..nothing
            },
            Self::LittleMemory { .. } => Allowed {
                refusal: true,
                out_of_memory: true,
                signals: KILL,
                ..nothing
            },
        }
    }

    /// Returns when the fault strikes, as a share of the duration of an unbroken run.
    #[must_use]
    pub fn moment(self) -> Option<f64> {
        match self {
            Self::Kill { moment, .. }
            | Self::Stop { moment, .. }
            | Self::Pause { moment, .. }
            | Self::PowerCut { moment }
            | Self::SlowDisk { moment, .. }
            | Self::Damage { moment } => Some(moment),
            _ => None,
        }
    }

    /// Returns the name under which faults are counted.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill {
                reach: Reach::Process,
                ..
            } => "kill of the process",
            Self::Kill {
                reach: Reach::Group,
                ..
            } => "kill of the group",
            Self::Stop { again: None, .. } => "signal to stop",
            Self::Stop { .. } => "two signals to stop",
            Self::Pause { .. } => "pause",
            Self::FullDisk { .. } => "full disk",
            Self::LargestFile { .. } => "limit of file size",
            Self::ReadOnly => "read-only disk",
            Self::LittleMemory { .. } => "limit of memory",
            Self::PowerCut { .. } => "power cut",
            Self::FailingDisk(_) => "failing disk",
            Self::SlowDisk { .. } => "slow disk",
            Self::WrongClock(_) => "wrong clock",
            Self::Damage { .. } => "damaged file",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())?;
        match self {
            Self::FullDisk { spare } => write!(out, " ({spare} bytes left)")?,
            Self::LargestFile { bytes } | Self::LittleMemory { bytes } => {
                write!(out, " ({bytes} bytes)")?;
            }
            Self::FailingDisk(failing) => write!(out, " ({failing:?})")?,
            _ => {}
        }
        match self.moment() {
            Some(moment) => write!(out, " at {moment:.2}"),
            None => Ok(()),
        }
    }
}

/// Draws a moment. Early ones are more critical, so they are more frequent.
fn moment(choices: &mut Choices) -> f64 {
    let uniform = choices.fraction() * 1.1;
    if choices.one_in(2) {
        uniform * uniform
    } else {
        uniform
    }
}

/// Draws a size whose logarithm is uniform.
fn size(choices: &mut Choices, least: u64, most: u64) -> u64 {
    let ratio = most as f64 / least as f64;
    (least as f64 * ratio.powf(choices.fraction())) as u64
}

/// Returns the time from the start of a program to a moment.
#[must_use]
pub fn time_of(moment: f64, duration: Duration) -> Duration {
    duration.mul_f64(moment.max(0.0))
}
