//! A vendor's name occurs only under `connectors/`, in documents and in the wiring: the general
//! crates stay general.

use std::collections::BTreeSet;

use anyhow::Result;

use super::arrows::matches;
use super::source::{Kind, Token, tokens};
use super::workspace::Workspace;

const GENERAL: [&str; 5] =
    ["crates/domain", "crates/matching", "crates/connect", "crates/store", "crates/hub"];

/// Connectors named after a thing rather than a vendor.
const NO_VENDORS: [&str; 3] = ["bank", "channel", "file"];

/// Vendors that have no connector yet, and one that is the subject of the product.
const FURTHER_VENDORS: [&str; 6] = ["odoo", "amazon", "woocommerce", "paypal", "klarna", "adyen"];

/// File, vendor, and why the name may stand there.
const EXCEPTIONS: &[(&str, &str, &str)] =
    &[("crates/domain/src/journal.rs", "odoo", "who books a fact is a word of the posting rules")];

pub fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut vendors = BTreeSet::from(FURTHER_VENDORS);
    let folders = workspace.members().filter_map(|package| package.folder.as_deref());
    let connectors = folders.filter(|folder| matches("connectors/*", folder));
    vendors.extend(connectors.filter_map(|folder| folder.rsplit('/').next()));
    for general in NO_VENDORS {
        vendors.remove(general);
    }

    let mut problems = Vec::new();
    for source in workspace.sources_below(&GENERAL) {
        let tokens = tokens(&source.text);
        for (at, token) in tokens.iter().enumerate() {
            if token.kind == Kind::Other || is_booker(&tokens[..at], token) {
                continue;
            }
            for part in parts(token.text) {
                let Some(vendor) = vendors.get(part.as_str()) else { continue };
                let excused =
                    EXCEPTIONS.iter().any(|(path, name, _)| *path == source.path && name == vendor);
                if !excused {
                    let place = format!("{}:{}", source.path, token.line);
                    problems.push(format!("{place}: `{vendor}` in `{}`", token.text));
                }
            }
        }
    }
    Ok(problems)
}

/// `Booker::Odoo`, wherever it is written: see the exception for its definition.
fn is_booker(before: &[Token<'_>], token: &Token<'_>) -> bool {
    let path =
        matches!(before, [.., owner, _, colon] if owner.text == "Booker" && colon.text == ":");
    path && token.text == "Odoo"
}

/// The words in a name or sentence, in small letters: `ShopifyOrder_v2` is shopify, order, v2.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut after_small = false;
    for character in text.chars() {
        let starts_word = after_small && character.is_uppercase();
        if starts_word || !character.is_alphanumeric() {
            parts.push(String::new());
        }
        if character.is_alphanumeric() {
            let last = parts.last_mut().expect("there is always a last part");
            last.extend(character.to_lowercase());
        }
        after_small = character.is_lowercase();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::super::workspace::Package;
    use super::*;

    #[test]
    fn a_vendor_in_a_general_crate_is_found_in_any_spelling() {
        let mut workspace = Workspace::of_sources(&[
            (
                "crates/hub/src/a.rs",
                "// Acme is fine here\nfn f() { AcmePay::new(\"an acme id\") }",
            ),
            ("crates/domain/src/b.rs", "const ACME_ID: u8 = 1; fn pacmegan_bank() {}"),
            ("crates/trueup/src/connectors.rs", "use trueup_acme;"),
            ("crates/domain/src/journal.rs", "enum Booker { Odoo }"),
            ("crates/hub/src/c.rs", "f(Booker::Odoo, Target::Odoo)"),
        ]);
        workspace.packages = vec![
            Package::of("connectors/acme", "trueup-acme", &[]),
            Package::of("connectors/bank", "trueup-bank", &[]),
        ];
        assert_eq!(
            check(&workspace).unwrap(),
            [
                "crates/hub/src/a.rs:2: `acme` in `AcmePay`",
                "crates/hub/src/a.rs:2: `acme` in `an acme id`",
                "crates/domain/src/b.rs:1: `acme` in `ACME_ID`",
                "crates/hub/src/c.rs:1: `odoo` in `Odoo`",
            ]
        );
    }
}
