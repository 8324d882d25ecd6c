//! A file system in memory that knows what a power cut may lose.
//!
//! Until a file is synced, each of its writes may be lost, torn, or leave zeros; until a folder is synced, each file that was created, renamed or
//! removed in it may still be as before. This is what POSIX permits; the file systems in use lose less.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};

use crate::random::Choices;

/// Number of the root folder.
pub const ROOT: u64 = 1;

/// A change of a file's contents.
#[derive(Clone, Debug)]
enum Edit {
    Write { offset: usize, bytes: Vec<u8> },
    Resize(usize),
}

/// A file or a folder.
#[derive(Clone, Debug)]
pub enum Node {
    /// Contents as programs see them, contents on the disk, and the edits between the two.
    File(Box<FileNode>),
    /// Entries by name.
    Folder {
        /// As programs see them.
        entries: BTreeMap<OsString, u64>,
        /// As they are on the disk.
        durable: BTreeMap<OsString, u64>,
    },
}

#[derive(Clone, Debug, Default)]
pub struct FileNode {
    pub data: Vec<u8>,
    durable: Vec<u8>,
    edits: Vec<Edit>,
}

/// A change of the entries of one or two folders that is not synced yet.
#[derive(Clone, Debug)]
struct EntryChange {
    removed: Option<(u64, OsString)>,
    added: Option<(u64, OsString, u64)>,
}

impl EntryChange {
    fn concerns(&self, folder: u64) -> bool {
        self.removed.as_ref().is_some_and(|(own, _)| *own == folder)
            || self.added.as_ref().is_some_and(|(own, ..)| *own == folder)
    }
}

/// How much of what was not synced is lost in a power cut.
#[derive(Clone, Copy, Debug)]
struct Losses {
    entries: f64,
    edits: f64,
}

/// The file system.
#[derive(Clone, Debug)]
pub struct Model {
    nodes: HashMap<u64, Node>,
    next: u64,
    changes: Vec<EntryChange>,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            nodes: HashMap::from([(ROOT, Node::empty_folder())]),
            next: ROOT + 1,
            changes: Vec::new(),
        }
    }
}

impl Node {
    fn empty_folder() -> Self {
        Self::Folder {
            entries: BTreeMap::new(),
            durable: BTreeMap::new(),
        }
    }
}

impl Edit {
    fn apply(&self, data: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                if data.len() < offset + bytes.len() {
                    data.resize(offset + bytes.len(), 0);
                }
                data[*offset..offset + bytes.len()].copy_from_slice(bytes);
            }
            Self::Resize(size) => data.resize(*size, 0),
        }
    }

    /// Returns what reaches the disk of an edit that is torn: a part of the bytes, or zeros in their place.
    fn torn(&self, choices: &mut Choices) -> Self {
        match self {
            Self::Write { offset, bytes } if choices.one_in(2) => Self::Write {
                offset: *offset,
                bytes: bytes[..choices.below(bytes.len() + 1)].to_vec(),
            },
            Self::Write { offset, bytes } => Self::Write {
                offset: *offset,
                bytes: vec![0; bytes.len()],
            },
            Self::Resize(size) => Self::Resize(*size),
        }
    }
}

impl Model {
    /// Returns a node by its number.
    #[must_use]
    pub fn node(&self, number: u64) -> Option<&Node> {
        self.nodes.get(&number)
    }

    /// Returns the number of an entry of a folder.
    #[must_use]
    pub fn find(&self, folder: u64, name: &OsStr) -> Option<u64> {
        self.entries(folder)?.get(name).copied()
    }

    /// Returns the entries of a folder as programs see them.
    #[must_use]
    pub fn entries(&self, folder: u64) -> Option<&BTreeMap<OsString, u64>> {
        match self.nodes.get(&folder)? {
            Node::Folder { entries, .. } => Some(entries),
            Node::File(_) => None,
        }
    }

