//! Names, shapes, roles and ranges of parameters in one flat tensor.

use std::ops::Range;

use candle_core::Tensor;

use crate::error::{Error, Result};

/// Role of a parameter tensor in its network. An optimizer may treat parameters by their role: Muon updates hidden weights only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weight matrix `(out, in)` between the first and the last layer.
    HiddenWeight,
    /// Weight matrix of the first or the last layer.
    OuterWeight,
    /// Bias vector.
    Bias,
    /// Learned factor of ω₀.
    Frequency,
    /// Parameter of an encoding: centers and widths of radial basis functions, latent codes.
    Encoding,
    /// Unknown coefficient of an equation, learned with the field.
    Coefficient,
}

/// One named parameter: a row-major view of the flat tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name in the authors' checkpoints, such as `net.net.0.0.weight`.
    pub name: String,
    /// Shape; weights are `(out, in)`.
    pub shape: Vec<usize>,
    /// Range of its elements in the flat tensor.
    pub range: Range<usize>,
    /// Role in the network.
    pub role: Role,
}

/// Prefix of the entry names of unknown coefficients.
pub(crate) const COEFFICIENT_PREFIX: &str = "coefficient.";

/// Returns the entry name of an unknown coefficient.
pub(crate) fn coefficient_entry(name: &str) -> String {
    format!("{COEFFICIENT_PREFIX}{name}")
}

/// Makes the error of a coefficient that a field does not have; `found` are the names of those that it has.
pub(crate) fn missing_coefficient<'a>(
    name: &str,
    found: impl IntoIterator<Item = &'a str>,
) -> Error {
    Error::missing(
        "coefficient made by `Siren::with_coefficients`",
        name,
        found,
    )
}

impl Entry {
    /// Returns the matrices of which this parameter consists: itself, or those of the tiles of a mosaic, each with a name of its own.
    pub(crate) fn matrices(&self) -> Vec<Self> {
        let &[count, rows, columns] = self.shape.as_slice() else {
            return vec![self.clone()];
        };
        let matrix = |index: usize| {
            let start = self.range.start + index * rows * columns;
            Self {
                name: format!("{}.{index}", self.name),
                shape: vec![rows, columns],
                range: start..start + rows * columns,
                role: self.role,
            }
        };
        (0..count).map(matrix).collect()
    }

    /// Returns the name that the user gave an unknown coefficient; the name of any other entry.
    pub(crate) fn short_name(&self) -> &str {
        self.name
            .strip_prefix(COEFFICIENT_PREFIX)
            .unwrap_or(&self.name)
    }
}

/// Ordered parameters of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    entries: Vec<Entry>,
}

impl Layout {
    /// Appends a parameter and returns its range.
    pub fn push(&mut self, name: impl Into<String>, shape: &[usize], role: Role) -> Range<usize> {
        let start = self.len();
        let range = start..start + shape.iter().product::<usize>();
        self.entries.push(Entry {
            name: name.into(),
            shape: shape.to_vec(),
            range: range.clone(),
            role,
        });
        range
    }

    /// Returns the parameters of `count` networks of this layout: each entry with one more axis `(count, …)` in front.
    #[must_use]
    pub fn stacked(&self, count: usize) -> Self {
        let mut stacked = Self::default();
        for entry in &self.entries {
            let shape = [&[count], entry.shape.as_slice()].concat();
            stacked.push(entry.name.clone(), &shape, entry.role);
        }
        stacked
    }

    /// Returns the parameters of one role, in order.
    pub fn of_role(&self, role: Role) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.role == role)
    }

    /// Returns the parameter of that name, if there is one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Returns all parameters in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the number of elements of the flat tensor, `P`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.last().map_or(0, |entry| entry.range.end)
    }

    /// Returns whether there are no parameters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Splits a flat tensor `(P,)` into named views of it.
    ///
    /// # Errors
    /// [`Error::Shape`] if the length is not that of the layout.
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

    /// Joins named tensors into a flat one `(P,)`, the inverse of [`split`](Self::split).
    ///
    /// # Errors
    /// [`Error::Missing`] with the name of the first parameter that `find` does not have; [`Error::Shape`] if one has another shape.
    pub fn join(&self, find: impl Fn(&str) -> Option<Tensor>) -> Result<Tensor> {
        let mut parts = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let Some(tensor) = find(&entry.name) else {
                return Err(Error::Missing {
                    what: "parameter tensor",
                    name: entry.name.clone(),
                    found: format!("other tensors (expected shape {:?})", entry.shape),
                });
            };
            if tensor.dims() != entry.shape {
                return Err(Error::Shape {
                    what: "parameters",
                    expected: format!("`{}` of shape {:?}", entry.name, entry.shape),
                    got: format!("{:?}", tensor.dims()),
                });
            }
            parts.push(tensor.flatten_all()?);
        }
        Ok(Tensor::cat(&parts, 0)?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    #[test]
    fn a_flat_tensor_of_another_length_than_the_layout_is_refused() {
        let mut layout = Layout::default();
        layout.push("weight", &[2, 3], Role::OuterWeight);
        let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        assert_eq!(layout.split(&zeros(&[6])).unwrap()[0].1.dims(), [2, 3]);
        for shape in [&[7][..], &[5], &[6, 1]] {
            assert!(layout.split(&zeros(shape)).is_err(), "{shape:?}");
        }
    }
}
