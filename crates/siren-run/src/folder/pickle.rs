//! Reader of the pickles in PyTorch's files: the values of which state dicts consist, and nothing else.
//!
//! A pickle is a program for a stack machine that may call any function. This reader calls none: it knows what the calls in a state dict mean, and
//! keeps every other one as an opaque value. Values lie in one list and refer to one another by index, so that neither deep nesting nor
//! repeated references take more memory than the file.

use std::collections::HashMap;

use candle_core::DType;

/// A value, which refers to others by their index.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Int(i64),
    Text(String),
    /// A name that a program would import: module and name, separated by a dot.
    Global(String),
    Sequence(Vec<usize>),
    Dict(Vec<(usize, usize)>),
    Storage(Storage),
    Tensor(StoredTensor),
    Mark,
    Opaque,
}

/// Elements in another file of the archive.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storage {
    /// Name of the file.
    pub(super) key: String,
    /// Type of the elements.
    pub(super) dtype: DType,
}

/// A tensor: a view of a storage. Offset and strides are in elements.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StoredTensor {
    pub(super) storage: Storage,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// The machine that a pickle drives.
#[derive(Default)]
struct Machine<'a> {
    rest: &'a [u8],
    values: Vec<Value>,
    stack: Vec<usize>,
    memo: HashMap<u32, usize>,
}

/// Returns the tensors of a state dict, bare, or under the key `model` or `state_dict`. Returns `None` if the pickle is malformed or holds
/// something else.
pub(super) fn state_dict(bytes: &[u8]) -> Option<Vec<(String, StoredTensor)>> {
    let mut machine = Machine {
        rest: bytes,
        ..Machine::default()
    };
    while machine.step()? {}
    let root = machine.pop()?;
    let keys = [None, Some("model"), Some("state_dict")];
    let dicts = keys.into_iter().filter_map(|key| match key {
        None => Some(root),
        Some(key) => machine.entry(root, key),
    });
    let mut all = dicts.map(|dict| machine.tensors(dict));
    all.find(|tensors| !tensors.is_empty())
}

