//! Tables made from sources.

use std::path::Path;

/// The tables that [`table`] knows.
pub const NAMES: &[&str] = &[];

/// A table in Markdown; nothing if there is none of this name.
pub fn table(_name: &str, _checkout: &Path) -> Option<anyhow::Result<String>> {
    None
}
