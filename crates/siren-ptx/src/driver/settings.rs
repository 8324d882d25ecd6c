//! Settings of the stand-in, from the environment.

use std::env;
use std::path::PathBuf;

use crate::card::Card;
use crate::execute::WarpOrder;
use crate::parse::Refusal;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) card: Card,
    pub(super) order: OrderSetting,
    pub(super) memory_bytes: u64,
    pub(super) driver_version: u32,
    pub(super) refusal: Refusal,
    pub(super) report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrderSetting {
    Forward,
    Backward,
    /// Each launch has an order of its own.
    Seed(u64),
}

impl OrderSetting {
    /// Order of the launch with this number.
    pub(super) fn of_launch(self, number: u64) -> WarpOrder {
        match self {
            Self::Forward => WarpOrder::Forward,
            Self::Backward => WarpOrder::Backward,
            Self::Seed(seed) => {
                WarpOrder::Shuffled(seed.wrapping_mul(1 << 32).wrapping_add(number))
            }
        }
    }
}

fn number<T: std::str::FromStr>(name: &str, default: T) -> Result<T, String> {
    match env::var(name) {
        Ok(text) => text
            .parse()
            .map_err(|_| format!("{name} is `{text}`, expected a number")),
        Err(_) => Ok(default),
    }
}

impl Settings {
    pub(super) fn from_environment() -> Result<Self, String> {
        let card = match env::var("SIREN_PTX_CARD") {
            Ok(name) => Card::from_architecture(&name).ok_or_else(|| {
                let known: Vec<String> = Card::ALL.iter().map(|card| card.architecture()).collect();
                format!(
                    "SIREN_PTX_CARD is `{name}`, expected one of {}",
                    known.join(", ")
                )
            })?,
            Err(_) => Card::default(),
        };
        let order = match env::var("SIREN_PTX_ORDER").as_deref() {
            Ok("forward") => OrderSetting::Forward,
            Ok("backward") => OrderSetting::Backward,
            _ => OrderSetting::Seed(number("SIREN_PTX_ORDER", 0)?),
        };
        let refusal = match env::var("SIREN_PTX_REFUSE").as_deref() {
            Ok("kernel") => Refusal::Kernel,
            Ok("module") | Err(_) => Refusal::Module,
            Ok(other) => {
                return Err(format!(
                    "SIREN_PTX_REFUSE is `{other}`, expected `module` or `kernel`"
                ));
            }
        };
        Ok(Self {
            refusal,
            card,
            order,
            memory_bytes: number("SIREN_PTX_MEMORY", 4 << 30)?,
            driver_version: number("SIREN_PTX_DRIVER", 13_000)?,
            report: env::var_os("SIREN_PTX_REPORT").map(PathBuf::from),
        })
    }

    /// Newest version of PTX that the driver accepts, as `10 major + minor`.
    pub(super) fn newest_ptx(&self) -> u32 {
        let (major, minor) = (self.driver_version / 1000, self.driver_version % 1000 / 10);
        match (major, minor) {
            (..11, _) => 65,
            (11, minor) => 70 + minor,
            (12, 0..=5) => 80 + minor,
            (12, minor) => 80 + minor - 1,
            (_, minor) => (major - 4) * 10 + minor,
        }
    }
}
