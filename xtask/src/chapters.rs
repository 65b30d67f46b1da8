//! The chapters of a checkout, and what is said when one of them is not there.

use std::process::ExitCode;

pub use chapter_diff::chapters::*;

use crate::status;

/// Says what went wrong, and gives the status for it.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(if error.is::<Mistake>() { status::USAGE } else { status::FAILED })
}
