//! A distribution's kernel, unpacked under the target directory and never installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::places::Places;
use super::{programs, vmlinux};

/// Which kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// The one that the distribution's users run: with everything that the nest needs.
    Full,
}

impl Flavour {
    /// The packages that stand for the newest kernel of this flavour, whichever there is.
    fn metapackages(self) -> &'static [&'static str] {
        match self {
            Self::Full => &["linux-image-amd64", "linux-image-generic"],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
        }
    }
}

/// What of a kernel package we unpack, as patterns of tar. The modules are those that the nest can
/// need, and a few around them.
const PARTS: &[&str] = &[
    "*/vmlinuz*",
    "*/modules.builtin",
    "*/kernel/arch/x86/kvm/*",
    "*/kernel/virt/lib/*",
    "*/kernel/drivers/virtio/*",
    "*/kernel/drivers/char/virtio_console.ko*",
    "*/kernel/drivers/crypto/ccp/*",
    "*/kernel/net/9p/*",
    "*/kernel/fs/9p/*",
    "*/kernel/fs/netfs/*",
    "*/kernel/fs/fscache/*",
];

/// An unpacked kernel.
pub struct Kernel {
    /// What `uname -r` says under it.
    pub release: String,
    /// What to start: uncompressed if that could be had.
    pub image: PathBuf,
    /// A directory like `/lib/modules/…`.
    pub modules: PathBuf,
}

impl Kernel {
    /// The kernel of that flavour, if it was fetched before.
    pub fn find(places: &Places, flavour: Flavour) -> Option<Self> {
        let directory = directory(places, flavour);
        let release = fs::read_to_string(directory.join("release")).ok()?;
        let modules = fs::read_link(directory.join("modules")).ok()?;
        let uncompressed = directory.join("vmlinux");
        let image = if uncompressed.exists() { uncompressed } else { directory.join("vmlinuz") };
        Some(Self { release, image, modules: directory.join(modules) })
    }

    /// Fetches it. The caller holds the lock.
    pub fn fetch(places: &Places, flavour: Flavour) -> Result<Self> {
        let directory = directory(places, flavour);
        // Unpacked beside its place and moved there whole: what was interrupted leaves nothing.
        let partial = directory.with_extension("partial");
        let _ = fs::remove_dir_all(&partial);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&partial)
            .with_context(|| format!("cannot make {}", partial.display()))?;
        let fetched = fill(&partial, places, flavour).and_then(|()| {
            fs::rename(&partial, &directory)
                .with_context(|| format!("cannot make {}", directory.display()))
        });
        if fetched.is_err() {
            // It may be large, and the disk full.
            let _ = fs::remove_dir_all(&partial);
        }
        fetched?;
        Self::find(places, flavour).context("the kernel was unpacked, and now it is gone")
    }
}

fn directory(places: &Places, flavour: Flavour) -> PathBuf {
    places.join(&format!("kernel-{}", flavour.name()))
}

/// Fills a directory with `vmlinuz`, `vmlinux`, `release`, and a link `modules`.
fn fill(directory: &Path, places: &Places, flavour: Flavour) -> Result<()> {
    let (release, modules, image) = if programs::find("apt-get").is_some() {
        from_packages(directory, places, flavour)?
    } else {
        from_this_machine()?
    };
    fs::copy(&image, directory.join("vmlinuz"))
        .with_context(|| format!("cannot read the kernel {}", image.display()))?;
    std::os::unix::fs::symlink(modules, directory.join("modules"))?;
    vmlinux::unpack(&directory.join("vmlinuz"), &directory.join("vmlinux"))?;
    fs::write(directory.join("release"), release)?;
    Ok(())
}

/// By apt, from the distribution's archive: release, modules (within `directory`), image.
fn from_packages(
    directory: &Path,
    places: &Places,
    flavour: Flavour,
) -> Result<(String, PathBuf, PathBuf)> {
    let log = places.join("kernel.log");
    let _ = fs::remove_file(&log);
    let packages = match known_packages(flavour) {
        Some(packages) => packages,
        None => packages_after_update(flavour, &log)?,
    };
    eprintln!(
        "nest: fetching the kernel {} (once, unpacked under {}, not installed)…",
        packages[0],
        places.nest.display()
    );
    let download = |packages: &[String]| {
        let mut download = Command::new("apt-get");
        download.args(["download", "--quiet"]).args(packages).current_dir(directory);
        programs::run_logged(&mut download, &log)
    };
    let downloaded = download(&packages).or_else(|error| {
        // The lists are so old that the archive has newer ones of these packages only.
        if fs::read_to_string(&log).is_ok_and(|said| said.contains("404  Not Found")) {
            download(&packages_after_update(flavour, &log)?)
        } else {
            Err(error)
        }
    });
    downloaded.context("cannot fetch the nest's kernel")?;

    for package in archives(directory)? {
        unpack(&package, directory)?;
        fs::remove_file(&package)?;
    }
    // Either is a link to the other on today's systems, and packages have both.
    let modules = ["lib/modules", "usr/lib/modules"]
        .iter()
        .find_map(|place| fs::read_dir(directory.join(place)).ok()?.next()?.ok())
        .context("the kernel's package has no modules")?;
    let release = modules.file_name().to_string_lossy().into_owned();
    let image = directory.join("boot").join(format!("vmlinuz-{release}"));
    let modules = modules.path().strip_prefix(directory)?.to_owned();
    Ok((release, modules, image))
}

