//! Ctrl-C and termination: the first signal stops the run after its current step, the second ends the program.

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
        Self::install_with("\nstopping after this step (again to stop at once)")
    }

    /// Installs the handler for a process that prints nothing, beside one that does.
    pub(super) fn install_silently() -> Self {
        Self::install_with("")
    }

    fn install_with(note: &'static str) -> Self {
        let stop = StopToken::new();
        let requested = stop.clone();
        let handler = move || {
            if requested.stop() {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the second Ctrl-C ends the process at once"
                )]
                std::process::exit(i32::from(EXIT_STATUS));
            }
            if !note.is_empty() {
                console::print_note(note);
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

    /// Returns the token that the handler sets.
    #[must_use]
    pub fn token(&self) -> StopToken {
        self.stop.clone()
    }
}
