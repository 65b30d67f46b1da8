//! What the doctor found, as text and as JSON.

use std::fmt;

use anyhow::Result;
use serde::Serialize;

use crate::verdict::Verdict;

/// One line of the report.
#[derive(Debug, Serialize)]
pub struct Check {
    pub name: String,
    pub ok: bool,
    pub detail: String,
    pub remedy: Vec<String>,
}

impl Check {
    pub fn good(name: &str, detail: impl Into<String>) -> Check {
        Check { name: name.to_owned(), ok: true, detail: detail.into(), remedy: Vec::new() }
    }

    pub fn bad(name: &str, detail: impl Into<String>, remedy: Vec<String>) -> Check {
        Check { ok: false, remedy, ..Check::good(name, detail) }
    }
}

/// All checks, and what they come to.
pub struct Report {
    pub checks: Vec<Check>,
    pub verdict: Verdict,
}

#[derive(Serialize)]
struct Json<'a> {
    checks: &'a [Check],
    verdict: &'static str,
    reasons: &'a [String],
}

impl Report {
    /// The same, for programs.
    pub fn to_json(&self) -> Result<String> {
        let (verdict, reasons) = match &self.verdict {
            Verdict::Complete => ("complete", &[][..]),
            Verdict::Incomplete(reasons) => ("incomplete", &reasons[..]),
            Verdict::None(reason) => ("none", std::slice::from_ref(reason)),
        };
        let json = Json { checks: &self.checks, verdict, reasons };
        Ok(serde_json::to_string_pretty(&json)? + "\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.name.len()).max();
        for check in &self.checks {
            let mark = if check.ok { "ok  " } else { "FAIL" };
            let width = width.unwrap_or(0);
            writeln!(out, "{mark}  {:width$}  {}", check.name, check.detail)?;
            for line in &check.remedy {
                writeln!(out, "        {line}")?;
            }
        }
        writeln!(out, "\n{}", self.verdict)?;
        let meaning = match self.verdict {
            Verdict::Complete => "every chapter runs here, natively",
            Verdict::Incomplete(_) => {
                "chapters run in the nest, an emulated machine with a complete KVM; \
                 MINI_KVM=native runs them here all the same"
            }
            Verdict::None(_) => "chapters run in the nest, an emulated machine with a complete KVM",
        };
        writeln!(out, "  {meaning}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            checks: vec![
                Check::good("/dev/kvm", "exists"),
                Check::bad("32-bit paging", "KVM_EXIT_SHUTDOWN", vec!["use the nest".to_owned()]),
            ],
            verdict: Verdict::Incomplete(vec!["32-bit paging (KVM_EXIT_SHUTDOWN)".to_owned()]),
        }
    }

    #[test]
    fn each_failure_is_followed_by_its_remedy() {
        assert_eq!(
            report().to_string(),
            "\
ok    /dev/kvm       exists
FAIL  32-bit paging  KVM_EXIT_SHUTDOWN
        use the nest

incomplete: 32-bit paging (KVM_EXIT_SHUTDOWN)
  chapters run in the nest, an emulated machine with a complete KVM; \
MINI_KVM=native runs them here all the same
"
        );
    }

    #[test]
    fn json_says_the_same() {
        let json: serde_json::Value = serde_json::from_str(&report().to_json().unwrap()).unwrap();
        assert_eq!(json["verdict"], "incomplete");
        assert_eq!(json["reasons"][0], "32-bit paging (KVM_EXIT_SHUTDOWN)");
        assert_eq!(json["checks"][0]["ok"], true);
        assert_eq!(json["checks"][1]["remedy"][0], "use the nest");
    }
}
