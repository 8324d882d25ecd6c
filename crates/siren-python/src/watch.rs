//! Work on a thread of its own, while the thread of the caller answers callbacks and Ctrl-C.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PyKeyboardInterrupt, PyUserWarning};
use pyo3::prelude::*;
use siren_core::Result;
use siren_core::train::StopToken;
use siren_run::RunObserver;

use crate::errors::raised;

/// How often the caller's thread looks for Ctrl-C.
const POLL: Duration = Duration::from_millis(50);

/// What work says of itself.
enum Event {
    Step { step: u64, loss: f64 },
    Note(String),
}

/// The worker's end: it reports steps, and is told to stop.
pub struct Reporter {
    events: SyncSender<Event>,
    answers: Receiver<()>,
    has_callback: bool,
    /// Set by Ctrl-C, or by a callback that returns `False`.
    pub stop: StopToken,
}

impl Reporter {
    /// Reports a step, and waits until the callback has returned.
    pub fn step(&mut self, step: u64, loss: f64) {
        if self.has_callback {
            self.send(Event::Step { step, loss });
        }
    }

    fn send(&mut self, event: Event) {
        // The caller is gone only if it panicked, which ends the work.
        if self.events.send(event).is_err() || self.answers.recv().is_err() {
            self.stop.stop();
        }
    }
}

impl RunObserver for Reporter {
    fn stepped(&mut self, step: u64, loss: f64) {
        self.step(step, loss);
    }

    fn note(&mut self, text: &str) {
        self.send(Event::Note(text.to_owned()));
    }
}

/// A result, and whether Ctrl-C ended the work before its end.
pub struct Watched<T> {
    pub result: T,
    pub is_interrupted: bool,
}

/// Runs `work` on another thread with the interpreter released. The callback is called on this thread, as `callback(step, loss)`; `False` stops
/// the work after that step, as Ctrl-C does.
///
/// # Errors
/// The exception of the callback or of a signal handler other than that of Ctrl-C; the error of the work.
pub fn watch<T: Send>(
    py: Python<'_>,
    callback: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&mut Reporter) -> Result<T> + Send,
) -> PyResult<Watched<T>> {
    let stop = StopToken::new();
    let (sender, events) = sync_channel(0);
    let (answer, answers) = sync_channel(0);
    let mut reporter = Reporter {
        events: sender,
        answers,
        has_callback: callback.is_some(),
        stop: stop.clone(),
    };
    let mut caller = Caller {
        callback,
        stop,
        exception: None,
        is_interrupted: false,
    };
    let events = Mutex::new(events);
    let joined = std::thread::scope(|scope| {
        let worker = scope.spawn(move || work(&mut reporter));
        loop {
            let event = py.detach(|| {
                let events = events.lock().unwrap_or_else(PoisonError::into_inner);
                events.recv_timeout(POLL)
            });
            match event {
                Ok(event) => {
                    caller.handle(py, event);
                    // The worker is waiting.
                    let _ = answer.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if let Err(exception) = py.check_signals() {
                caller.end_by(py, exception);
            }
        }
        py.detach(|| worker.join())
    });
    let result = joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    match caller.exception {
        Some(exception) => Err(exception),
        None => Ok(Watched {
            result: result.map_err(raised)?,
            is_interrupted: caller.is_interrupted,
        }),
    }
}

/// The thread that called.
struct Caller<'a, 'py> {
    callback: Option<&'a Bound<'py, PyAny>>,
    stop: StopToken,
    exception: Option<PyErr>,
    is_interrupted: bool,
}

impl Caller<'_, '_> {
    fn handle(&mut self, py: Python<'_>, event: Event) {
        let handled = match event {
            Event::Step { step, loss } => self.call(step, loss),
            Event::Note(text) => warn(py, &text),
        };
        if let Err(exception) = handled {
            self.end_by(py, exception);
        }
    }

    fn call(&self, step: u64, loss: f64) -> PyResult<()> {
        let Some(callback) = self.callback else {
            return Ok(());
        };
        let answer = callback.call1((step, loss))?;
        // Zero and empty texts do not stop; what a callback happens to return is no answer.
        if answer.extract::<bool>().is_ok_and(|goes_on| !goes_on) {
            self.stop.stop();
        }
        Ok(())
    }

    /// Stops the work. Ctrl-C is no error: what there is is kept.
    fn end_by(&mut self, py: Python<'_>, exception: PyErr) {
        self.stop.stop();
        if exception.is_instance_of::<PyKeyboardInterrupt>(py) {
            self.is_interrupted = true;
        } else {
            self.exception.get_or_insert(exception);
        }
    }
}

/// Shows a remark as a `UserWarning`.
pub fn warn(py: Python<'_>, text: &str) -> PyResult<()> {
    let text = std::ffi::CString::new(text.replace('\0', " "))?;
    PyErr::warn(py, &py.get_type::<PyUserWarning>(), &text, 2)
}
