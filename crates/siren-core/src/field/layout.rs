//! Where each named parameter lives in the one flat tensor.

use std::ops::Range;

use candle_core::Tensor;

use crate::error::{Error, Result};

/// One named parameter: a row-major view of the flat tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name in the authors' checkpoints, such as `net.net.0.0.weight`.
    pub name: String,
    /// Weights are `(out, in)`.
    pub shape: Vec<usize>,
    /// Elements of the flat tensor.
    pub range: Range<usize>,
}

/// The ordered parameters of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    entries: Vec<Entry>,
}

impl Layout {
    /// Appends a parameter and returns where it starts.
    pub fn push(&mut self, name: impl Into<String>, shape: &[usize]) -> Range<usize> {
        let start = self.len();
        let range = start..start + shape.iter().product::<usize>();
        self.entries.push(Entry {
            name: name.into(),
            shape: shape.to_vec(),
            range: range.clone(),
        });
        range
    }

    /// All parameters in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Elements of the flat tensor.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.last().map_or(0, |entry| entry.range.end)
    }

    /// Whether there is no parameter at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Named views of a flat tensor `(P,)`.
    ///
    /// # Errors
    /// If the length is not that of the layout.
    pub fn split(&self, flat: &Tensor) -> Result<Vec<(String, Tensor)>> {
        if flat.dims() != [self.len()] {
            return Err(Error::Shape {
                what: "parameters",
                expected: format!("[{}]", self.len()),
                got: format!("{:?}", flat.dims()),
            });
        }
        self.entries
            .iter()
            .map(|entry| {
                let view = flat.narrow(0, entry.range.start, entry.range.len())?;
                Ok((entry.name.clone(), view.reshape(entry.shape.as_slice())?))
            })
            .collect()
    }

    /// The inverse of [`split`](Self::split): looks every name up and checks its shape.
    ///
    /// # Errors
    /// A sentence that names the first missing or misshapen parameter.
    pub fn join(&self, find: impl Fn(&str) -> Option<Tensor>) -> Result<Tensor> {
        let mut parts = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let found = find(&entry.name);
            let got = match &found {
                None => "no tensor of that name".to_owned(),
                Some(tensor) => format!("{:?}", tensor.dims()),
            };
            match found {
                Some(tensor) if tensor.dims() == entry.shape => parts.push(tensor.flatten_all()?),
                _ => {
                    return Err(Error::Shape {
                        what: "parameters",
                        expected: format!("`{}` of shape {:?}", entry.name, entry.shape),
                        got,
                    });
                }
            }
        }
        Ok(Tensor::cat(&parts, 0)?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    #[test]
    fn only_a_flat_tensor_of_the_layouts_length_is_split() {
        let mut layout = Layout::default();
        layout.push("weight", &[2, 3]);
        let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        assert_eq!(layout.split(&zeros(&[6])).unwrap()[0].1.dims(), [2, 3]);
        for shape in [&[7][..], &[5], &[6, 1]] {
            assert!(layout.split(&zeros(shape)).is_err(), "{shape:?}");
        }
    }
}
