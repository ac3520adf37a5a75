//! Lists the pages of `docs/errors`, so that a new code needs no second list.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let manifest = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let folder = Path::new(&manifest).join("../../docs/errors");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let is_page = path.extension().is_some_and(|extension| extension == "md");
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if is_page && name.starts_with("TU") {
            names.push(path);
        }
    }
    names.sort();
    let mut list = String::from("&[\n");
    for path in names {
        let code = path.file_stem().unwrap_or_default().to_string_lossy();
        let shown = path.display().to_string();
        writeln!(list, "    ({code:?}, include_str!({shown:?})),").map_err(io::Error::other)?;
    }
    list.push_str("]\n");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("error_pages.rs"), list)
}
