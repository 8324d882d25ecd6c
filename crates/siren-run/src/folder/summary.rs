//! `provenance.toml`, written when a run folder is created, and `summary.toml`, written at the end of the run.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize, Serializer};

use siren_core::field::Level;
use siren_core::file::read_text;
use siren_core::train::Budget;
use siren_core::{Error, Result};
use siren_report::Exhibit;

use super::{Best, RunFolder, TableDigest, Tables};
use crate::machine::{Machine, peak_memory_mib, processor};

/// Names and values of metrics, in the order of the evaluation.
pub(crate) type NamedMetrics = Vec<(String, f64)>;

#[derive(Serialize)]
struct Provenance<'a> {
    version: &'a str,
    commit: String,
    start: String,
    device: String,
    /// Name of the card, unless the device is the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<&'a str>,
    threads: usize,
    /// Processes that share the run, each with these threads.
    #[serde(skip_serializing_if = "is_one")]
    ranks: usize,
    system: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    processor: Option<String>,
    simd: String,
    /// CRC-32C of `config.toml`.
    config_checksum: u32,
    /// The time budget that was given in place of `train.steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<Budget>,
    /// The config of the same kind without any key.
    defaults: &'a toml::Table,
}

/// Returns the text of `provenance.toml`: which program computes the run, when and where, and from which defaults. The environment variable
/// `SIREN_COMMIT` names the commit.
pub(crate) fn provenance(
    machine: &Machine,
    config: &str,
    defaults: &toml::Table,
    budget: Option<Budget>,
) -> Result<String> {
    to_toml(&Provenance {
        version: env!("CARGO_PKG_VERSION"),
        commit: std::env::var("SIREN_COMMIT").unwrap_or_else(|_| "unknown".to_owned()),
        start: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        device: machine.engine.to_string(),
        card: machine.engine.card(),
        threads: machine.threads,
        ranks: machine.ranks.count(),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        processor: processor(),
        simd: Level::best().to_string(),
        config_checksum: crc32c::crc32c(config.as_bytes()),
        budget,
        defaults,
    })
}

/// Returns the time budget of a run by its `provenance.toml`, or `None` if its config gave a number of steps.
pub(crate) fn recorded_budget(provenance: &toml::Table) -> Option<Budget> {
    provenance.get("budget")?.clone().try_into().ok()
}

/// Checks that `config` is the text with which the run was created, by the checksum in `provenance.toml`. Used while the run has no
/// checkpoint; a checkpoint contains the whole text.
///
/// # Errors
/// [`Error::RunFolder`] if the text was changed.
pub(crate) fn check_created_config(folder: &RunFolder, config: &str) -> Result<()> {
    let path = folder.provenance();
    let provenance = read_text(&path)?.parse::<toml::Table>().unwrap_or_default();
    if is_of_config(&provenance, config) {
        return Ok(());
    }
    Err(Error::RunFolder {
        path: folder.config(),
        message: "was changed since the run was created: undo the change, or start a new run from the changed config"
            .to_owned(),
    })
}

/// Returns whether a provenance is that of a run with the config `config`, by its checksum.
pub(crate) fn is_of_config(provenance: &toml::Table, config: &str) -> bool {
    let checksum = provenance.get("config_checksum");
    let checksum = checksum.and_then(toml::Value::as_integer);
    checksum == Some(i64::from(crc32c::crc32c(config.as_bytes())))
}

/// Results of a finished run.
#[derive(Serialize)]
pub(crate) struct Summary {
    pub(crate) steps: u64,
    pub(crate) parameters: usize,
    /// Seconds of training, without evaluations and checkpoints.
    pub(crate) seconds: f64,
    pub(crate) seconds_per_step: f64,
    pub(crate) threads: usize,
    /// Processes that share the run, each with these threads.
    #[serde(skip_serializing_if = "is_one")]
    pub(crate) ranks: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peak_memory_mib: Option<f64>,
    /// The time budget that was given in place of `train.steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) budget: Option<Budget>,
    /// Tiles that rest, in a training where tiles may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tiles: Option<TilesAtRest>,
    /// Metrics of the last evaluation.
    #[serde(serialize_with = "in_order")]
    pub(crate) metrics: NamedMetrics,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) best: Option<Best>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) expect: BTreeMap<String, Comparison>,
    /// Digests of the tables, by which later damage is found.
    pub(crate) tables: FinalTables,
    /// What the artifacts show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) exhibits: Vec<Exhibit>,
}

/// How many tiles of a mosaic rest at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TilesAtRest {
    pub(crate) resting: usize,
    /// Number of tiles.
    pub(crate) of: usize,
}

/// Digests of the tables of a finished run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FinalTables {
    #[serde(flatten)]
    pub(crate) tables: Tables,
    pub(crate) timing: TableDigest,
}

impl std::fmt::Display for TilesAtRest {
    /// Writes `12 of 247 tiles rest`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { resting, of } = self;
        if resting == of {
            return write!(f, "all {of} tiles rest: the run ended with that");
        }
        write!(f, "{resting} of {of} tiles rest")
    }
}

