//! From keys to places in a TOML text, and back.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// Where the value of a dotted key stands.
pub(super) fn span_of(text: &str, key: &str) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        let value = table.get(part)?;
        if parts.peek().is_none() {
            return Some(value.span());
        }
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => return None,
        }
    }
    None
}

/// The dotted key whose name or value stands at `span`.
pub(super) fn key_at(text: &str, span: &Range<usize>) -> Option<String> {
    let document = DeTable::parse(text).ok()?;
    find(document.get_ref(), span)
}

fn find(table: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let covers = |range: Range<usize>| range.start <= span.start && span.end <= range.end;
    for (name, value) in table {
        if let DeValue::Table(inner) = value.get_ref()
            && let Some(rest) = find(inner, span)
        {
            return Some(format!("{}.{rest}", name.get_ref()));
        }
        let is_table = matches!(value.get_ref(), DeValue::Table(_));
        if covers(name.span()) || (!is_table && covers(value.span())) {
            return Some(name.get_ref().to_string());
        }
    }
    None
}

/// Line and column, counted from 1, of a byte offset, and the line itself.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize, &str) {
    let offset = offset.min(text.len());
    let before = &text[..offset];
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let content = text[start..].lines().next().unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    (line, text[start..offset].chars().count() + 1, content)
}

#[cfg(test)]
mod tests {
    use super::super::{Config, NoTable, Source};

    fn message(text: &str, overrides: &[&str]) -> String {
        let source = Source {
            origin: "picture.toml".to_owned(),
            text: text.to_owned(),
        };
        let overrides: Vec<String> = overrides.iter().map(|&one| one.to_owned()).collect();
        let error = Config::<NoTable, NoTable>::parse(&source, "image", &overrides).unwrap_err();
        error.to_string()
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
        let text = "kind = \"image\"\n[field]\nhiden_features = 3\n";
        let message = message(text, &[]);
        assert!(message.starts_with("picture.toml:3:1:"), "{message}");
        assert!(
            message.contains("did you mean `hidden_features`?"),
            "{message}"
        );
    }

    #[test]
    fn a_wrong_type_is_named_with_its_key_and_line() {
        let message = message("kind = \"image\"\n\n[train]\nsteps = \"many\"\n", &[]);
        assert!(
            message.starts_with("picture.toml:4:9: `train.steps`:"),
            "{message}"
        );
    }

    #[test]
    fn a_value_out_of_range_is_found_in_the_file_or_among_the_overrides() {
        let text = "kind = \"image\"\n[train]\nlearning_rate = nan\n";
        let in_file = message(text, &[]);
        assert!(
            in_file.starts_with("picture.toml:3:17: `train.learning_rate` is NaN"),
            "{in_file}"
        );
        let overridden = message(
            text,
            &["train.learning_rate=0.1", "field.hidden_features=0"],
        );
        assert!(
            overridden.starts_with("--set field.hidden_features=0: "),
            "{overridden}"
        );
        let unknown = message(text, &["train.learning_rat=0.1"]);
        assert!(
            unknown.contains("did you mean `learning_rate`?"),
            "{unknown}"
        );
    }

    #[test]
    fn overrides_read_as_toml_values_and_fall_back_to_text() {
        let source = Source {
            origin: String::new(),
            text: "kind = \"image\"\n[field]\nencoding = \"identity\"\n".to_owned(),
        };
        let overrides = [
            "field.encoding={ fourier = { features = 64, scale = 4 } }".to_owned(),
            "train.schedule=cosine".to_owned(),
            "expect.psnr_db=31.5".to_owned(),
            "name=run-1".to_owned(),
        ];
        let config = Config::<NoTable, NoTable>::parse(&source, "image", &overrides).unwrap();
        assert_eq!(config.name, "run-1");
        assert!((config.expect["psnr_db"] - 31.5).abs() < 1e-12);
        let again = Source {
            origin: String::new(),
            text: config.to_toml().unwrap(),
        };
        assert_eq!(Config::parse(&again, "image", &[]).unwrap(), config);
    }
}
