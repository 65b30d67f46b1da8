//! A distribution's kernel, unpacked under the target directory and never installed.

mod this_machine;
mod vmlinux;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::places::Places;
use crate::programs;

pub use this_machine::image as image_of_this_machine;

/// Which kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// The one that the distribution's users run: with everything that the nest needs.
    Full,
    /// The one for virtual machines, where there is such a one: smaller, and soon booted.
    Cloud,
}

impl Flavour {
    /// The packages that stand for the newest kernel of this flavour, whichever there is.
    fn metapackages(self) -> &'static [&'static str] {
        match self {
            Self::Full => &["linux-image-amd64", "linux-image-generic"],
            Self::Cloud => &["linux-image-cloud-amd64", "linux-image-virtual"],
        }
    }

    /// Whom it is for, as messages begin.
    fn user(self) -> &'static str {
        match self {
            Self::Full => "nest",
            Self::Cloud => "linux",
        }
    }

    /// Whether it is for the nest, which needs modules and a quick start.
    fn has_modules(self) -> bool {
        self == Self::Full
    }

    /// What of a package we unpack, as patterns of tar.
    fn parts(self) -> impl Iterator<Item = &'static &'static str> {
        ["*/vmlinuz*"].iter().chain(if self.has_modules() { MODULES } else { &[] })
    }

    fn directory(self, places: &Places) -> PathBuf {
        match self {
            Self::Full => places.nest.join("kernel-full"),
            Self::Cloud => places.linux.join("kernel-cloud"),
        }
    }
}

/// The modules that the nest can need, and a few around them.
const MODULES: &[&str] = &[
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
    /// The image as it was packaged.
    pub bzimage: PathBuf,
    /// What the nest starts: uncompressed if that could be had.
    pub image: PathBuf,
    /// A directory like `/lib/modules/…`, for those that have modules.
    pub modules: PathBuf,
}

impl Kernel {
    /// The kernel of that flavour, if it was fetched before.
    pub fn find(places: &Places, flavour: Flavour) -> Option<Self> {
        let directory = flavour.directory(places);
        let release = fs::read_to_string(directory.join("release")).ok()?;
        let bzimage = directory.join("vmlinuz");
        let uncompressed = directory.join("vmlinux");
        let image = if uncompressed.exists() { uncompressed } else { bzimage.clone() };
        Some(Self { release, bzimage, image, modules: directory.join("modules") })
    }

    /// The same, and if it was not, it is now. The caller holds the lock.
    pub fn find_or_fetch(places: &Places, flavour: Flavour) -> Result<Self> {
        let found = Self::find(places, flavour).filter(|kernel| kernel.is_whole(flavour));
        found.map_or_else(|| Self::fetch(places, flavour), Ok)
    }

    /// The modules may be this machine's own, and gone since it has a new kernel.
    fn is_whole(&self, flavour: Flavour) -> bool {
        !flavour.has_modules() || self.modules.exists()
    }

