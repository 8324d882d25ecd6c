//! `provenance.toml` before a run, `summary.toml` after it.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use siren_core::file::read_text;
use siren_core::{Error, Result};

use crate::checkpoint::Best;
use crate::folder::RunFolder;
use crate::machine::{Machine, peak_memory_mib};

/// NamedMetrics by name, in the order of the evaluation.
pub(super) type NamedMetrics = Vec<(String, f64)>;

#[derive(Serialize)]
struct Provenance<'a> {
    version: &'a str,
    commit: String,
    start: String,
    device: String,
    threads: usize,
    system: String,
    /// CRC-32C of `config.toml`.
    config_checksum: u32,
}

/// Returns the text of `provenance.toml`: which program computes the run, when and where. The environment variable `SIREN_COMMIT` names
/// the commit.
pub(super) fn provenance(machine: &Machine, config: &str) -> Result<String> {
    to_toml(&Provenance {
        version: env!("CARGO_PKG_VERSION"),
        commit: std::env::var("SIREN_COMMIT").unwrap_or_else(|_| "unknown".to_owned()),
        start: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        device: machine.device_name(),
        threads: machine.threads,
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        config_checksum: crc32c::crc32c(config.as_bytes()),
    })
}

/// Says so if `config` is not what the run was created with; only needed while there is no checkpoint, which knows more.
pub(super) fn started_with(folder: &RunFolder, config: &str) -> Result<()> {
    let path = folder.provenance();
    let provenance = read_text(&path)?.parse::<toml::Table>().unwrap_or_default();
    let checksum = provenance
        .get("config_checksum")
        .and_then(toml::Value::as_integer);
    if checksum == Some(i64::from(crc32c::crc32c(config.as_bytes()))) {
        return Ok(());
    }
    Err(Error::RunFolder {
        path: folder.config(),
        message: "was changed since the run was created: undo that, or start a new run from the changed config".to_owned(),
    })
}

/// What a finished run reached.
#[derive(Serialize)]
pub(super) struct Summary {
    pub(super) steps: u64,
    pub(super) parameters: usize,
    /// Of training alone.
    pub(super) seconds: f64,
    pub(super) seconds_per_step: f64,
    pub(super) threads: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) peak_memory_mib: Option<f64>,
    /// In the order of the evaluation.
    #[serde(serialize_with = "in_order")]
    pub(super) metrics: NamedMetrics,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) best: Option<Best>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) expect: BTreeMap<String, Comparison>,
}

/// An expected value beside the one reached.
#[derive(Serialize)]
pub(super) struct Comparison {
    expected: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reached: Option<f64>,
}

impl Summary {
    pub(super) fn new(metrics: &NamedMetrics, expect: &BTreeMap<String, f64>) -> Self {
        let reached = |name: &str| {
            metrics
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, value)| *value)
        };
        let compare = |(name, &expected): (&String, &f64)| {
            let reached = reached(name);
            (name.clone(), Comparison { expected, reached })
        };
        Self {
            steps: 0,
            parameters: 0,
            seconds: 0.0,
            seconds_per_step: 0.0,
            threads: 0,
            peak_memory_mib: peak_memory_mib(),
            metrics: metrics.clone(),
            best: None,
            expect: expect.iter().map(compare).collect(),
        }
    }

    pub(super) fn to_toml(&self) -> Result<String> {
        to_toml(self)
    }

    /// The table a user reads at the end.
    pub(super) fn to_text(&self) -> String {
        let mut lines = vec![format!(
            "{} steps in {:.1} s ({:.1} ms a step, {} threads), {} parameters",
            self.steps,
            self.seconds,
            1e3 * self.seconds_per_step,
            self.threads,
            self.parameters,
        )];
        for (name, value) in &self.metrics {
            let expected = self.expect.get(name);
            let expected = expected.map(|c| format!("   (expected {})", c.expected));
            lines.push(format!(
                "  {name:<20} {value:>12.5}{}",
                expected.unwrap_or_default()
            ));
        }
        for (name, comparison) in self.expect.iter().filter(|(_, c)| c.reached.is_none()) {
            let expected = comparison.expected;
            lines.push(format!("  {name:<20} not measured   (expected {expected})"));
        }
        lines.join("\n")
    }
}

fn in_order<S: Serializer>(metrics: &NamedMetrics, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(metrics.iter().map(|(name, value)| (name, value)))
}

fn to_toml(value: &impl Serialize) -> Result<String> {
    toml::to_string(value).map_err(|error| Error::Config {
        origin: "summary".to_owned(),
        message: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_shown_in_the_order_of_the_evaluation() {
        let metrics = ["psnr_db", "ssim", "mse"].map(|name| (name.to_owned(), 1.0));
        let summary = Summary::new(&metrics.to_vec(), &BTreeMap::new());
        for text in [summary.to_text(), summary.to_toml().unwrap()] {
            let places = metrics.each_ref().map(|(name, _)| text.find(name).unwrap());
            assert!(places.is_sorted(), "{text}");
        }
    }
}
