//! Licenses, versions and sources of dependencies, by the lists of `deny.toml`. `cargo deny` checks more, where it is installed; its installation
//! takes minutes, this test a second.

use std::process::Command;

use serde_json::Value;
use spdx::{Expression, ParseMode};

use crate::{assert_none, root};

/// Returns the packages of the workspace and of all that it may depend on, with any feature, on any system.
fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--locked",
            "--all-features",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().clone();
    assert!(packages.len() > 100, "{} packages", packages.len());
    packages
}

fn deny() -> toml::Table {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    text.parse().unwrap()
}

/// Returns the texts in an array of `deny.toml`.
fn listed(table: &str, key: &str) -> Vec<String> {
    let list = deny()[table][key].as_array().unwrap().clone();
    list.iter()
        .map(|one| one.as_str().unwrap().to_owned())
        .collect()
}

fn name(package: &Value) -> String {
    let text = |key: &str| package[key].as_str().unwrap_or_default();
    format!("{} {}", text("name"), text("version"))
}

fn expression(package: &Value) -> Option<Expression> {
    // Older manifests write `MIT/Apache-2.0`.
    Expression::parse_mode(package["license"].as_str()?, ParseMode::LAX).ok()
}

#[test]
fn every_dependency_has_an_allowed_license_and_every_allowed_license_is_one() {
    let allowed = listed("licenses", "allow");
    assert!(!allowed.is_empty());
    let mut offenders = Vec::new();
    let mut text = String::new();
    for package in packages() {
        let found = package["license"].as_str().unwrap_or("no license");
        let is_allowed = expression(&package).is_some_and(|expression| {
            expression.evaluate(|required| {
                let id = required.license.id();
                id.is_some_and(|id| allowed.iter().any(|one| one == id.name))
            })
        });
        if !is_allowed {
            offenders.push(format!("{}: {found}", name(&package)));
        }
        text.extend([found, "\n"]);
    }
    assert_none(&offenders, "these licenses are not allowed by deny.toml:");
    let unused: Vec<String> = allowed
        .into_iter()
        .filter(|one| !text.contains(one))
        .collect();
    assert_none(&unused, "deny.toml allows licenses that no dependency has:");
}

#[test]
fn every_dependency_is_from_an_allowed_registry_and_has_a_version() {
    let registries = listed("sources", "allow-registry");
    assert!(listed("sources", "allow-git").is_empty());
    let mut offenders = Vec::new();
    for package in packages() {
        let Some(source) = package["source"].as_str() else {
            // A package of the workspace.
            let dependencies = package["dependencies"].as_array().unwrap();
            let is_wild = |one: &&Value| one["req"] == "*" && one["path"].is_null();
            let wild = dependencies.iter().filter(is_wild);
            offenders
                .extend(wild.map(|one| format!("{}: {} = \"*\"", name(&package), one["name"])));
            continue;
        };
        let registry = source.strip_prefix("registry+").unwrap_or(source);
        if !registries.iter().any(|one| one == registry) {
            offenders.push(format!("{} comes from {source}", name(&package)));
        }
    }
    assert_none(&offenders, "deny.toml does not allow these:");
}
