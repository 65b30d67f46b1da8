//! Pages of 2 MiB, no-execute, and the highest 2 GiB.

use fastrand::Rng;

use crate::Check;
use crate::answer::{Answer, text};
use crate::guest::Place;
use crate::ran::Ran;
use crate::verdict::Result;

pub const CHECKS: &[(&str, Check)] =
    &[("large", large), ("no-execute", no_execute), ("highest", highest)];

const MEMORY_BYTES: u64 = 16 << 20;
const LARGE_PAGE_BYTES: u64 = 2 << 20;
const HIGHER_HALF: u64 = 0xffff_8000_0000_0000;
const HIGHEST: u64 = 0xffff_ffff_8000_0000;

/// Where a flat image begins.
const IMAGE: u64 = 0x1000;

const BAD_USAGE: &str = "error: --high is for guests in long mode: hello64, rust64\n";

fn large(answer: &mut Answer) -> Result<()> {
    let ran = translate(answer, 0x1234)?;
    ran.stdout(
        "  PML4E    0 at 0x00100000: 0x00101003 present writable\n  PDPTE    0 at 0x00101000: \
         0x00102003 present writable\n  PDE    0 at 0x00102000: 0x00000083 present writable\n  \
         physical address 0x1234\n",
    )?;
    for base in [0, HIGHER_HALF] {
        for physical in [0, answer.random.u64(0..MEMORY_BYTES), MEMORY_BYTES - 1] {
            let ran = translate(answer, base + physical)?;
            let walk = ran.stdout_text();
            let lines: Vec<_> = walk.lines().collect();
            let index = physical / LARGE_PAGE_BYTES;
            let pde = format!("  PDE {index:4} at {:#010x}: 0x", 0x10_2000 + 8 * index);
            // A page of data may have bit 63, too: that is the next task.
            let page = format!("{:08x}", (physical & !(LARGE_PAGE_BYTES - 1)) | 0x83);
            let entry = lines.get(2).and_then(|line| line.strip_prefix(&pde)?.split(' ').next());
            if lines.len() != 4 || !entry.is_some_and(|entry| entry.ends_with(&page)) {
                return ran.fail(&format!(
                    "the third and last entry should begin with {pde}{page:?}, and be followed by the \
                     physical address only:\n{walk}"
                ));
            }
            leads_to(&ran, Some(physical))?;
        }
        leads_to(&translate(answer, base + MEMORY_BYTES)?, None)?;
    }

    hello64_is_as_before(answer)?;
    let ran = answer.run(["rust64"]).finish()?;
    let printed = ran.status(0)?.stdout_text();
    let expected = "Hello from Rust!\n2^40 = 1099511627776 = 0x10000000000\nsquares: [1, 4, 9, 16, \
                    25]\nsquare root of 2: 1.414213562\nCPU: ";
    if !printed.starts_with(expected) {
        return ran.fail(&format!("rust64 printed something else:\n{printed}"));
    }
    let ran = answer.run(["fault64"]).finish()?;
    ran.status(65)?.stdout(
        "Writing 42 to 0x800000.\nRead 42 at 0xffff800000800000.\nWriting 42 to \
         0xffff800001000000.\n",
    )?;
    ran.stderr_has("error code 0x2: write to 0xffff800001000000, not mapped\n")?;
    Ok(())
}

