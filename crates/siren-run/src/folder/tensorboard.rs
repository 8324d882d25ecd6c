//! Writer of TensorBoard event files: scalars, pictures, texts and session marks.
//!
//! An event file is a sequence of records in `TFRecord` framing (length, checksum of the length, payload, checksum of
//! the payload; all little-endian, the checksums masked CRC-32C), each payload one `tensorflow.Event` protobuf message.
//! The field numbers come from `event.proto`, `summary.proto`, `tensor.proto` and `tensor_shape.proto` in
//! `tensorboard/compat/proto` of the TensorBoard repository.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use siren_core::{Error, Result};

/// Constant of `TFRecord` framing that is added to the rotated checksum, because a CRC of data that contains its own CRC is weak.
const CRC_MASK_DELTA: u32 = 0xa282_ead8;
/// `DT_STRING` of `tensorflow.DataType`.
const DT_STRING: u64 = 7;
/// `START` of `tensorflow.SessionLog.SessionStatus`.
const SESSION_START: u64 = 1;
/// RGB in `tensorflow.Summary.Image`. Readers ignore it and decode the PNG file.
const COLORSPACE_RGB: u64 = 3;

/// Appends events to one new event file.
///
/// TensorBoard reads only files whose names contain `tfevents`. The files of one folder make one run and are read in the order of
/// their names, so a resumed run writes another file whose name sorts last. Every file, the first one included, must begin
/// with [`session_start`](Self::session_start).
///
/// The writer does not read the clock: the caller passes `wall_seconds`, seconds since the Unix epoch. Writes are
/// buffered until [`flush`](Self::flush) or drop; a drop cannot report a failure. A file that ends within its last
/// record is readable up to that record.
#[derive(Debug)]
pub struct EventWriter {
    file: BufWriter<File>,
    path: PathBuf,
}

impl EventWriter {
    /// Creates the file and writes its first event, the version `brain.Event:2`.
    ///
    /// # Errors
    /// [`Error::Io`] if `path` exists already, or cannot be created or written.
    pub fn create(path: &Path, wall_seconds: f64) -> Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(Error::io("create", path))?;
        let mut writer = Self {
            file: BufWriter::new(file),
            path: path.to_owned(),
        };
        writer.record(&Message::event(wall_seconds, 0).bytes(3, b"brain.Event:2"))?;
        Ok(writer)
    }

    /// Writes one point of the curve `tag`. Values that are not finite are written unchanged.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn scalar(&mut self, wall_seconds: f64, step: u64, tag: &str, value: f32) -> Result<()> {
        self.summary(wall_seconds, step, &Message::tagged(tag).float(2, value))
    }

    /// Writes the picture `tag` from the bytes of a PNG file. Height and width are read from its header.
    ///
    /// # Errors
    /// [`Error::Shape`] if the bytes are too short for a PNG header, [`Error::Io`] if the file cannot be written.
    pub fn image_png(
        &mut self,
        wall_seconds: f64,
        step: u64,
        tag: &str,
        png_bytes: &[u8],
    ) -> Result<()> {
        // Signature (8 bytes), chunk length and type (8), then width and height, big-endian.
        let side = |at: usize| {
            let bytes = png_bytes
                .get(at..at + 4)
                .and_then(|bytes| bytes.try_into().ok());
            bytes.map(u32::from_be_bytes)
        };
        let (Some(width), Some(height)) = (side(16), side(20)) else {
            return Err(Error::Shape {
                what: "picture for TensorBoard",
                expected: "a PNG file".to_owned(),
                got: format!("{} bytes", png_bytes.len()),
            });
        };
        let image = Message::default()
            .varint(1, u64::from(height))
            .varint(2, u64::from(width))
            .varint(3, COLORSPACE_RGB)
            .bytes(4, png_bytes);
        self.summary(wall_seconds, step, &Message::tagged(tag).message(4, &image))
    }

    /// Writes the text `tag`, which TensorBoard renders as Markdown.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn text(&mut self, wall_seconds: f64, step: u64, tag: &str, text: &str) -> Result<()> {
        let one = Message::default().varint(1, 1);
        let shape = Message::default().message(2, &one);
        let tensor = Message::default()
            .varint(1, DT_STRING)
            .message(2, &shape)
            .bytes(8, text.as_bytes());
        let plugin = Message::default().bytes(1, b"text");
        let metadata = Message::default().message(1, &plugin);
        let value = Message::tagged(tag)
            .message(8, &tensor)
            .message(9, &metadata);
        self.summary(wall_seconds, step, &value)
    }

    /// Marks the start of a session whose first logged step is `step`, 0 for a new run.
    ///
    /// TensorBoard then drops earlier events of `step` and later steps, such as those that a killed
    /// run wrote after its last checkpoint. TensorBoard takes the first mark of a run for its beginning and drops nothing
    /// there, so a new run must be marked too, or the mark of its first resumption has no effect. (TensorBoard's fast data server
    /// ignores marks: there, the first step that is logged again under a tag drops the later steps of that tag.)
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn session_start(&mut self, wall_seconds: f64, step: u64) -> Result<()> {
        let log = Message::default().varint(1, SESSION_START);
        self.record(&Message::event(wall_seconds, step).message(7, &log))
    }

    /// Passes all buffered events to the operating system.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(Error::io("write", &self.path))
    }

    /// Writes an event that holds a summary of one value.
    fn summary(&mut self, wall_seconds: f64, step: u64, value: &Message) -> Result<()> {
        let summary = Message::default().message(1, value);
        self.record(&Message::event(wall_seconds, step).message(5, &summary))
    }

    /// Writes one record: length, checksum of the length, payload, checksum of the payload.
    fn record(&mut self, event: &Message) -> Result<()> {
        let payload = &event.0;
        let length = (payload.len() as u64).to_le_bytes();
        [
            &length[..],
            &masked_crc(&length).to_le_bytes(),
            payload,
            &masked_crc(payload).to_le_bytes(),
        ]
        .into_iter()
        .try_for_each(|part| self.file.write_all(part))
        .map_err(Error::io("write", &self.path))
    }
}

