//! What went wrong, and what was left out.

use serde::Serialize;

/// A phase lists at most so many failures; where all of it is wrong, more say nothing.
const MOST_FAILURES: usize = 30;

/// Something that went wrong.
#[derive(Debug, Serialize)]
pub struct Failure {
    phase: String,
    what: String,
    /// Whether a result on the card was wrong or missing, rather than that of a peer.
    is_wrong: bool,
}

/// Failures and omissions of all phases so far.
#[derive(Debug, Default)]
pub struct Findings {
    phase: String,
    pub failures: Vec<Failure>,
    pub skipped: Vec<String>,
    /// Failures of the phase, listed or not.
    count: usize,
}

impl Findings {
    /// Begins a phase, to which everything belongs that is added from now on.
    pub fn begin(&mut self, phase: &str) {
        phase.clone_into(&mut self.phase);
        self.count = 0;
    }

    /// Adds a result on the card that was wrong or missing.
    pub fn fail(&mut self, what: &str) {
        self.add(what, true);
    }

    /// Adds a failure of a peer, or of a measurement.
    pub fn note(&mut self, what: &str) {
        self.add(what, false);
    }

    fn add(&mut self, what: &str, is_wrong: bool) {
        self.count += 1;
        // The first wrong result is listed in any case.
        if self.count > MOST_FAILURES && is_wrong == self.is_wrong() {
            return;
        }
        eprintln!("  {}: {what}", self.phase);
        self.failures.push(Failure {
            phase: self.phase.clone(),
            what: what.to_owned(),
            is_wrong,
        });
    }

    /// Adds something that was left out, with the reason.
    pub fn skip(&mut self, what: &str) {
        self.skipped.push(format!("{}: {what}", self.phase));
    }

    /// Returns whether any result on the card was wrong or missing.
    pub fn is_wrong(&self) -> bool {
        self.failures.iter().any(|failure| failure.is_wrong)
    }
}
