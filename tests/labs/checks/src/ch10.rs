//! Pages that are kept from the guest.

use fastrand::Rng;

use crate::Check;
use crate::answer::{Answer, text};
use crate::guest::Place;
use crate::ran::Ran;
use crate::verdict::Result;

pub const CHECKS: &[(&str, Check)] = &[("null", null), ("read-only", read_only), ("guard", guard)];

const PAGE: u32 = 0x1000;
const HIGHER_HALF: u32 = 0x8000_0000;
const MEMORY_BYTES: u32 = 0x100_0000;
/// The guard page, and the stack above it, as the guest sees them.
const GUARD: u32 = 0x80fe_f000;
const STACK: u32 = GUARD + PAGE;

/// How an access ends.
#[derive(Clone, Copy)]
enum Outcome {
    Fine,
    NotMapped,
    NotAllowed,
}
use Outcome::{Fine, NotAllowed, NotMapped};

fn null(answer: &mut Answer) -> Result<()> {
    let inside = answer.random.u32(1..PAGE);
    let [page, other] = [0, 0].map(|_: u32| answer.random.u32(PAGE..MEMORY_BYTES));
    for address in [0, inside, PAGE - 1] {
        translates(answer, address, None)?;
    }
    for (address, physical) in [
        (HIGHER_HALF, 0),
        (HIGHER_HALF + inside, inside),
        (PAGE, PAGE),
        (page, page),
        (HIGHER_HALF + other, other),
        (MEMORY_BYTES - 1, MEMORY_BYTES - 1),
    ] {
        translates(answer, address, Some(physical))?;
    }
    translates(answer, MEMORY_BYTES, None)?;

    for (address, is_write) in [(0, false), (inside & !3, true)] {
        access(answer, &[], address, is_write, NotMapped)?;
    }
    // Through the other mapping, all of it is there: the descriptor of CS, say.
    let tables = "        mov     0x80000508, %eax
        cmp     $0x0000ffff, %eax
        jne     wrong
        mov     $0x10, %eax             # and the CPU still finds it
        mov     %eax, %ds
        mov     %eax, %ss
        ljmp    $0x08, $right
wrong:  hlt
right:  mov     $HYPERCALL_PORT, %edx
        mov     $HC_EXIT, %al
        mov     $7, %bl
        out     %al, %dx
";
    run(answer, "tables", tables, &[])?.status(7)?;
    exceptions(answer)?;
    test_kernel(answer, 0, &[PAGE])?;

    // Guests without paging have page 0, and find all where it was.
    let flat = "        .code32
        movl    $1, 0
        ud2
";
    let image = answer.assemble("flat", Place::Protected, flat)?;
    let ran = answer.run(["--mode", "protected", text(&image)]).finish()?;
    ran.status(65)?.stderr_has("crashed after 1 exit: exception 6 (#UD), error code 0x0\n")?;
    ran.stderr_has("  gdt base 00000500 limit 0017  idt base 00000800 limit 00af\n")?;
    Ok(())
}

/// Those of a guest in paging mode are reported as before.
fn exceptions(answer: &mut Answer) -> Result<()> {
    let unmapped = answer.random.u32(MEMORY_BYTES..HIGHER_HALF);
    let faults = [
        ("#UD", "ud2".to_owned(), "exception 6 (#UD), error code 0x0".to_owned(), 0),
        ("#GP", "mov %ebx, %gs".to_owned(), "exception 13 (#GP), error code 0x18".to_owned(), 0),
        (
            "#PF",
            format!("mov {unmapped:#x}, %al"),
            format!("exception 14 (#PF), error code 0x0: read from {unmapped:#x}, not mapped"),
            unmapped,
        ),
    ];
    for (name, instruction, reason, cr2) in faults {
        let [eax, ecx, edx, esi, edi, ebp] = std::array::from_fn(|_| answer.random.u32(..));
        let esp = STACK + 4 * answer.random.u32(0x100..0x3000);
        // 8 instructions of 5 bytes each before it.
        let code = format!(
            "        mov     ${eax}, %eax
        mov     $0x18, %ebx
        mov     ${ecx}, %ecx
        mov     ${edx}, %edx
        mov     ${esi}, %esi
        mov     ${edi}, %edi
        mov     ${ebp}, %ebp
        mov     ${esp}, %esp
        {instruction}
        hlt
"
        );
        let rip = HIGHER_HALF + PAGE + 8 * 5;
        let ran = run(answer, &name[1..], &code, &[])?;
        ran.status(65)?.stderr_has(&format!("crashed after 1 exit: {reason}\n"))?;
        ran.stderr_has(&format!("  rip {rip:016x}  rflags "))?;
        ran.stderr_has(&format!(
            "  rax {eax:016x}  rbx {:016x}  rcx {ecx:016x}  rdx {edx:016x}\n  rsi {esi:016x}  rdi \
             {edi:016x}  rsp {esp:016x}  rbp {ebp:016x}\n",
            0x18
        ))?;
        ran.stderr_has(&format!(
            "  cr0 {:016x}  cr2 {cr2:016x}  cr3 {:016x}  cr4 {:016x}\n",
            0xe000_0011_u32, 0x10_0000, 0
        ))?;
    }
    Ok(())
}

