//! Small tables of constants on a device, uploaded at their first use: a training uses the same ones in every step.

use std::sync::{Arc, Mutex, PoisonError};

use siren_kernel::network::{Order, Plan, Waves};

use crate::arguments::{JetShape, TraceTerm};
use crate::device::{Buffer, Device};
use crate::error::Result;

/// Most tables of a kind that are kept.
const MOST_TABLES: usize = 16;

/// Frequencies of sinusoidal features.
pub(crate) struct SinusoidTables {
    pub(crate) frequencies: Buffer<f32>,
    pub(crate) axes: Buffer<i32>,
}

/// The second-order traces of an order.
pub(crate) struct OrderTables {
    pub(crate) entries: Buffer<TraceTerm>,
    pub(crate) entry_ends: Buffer<i32>,
    pub(crate) gradients: usize,
    pub(crate) traces: usize,
    pub(crate) shape: JetShape,
}

/// The tables that a device has.
#[derive(Default)]
pub(crate) struct Tables {
    /// By the order and the number of coordinates.
    orders: Kept<(Order, usize), OrderTables>,
    /// By the plan, which stays alive so that its address is its own.
    sinusoids: Kept<Arc<Plan>, SinusoidTables>,
}

/// The last values, by key.
struct Kept<K, V>(Mutex<Vec<(K, Arc<V>)>>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, V> Kept<K, V> {
    /// Returns the value of the key for which `is_it` holds, or makes it, and drops the oldest one if there are too many.
    fn get(
        &self,
        is_it: impl Fn(&K) -> bool,
        make: impl FnOnce() -> Result<(K, V)>,
    ) -> Result<Arc<V>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, value)) = kept.iter().find(|(key, _)| is_it(key)) {
            return Ok(Arc::clone(value));
        }
        let (key, value) = make()?;
        let value = Arc::new(value);
        if kept.len() == MOST_TABLES {
            kept.remove(0);
        }
        kept.push((key, Arc::clone(&value)));
        Ok(value)
    }
}

impl Device {
    /// Returns the frequencies of a plan with sinusoidal features.
    pub(crate) fn sinusoid_tables(
        &self,
        plan: &Arc<Plan>,
        include_input: bool,
        waves: &Waves,
    ) -> Result<Arc<SinusoidTables>> {
        let upload = || {
            let dims = plan.in_features;
            let (mut frequencies, mut axes) = (Vec::new(), Vec::new());
            if include_input {
                axes.extend(0..dims as i32);
                frequencies.resize(dims * dims, 0.0);
            }
            for wave in waves.features() {
                axes.push(if wave.is_cosine { -2 } else { -1 });
                frequencies.extend(wave.angular_frequency.iter().map(|&omega| omega as f32));
            }
            let tables = SinusoidTables {
                frequencies: self.upload(&frequencies)?,
                axes: self.upload(&axes)?,
            };
            // The next thread that uses the tables may have a default stream of its own.
            self.synchronize()?;
            Ok((Arc::clone(plan), tables))
        };
        let sinusoids = &self.tables().sinusoids;
        sinusoids.get(|known| Arc::ptr_eq(known, plan), upload)
    }

    /// Returns the traces of an order in `dims` coordinates.
    pub(crate) fn order_tables(&self, order: &Order, dims: usize) -> Result<Arc<OrderTables>> {
        let upload = || {
            let (mut entries, mut ends) = (Vec::new(), Vec::new());
            for trace in order.traces() {
                entries.extend(trace.entries().iter().map(|entry| TraceTerm {
                    i: entry.i as i32,
                    j: entry.j as i32,
                    coefficient: entry.coefficient as f32,
                }));
                ends.push(entries.len() as i32);
            }
            let tables = OrderTables {
                entries: self.upload(&entries)?,
                entry_ends: self.upload(&ends)?,
                gradients: order.gradients(dims),
                traces: order.traces().len(),
                shape: JetShape::of(order, dims),
            };
            self.synchronize()?;
            Ok(((order.clone(), dims), tables))
        };
        let orders = &self.tables().orders;
        orders.get(|(known, d)| known == order && *d == dims, upload)
    }
}