impl Machine<'_> {
    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// Returns a little-endian number of up to eight bytes.
    fn number(&mut self, bytes: usize) -> Option<u64> {
        let taken = self.take(bytes)?;
        let mut all = [0; 8];
        all.get_mut(..bytes)?.copy_from_slice(taken);
        Some(u64::from_le_bytes(all))
    }

    fn line(&mut self) -> Option<String> {
        let end = self.rest.iter().position(|&byte| byte == b'\n')?;
        let line = self.take(end + 1)?;
        let text = std::str::from_utf8(line).ok()?;
        Some(text.trim_end().to_owned())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Option<usize> {
        self.stack.pop()
    }

    /// Returns the values above the last mark, and removes them and the mark.
    fn pop_to_mark(&mut self) -> Option<Vec<usize>> {
        let is_mark = |&index: &usize| self.values[index] == Value::Mark;
        let mark = self.stack.iter().rposition(is_mark)?;
        let above = self.stack.split_off(mark + 1);
        self.stack.pop();
        Some(above)
    }

    fn push_sequence(&mut self, count: usize) -> Option<()> {
        let start = self.stack.len().checked_sub(count)?;
        let items = self.stack.split_off(start);
        self.push(Value::Sequence(items));
        Some(())
    }

    /// Carries out one instruction. Returns whether more follow.
    fn step(&mut self) -> Option<bool> {
        let code = self.number(1)? as u8;
        match code {
            0x80 => drop(self.number(1)?),
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Value::Global(format!("{module}.{name}")));
            }
            b'K' => self.push_int(1)?,
            b'M' => self.push_int(2)?,
            b'J' => {
                let number = self.number(4)? as u32;
                self.push(Value::Int(i64::from(number.cast_signed())));
            }
            0x8a => {
                let bytes = self.number(1)? as usize;
                // Little endian, with the sign in the highest bit.
                let unused = 64_usize.checked_sub(8 * bytes)?;
                let number = self.number(bytes)?;
                let number = if unused == 64 {
                    0
                } else {
                    (number << unused).cast_signed() >> unused
                };
                self.push(Value::Int(number));
            }
            b'X' => {
                let len = self.number(4)? as usize;
                let text = std::str::from_utf8(self.take(len)?).ok()?.to_owned();
                self.push(Value::Text(text));
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Opaque);
            }
            b'N' | 0x88 | 0x89 => self.push(Value::Opaque),
            b'(' => self.push(Value::Mark),
            b'.' => return Some(false),
            _ => self.combine(code)?,
        }
        Some(true)
    }

    fn push_int(&mut self, bytes: usize) -> Option<()> {
        let number = self.number(bytes)?;
        self.push(Value::Int(number.cast_signed()));
        Some(())
    }

    /// Carries out an instruction that combines values on the stack, or remembers them.
    fn combine(&mut self, code: u8) -> Option<()> {
        match code {
            b')' | b']' => self.push_sequence(0)?,
            0x85 => self.push_sequence(1)?,
            0x86 => self.push_sequence(2)?,
            0x87 => self.push_sequence(3)?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Sequence(items));
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            b'd' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Dict(pairs(&items)?));
            }
            b's' => {
                let start = self.stack.len().checked_sub(2)?;
                let items = self.stack.split_off(start);
                self.extend(&items)?;
            }
            b'u' | b'e' => {
                let items = self.pop_to_mark()?;
                self.extend(&items)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(&[item])?;
            }
            // Attributes of an object, such as the versions of modules.
            b'b' => drop(self.pop()?),
            b'R' | 0x81 => self.call()?,
            b'Q' => self.load()?,
            b'q' | b'r' => {
                let name = self.number(if code == b'q' { 1 } else { 4 })?;
                self.memo.insert(name as u32, *self.stack.last()?);
            }
            b'h' | b'j' => {
                let name = self.number(if code == b'h' { 1 } else { 4 })?;
                self.stack.push(*self.memo.get(&(name as u32))?);
            }
            _ => return None,
        }
        Some(())
    }

    /// Adds items to the list or dict on top of the stack. Those of an opaque value are dropped.
    fn extend(&mut self, items: &[usize]) -> Option<()> {
        match &mut self.values[*self.stack.last()?] {
            Value::Sequence(own) => own.extend(items),
            Value::Dict(own) => own.extend(pairs(items)?),
            _ => {}
        }
        Some(())
    }

    /// Replaces a callable and its arguments by what the call would return.
    fn call(&mut self) -> Option<()> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let name = match &self.values[callable] {
            Value::Global(name) => name.as_str(),
            _ => "",
        };
        let result = match name {
            "collections.OrderedDict" => Value::Dict(Vec::new()),
            "torch._utils._rebuild_tensor_v2" => match self.tensor(arguments) {
                Some(tensor) => Value::Tensor(tensor),
                None => Value::Opaque,
            },
            "torch._utils._rebuild_parameter" => match self.item(arguments, 0) {
                Some(tensor) => self.values[tensor].clone(),
                None => Value::Opaque,
            },
            _ => Value::Opaque,
        };
        self.push(result);
        Some(())
    }

    /// Replaces the description `("storage", type, key, location, size)` by the storage.
    fn load(&mut self) -> Option<()> {
        let description = self.pop()?;
        let storage = self.storage(description);
        self.push(storage.map_or(Value::Opaque, Value::Storage));
        Some(())
    }

    fn storage(&self, description: usize) -> Option<Storage> {
        let Value::Global(kind) = &self.values[self.item(description, 1)?] else {
            return None;
        };
        let Value::Text(key) = &self.values[self.item(description, 2)?] else {
            return None;
        };
        let dtype = match kind.as_str() {
            "torch.FloatStorage" => DType::F32,
            "torch.DoubleStorage" => DType::F64,
            "torch.HalfStorage" => DType::F16,
            "torch.BFloat16Storage" => DType::BF16,
            "torch.ByteStorage" => DType::U8,
            "torch.LongStorage" => DType::I64,
            _ => return None,
        };
        Some(Storage {
            key: key.clone(),
            dtype,
        })
    }

    /// Returns the tensor of the arguments `(storage, offset, shape, strides, …)`.
    fn tensor(&self, arguments: usize) -> Option<StoredTensor> {
        let Value::Storage(storage) = &self.values[self.item(arguments, 0)?] else {
            return None;
        };
        let sizes = |index| {
            let Value::Sequence(sizes) = &self.values[self.item(arguments, index)?] else {
                return None;
            };
            sizes
                .iter()
                .map(|&size| self.size(size))
                .collect::<Option<Vec<usize>>>()
        };
        Some(StoredTensor {
            storage: storage.clone(),
            offset: self.size(self.item(arguments, 1)?)?,
            shape: sizes(2)?,
            strides: sizes(3)?,
        })
    }

    fn size(&self, index: usize) -> Option<usize> {
        match self.values[index] {
            Value::Int(number) => usize::try_from(number).ok(),
            _ => None,
        }
    }

    fn item(&self, sequence: usize, index: usize) -> Option<usize> {
        match &self.values[sequence] {
            Value::Sequence(items) => items.get(index).copied(),
            _ => None,
        }
    }

    fn entry(&self, dict: usize, key: &str) -> Option<usize> {
        let Value::Dict(entries) = &self.values[dict] else {
            return None;
        };
        let is_key = |one: usize| matches!(&self.values[one], Value::Text(text) if text == key);
        let found = entries.iter().find(|(one, _)| is_key(*one));
        found.map(|(_, value)| *value)
    }

    fn tensors(&self, dict: usize) -> Vec<(String, StoredTensor)> {
        let Value::Dict(entries) = &self.values[dict] else {
            return Vec::new();
        };
        let tensor =
            |(key, value): &(usize, usize)| match (&self.values[*key], &self.values[*value]) {
                (Value::Text(name), Value::Tensor(tensor)) => Some((name.clone(), tensor.clone())),
                _ => None,
            };
        entries.iter().filter_map(tensor).collect()
    }
}