    fn entries_mut(&mut self, folder: u64) -> Option<&mut BTreeMap<OsString, u64>> {
        match self.nodes.get_mut(&folder)? {
            Node::Folder { entries, .. } => Some(entries),
            Node::File(_) => None,
        }
    }

    fn file_mut(&mut self, number: u64) -> Option<&mut FileNode> {
        match self.nodes.get_mut(&number)? {
            Node::File(file) => Some(file),
            Node::Folder { .. } => None,
        }
    }

    /// Creates an empty folder, and returns its number.
    pub fn make_folder(&mut self, folder: u64, name: &OsStr) -> Option<u64> {
        self.add(folder, name, Node::empty_folder())
    }

    /// Creates an empty file, and returns its number.
    pub fn make_file(&mut self, folder: u64, name: &OsStr) -> Option<u64> {
        self.add(folder, name, Node::File(Box::default()))
    }

    fn add(&mut self, folder: u64, name: &OsStr, node: Node) -> Option<u64> {
        let number = self.next;
        self.entries_mut(folder)?.insert(name.to_owned(), number);
        self.next += 1;
        self.nodes.insert(number, node);
        self.changes.push(EntryChange {
            removed: None,
            added: Some((folder, name.to_owned(), number)),
        });
        Some(number)
    }

    /// Removes an entry.
    pub fn remove(&mut self, folder: u64, name: &OsStr) -> Option<u64> {
        let number = self.entries_mut(folder)?.remove(name)?;
        self.changes.push(EntryChange {
            removed: Some((folder, name.to_owned())),
            added: None,
        });
        Some(number)
    }

    /// Renames an entry, and replaces the one that has the new name.
    pub fn rename(&mut self, from: (u64, &OsStr), to: (u64, &OsStr)) -> Option<u64> {
        self.entries(to.0)?;
        let number = self.entries_mut(from.0)?.remove(from.1)?;
        self.entries_mut(to.0)?.insert(to.1.to_owned(), number);
        self.changes.push(EntryChange {
            removed: Some((from.0, from.1.to_owned())),
            added: Some((to.0, to.1.to_owned(), number)),
        });
        Some(number)
    }

    /// Writes to a file.
    pub fn write(&mut self, number: u64, offset: usize, bytes: &[u8]) -> Option<()> {
        self.edit(
            number,
            Edit::Write {
                offset,
                bytes: bytes.to_vec(),
            },
        )
    }

    /// Truncates or extends a file.
    pub fn resize(&mut self, number: u64, size: usize) -> Option<()> {
        self.edit(number, Edit::Resize(size))
    }

    fn edit(&mut self, number: u64, edit: Edit) -> Option<()> {
        let file = self.file_mut(number)?;
        edit.apply(&mut file.data);
        file.edits.push(edit);
        Some(())
    }

    /// Makes contents of a file, or the entries of a folder, safe from a power cut.
    pub fn sync(&mut self, number: u64) -> Option<()> {
        match self.nodes.get_mut(&number)? {
            Node::File(file) => {
                file.edits.clear();
                file.durable.clone_from(&file.data);
            }
            Node::Folder { .. } => {
                let changes = std::mem::take(&mut self.changes);
                for change in changes {
                    if change.concerns(number) {
                        self.make_durable(&change);
                    } else {
                        self.changes.push(change);
                    }
                }
            }
        }
        Some(())
    }

    fn durable_mut(&mut self, folder: u64) -> Option<&mut BTreeMap<OsString, u64>> {
        match self.nodes.get_mut(&folder)? {
            Node::Folder { durable, .. } => Some(durable),
            Node::File(_) => None,
        }
    }

    fn make_durable(&mut self, change: &EntryChange) {
        if let Some((folder, name)) = &change.removed
            && let Some(durable) = self.durable_mut(*folder)
        {
            durable.remove(name);
        }
        if let Some((folder, name, number)) = &change.added
            && let Some(durable) = self.durable_mut(*folder)
        {
            durable.insert(name.clone(), *number);
        }
    }

