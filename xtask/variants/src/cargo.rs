//! What cargo makes of the variants.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result};
use cargo_metadata::Message;
use cargo_metadata::camino::Utf8Path;
use cargo_metadata::diagnostic::DiagnosticLevel;

/// What came of building, by the names of the variants.
pub struct Built {
    /// What the compiler has against each, as it prints it.
    pub errors: BTreeMap<String, Vec<String>>,
    /// The program of each that has one and was built.
    pub programs: BTreeMap<String, PathBuf>,
    /// How cargo ended.
    pub status: ExitStatus,
    /// What cargo and the build scripts said, unless the command sends it elsewhere.
    pub said: String,
}

impl Built {
    /// Runs a cargo command with messages in JSON for the workspace in `folder`.
    pub(crate) fn by(cargo: &mut Command, folder: &Path) -> Result<Self> {
        let output = cargo.stdin(Stdio::null()).output().context("cargo")?;
        let mut built = Self {
            errors: BTreeMap::new(),
            programs: BTreeMap::new(),
            status: output.status,
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        // The folder's name begins the path of every source in it.
        let variant = |source: &Utf8Path| {
            let inner = source.as_std_path().strip_prefix(folder).ok()?;
            Some(inner.iter().next()?.to_string_lossy().into_owned())
        };
        for message in Message::parse_stream(output.stdout.as_slice()) {
            match message.context("cargo's output")? {
                Message::CompilerMessage(message)
                    if matches!(
                        message.message.level,
                        DiagnosticLevel::Error | DiagnosticLevel::Ice
                    ) =>
                {
                    let text = message.message.rendered.unwrap_or(message.message.message);
                    let Some(variant) = variant(&message.target.src_path) else { continue };
                    let errors = built.errors.entry(variant).or_default();
                    // A program and its tests have most errors in common.
                    if !text.starts_with("error: aborting") && !errors.contains(&text) {
                        errors.push(text);
                    }
                }
                Message::CompilerArtifact(artifact) => {
                    if let Some(program) = artifact.executable
                        && let Some(variant) = variant(&artifact.target.src_path)
                    {
                        built.programs.insert(variant, program.into_std_path_buf());
                    }
                }
                _ => {}
            }
        }
        Ok(built)
    }

    /// Why a variant has no program.
    pub fn failure(&self, variant: &str) -> String {
        match self.errors.get(variant) {
            Some(errors) => errors.concat().trim_end().to_owned(),
            None => {
                // A build script's words have the package's name in front.
                let about = |line: &&str| line.contains(variant);
                let lines: Vec<_> = self.said.lines().filter(about).collect();
                match lines.is_empty() {
                    true => self.said.trim_end().to_owned(),
                    false => lines.join("\n"),
                }
            }
        }
    }
}