/// Returns the masked CRC-32C of `TFRecord` framing: rotated by 15 bits, plus a constant.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(CRC_MASK_DELTA)
}

/// Bytes of a protobuf message. Every method appends one field.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    /// Starts an `Event` with its time and step.
    fn event(wall_seconds: f64, step: u64) -> Self {
        let mut event = Self::default().key(1, 1);
        event.0.extend(wall_seconds.to_le_bytes());
        event.varint(2, step)
    }

    /// Starts a `Summary.Value` with its tag.
    fn tagged(tag: &str) -> Self {
        Self::default().bytes(1, tag.as_bytes())
    }

    /// Appends an integer or an enumerator.
    fn varint(self, field: u32, value: u64) -> Self {
        self.key(field, 0).raw_varint(value)
    }

    fn float(self, field: u32, value: f32) -> Self {
        let mut message = self.key(field, 5);
        message.0.extend(value.to_le_bytes());
        message
    }

    /// Appends bytes or a string.
    fn bytes(self, field: u32, value: &[u8]) -> Self {
        let mut message = self.key(field, 2).raw_varint(value.len() as u64);
        message.0.extend(value);
        message
    }

    fn message(self, field: u32, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    fn key(self, field: u32, wire_type: u32) -> Self {
        self.raw_varint(u64::from(field << 3 | wire_type))
    }

    /// Appends an integer in groups of 7 bits, lowest group first; the high bit is set in all bytes but the last.
    fn raw_varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the payloads of a file's records, after checking the framing of each.
    fn records(mut file: &[u8]) -> Vec<Vec<u8>> {
        fn take<'a>(file: &mut &'a [u8], length: usize) -> &'a [u8] {
            let (head, tail) = file.split_at(length);
            *file = tail;
            head
        }
        fn check(data: &[u8], stored: &[u8]) {
            // Readers unmask the stored checksum in the same way.
            let masked = u32::from_le_bytes(stored.try_into().unwrap());
            let crc = masked.wrapping_sub(CRC_MASK_DELTA).rotate_left(15);
            assert_eq!(crc, crc32c::crc32c(data));
        }
        let mut payloads = Vec::new();
        while !file.is_empty() {
            let length = take(&mut file, 8);
            check(length, take(&mut file, 4));
            let length = u64::from_le_bytes(length.try_into().unwrap());
            let payload = take(&mut file, length as usize);
            check(payload, take(&mut file, 4));
            payloads.push(payload.to_vec());
        }
        payloads
    }

    /// Returns number and bytes of each field of a message; a varint becomes 8 bytes.
    fn fields(mut message: &[u8]) -> Vec<(u64, Vec<u8>)> {
        fn varint(message: &mut &[u8]) -> u64 {
            let mut value = 0;
            for shift in (0..64).step_by(7) {
                let byte = message[0];
                *message = &message[1..];
                value |= u64::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            value
        }
        let mut fields = Vec::new();
        while !message.is_empty() {
            let key = varint(&mut message);
            let wire_type = key & 7;
            let value = if wire_type == 0 {
                varint(&mut message).to_le_bytes().to_vec()
            } else {
                let length = match wire_type {
                    1 => 8,
                    5 => 4,
                    2 => varint(&mut message) as usize,
                    other => panic!("wire type {other}"),
                };
                let (head, tail) = message.split_at(length);
                message = tail;
                head.to_vec()
            };
            fields.push((key >> 3, value));
        }
        fields
    }

    /// Returns the value at a path of field numbers.
    fn at(message: &[u8], path: &[u64]) -> Vec<u8> {
        path.iter().fold(message.to_vec(), |message, number| {
            let found = fields(&message)
                .into_iter()
                .find(|field| field.0 == *number);
            found
                .unwrap_or_else(|| panic!("no field {number} of {path:?}"))
                .1
        })
    }

    /// Returns bytes with the size fields of a PNG header, the only part that the writer reads.
    fn png_of_100_by_200() -> Vec<u8> {
        let mut png = vec![0x89; 20_000];
        png[16..24].copy_from_slice(&[0, 0, 0, 100, 0, 0, 0, 200]);
        png
    }

    fn write_all_kinds(path: &Path) {
        let mut writer = EventWriter::create(path, 1.5).unwrap();
        writer.scalar(2.5, 300, "loss/train", 0.25).unwrap();
        let png = png_of_100_by_200();
        writer
            .image_png(3.5, u64::from(u32::MAX) + 1, "picture", &png)
            .unwrap();
        writer.text(4.5, 0, "config", "*größe*").unwrap();
        writer.session_start(5.5, 128).unwrap();
        writer.flush().unwrap();
    }

    #[test]
    fn records_are_framed_and_contain_the_fields_of_event_proto() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.out.tfevents.1");
        write_all_kinds(&path);
        let records = records(&std::fs::read(path).unwrap());
        let wall_times = records.iter().map(|event| at(event, &[1]));
        let expected = [1.5f64, 2.5, 3.5, 4.5, 5.5].map(|seconds| seconds.to_le_bytes().to_vec());
        assert_eq!(wall_times.collect::<Vec<_>>(), expected);
        let steps = records.iter().map(|event| at(event, &[2]));
        let expected = [0, 300, 1 << 32, 0, 128].map(|step: u64| step.to_le_bytes().to_vec());
        assert_eq!(steps.collect::<Vec<_>>(), expected);

        assert_eq!(at(&records[0], &[3]), b"brain.Event:2");
        assert_eq!(at(&records[1], &[5, 1, 1]), b"loss/train");
        assert_eq!(at(&records[1], &[5, 1, 2]), 0.25f32.to_le_bytes());
        assert_eq!(at(&records[2], &[5, 1, 4, 1]), 200u64.to_le_bytes());
        assert_eq!(at(&records[2], &[5, 1, 4, 2]), 100u64.to_le_bytes());
        assert_eq!(at(&records[2], &[5, 1, 4, 4]), png_of_100_by_200());
        assert_eq!(at(&records[3], &[5, 1, 9, 1, 1]), b"text");
        assert_eq!(at(&records[3], &[5, 1, 8, 8]), "*größe*".as_bytes());
        assert_eq!(at(&records[4], &[7, 1]), 1u64.to_le_bytes());
    }

    #[test]
    fn a_scalar_has_the_bytes_that_tensorboard_writes() {
        // tensorboard 2.21.0: event = event_pb2.Event(wall_time=2.5, step=300);
        // event.summary.value.add(tag="loss/train", simple_value=0.25);
        // RecordWriter(file).write(event.SerializeToString())
        let expected = b"!\0\0\0\0\0\0\0\x01{\xec\xf6\t\0\0\0\0\0\0\x04@\x10\xac\x02*\x13\n\x11\n\
                         \nloss/train\x15\0\0\x80>U\xc4_\x02";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.out.tfevents.1");
        let mut writer = EventWriter::create(&path, 1.5).unwrap();
        writer.scalar(2.5, 300, "loss/train", 0.25).unwrap();
        drop(writer);
        assert!(std::fs::read(path).unwrap().ends_with(expected));
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.out.tfevents.1");
        std::fs::write(&path, b"kept").unwrap();
        assert!(matches!(
            EventWriter::create(&path, 0.0),
            Err(Error::Io { .. })
        ));
        assert_eq!(std::fs::read(&path).unwrap(), b"kept");
    }
}
