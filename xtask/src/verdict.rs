//! Whether this machine's KVM is complete, and the cache of the answer.
use anyhow::Result;

/// What the doctor's tiny guests found out.
pub enum Verdict {
    /// All four ran to their `hlt`.
    Complete,
    /// KVM answers, but these things do not work.
    Incomplete(Vec<String>),
    /// `/dev/kvm` cannot be used at all, and why.
    None(String),
}

/// The verdict of this boot: from the cache under `target/`, or found out now.
pub fn of_this_machine() -> Result<Verdict> {
    unimplemented!()
}
