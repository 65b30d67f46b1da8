//! The fields of the boot protocol that the VMM sets.

use std::path::Path;

use anyhow::Result;

use super::{markdown, row};
use crate::figures::boot_fields;

/// Name, offset, size, value, reason, chapter.
pub fn table(checkout: &Path) -> Result<String> {
    let mut rows = vec![row(["field", "offset", "bytes", "value", "why", "chapter"])];
    for field in boot_fields::all(checkout)? {
        rows.push(row([
            &format!("`{}`", field.name),
            &format!("`{:#x}`", field.offset),
            &field.bytes.to_string(),
            &field.value,
            field.why,
            &field.chapter.to_string(),
        ]));
    }
    Ok(markdown(&rows))
}
