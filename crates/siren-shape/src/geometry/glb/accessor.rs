//! Arrays of numbers in the embedded buffer of a glTF file.
//!
//! The library's iterators panic on some files whose accessors and buffers do not fit together, so that every range is checked here.

use gltf::Accessor;
use gltf::accessor::{DataType, Dimensions};
use gltf::buffer::Source;

use super::super::Vector;

/// Reads vectors of three 32-bit floats. The error is a message.
pub(super) fn read_vectors(accessor: &Accessor<'_>, blob: &[u8]) -> Result<Vec<Vector>, String> {
    if accessor.dimensions() != Dimensions::Vec3 || accessor.data_type() != DataType::F32 {
        return Err(format!(
            "has positions or normals of the type {:?} {:?}, expected vectors of 3 float32: export the file without quantization",
            accessor.dimensions(),
            accessor.data_type()
        ));
    }
    let elements = AccessorElements::of(accessor, blob)?;
    let vectors = elements.map(|bytes| {
        [0, 4, 8].map(|at| {
            let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk);
            bytes.map_or(0.0, |&bytes| f64::from(f32::from_le_bytes(bytes)))
        })
    });
    Ok(vectors.collect())
}

/// Reads indices of 8, 16 or 32 bits. The error is a message.
pub(super) fn read_indices(accessor: &Accessor<'_>, blob: &[u8]) -> Result<Vec<u32>, String> {
    let is_integer = matches!(
        accessor.data_type(),
        DataType::U8 | DataType::U16 | DataType::U32
    );
    if accessor.dimensions() != Dimensions::Scalar || !is_integer {
        return Err(format!(
            "has indices of the type {:?} {:?}, expected unsigned integers",
            accessor.dimensions(),
            accessor.data_type()
        ));
    }
    let indices = AccessorElements::of(accessor, blob)?.map(|bytes| {
        let mut extended = [0; 4];
        for (byte, &stored) in extended.iter_mut().zip(bytes) {
            *byte = stored;
        }
        u32::from_le_bytes(extended)
    });
    Ok(indices.collect())
}

/// The bytes of each element of an accessor.
struct AccessorElements<'a> {
    bytes: &'a [u8],
    /// Bytes of an element.
    size: usize,
    /// Bytes from the start of an element to the start of the next one.
    stride: usize,
    count: usize,
    index: usize,
}

impl<'a> AccessorElements<'a> {
    fn of(accessor: &Accessor<'_>, blob: &'a [u8]) -> Result<Self, String> {
        let Some(view) = accessor.view().filter(|_| accessor.sparse().is_none()) else {
            return Err(
                "has sparse or compressed data, expected plain buffers: export the file without compression"
                    .to_owned(),
            );
        };
        if !matches!(view.buffer().source(), Source::Bin) {
            return Err(
                "has data in another file or as text, expected the embedded buffer of the .glb: export the file as a single .glb".to_owned(),
            );
        }
        let size = accessor.size();
        let stride = view.stride().unwrap_or(size);
        let range = || {
            let end = view.offset().checked_add(view.length())?;
            let bytes = blob.get(view.offset()..end)?.get(accessor.offset()..)?;
            let last = accessor.count().checked_sub(1);
            let needed = match last {
                Some(last) => stride.checked_mul(last)?.checked_add(size)?,
                None => 0,
            };
            (stride >= size).then_some(())?;
            bytes.get(..needed)
        };
        let bytes = range().ok_or_else(|| {
            format!(
                "accessor {} reaches beyond the embedded buffer: the file is damaged or cut short",
                accessor.index()
            )
        })?;
        Ok(Self {
            bytes,
            size,
            stride,
            count: accessor.count(),
            index: 0,
        })
    }
}

impl<'a> Iterator for AccessorElements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        if self.index == self.count {
            return None;
        }
        let start = self.index * self.stride;
        self.index += 1;
        self.bytes.get(start..start + self.size)
    }
}