fn no_execute(answer: &mut Answer) -> Result<()> {
    let random_data = |random: &mut Rng| random.u64(LARGE_PAGE_BYTES..MEMORY_BYTES);
    for address in [0x80_1234, LARGE_PAGE_BYTES, random_data(&mut answer.random)] {
        for base in [0, HIGHER_HALF] {
            let ran = translate(answer, base + address)?;
            let page = address & !(LARGE_PAGE_BYTES - 1);
            let index = page / LARGE_PAGE_BYTES;
            let entry = format!(
                "  PDE {index:4} at {:#010x}: {:#x} present writable no-execute",
                0x10_2000 + 8 * index,
                1 << 63 | page | 0x83
            );
            if ran.stdout_text().lines().rev().nth(1) != Some(&entry) {
                return ran.fail(&format!("the last entry is not\n{entry}\n{}", ran.stdout_text()));
            }
        }
    }
    let ran = translate(answer, LARGE_PAGE_BYTES - 1)?;
    if ran.stdout_text().contains("no-execute") {
        return ran.fail(&format!("the first 2 MiB may be executed:\n{}", ran.stdout_text()));
    }

    // What is there, zeros, would be executed: that there is no code does not matter.
    let data = random_data(&mut answer.random);
    for (name, address, code, cause) in [
        ("jump-task", 0x80_0000, 0x11, "not allowed"),
        ("jump-data", data, 0x11, "not allowed"),
        ("jump-higher", HIGHER_HALF + data, 0x11, "not allowed"),
        ("jump-nowhere", MEMORY_BYTES + data, 0x10, "not mapped"),
    ] {
        let source = format!("        movabs  ${address:#x}, %rax\n        jmp     *%rax\n");
        let access = format!("fetch from {address:#x}, {cause}");
        page_fault(answer, name, &source, code, &access)?;
    }
    let nowhere = MEMORY_BYTES + data;
    for (name, operands, code, access) in [
        ("read", format!("{nowhere:#x}, %al"), 0x0, "read from"),
        ("write", format!("%al, {nowhere:#x}"), 0x2, "write to"),
    ] {
        let source = format!("        movabs  {operands}\n");
        page_fault(answer, name, &source, code, &format!("{access} {nowhere:#x}, not mapped"))?;
    }

    // Data is still data, at either address, and the last bytes of the first page are still code.
    let (number, code) = (answer.random.u16(1..), LARGE_PAGE_BYTES - answer.random.u64(16..0x1000));
    let source = format!(
        "        mov     ${number}, %eax
        mov     ${data:#x} & ~0xf, %edi
        mov     %eax, (%rdi)
        movabs  ${HIGHER_HALF:#x}, %rsi
        mov     (%rdi,%rsi), %ebx
        mov     $HYPERCALL_PORT, %edx
        mov     $HC_PUTNUM, %al
        out     %al, %dx
        mov     ${code:#x}, %edi
        movb    $0xc3, (%rdi)           # ret
        call    *%rdi
        add     %rsi, %rdi
        call    *%rdi
        mov     $HC_NEWLINE, %al
        out     %al, %dx
        hlt
"
    );
    let image = answer.assemble("data", Place::Long, &source)?;
    let ran = answer.run(["--mode", "long", text(&image)]).finish()?;
    ran.stdout(format!("{number}\n"))?.status(0)?;
    hello64_is_as_before(answer)
}

/// Runs a guest that ends with this page fault.
fn page_fault(answer: &Answer, name: &str, source: &str, code: u32, access: &str) -> Result<()> {
    let image = answer.assemble(name, Place::Long, source)?;
    let ran = answer.run(["--mode", "long", text(&image)]).finish()?;
    ran.stderr_begins(&format!(
        "error: {}: crashed after 1 exit: exception 14 (#PF), error code {code:#x}: {access}\n",
        image.display()
    ))?;
    ran.stdout("")?.status(65)?;
    Ok(())
}

fn highest(answer: &mut Answer) -> Result<()> {
    for physical in [0x1234, answer.random.u64(0..MEMORY_BYTES), MEMORY_BYTES - 1] {
        leads_to(&translate(answer, HIGHEST + physical)?, Some(physical))?;
        leads_to(&translate(answer, HIGHER_HALF + physical)?, Some(physical))?;
        leads_to(&translate(answer, physical)?, Some(physical))?;
    }
    // There, and nowhere else: in the same GiB, and where one entry that is wrong by 1 would lead.
    let low = answer.random.u64(IMAGE..MEMORY_BYTES);
    let gib = 1 << 30;
    for nowhere in [
        HIGHEST + MEMORY_BYTES,
        HIGHEST - gib + low,
        HIGHEST + gib + low,
        0xffff_ff80_0000_0000 + low,
        0x7f_8000_0000 + low,
    ] {
        leads_to(&translate(answer, nowhere)?, None)?;
    }

    let ran = answer.run(["--high", "hello64"]).finish()?;
    ran.stdout("Hello from long mode!\n2^40 = 1099511627776\n")?.status(0)?;
    ran.stderr_begins("hello64: halted after 44 exits\n")?;
    let nops = answer.random.u64(0..40);
    let source = format!("        .fill   {nops}, 1, 0x90\n        ud2\n");
    for (name, option, base) in [("ud2-high", Some("--high"), HIGHEST), ("ud2-low", None, 0)] {
        let image = answer.assemble(name, Place::Long, &source)?;
        let arguments = option.into_iter().chain(["--mode", "long", text(&image)]);
        let ran = answer.run(arguments).finish()?;
        ran.status(65)?.stdout("")?.stderr_begins(&format!(
            "error: {}: crashed after 1 exit: exception 6 (#UD), error code 0x0\n",
            image.display()
        ))?;
        ran.stderr_has(&format!("  rip {:016x}  ", base + IMAGE + nops))?;
        ran.stderr_has(&format!("  rsp {:016x}  ", base + MEMORY_BYTES))?;
        ran.stderr_has(&format!("  code at {:#x}: 0f 0b", base + IMAGE + nops))?;
    }
    for guests in [&["hello"][..], &["hello64", "ticker"], &["os-1k"]] {
        let ran = answer.run([&["--high"], guests].concat()).finish()?;
        ran.status(64)?.stdout("")?.stderr(BAD_USAGE)?;
    }
    hello64_is_as_before(answer)
}

fn translate(answer: &Answer, address: u64) -> Result<Ran> {
    let ran = answer.run(["--mode", "long", "--translate", &format!("{address:#x}")]).finish()?;
    ran.status(0)?;
    Ok(ran)
}

/// The walk ends at this physical address, or with a page fault.
fn leads_to(ran: &Ran, physical: Option<u64>) -> Result<()> {
    let expected = match physical {
        Some(physical) => format!("  physical address {physical:#x}"),
        None => "  not present: a page fault".to_owned(),
    };
    let walk = ran.stdout_text();
    if walk.lines().last() == Some(&expected) {
        return Ok(());
    }
    ran.fail(&format!("the walk should end with\n{expected}\nbut is\n{walk}"))
}

fn hello64_is_as_before(answer: &Answer) -> Result<()> {
    let ran = answer.run(["hello64"]).finish()?;
    ran.stdout("Hello from long mode!\n2^40 = 1099511627776\n")?.status(0)?;
    Ok(())
}