/// Returns keys with their values; `None` for an odd number.
fn pairs(items: &[usize]) -> Option<Vec<(usize, usize)>> {
    let (pairs, rest) = items.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[key, value]| (*key, *value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_not_carried_out_and_deep_or_repeated_values_take_no_memory() {
        let file = std::env::temp_dir().join("siren-pickle-was-executed");
        let call = format!("\u{0}touch {}", file.display());
        let mut system = b"\x80\x02cos\nsystem\n(X".to_vec();
        system.push(call.len() as u8 - 1);
        system.extend([0; 3]);
        system.extend(&call.as_bytes()[1..]);
        system.extend(b"tR.");
        assert_eq!(state_dict(&system), None);
        assert!(!file.exists());
        let deep = [b"\x80\x02N".as_slice(), &vec![0x85; 1_000_000], b"."].concat();
        assert_eq!(state_dict(&deep), None);
        // Each round doubles a value that is copied.
        let double = [
            b"\x80\x02)q\0".as_slice(),
            &b"h\0h\0\x86q\0".repeat(60),
            b".",
        ]
        .concat();
        assert_eq!(state_dict(&double), None);
        for malformed in [
            b"".as_slice(),
            b".",
            b"\x80\x02X\xff\xff\xff\xff",
            b"\x8a\xff",
            b"R.",
            b"ctorch._utils\n_rebuild_tensor_v2\n)R.",
            b"}(Nu.",
            b"h\x05.",
            b"t.",
        ] {
            assert_eq!(state_dict(malformed), None, "{malformed:?}");
        }
    }
}
