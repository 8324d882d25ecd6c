//! Small messages among ranks.

use crate::error::{Error, Result};

/// A message in the making: numbers and texts, read back in the same order.
#[derive(Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// Appends a count.
    pub(crate) fn count(&mut self, count: usize) {
        self.0.extend((count as u64).to_le_bytes());
    }

    /// Appends a number, bit for bit.
    pub(crate) fn number(&mut self, number: f64) {
        self.0.extend(number.to_le_bytes());
    }

    /// Appends a text.
    pub(crate) fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.extend(text.as_bytes());
    }

    /// Returns the bytes.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a [`Message`] of another rank.
pub(crate) struct MessageReader<'a>(&'a [u8]);

impl<'a> MessageReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let Some((own, rest)) = self.0.split_at_checked(len) else {
            return Err(Error::Shape {
                what: "message of a rank",
                expected: format!("{len} more bytes"),
                got: self.0.len().to_string(),
            });
        };
        self.0 = rest;
        Ok(own)
    }

    fn word(&mut self) -> Result<[u8; 8]> {
        let mut word = [0; 8];
        word.copy_from_slice(self.take(8)?);
        Ok(word)
    }

    pub(crate) fn count(&mut self) -> Result<usize> {
        Ok(u64::from_le_bytes(self.word()?) as usize)
    }

    pub(crate) fn number(&mut self) -> Result<f64> {
        Ok(f64::from_le_bytes(self.word()?))
    }

    pub(crate) fn text(&mut self) -> Result<String> {
        let len = self.count()?;
        Ok(String::from_utf8_lossy(self.take(len)?).into_owned())
    }
}
