//! Ctrl-C and termination: the first signal, or the end of standard input, stops the run after its current step, the second signal ends the
//! program.

use std::sync::atomic::{AtomicBool, Ordering};

use siren_core::train::StopToken;

use super::console;

/// Exit status of an interrupted program: 128 + SIGINT, the convention of shells.
pub const EXIT_STATUS: u8 = 130;

/// The signal handler of a program. A process can have only one, so only `main` installs it.
#[derive(Debug)]
pub struct Interrupt {
    stop: StopToken,
}

impl Interrupt {
    /// Installs the handler for SIGINT, SIGTERM and SIGHUP. If that fails, a note is printed and the token is never set.
    #[must_use]
    pub fn install() -> Self {
        Self::install_with_note("stopping after this step (again to stop at once)")
    }

    /// Installs the handler for a process that prints nothing, beside one that does.
    pub(super) fn install_silently() -> Self {
        Self::install_with_note("")
    }

    /// As [`install`](Self::install); the first signal prints `note`, if it is not empty.
    #[must_use]
    pub fn install_with_note(note: &'static str) -> Self {
        let stop = StopToken::new();
        let requested = stop.clone();
        // Not the token: standard input may set it too, and the first signal after that must not end the program.
        let signaled = AtomicBool::new(false);
        let handler = move || {
            requested.stop();
            if signaled.swap(true, Ordering::SeqCst) {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the second Ctrl-C ends the process at once"
                )]
                std::process::exit(i32::from(EXIT_STATUS));
            }
            if !note.is_empty() {
                console::print_note(format_args!(
                    "
{note}"
                ));
            }
        };
        // Without a handler, a signal kills the run, which can be resumed from its last checkpoint.
        if let Err(error) = ctrlc::set_handler(handler) {
            console::print_note(format_args!(
                "note: Ctrl-C will not save a checkpoint ({error})"
            ));
        }
        Self { stop }
    }

    /// Sets the token also when standard input ends: when the process at the other end of the pipe closes it or is killed.
    pub fn watch_standard_input(&self) {
        let stop = self.stop.clone();
        let watch = move || {
            // An error of reading is an end too: nobody could ask the run to stop.
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            if !stop.stop() {
                console::print_note("\nwho started this run has ended: stopping after this step");
            }
        };
        if let Err(error) = std::thread::Builder::new().spawn(watch) {
            console::print_note(format_args!(
                "note: the run will not stop with the program that started it ({error})"
            ));
        }
    }

    /// Returns the token that the handler sets.
    #[must_use]
    pub fn token(&self) -> StopToken {
        self.stop.clone()
    }
}
