//! The kernel that this machine itself runs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{Flavour, Source};

/// Where no package manager hands out a package without installing it: this machine's own kernel.
pub fn source(flavour: Flavour) -> Result<Source> {
    let release = release()?;
    let modules = Path::new("/lib/modules").join(&release);
    let Some(image) = image() else {
        let why = unreadable(&images_of(&release));
        bail!(
            "there is no apt-get to fetch a kernel with, and this machine's own cannot be read{why}"
        );
    };
    if !flavour.has_modules() {
        return Ok(Source { release, image, modules: None });
    }
    if !modules.join("kernel").is_dir() {
        bail!(
            "the nest needs the kernel's modules, which are not in {}\n  \
             a kernel of your distribution has them: install it, and start it",
            modules.display()
        );
    }
    Ok(Source { release, image, modules: Some(modules) })
}

/// The image that this machine runs, where it can be read.
pub fn image() -> Option<PathBuf> {
    images_of(&release().ok()?).into_iter().find(|image| fs::File::open(image).is_ok())
}

/// Why none of these can be read, and what to do.
fn unreadable(images: &[PathBuf]) -> String {
    let exists = |image: &&PathBuf| image.symlink_metadata().is_ok();
    if let Some(image) = images.iter().find(exists) {
        return format!("\n  let everyone read it: sudo chmod a+r {}", image.display());
    }
    let names: Vec<_> = images.iter().map(|image| image.display().to_string()).collect();
    format!("\n  there is no {}: install your distribution's kernel", names.join(" and no "))
}

fn release() -> Result<String> {
    let path = "/proc/sys/kernel/osrelease";
    let release = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    Ok(release.trim().to_owned())
}

fn images_of(release: &str) -> [PathBuf; 2] {
    [format!("/lib/modules/{release}/vmlinuz"), format!("/boot/vmlinuz-{release}")]
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_about_an_image_depends_on_whether_it_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let images = ["a", "b"].map(|name| directory.path().join(name));
        assert!(unreadable(&images).ends_with("/b: install your distribution's kernel"));
        fs::write(&images[1], "").unwrap();
        let chmod = format!("sudo chmod a+r {}", images[1].display());
        assert!(unreadable(&images).ends_with(&chmod));
    }
}
