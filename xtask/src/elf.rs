//! Three questions to an ELF file of 64 bits. The names are those of elf(5).

/// Whether it needs a dynamic loader: has a program header of type `PT_INTERP`.
pub fn is_dynamic(file: &[u8]) -> Option<bool> {
    const PT_INTERP: u32 = 3;
    Some(segments(file)?.iter().any(|(kind, _)| *kind == PT_INTERP))
}

/// Whether it is a kernel that QEMU can start as it is: has the note with the PVH entry point.
/// `xen/include/public/elfnote.h`.
pub fn has_pvh_entry(file: &[u8]) -> Option<bool> {
    const PT_NOTE: u32 = 4;
    const XEN_ELFNOTE_PHYS32_ENTRY: u32 = 18;
    let is_entry = |note: &[u8]| {
        number(note, 0) == Some(4)
            && number(note, 8) == Some(XEN_ELFNOTE_PHYS32_ENTRY)
            && note.get(12..16) == Some(b"Xen\0")
    };
    let notes = segments(file)?.into_iter().filter(|(kind, _)| *kind == PT_NOTE);
    // Notes begin at multiples of four.
    Some(
        notes
            .into_iter()
            .any(|(_, bytes)| (0..bytes.len()).step_by(4).any(|at| is_entry(&bytes[at..]))),
    )
}

/// The modules that a kernel module needs, by its `.modinfo`.
pub fn module_dependencies(file: &[u8]) -> Vec<String> {
    const NAME: &[u8] = b"\0depends=";
    let Some(at) = file.windows(NAME.len()).position(|window| window == NAME) else {
        return Vec::new();
    };
    let rest = &file[at + NAME.len()..];
    let value = rest.split(|byte| *byte == 0).next().unwrap_or_default();
    let names = String::from_utf8_lossy(value);
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The program headers: type and bytes in the file.
fn segments(file: &[u8]) -> Option<Vec<(u32, &[u8])>> {
    const CLASS_64_LITTLE_ENDIAN: &[u8] = b"\x7fELF\x02\x01";
    const E_PHOFF: usize = 0x20;
    const E_PHENTSIZE: usize = 0x36;
    const E_PHNUM: usize = 0x38;
    const P_OFFSET: usize = 0x08;
    const P_FILESZ: usize = 0x20;
    if !file.starts_with(CLASS_64_LITTLE_ENDIAN) {
        return None;
    }
    let short = |at: usize| Some(u16::from_le_bytes(file.get(at..at + 2)?.try_into().ok()?));
    let long = |at: usize| -> Option<usize> {
        u64::from_le_bytes(file.get(at..at + 8)?.try_into().ok()?).try_into().ok()
    };
    let (table, size, count) = (long(E_PHOFF)?, short(E_PHENTSIZE)?, short(E_PHNUM)?);
    (0..usize::from(count))
        .map(|index| {
            let header = table.checked_add(index * usize::from(size))?;
            let (start, length) = (long(header + P_OFFSET)?, long(header + P_FILESZ)?);
            Some((number(file, header)?, file.get(start..start.checked_add(length)?)?))
        })
        .collect()
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_is_told_from_what_is_none() {
        // The test itself is linked as the host does by default.
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(is_dynamic(&this), Some(true));
        assert_eq!(has_pvh_entry(&this), Some(false));
        assert_eq!(is_dynamic(b"#!/bin/sh\n"), None);
        assert_eq!(is_dynamic(&this[..100]), None, "cut off");
    }

    #[test]
    fn dependencies_of_a_module() {
        assert_eq!(
            module_dependencies(b"x\0license=GPL\0depends=kvm,ccp,irqbypass\0retpoline=Y\0"),
            ["kvm", "ccp", "irqbypass"]
        );
        assert!(module_dependencies(b"\0depends=\0").is_empty());
        assert!(module_dependencies(b"").is_empty());
    }
}