fn read_only(answer: &mut Answer) -> Result<()> {
    let random = &mut answer.random;
    let pages = random.u32(3..200);
    let anywhere = |random: &mut Rng, page: u32| PAGE * page + 4 * random.u32(0..PAGE / 4);
    let [first, last, beyond, page_255] =
        [1, pages, pages + 1, 255].map(|page| anywhere(random, page));
    let some = pages.to_string();
    let some = ["--read-only", &some];
    for (address, is_write, outcome) in [
        (first, true, NotAllowed),
        (HIGHER_HALF + first, true, NotAllowed),
        (last, true, NotAllowed),
        (HIGHER_HALF + last, true, NotAllowed),
        (HIGHER_HALF + last, false, Fine),
        (beyond, true, Fine),
        (HIGHER_HALF + beyond, true, Fine),
        (HIGHER_HALF + 0xf00, true, Fine),
    ] {
        access(answer, &some, address, is_write, outcome)?;
    }
    access(answer, &["--read-only", "255"], page_255, true, NotAllowed)?;
    access(answer, &["--read-only", "0"], HIGHER_HALF + first, true, Fine)?;
    access(answer, &[], first, true, Fine)?;
    // Whether page 0 is there is another task.
    test_kernel(answer, 2, &[PAGE, 0])?;

    for bad in ["256", "-1", "0x10", "some", ""] {
        let ran = answer.run(["--read-only", bad, "test-kernel"]).finish()?;
        ran.status(64)?.stdout("")?;
    }
    let flat = "        .code32\n        movl    $0, image\n        hlt\nimage:  .long 1\n";
    let image = answer.assemble("flat", Place::Protected, flat)?;
    answer.run(["--mode", "protected", "--read-only", "9", text(&image)]).finish()?.status(0)?;
    Ok(())
}

fn guard(answer: &mut Answer) -> Result<()> {
    let offset = 4 * answer.random.u32(0..PAGE / 4);
    let guarded = &["--guard"];
    for (address, is_write, outcome) in [
        (0x80fe_ff00, true, NotMapped),
        (GUARD + offset, false, NotMapped),
        (GUARD + offset - HIGHER_HALF, true, Fine),
        (GUARD - 4, true, Fine),
        (STACK, true, Fine),
    ] {
        access(answer, guarded, address, is_write, outcome)?;
    }
    access(answer, &[], GUARD + offset, true, Fine)?;
    // Beside the other protection, if that is done.
    if !answer.run(["--read-only", "9", "test-kernel"]).finish()?.ended_with(64) {
        let both = &["--guard", "--read-only", "9"];
        access(answer, both, GUARD + offset, true, NotMapped)?;
    }
    let ran = answer.run(["--guard", "test-kernel"]).finish()?;
    ran.status(65)?.stderr_has(&format!(
        "exception 14 (#PF), error code 0x0: read from {GUARD:#x}, not mapped\n"
    ))?;

    let push = format!("        mov     ${STACK:#x}, %esp\n        push    %eax\n        hlt\n");
    let ran = run(answer, "push", &push, guarded)?;
    ran.status(65)?.stderr_has("crashed after 1 exit: KVM_EXIT_SHUTDOWN: triple fault\n")?;
    run(answer, "push", &push, &[])?.status(0)?;

    let flat =
        format!("        .code32\n        movl    $1, {:#x}\n        hlt\n", GUARD - HIGHER_HALF);
    let image = answer.assemble("flat", Place::Protected, &flat)?;
    answer.run(["--mode", "protected", "--guard", text(&image)]).finish()?.status(0)?;
    Ok(())
}