    fn fetch(places: &Places, flavour: Flavour) -> Result<Self> {
        let directory = flavour.directory(places);
        // Unpacked beside its place and moved there whole: what was interrupted leaves nothing.
        let partial = directory.with_extension("partial");
        let _ = fs::remove_dir_all(&partial);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&partial)
            .with_context(|| format!("cannot make {}", partial.display()))?;
        let fetched = fill(&partial, &directory, flavour).and_then(|()| {
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

/// A kernel somewhere else.
struct Source {
    release: String,
    image: PathBuf,
    modules: Option<PathBuf>,
}

/// Fills a directory with `vmlinuz` and `release`, and for the nest `vmlinux` and a link `modules`.
/// Later it will be moved to `place`.
fn fill(directory: &Path, place: &Path, flavour: Flavour) -> Result<()> {
    let source = if programs::find("apt-get").is_some() {
        from_packages(directory, place, flavour)?
    } else {
        this_machine::source(flavour)?
    };
    let bzimage = directory.join("vmlinuz");
    fs::copy(&source.image, &bzimage)
        .with_context(|| format!("cannot read the kernel {}", source.image.display()))?;
    let _ = fs::remove_dir_all(directory.join("boot"));
    if let Some(modules) = source.modules {
        std::os::unix::fs::symlink(modules, directory.join("modules"))?;
        vmlinux::unpack(&bzimage, &directory.join("vmlinux"))?;
    }
    fs::write(directory.join("release"), source.release)?;
    Ok(())
}

/// By apt, from the distribution's archive. The modules' path is one within `directory`.
fn from_packages(directory: &Path, place: &Path, flavour: Flavour) -> Result<Source> {
    let user = flavour.user();
    let log = place.with_extension("log");
    let _ = fs::remove_file(&log);
    let packages = match known_packages(flavour) {
        Some(packages) => packages,
        None => packages_after_update(flavour, &log)?,
    };
    eprintln!(
        "{user}: fetching the kernel {} (once, unpacked under {}, not installed)…",
        packages[0],
        place.display()
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
    downloaded.with_context(|| format!("cannot fetch the kernel {}", packages[0]))?;

    for package in archives(directory)? {
        unpack(&package, directory, flavour)?;
        fs::remove_file(&package)?;
    }
    let image = fs::read_dir(directory.join("boot")).ok().and_then(|mut boot| boot.next()?.ok());
    let image = image.context("the kernel's package has no image")?;
    let release = image.file_name().to_string_lossy().trim_start_matches("vmlinuz-").to_owned();
    let modules = if flavour.has_modules() {
        // Either is a link to the other on today's systems, and packages have both.
        let places =
            ["lib/modules", "usr/lib/modules"].map(|place| Path::new(place).join(&release));
        let mut existing = places.into_iter().filter(|place| directory.join(place).is_dir());
        Some(existing.next().context("the kernel's package has no modules")?)
    } else {
        None
    };
    Ok(Source { release, image: image.path(), modules })
}

/// Has apt get its lists anew, and then say which packages hold the newest kernel.
fn packages_after_update(flavour: Flavour, log: &Path) -> Result<Vec<String>> {
    if !nix::unistd::geteuid().is_root() {
        bail!(
            "apt knows no kernel package that there is: its lists are empty or old\n  \
             type this, then try again: sudo apt-get update"
        );
    }
    eprintln!("{}: updating the lists of apt-get (once)…", flavour.user());
    programs::run_logged(Command::new("apt-get").arg("update"), log)
        .context("cannot find a kernel")?;
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
        let kinds: &[_] =
            if flavour.has_modules() { &["linux-modules", "linux-modules-extra"] } else { &[] };
        for kind in kinds {
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
fn unpack(package: &Path, directory: &Path, flavour: Flavour) -> Result<()> {
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
        .args(flavour.parts())
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
    fn a_kernel_whose_modules_are_gone_is_fetched_anew() {
        let directory = tempfile::tempdir().unwrap();
        let places = Places::make(directory.path()).unwrap();
        let kernel = Flavour::Full.directory(&places);
        fs::create_dir_all(&kernel).unwrap();
        fs::write(kernel.join("release"), "6.1").unwrap();
        assert!(!Kernel::find(&places, Flavour::Full).unwrap().is_whole(Flavour::Full));
        fs::create_dir(kernel.join("modules")).unwrap();
        assert!(Kernel::find(&places, Flavour::Full).unwrap().is_whole(Flavour::Full));
    }

    #[test]
    fn a_kernel_that_was_half_fetched_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let places = Places::make(directory.path()).unwrap();
        for flavour in [Flavour::Full, Flavour::Cloud] {
            let kernel = flavour.directory(&places);
            fs::create_dir_all(&kernel).unwrap();
            fs::write(kernel.join("vmlinuz"), "").unwrap();
            assert!(Kernel::find(&places, flavour).is_none());
            fs::write(kernel.join("release"), "6.1").unwrap();
            assert_eq!(Kernel::find(&places, flavour).unwrap().bzimage, kernel.join("vmlinuz"));
        }
    }
}
