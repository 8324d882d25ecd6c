//! `variants.toml`: the PTX files of a folder of kernels, with the source and the macros of each.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

/// The file that lists the variants, in the folder of the kernels.
pub const FILE: &str = "variants.toml";

/// One PTX file: a source compiled with some macros.
#[derive(Debug, PartialEq, Eq)]
pub struct KernelVariant {
    /// The name of the PTX file.
    pub output: String,
    /// The name of the CUDA C file in the same folder.
    pub source: String,
    /// Macros, `NAME` or `NAME=VALUE`.
    pub defines: Vec<String>,
}

/// Reads the variants of `folder`, in the order of the file.
///
/// # Errors
/// If the file cannot be read or is malformed, or if a source does not exist.
pub fn read(folder: &Path) -> Result<Vec<KernelVariant>> {
    let file = folder.join(FILE);
    let text = fs::read_to_string(&file);
    let text =
        text.with_context(|| format!("cannot read the list of variants {}", file.display()))?;
    let variants = parse(&text).with_context(|| format!("in {}", file.display()))?;
    for variant in &variants {
        if !folder.join(&variant.source).is_file() {
            bail!(
                "in {}: the source `{}` of {} does not exist",
                file.display(),
                variant.source,
                variant.output
            );
        }
    }
    Ok(variants)
}

fn parse(text: &str) -> Result<Vec<KernelVariant>> {
    let mut table: Table = text.parse().context("invalid TOML")?;
    let list = table.remove("variant");
    if let Some(key) = table.keys().next() {
        bail!("unknown key `{key}`; expected tables [[variant]]");
    }
    let Some(Value::Array(list)) = list else {
        bail!("found no table [[variant]]; expected one for each PTX file");
    };
    let mut variants: Vec<KernelVariant> = Vec::new();
    for (index, value) in list.into_iter().enumerate() {
        let variant =
            variant(value).with_context(|| format!("[[variant]] number {}", index + 1))?;
        if variants.iter().any(|other| other.output == variant.output) {
            bail!("two variants have the output `{}`", variant.output);
        }
        variants.push(variant);
    }
    Ok(variants)
}

fn variant(value: Value) -> Result<KernelVariant> {
    let Value::Table(mut table) = value else {
        bail!("found {}, expected a table", value.type_str());
    };
    let variant = KernelVariant {
        output: file_name(table.remove("output"), "output", "ptx")?,
        source: file_name(table.remove("source"), "source", "cu")?,
        defines: defines(table.remove("defines"))?,
    };
    if let Some(key) = table.keys().next() {
        bail!("unknown key `{key}`; expected `output`, `source` and, if need be, `defines`");
    }
    Ok(variant)
}

/// Returns the value of `key`: a name with the extension `extension` and without folders.
fn file_name(value: Option<Value>, key: &str, extension: &str) -> Result<String> {
    let name = match value {
        Some(Value::String(name)) => name,
        Some(other) => bail!("`{key}` is of type {}, expected a string", other.type_str()),
        None => bail!("`{key}` is missing"),
    };
    let path = Path::new(&name);
    let is_plain = path
        .file_name()
        .is_some_and(|last| last == path.as_os_str());
    if !is_plain || path.extension().is_none_or(|end| end != extension) {
        bail!("`{key}` is \"{name}\", expected the name of a file *.{extension} without folders");
    }
    Ok(name)
}

fn defines(value: Option<Value>) -> Result<Vec<String>> {
    let list = match value {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(other) => bail!(
            "`defines` is of type {}, expected a list of strings",
            other.type_str()
        ),
    };
    let strings = list.into_iter().map(|value| match value {
        Value::String(text) => Ok(text),
        other => bail!(
            "`defines` holds {}, expected strings like \"PIECES=2\"",
            other.type_str()
        ),
    });
    strings.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_keep_their_order_and_defines_may_be_left_out() {
        let text = "[[variant]]\noutput = \"b.ptx\"\nsource = \"x.cu\"\ndefines = [\"A=2\", \"B\"]\n\
            [[variant]]\noutput = \"a.ptx\"\nsource = \"x.cu\"\n";
        let variants = parse(text).unwrap();
        assert_eq!(variants.len(), 2);
        assert_eq!(variants[0].output, "b.ptx");
        assert_eq!(variants[0].defines, ["A=2", "B"]);
        assert_eq!(variants[1].source, "x.cu");
        assert!(variants[1].defines.is_empty());
    }

    #[test]
    fn a_malformed_list_is_refused_with_what_was_expected() {
        let entry = |body: &str| format!("[[variant]]\n{body}\n");
        let good = "output = \"a.ptx\"\nsource = \"a.cu\"";
        for (text, message) in [
            (String::new(), "found no table [[variant]]"),
            ("speed = 1".to_owned(), "unknown key `speed`"),
            (entry("output = \"a.ptx\""), "`source` is missing"),
            (entry("output = 3"), "`output` is of type integer"),
            (entry("output = \"../a.ptx\""), "without folders"),
            (
                entry("output = \"a.txt\""),
                "expected the name of a file *.ptx",
            ),
            (
                entry(&format!("{good}\ndefine = []")),
                "unknown key `define`",
            ),
            (
                entry(&format!("{good}\ndefines = [1]")),
                "`defines` holds integer",
            ),
            (
                entry(good).repeat(2),
                "two variants have the output `a.ptx`",
            ),
        ] {
            let error = format!("{:#}", parse(&text).unwrap_err());
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_source_that_does_not_exist_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[[variant]]\noutput = \"a.ptx\"\nsource = \"lost.cu\"\n";
        fs::write(folder.path().join(FILE), text).unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("the source `lost.cu` of a.ptx does not exist"),
            "{error}"
        );
    }
}