/// Holds `--translate` to this.
fn translates(answer: &Answer, address: u32, physical: Option<u32>) -> Result<()> {
    let ran = answer.run(["--translate", &format!("{address:#x}")]).finish()?;
    ran.status(0)?;
    let end = match physical {
        Some(physical) => format!("  physical address {physical:#x}"),
        None => "  not present: a page fault".to_owned(),
    };
    let printed = ran.stdout_text();
    match printed.lines().last() {
        Some(last) if last == end => Ok(()),
        last => ran.fail(&format!("ends with {:?}, not {end:?}", last.unwrap_or_default())),
    }
}

/// Has a guest read or write 32 bits.
fn access(
    answer: &Answer,
    options: &[&str],
    address: u32,
    is_write: bool,
    outcome: Outcome,
) -> Result<()> {
    let (instruction, access) = match is_write {
        true => (format!("mov %eax, {address:#x}"), "write to"),
        false => (format!("mov {address:#x}, %eax"), "read from"),
    };
    // What it writes into its own code has to do for the rest of it: hlt, four times.
    let code = format!("        mov     $0xf4f4f4f4, %eax\n        {instruction}\n        hlt\n");
    let name = format!("{}-{address:x}", if is_write { "write" } else { "read" });
    let ran = run(answer, &name, &code, options)?;
    let (bit_0, cause) = match outcome {
        Fine => return ran.status(0).map(|_| ()),
        NotMapped => (0, "not mapped"),
        NotAllowed => (1, "not allowed"),
    };
    let what = format!("{access} {address:#x} in ring 0 is {cause}");
    if ran.status(0).is_ok() {
        return ran.fail(&format!("{what}, but nothing stopped it"));
    }
    if ran.stderr_text().contains(": triple fault\n") {
        return ran.fail(&format!("{what}, but it was a triple fault and no page fault"));
    }
    let error_code = u32::from(is_write) << 1 | bit_0;
    ran.status(65)?.stderr_has(&format!(
        "crashed after 1 exit: exception 14 (#PF), error code {error_code:#x}: {access} {address:#x}, \
         {cause}\n"
    ))?;
    Ok(())
}

/// The built-in guest, with so many pages of its image read-only. It looks at all page tables: the
/// range at the lowest addresses begins at one of these.
fn test_kernel(answer: &Answer, read_only: u32, lowest: &[u32]) -> Result<()> {
    let ran = match read_only {
        0 => answer.run(["test-kernel"]),
        pages => answer.run(["--read-only", &pages.to_string(), "test-kernel"]),
    };
    let ran = ran.finish()?;
    let printed = ran.stdout_text();
    let mut parts = printed.split("\n\n");
    let found = parts.nth(1).map(|ranges| format!("{ranges}\n")).unwrap_or_default();
    let expected: Vec<_> = lowest.iter().map(|first| ranges(read_only, *first)).collect();
    if !expected.contains(&found) {
        return ran.fail(&format!("the mappings are\n{found}and not\n{}", expected[0]));
    }
    if !parts.next().is_some_and(|test| test.starts_with("memory test passed: ")) {
        return ran.fail("the memory test did not pass");
    }
    ran.status(0)?;
    Ok(())
}

/// All mappings, as the built-in guest prints them.
fn ranges(read_only: u32, lowest: u32) -> String {
    let end = PAGE + read_only * PAGE;
    let mut ranges = String::new();
    for (mapping, first) in [(0, lowest), (HIGHER_HALF, 0)] {
        let all = vec![(first, MEMORY_BYTES, "read/write")];
        let protected = vec![
            (first, PAGE, "read/write"),
            (PAGE, end, "read-only"),
            (end, MEMORY_BYTES, "read/write"),
        ];
        let pieces = if read_only == 0 { all } else { protected };
        for (from, to, what) in pieces.into_iter().filter(|(from, to, _)| from < to) {
            let (begin, last) = (mapping + from, mapping + to - 1);
            ranges += &format!("{begin:#010x}-{last:#010x} -> {from:#010x}  kernel, {what}\n");
        }
    }
    ranges
}

/// Runs a guest in paging mode.
fn run(answer: &Answer, name: &str, code: &str, options: &[&str]) -> Result<Ran> {
    let image = answer.assemble(name, Place::Paging, &format!("        .code32\n{code}"))?;
    answer.run(["--mode", "paging"].iter().chain(options).chain(&[text(&image)])).finish()
}
