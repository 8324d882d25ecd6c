//! Models in SEG-Y files: a trace is a column, its samples go down.

use std::path::Path;

use giga_segy_in::SegyFile;
use siren_core::{Error, Result};

use super::{Model, by_rows, sample_count};
use crate::medium::samples::SampleShape;

/// Reads a file whose traces all have the same number of samples, in the order of the file.
pub(super) fn read(path: &Path) -> Result<Model> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    parse(bytes).map_err(|message| Error::signal(path, message))
}

/// Parses the bytes of a file. The error is a message.
fn parse(bytes: Vec<u8>) -> Result<Model, String> {
    let size = bytes.len();
    let damaged = |error| {
        format!("the SEG-Y file cannot be read ({error}): copy it again, or convert it to .npy")
    };
    let file = SegyFile::open(bytes, giga_segy_in::SegySettings::default()).map_err(damaged)?;
    let mut columns: Vec<Vec<f32>> = Vec::with_capacity(file.trace_count());
    let mut end = 0;
    for trace in file.traces_iter() {
        columns.push(
            file.get_trace_data_as_f32_from_trace(trace)
                .map_err(damaged)?,
        );
        end = trace.get_start() + trace.len();
    }
    let rows = columns.first().map_or(0, Vec::len);
    if let Some(trace) = columns.iter().position(|column| column.len() != rows) {
        return Err(format!(
            "has {rows} samples in its first trace and {} in trace {trace} (counted from 0), expected the same number in every trace",
            columns[trace].len()
        ));
    }
    // The parser stops at a trace it cannot read.
    if rows == 0 || end != size {
        return Err(format!(
            "has {} traces of {rows} samples, which end at byte {end} of {size}: the file is cut short, or its headers give another number of \
             samples than its traces have",
            columns.len()
        ));
    }
    sample_count(rows, columns.len())?;
    let shape = SampleShape {
        rows,
        columns: columns.len(),
    };
    let by_columns: Vec<f64> = columns.into_iter().flatten().map(f64::from).collect();
    Ok(Model {
        shape,
        values: by_rows(shape, &by_columns),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text header, binary header, and traces of big-endian floats of four bytes, IEEE (5) or IBM (1).
    fn file(code: u16, is_fixed: bool, traces: &[&[[u8; 4]]]) -> Vec<u8> {
        let mut bytes = vec![b' '; 3200];
        bytes[0] = b'C';
        let samples = traces[0].len() as u16;
        let mut header = [0; 400];
        header[20..22].copy_from_slice(&samples.to_be_bytes());
        header[24..26].copy_from_slice(&code.to_be_bytes());
        header[302..304].copy_from_slice(&u16::from(is_fixed).to_be_bytes());
        bytes.extend(header);
        for trace in traces {
            let mut header = [0; 240];
            header[114..116].copy_from_slice(&(trace.len() as u16).to_be_bytes());
            bytes.extend(header);
            bytes.extend(trace.concat());
        }
        bytes
    }

    fn ieee(values: &[f32]) -> Vec<[u8; 4]> {
        values.iter().map(|value| value.to_be_bytes()).collect()
    }

    #[test]
    fn traces_become_columns() {
        let (a, b) = (ieee(&[1500.0, 1600.0, 1700.0]), ieee(&[2.0, 3.0, 4.0]));
        for is_fixed in [true, false] {
            let model = parse(file(5, is_fixed, &[&a, &b])).unwrap();
            assert_eq!((model.shape.rows, model.shape.columns), (3, 2));
            assert_eq!(model.values, [1500.0, 2.0, 1600.0, 3.0, 1700.0, 4.0]);
        }
    }

    #[test]
    fn floats_of_ibm_are_read() {
        // 1.0 = 16^1 · 1/16, 100 = 16^2 · 100/256.
        let trace = [[0x41, 0x10, 0, 0], [0x42, 0x64, 0, 0]];
        let model = parse(file(1, true, &[&trace])).unwrap();
        assert_eq!(model.values, [1.0, 100.0]);
    }

    #[test]
    fn files_of_another_layout_are_refused() {
        let (long, short) = (ieee(&[1.0, 2.0, 3.0]), ieee(&[1.0, 2.0]));
        let whole = file(5, true, &[&long, &long]);
        for (bytes, expected) in [
            (
                file(5, false, &[&long, &short]),
                "3 samples in its first trace and 2 in trace 1",
            ),
            (whole[..whole.len() - 4].to_vec(), "cut short"),
            (whole[..3000].to_vec(), "cannot be read"),
            (file(77, true, &[&long]), "cannot be read"),
            (Vec::new(), "cannot be read"),
        ] {
            let message = parse(bytes).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn damaged_headers_cause_no_panic() {
        let trace = ieee(&[1.0, 2.0]);
        let bytes = file(5, false, &[&trace, &trace]);
        for index in (0..200).chain(3200..bytes.len()) {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = bytes.clone();
                damaged[index] = value;
                if let Ok(model) = parse(damaged) {
                    assert_eq!(model.values.len(), model.shape.rows * model.shape.columns);
                }
            }
        }
    }
}
