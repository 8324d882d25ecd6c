//! Reads the types of configs from the source: names, doc comments, fields and variants.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use syn::{Attribute, Expr, Item, Lit, Meta};

use super::support::desk::files_under;

/// A struct or an enum that is part of a config.
#[derive(Debug)]
pub struct ConfigType {
    pub name: String,
    /// Name of the crate with underscores, such as `siren_core`.
    pub krate: String,
    pub docs: String,
    pub shape: Shape,
    /// Whether the type has `#[serde(default)]`, so that every field has a default.
    pub has_default: bool,
}

#[derive(Debug)]
pub enum Shape {
    Struct(Vec<Field>),
    Enum(Vec<Variant>),
}

#[derive(Debug)]
pub struct Field {
    pub name: String,
    pub docs: String,
    pub kind: Kind,
    pub has_default: bool,
    pub is_optional: bool,
}

#[derive(Debug)]
pub struct Variant {
    /// Name as written in a config.
    pub name: String,
    pub docs: String,
    pub payload: Option<Kind>,
    pub is_default: bool,
}

/// Kind of a value in a config.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Number,
    Whole,
    Bool,
    Text,
    Path,
    /// A list of a fixed length, or of any length if `None`.
    List(Box<Kind>, Option<usize>),
    /// A table with arbitrary keys.
    Map(Box<Kind>),
    /// A type of the workspace, by its name.
    Named(String),
}

/// The config types of the workspace by name.
pub struct Types(BTreeMap<String, ConfigType>);

impl Types {
    /// Parses the source of all crates. Panics if two config types have the same name.
    pub fn of_workspace() -> Self {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
        let mut types = BTreeMap::new();
        for entry in fs::read_dir(&crates).unwrap() {
            let folder = entry.unwrap().path();
            let krate = folder.file_name().unwrap().to_str().unwrap();
            let krate = krate.replace('-', "_");
            let files = files_under(&folder.join("src")).into_iter();
            for path in files.filter(|path| path.extension().is_some_and(|e| e == "rs")) {
                let text = fs::read_to_string(&path).unwrap();
                let file = syn::parse_file(&text)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                for found in file
                    .items
                    .iter()
                    .filter_map(|item| config_type(item, &krate))
                {
                    let name = found.name.clone();
                    let previous = types.insert(name.clone(), found);
                    assert!(previous.is_none(), "two config types are named `{name}`");
                }
            }
        }
        Self(types)
    }

    pub fn get(&self, name: &str) -> Option<&ConfigType> {
        self.0.get(name)
    }

    /// Returns the type of this name. Panics if there is none.
    pub fn named(&self, name: &str) -> &ConfigType {
        let found = self.get(name);
        found.unwrap_or_else(|| panic!("no config type `{name}` is found in the source"))
    }
}

/// Returns the config type of an item: a public type that serde reads or writes.
fn config_type(item: &Item, krate: &str) -> Option<ConfigType> {
    let (attrs, ident, is_public) = match item {
        Item::Struct(item) => (&item.attrs, &item.ident, is_public(&item.vis)),
        Item::Enum(item) => (&item.attrs, &item.ident, is_public(&item.vis)),
        _ => return None,
    };
    if !is_public
        || !(derives_serde(attrs) || WRITTEN_BY_HAND.contains(&ident.to_string().as_str()))
    {
        return None;
    }
    let serde = Serde::of(attrs);
    let shape = match item {
        Item::Struct(item) => Shape::Struct(item.fields.iter().map(of_field).collect()),
        Item::Enum(item) => {
            let variants = item.variants.iter();
            Shape::Enum(
                variants
                    .map(|variant| of_variant(variant, &serde))
                    .collect(),
            )
        }
        _ => return None,
    };
    Some(ConfigType {
        name: ident.to_string(),
        krate: krate.to_owned(),
        docs: docs(attrs),
        shape,
        has_default: serde.default,
    })
}

/// Types that implement both `Serialize` and `Deserialize` by hand.
const WRITTEN_BY_HAND: [&str; 3] = ["Omega", "PositionsConfig", "Width"];

fn is_public(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Public(_))
}

fn derives_serde(attrs: &[Attribute]) -> bool {
    let mut derives = false;
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("derive")) {
        attr.parse_nested_meta(|meta| {
            derives |= meta.path.is_ident("Serialize") || meta.path.is_ident("Deserialize");
            Ok(())
        })
        .unwrap();
    }
    derives
}

