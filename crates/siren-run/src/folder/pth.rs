//! PyTorch's files of weights (`.pth`, `.pt`): a ZIP archive without compression of a pickle and the elements of its tensors.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use candle_core::{Device, Tensor};
use zip::ZipArchive;

use super::pickle::{StoredTensor, state_dict};

/// Longest pickle, in bytes. It holds names and shapes alone: about 150 bytes for each tensor.
const MAX_PICKLE: u64 = 4 << 20;
/// Name of the pickle in its folder of the archive.
const PICKLE: &str = "data.pkl";

/// Returns the tensors of a state dict by name. The error is a sentence.
///
/// A tensor that claims more elements than the file holds is refused before memory is taken for it.
pub(super) fn read(path: &Path) -> Result<HashMap<String, Tensor>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let archive = ZipArchive::new(BufReader::new(file));
    let mut archive = archive.map_err(|error| format!("no PyTorch file: {error}"))?;
    let names = archive.file_names().filter_map(Result::ok);
    let pickle = names
        .map(std::borrow::Cow::into_owned)
        .find(|name| name.ends_with(PICKLE));
    let pickle = pickle.ok_or("no PyTorch state dict found in it")?;
    let bytes = entry(&mut archive, &pickle, MAX_PICKLE)?;
    let tensors = state_dict(&bytes).ok_or("no PyTorch state dict found in it")?;
    let folder = format!("{}data/", pickle.trim_end_matches(PICKLE));
    let mut storages: HashMap<String, Vec<u8>> = HashMap::new();
    let mut all = HashMap::new();
    for (name, tensor) in tensors {
        let key = &tensor.storage.key;
        if !storages.contains_key(key) {
            let bytes = entry(&mut archive, &format!("{folder}{key}"), u64::MAX)?;
            storages.insert(key.clone(), bytes);
        }
        let tensor =
            elements(&tensor, &storages[key]).map_err(|cause| format!("`{name}` {cause}"))?;
        all.insert(name, tensor);
    }
    Ok(all)
}

/// Reads a file of the archive, which has at most `longest` bytes.
fn entry(
    archive: &mut ZipArchive<BufReader<File>>,
    name: &str,
    longest: u64,
) -> Result<Vec<u8>, String> {
    let fail = |cause: String| format!("`{name}` in it cannot be read: {cause}");
    let file = archive
        .by_name(name)
        .map_err(|error| fail(error.to_string()))?;
    let mut bytes = Vec::new();
    // The archive's own length of the file is a claim.
    let read = file.take(longest.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| fail(error.to_string()))?;
    if bytes.len() as u64 > longest {
        return Err(fail(format!("it is longer than {longest} bytes")));
    }
    Ok(bytes)
}

/// Copies the elements of a tensor from its storage.
fn elements(tensor: &StoredTensor, storage: &[u8]) -> Result<Tensor, String> {
    let StoredTensor {
        storage: of,
        offset,
        shape,
        strides,
    } = tensor;
    let width = of.dtype.size_in_bytes();
    let held = storage.len() / width;
    let outside = || {
        format!(
            "has the shape {shape:?}, but its storage holds {held} elements: the file is damaged"
        )
    };
    let count = shape
        .iter()
        .try_fold(1_usize, |count, &side| count.checked_mul(side));
    let count = count.filter(|&count| count <= held && shape.len() == strides.len());
    let count = count.ok_or_else(outside)?;
    let mut bytes = Vec::with_capacity(count * width);
    for index in 0..count {
        let mut rest = index;
        let mut place = Some(*offset);
        for (&side, &stride) in shape.iter().zip(strides).rev() {
            let step = stride.checked_mul(rest % side);
            place = place
                .zip(step)
                .and_then(|(place, step)| place.checked_add(step));
            rest /= side;
        }
        let start = place.filter(|&place| place < held).ok_or_else(outside)? * width;
        bytes.extend_from_slice(&storage[start..start + width]);
    }
    let made = Tensor::from_raw_buffer(&bytes, of.dtype, shape, &Device::Cpu);
    made.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::super::pickle::Storage;
    use super::*;

    fn stored(offset: usize, shape: &[usize], strides: &[usize]) -> StoredTensor {
        StoredTensor {
            storage: Storage {
                key: "0".to_owned(),
                dtype: DType::F32,
            },
            offset,
            shape: shape.to_vec(),
            strides: strides.to_vec(),
        }
    }

    #[test]
    fn a_view_is_copied_by_its_strides_and_one_beyond_its_storage_is_refused() {
        let storage: Vec<u8> = (0..6_u8).flat_map(|y| f32::from(y).to_le_bytes()).collect();
        let values = |tensor: &StoredTensor| {
            let tensor = elements(tensor, &storage)?;
            assert_eq!(tensor.dtype(), DType::F32);
            let flat = tensor.flatten_all().unwrap();
            Ok::<_, String>(flat.to_vec1::<f32>().unwrap())
        };
        let rows = values(&stored(0, &[2, 3], &[3, 1])).unwrap();
        assert_eq!(rows, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let transposed = values(&stored(0, &[3, 2], &[1, 3])).unwrap();
        assert_eq!(transposed, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(values(&stored(5, &[], &[])).unwrap(), [5.0]);
        for tensor in [
            stored(0, &[1_000_000_000, 1_000_000_000], &[0, 0]),
            stored(0, &[usize::MAX, 2], &[0, 0]),
            stored(0, &[7], &[0]),
            stored(1, &[6], &[1]),
            stored(usize::MAX, &[2], &[1]),
            stored(0, &[2], &[usize::MAX]),
            stored(0, &[2], &[]),
        ] {
            let error = values(&tensor).unwrap_err();
            assert!(error.contains("its storage holds 6"), "{tensor:?} {error}");
        }
    }
}