/// Has apt get its lists anew, and then say which packages hold the newest kernel.
fn packages_after_update(flavour: Flavour, log: &Path) -> Result<Vec<String>> {
    if !nix::unistd::geteuid().is_root() {
        bail!(
            "apt knows no kernel package that there is: its lists are empty or old\n  \
             type this, then try again: sudo apt-get update"
        );
    }
    eprintln!("nest: updating the lists of apt-get (once)…");
    programs::run_logged(Command::new("apt-get").arg("update"), log)
        .context("cannot find the nest's kernel")?;
    known_packages(flavour).with_context(|| {
        format!("apt knows none of the packages {}", flavour.metapackages().join(", "))
    })
}

/// The packages with the newest kernel, its image first, by the lists that apt has.
fn known_packages(flavour: Flavour) -> Option<Vec<String>> {
    flavour.metapackages().iter().find_map(|metapackage| {
        let mut depends = Command::new("apt-cache");
        depends.args(["depends", "--no-recommends", "--no-suggests", metapackage]);
        let said = programs::output_of(&mut depends).ok()?;
        let image = image_package(&String::from_utf8_lossy(&said))?;
        // Ubuntu has the modules in packages of their own, some of them only for some kernels.
        let version = image.strip_prefix("linux-image-")?.to_owned();
        let mut packages = vec![image];
        for kind in ["linux-modules", "linux-modules-extra"] {
            let package = format!("{kind}-{version}");
            if programs::output_of(Command::new("apt-cache").args(["show", &package])).is_ok() {
                packages.push(package);
            }
        }
        Some(packages)
    })
}

/// The package with the image itself, in what `apt-cache depends` says about a metapackage.
fn image_package(depends: &str) -> Option<String> {
    depends.lines().find_map(|line| {
        let package = line.trim().strip_prefix("Depends: ")?;
        let version = package.strip_prefix("linux-image-")?;
        version.starts_with(|first: char| first.is_ascii_digit()).then(|| package.to_owned())
    })
}

fn archives(directory: &Path) -> Result<Vec<PathBuf>> {
    let files = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path()));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    let is_archive = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "deb");
    Ok(files.into_iter().filter(is_archive).collect())
}

/// Unpacks the parts of a package that we need. That a part is not in it, is seen later.
fn unpack(package: &Path, directory: &Path) -> Result<()> {
    let mut archive = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .context("cannot run dpkg-deb")?;
    let contents = archive.stdout.take().context("dpkg-deb has no output")?;
    let tar = Command::new("tar")
        .arg("-x")
        .arg("-C")
        .arg(directory)
        .arg("--wildcards")
        .args(PARTS)
        .env("LC_ALL", "C")
        .stdin(contents)
        .stderr(std::process::Stdio::piped())
        .output()
        .context("cannot run tar")?;
    let status = archive.wait()?;
    let said = String::from_utf8_lossy(&tar.stderr);
    let serious: Vec<&str> = said
        .lines()
        .filter(|line| !line.contains("Not found in archive") && !line.contains("previous errors"))
        .collect();
    if !status.success() || !serious.is_empty() {
        bail!("cannot unpack {}{}", package.display(), programs::indented(&serious.join("\n")));
    }
    Ok(())
}

/// Where no package manager hands out a package without installing it: this machine's own kernel.
fn from_this_machine() -> Result<(String, PathBuf, PathBuf)> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned();
    let modules = PathBuf::from("/lib/modules").join(&release);
    let images = [modules.join("vmlinuz"), PathBuf::from(format!("/boot/vmlinuz-{release}"))];
    match images.iter().find(|image| fs::File::open(image).is_ok()) {
        Some(image) if modules.join("kernel").is_dir() => Ok((release, modules, image.clone())),
        _ => bail!(
            "the nest needs a kernel to start, and this machine's cannot be read\n  \
             looked for {} or {}, and the modules in {}",
            images[0].display(),
            images[1].display(),
            modules.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_found_among_what_a_metapackage_needs() {
        let debian = "linux-image-amd64\n  Depends: linux-image-6.1.0-48-amd64\n";
        assert_eq!(image_package(debian).as_deref(), Some("linux-image-6.1.0-48-amd64"));
        let ubuntu = "linux-image-generic\n  Depends: linux-firmware\n \
                      Depends: linux-image-6.8.0-60-generic\n  Depends: linux-modules-extra-6.8\n";
        assert_eq!(image_package(ubuntu).as_deref(), Some("linux-image-6.8.0-60-generic"));
        assert_eq!(image_package("x\n  Depends: linux-image-generic\n"), None);
    }

    #[test]
    fn a_kernel_that_was_half_fetched_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let places = Places::make(directory.path()).unwrap();
        fs::create_dir(directory.path().join("kernel-full")).unwrap();
        fs::write(directory.path().join("kernel-full/vmlinuz"), "").unwrap();
        assert!(Kernel::find(&places, Flavour::Full).is_none());
    }
}