fn of_field(field: &syn::Field) -> Field {
    let name = field.ident.as_ref().map(ToString::to_string);
    let (kind, is_optional) = of_type(&field.ty);
    Field {
        name: name.unwrap_or_default(),
        docs: docs(&field.attrs),
        kind,
        has_default: Serde::of(&field.attrs).default,
        is_optional,
    }
}

fn of_variant(variant: &syn::Variant, serde: &Serde) -> Variant {
    let ident = variant.ident.to_string();
    let payload = variant.fields.iter().next();
    let by_rule = match serde.rename_all.as_deref() {
        Some("lowercase") => ident.to_lowercase(),
        Some("snake_case") | None => snake_case(&ident),
        Some(other) => panic!("`rename_all = {other:?}` of `{ident}` is not implemented here"),
    };
    Variant {
        name: Serde::of(&variant.attrs).rename.unwrap_or(by_rule),
        docs: docs(&variant.attrs),
        payload: payload.map(|field| of_type(&field.ty).0),
        is_default: variant
            .attrs
            .iter()
            .any(|attr| attr.path().is_ident("default")),
    }
}

/// Returns the kind of a Rust type in a config, and whether the type is an `Option`.
fn of_type(ty: &syn::Type) -> (Kind, bool) {
    if let syn::Type::Array(array) = ty {
        let Expr::Lit(length) = &array.len else {
            panic!("the length of an array in a config is not a literal");
        };
        let Lit::Int(length) = &length.lit else {
            panic!("the length of an array in a config is not an integer");
        };
        let length = length.base10_parse().unwrap();
        return (
            Kind::List(Box::new(of_type(&array.elem).0), Some(length)),
            false,
        );
    }
    let syn::Type::Path(path) = ty else {
        return (Kind::Text, false);
    };
    let last = path.path.segments.last().unwrap();
    let arguments: Vec<&syn::Type> = match &last.arguments {
        syn::PathArguments::AngleBracketed(list) => {
            let types = list.args.iter().filter_map(|argument| match argument {
                syn::GenericArgument::Type(ty) => Some(ty),
                _ => None,
            });
            types.collect()
        }
        _ => Vec::new(),
    };
    let inner = |index: usize| of_type(arguments[index]).0;
    let kind = match last.ident.to_string().as_str() {
        "Option" => return (inner(0), true),
        "f64" | "f32" => Kind::Number,
        "usize" | "u64" | "u32" => Kind::Whole,
        "bool" => Kind::Bool,
        "String" => Kind::Text,
        "PathBuf" => Kind::Path,
        // siren-wave's name of `[f64; 2]`.
        "Point" => Kind::List(Box::new(Kind::Number), Some(2)),
        "Vec" => Kind::List(Box::new(inner(0)), None),
        "BTreeMap" => Kind::Map(Box::new(inner(1))),
        other => Kind::Named(other.to_owned()),
    };
    (kind, false)
}

/// The serde attributes that change which configs are accepted.
#[derive(Default)]
struct Serde {
    default: bool,
    rename_all: Option<String>,
    rename: Option<String>,
}

impl Serde {
    fn of(attrs: &[Attribute]) -> Self {
        let mut found = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
            attr.parse_nested_meta(|meta| {
                if meta.path.is_ident("default") {
                    found.default = true;
                }
                let renames_all = meta.path.is_ident("rename_all");
                let renames = meta.path.is_ident("rename");
                if meta.input.peek(syn::token::Paren) {
                    let content;
                    syn::parenthesized!(content in meta.input);
                    while !content.is_empty() {
                        content.step(|cursor| {
                            Ok(((), cursor.token_tree().map_or(*cursor, |(_, rest)| rest)))
                        })?;
                    }
                } else if let Ok(value) = meta.value() {
                    let text: syn::LitStr = value.parse()?;
                    if renames_all {
                        found.rename_all = Some(text.value());
                    } else if renames {
                        found.rename = Some(text.value());
                    }
                }
                Ok(())
            })
            .unwrap();
        }
        found
    }
}

/// Returns the text of the doc comments among attributes.
fn docs(attrs: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("doc")) {
        if let Meta::NameValue(pair) = &attr.meta
            && let Expr::Lit(literal) = &pair.value
            && let Lit::Str(text) = &literal.lit
        {
            let text = text.value();
            lines.push(text.strip_prefix(' ').unwrap_or(&text).to_owned());
        }
    }
    lines.join("\n")
}

fn snake_case(ident: &str) -> String {
    let mut name = String::new();
    for letter in ident.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}
