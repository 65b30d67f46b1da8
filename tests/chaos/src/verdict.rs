//! What a VMM promises, whatever its guest does: it ends with a documented status, says why, and
//! takes no more than its share.

use std::fmt;

use crate::case::{Case, Role};
use crate::process::{End, Finished, Signalled};

/// A VMM that says more than that, and does not trace its exits, floods its user. A report on a crash
/// may show a page of bytes that a guest wrote at once.
const STDERR_BYTES_MAX: usize = 64 << 10;

/// What a VMM needs beside the memory of its guests and the files that it reads, in KiB: three times
/// what any was seen to need.
const OWN_KIB_MAX: u64 = 24 << 10;

/// A documented end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum How {
    /// 0: the guest halted, powered off, reset itself or asked for status 0.
    Halted,
    /// 1 to 63: the guest's own status.
    Status,
    /// 65: the guest crashed.
    Crashed,
    /// 66: an image is not what it should be.
    Refused,
    /// 74: the guest's disk is no archive, and is not saved.
    NotSaved,
    /// 130, after the guest's time was over.
    Late,
    /// 130, after the guest had printed enough.
    Loud,
}

impl How {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Halted,
        Self::Status,
        Self::Crashed,
        Self::Refused,
        Self::NotSaved,
        Self::Late,
        Self::Loud,
    ];

    /// The same for a person.
    pub fn words(self) -> &'static str {
        match self {
            Self::Halted => "the guest was done (status 0)",
            Self::Status => "with the guest's own status",
            Self::Crashed => "the guest crashed (65)",
            Self::Refused => "its image was refused (66)",
            Self::NotSaved => "its disk was no archive, and not saved (74)",
            Self::Late => "by a signal, when its time was over (130)",
            Self::Loud => "by a signal, when it had printed enough (130)",
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Halted => "halted",
            Self::Status => "status",
            Self::Crashed => "crashed",
            Self::Refused => "refused",
            Self::NotSaved => "not-saved",
            Self::Late => "late",
            Self::Loud => "loud",
        }
    }
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A panic, at this place of the source.
    Panicked(String),
    /// The process died of a signal.
    Signal(i32),
    /// It did not end.
    Hung,
    /// A status that is not documented for this.
    Undocumented(i32),
    /// Documented, but not what the case expects.
    Unexpected(&'static str),
    /// It did not say why it ended.
    Silent,
    /// It said too much.
    Flood,
    /// It took more memory than this, in KiB.
    Memory(u64),
}

impl Broken {
    /// Whether the two are the same mistake, as far as one can see from outside.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Memory(_), Self::Memory(_)) => true,
            _ => self == other,
        }
    }

    /// A word for the name of a file.
    pub fn name(&self) -> String {
        match self {
            Self::Panicked(_) => "panicked".to_owned(),
            Self::Signal(signal) => format!("signal-{signal}"),
            Self::Hung => "hung".to_owned(),
            Self::Undocumented(status) => format!("status-{status}"),
            Self::Unexpected(how) => (*how).to_owned(),
            Self::Silent => "silent".to_owned(),
            Self::Flood => "flood".to_owned(),
            Self::Memory(_) => "memory".to_owned(),
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(place) => write!(f, "it panicked at {place}"),
            Self::Signal(signal) => write!(f, "it died of signal {signal}"),
            Self::Hung => write!(f, "it did not end, and was killed"),
            Self::Undocumented(status) => write!(f, "status {status} is not documented for this"),
            Self::Unexpected(how) => write!(f, "it ended otherwise than expected: {how}"),
            Self::Silent => write!(f, "it did not say why it ended"),
            Self::Flood => write!(f, "it said more than {STDERR_BYTES_MAX} bytes"),
            Self::Memory(most) => write!(f, "it took more than {most} KiB of memory"),
        }
    }
}

/// How a VMM ended, if as promised.
///
/// # Errors
///
/// The promise that it did not keep.
pub fn judge(case: &Case, finished: &Finished, kernel_bytes: usize) -> Result<How, Broken> {
    let said = String::from_utf8_lossy(&finished.stderr);
    if let Some((_, place)) = said.split_once("panicked at ") {
        return Err(Broken::Panicked(
            place.split([':', '\n']).take(2).collect::<Vec<_>>().join(":"),
        ));
    }
    let how = match (finished.end, finished.signalled) {
        (End::Hung, _) => return Err(Broken::Hung),
        (End::Signal(signal), _) => return Err(Broken::Signal(signal)),
        (End::Status(0), _) => How::Halted,
        (End::Status(1..=63), _) if has_hypercalls(&case.chapter) => How::Status,
        (End::Status(65), _) => How::Crashed,
        (End::Status(66), _) => How::Refused,
        (End::Status(74), _) if case.images.iter().any(|it| it.role == Role::Disk) => How::NotSaved,
        (End::Status(130), Some(Signalled::Late)) => How::Late,
        (End::Status(130), Some(Signalled::Loud)) => How::Loud,
        (End::Status(status), _) => return Err(Broken::Undocumented(status)),
    };
    let is_error = matches!(how, How::Crashed | How::Refused | How::NotSaved);
    if said.is_empty() || is_error && !said.contains("error: ") {
        return Err(Broken::Silent);
    }
    if finished.stderr_bytes > STDERR_BYTES_MAX && !case.is_verbose() {
        return Err(Broken::Flood);
    }
    let most = kib_max(case, kernel_bytes);
    if u64::try_from(finished.peak_kib).unwrap_or(0) > most {
        return Err(Broken::Memory(most));
    }
    if !case.expected.is_empty() && !case.expected.iter().any(|word| word == how.name()) {
        return Err(Broken::Unexpected(how.name()));
    }
    Ok(how)
}

/// A guest can only have a status of its own where there is a hypercall for it.
fn has_hypercalls(chapter: &str) -> bool {
    chapter >= "ch07"
}

/// The memory of all guests, what is read from files, and the VMM's own share.
fn kib_max(case: &Case, kernel_bytes: usize) -> u64 {
    let mut options = case.options.iter();
    let linux = options.find(|option| *option == "--memory").and_then(|_| options.next());
    let linux_mib = linux.and_then(|size| size.strip_suffix('M')?.parse().ok()).unwrap_or(0_u64);
    // 16 MiB, in real mode less.
    let guests = case.images.iter().filter(|image| image.role == Role::Guest).count() as u64;
    let files: usize = case
        .images
        .iter()
        .map(|image| match &image.contents {
            crate::case::Contents::Bytes(bytes) => bytes.len(),
            crate::case::Contents::Patched(_) => kernel_bytes,
        })
        .sum();
    // A file is read, and may be copied once.
    OWN_KIB_MAX + ((linux_mib + 16 * guests) << 10) + 2 * (files as u64 >> 10)
}