impl FinalTables {
    /// Checks the tables in a run folder.
    ///
    /// # Errors
    /// [`Error::RunFolder`] for one that was changed since the run ended; [`Error::Io`].
    pub(crate) fn check(&self, folder: &RunFolder) -> Result<()> {
        self.tables.metrics.check(&folder.metrics())?;
        self.tables.evaluation.check(&folder.evaluation())?;
        self.timing.check(&folder.timing())
    }
}

/// Start of the first line of a summary: CRC-32C of all lines after it.
const CHECKSUM: &str = "checksum = ";

/// Returns the table of a summary, or `None` if the text is damaged. One of an older program has no checksum.
pub(crate) fn parse_summary(text: &str) -> Option<toml::Table> {
    if let Some(rest) = text.strip_prefix(CHECKSUM) {
        let (checksum, rest) = rest.split_once('\n')?;
        let is_same = checksum.parse() == Ok(crc32c::crc32c(rest.as_bytes()));
        return is_same.then(|| rest.parse().ok())?;
    }
    let table: toml::Table = text.parse().ok()?;
    // A damaged first line would let any text pass for that of an older program.
    let is_older = table.contains_key("metrics") && !table.contains_key("tables");
    is_older.then_some(table)
}

/// An expected value beside the value that the run reached, if it was measured.
#[derive(Serialize)]
pub(crate) struct Comparison {
    expected: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reached: Option<f64>,
}

impl Summary {
    /// Returns the summary of the final metrics, with zeros for steps, sizes and times.
    pub(crate) fn new(metrics: &NamedMetrics, expect: &BTreeMap<String, f64>) -> Self {
        let reached = |name: &str| {
            let found = metrics.iter().find(|(metric, _)| metric == name);
            found.map(|(_, value)| *value)
        };
        let mut comparisons = BTreeMap::new();
        for (name, &expected) in expect {
            let reached = reached(name);
            comparisons.insert(name.clone(), Comparison { expected, reached });
        }
        Self {
            steps: 0,
            parameters: 0,
            seconds: 0.0,
            seconds_per_step: 0.0,
            threads: 0,
            ranks: 1,
            peak_memory_mib: peak_memory_mib(),
            budget: None,
            tiles: None,
            metrics: metrics.clone(),
            best: None,
            expect: comparisons,
            tables: FinalTables::default(),
            exhibits: Vec::new(),
        }
    }

    /// Returns the text of `summary.toml`. Its first line is a checksum of the others.
    pub(crate) fn to_toml(&self) -> Result<String> {
        let text = to_toml(self)?;
        Ok(format!(
            "{CHECKSUM}{}\n{text}",
            crc32c::crc32c(text.as_bytes())
        ))
    }

    /// Returns the text that a program prints at the end of a run.
    pub(crate) fn to_text(&self) -> String {
        let threads = match self.ranks {
            1 => format!("{} threads", self.threads),
            ranks => format!("{ranks} ranks of {} threads", self.threads),
        };
        let mut lines = vec![format!(
            "{} steps in {:.1} s ({:.1} ms a step, {threads}), {} parameters",
            self.steps,
            self.seconds,
            1e3 * self.seconds_per_step,
            self.parameters,
        )];
        lines.extend(self.budget.map(|budget| format!("budget {budget}")));
        lines.extend(self.tiles.map(|tiles| tiles.to_string()));
        for (name, value) in &self.metrics {
            let expected = self.expect.get(name);
            let expected = expected.map(|c| format!("   (expected {})", c.expected));
            lines.push(format!(
                "  {name:<20} {:>12}{}",
                to_five_digits(*value),
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

/// Returns a number with five digits after the point, or with an exponent if they would show little of it.
fn to_five_digits(value: f64) -> String {
    let is_small = value != 0.0 && value.abs() < 1e-2;
    if is_small {
        format!("{value:.5e}")
    } else {
        format!("{value:.5}")
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_one(count: &usize) -> bool {
    *count == 1
}

/// Serializes metrics as a table in their order.
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

    #[test]
    fn small_metrics_are_shown_with_an_exponent() {
        let metrics = [("mse", 6.3e-7), ("psnr_db", 62.0), ("components", 0.0)];
        let metrics = metrics.map(|(name, value)| (name.to_owned(), value));
        let text = Summary::new(&metrics.to_vec(), &BTreeMap::new()).to_text();
        for shown in [" 6.30000e-7", " 62.00000", " 0.00000"] {
            assert!(text.contains(shown), "{text}");
        }
    }

    #[test]
    fn a_summary_with_any_other_byte_is_not_read() {
        let metrics = vec![("psnr_db".to_owned(), 30.5)];
        let text = Summary::new(&metrics, &BTreeMap::new()).to_toml().unwrap();
        let table = parse_summary(&text).unwrap();
        assert_eq!(table["metrics"]["psnr_db"].as_float(), Some(30.5));
        for index in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] ^= 1;
            if let Ok(damaged) = String::from_utf8(bytes) {
                assert_eq!(parse_summary(&damaged), None, "{damaged}");
            }
            assert_eq!(parse_summary(&text[..index]), None);
        }
        assert!(parse_summary("steps = 3\n[metrics]\npsnr_db = 1.0\n").is_some());
    }
}