    /// Makes everything safe from a power cut, as an orderly unmount does.
    pub fn sync_all(&mut self) {
        for change in std::mem::take(&mut self.changes) {
            self.make_durable(&change);
        }
        for node in self.nodes.values_mut() {
            if let Node::File(file) = node {
                file.edits.clear();
                file.durable.clone_from(&file.data);
            }
        }
    }

    /// Cuts the power: what was not synced is kept, lost or torn, as the choices say. Everything that is left is on the disk.
    pub fn cut_power(&mut self, choices: &mut Choices) {
        let shares = [0.0, 0.5, 1.0];
        let losses = Losses {
            entries: *choices.of(&shares),
            edits: *choices.of(&shares),
        };
        for change in std::mem::take(&mut self.changes) {
            if choices.fraction() >= losses.entries {
                self.make_durable(&change);
            }
        }
        let mut numbers: Vec<u64> = self.nodes.keys().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            match self.nodes.get_mut(&number) {
                Some(Node::File(file)) => file.cut_power(losses.edits, choices),
                Some(Node::Folder { entries, durable }) => entries.clone_from(durable),
                None => {}
            }
        }
    }
}

impl FileNode {
    fn cut_power(&mut self, lost: f64, choices: &mut Choices) {
        for edit in std::mem::take(&mut self.edits) {
            if choices.fraction() >= lost {
                edit.apply(&mut self.durable);
            } else if choices.one_in(2) {
                edit.torn(choices).apply(&mut self.durable);
            }
        }
        self.data.clone_from(&self.durable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(model: &Model, name: &str) -> Option<Vec<u8>> {
        match model.node(model.find(ROOT, OsStr::new(name))?)? {
            Node::File(file) => Some(file.data.clone()),
            Node::Folder { .. } => None,
        }
    }

    /// Returns the contents of `name` after power cuts of many seeds.
    fn outcomes(model: &Model, name: &str) -> Vec<Option<Vec<u8>>> {
        let cut = |seed| {
            let mut model = model.clone();
            model.cut_power(&mut Choices::of_seed(seed));
            file(&model, name)
        };
        let mut all: Vec<_> = (0..200).map(cut).collect();
        all.sort();
        all.dedup();
        all
    }

    #[test]
    fn what_is_synced_survives_and_what_is_not_may_be_lost_or_torn() {
        let mut model = Model::default();
        let name = OsStr::new("a");
        let number = model.make_file(ROOT, name).unwrap();
        model.write(number, 0, b"abc").unwrap();
        let all = outcomes(&model, "a");
        for expected in [None, Some(b"".to_vec()), Some(b"abc".to_vec())] {
            assert!(all.contains(&expected), "{all:?}");
        }
        assert!(all.contains(&Some(vec![0; 3])), "{all:?}");
        model.sync(number).unwrap();
        assert_eq!(outcomes(&model, "a"), [None, Some(b"abc".to_vec())]);
        model.sync(ROOT).unwrap();
        assert_eq!(outcomes(&model, "a"), [Some(b"abc".to_vec())]);
    }

    #[test]
    fn a_file_that_replaces_another_is_whole_if_it_was_synced_before_the_rename() {
        let mut model = Model::default();
        let [old, new] = ["a", "a.tmp"].map(OsStr::new);
        let number = model.make_file(ROOT, old).unwrap();
        model.write(number, 0, b"old").unwrap();
        model.sync_all();
        let number = model.make_file(ROOT, new).unwrap();
        model.write(number, 0, b"new").unwrap();
        let mut unsynced = model.clone();
        unsynced.rename((ROOT, new), (ROOT, old)).unwrap();
        assert!(outcomes(&unsynced, "a").contains(&Some(b"".to_vec())));
        model.sync(number).unwrap();
        model.rename((ROOT, new), (ROOT, old)).unwrap();
        let both = [b"new", b"old"].map(|bytes| Some(bytes.to_vec()));
        assert_eq!(outcomes(&model, "a"), both);
        model.sync(ROOT).unwrap();
        assert_eq!(outcomes(&model, "a"), both[..1]);
    }
}
