//! Ctrl-C and termination: the first asks the loop to stop after the current step, the second ends the program.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use super::console;

static REQUESTED: AtomicBool = AtomicBool::new(false);
static INSTALL: Once = Once::new();

/// Exit status of a run that was interrupted: 128 + SIGINT, as shells have it.
pub const EXIT_STATUS: u8 = 130;

/// Installs the handler, once for the process, and forgets what was asked of an earlier run in it.
pub fn install() {
    REQUESTED.store(false, Ordering::SeqCst);
    INSTALL.call_once(|| {
        let handler = || {
            if REQUESTED.swap(true, Ordering::SeqCst) {
                std::process::exit(i32::from(EXIT_STATUS));
            }
            console::note("\nstopping after this step (again to stop at once)");
        };
        // Without a handler the run can still be killed, and resumed from its last checkpoint.
        if let Err(error) = ctrlc::set_handler(handler) {
            console::note(format_args!(
                "note: Ctrl-C will not save a checkpoint ({error})"
            ));
        }
    });
}

/// Whether the user asked to stop.
#[must_use]
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
