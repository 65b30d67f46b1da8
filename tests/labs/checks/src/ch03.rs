//! Elsewhere, and step by step.

use std::fmt::Write;
use std::iter::repeat_with;

use crate::Check;
use crate::answer::{Answer, text};
use crate::guest::Place;
use crate::verdict::Result;

pub const CHECKS: &[(&str, Check)] = &[("image", image), ("place", place), ("count", count)];

/// All that a 16-bit address reaches, and all the memory that there is.
const MEMORY_BYTES: usize = 0x1_0000;

/// The general registers that a guest sets, in the order of a dump.
const REGISTERS: [&str; 7] = ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"];

/// What the program prints of a guest that does nothing but set these registers.
struct Dumps {
    entry: usize,
    end: usize,
    registers: [u32; 7],
}

impl Dumps {
    fn printed(&self) -> String {
        let before = dump(self.entry, &[0; 7]);
        let after = dump(self.end, &self.registers);
        format!("before:\n{before}\n1 exit: KVM_EXIT_HLT\n\nafter:\n{after}\n")
    }
}

fn image(answer: &mut Answer) -> Result<()> {
    // The guest of the chapter is still there.
    let chapter = Dumps { entry: 0, end: 1, registers: [0; 7] };
    answer.run([""; 0]).finish()?.status(0)?.stderr(chapter.printed())?.stdout("")?;

    // One of some bytes, and one for which there is only just room.
    for bytes in [answer.random.usize(0x100..0x8000), MEMORY_BYTES] {
        let (path, dumps) = guest(answer, &format!("image-{bytes}"), 0, bytes)?;
        answer.run([&path]).finish()?.stderr(dumps.printed())?.status(0)?.stdout("")?;
    }

    let missing = text(&answer.scratch("missing.bin")).to_owned();
    let folder = text(&answer.scratch("")).to_owned();
    let empty = text(&answer.file("empty.bin", b"")?).to_owned();
    let too_large = text(&answer.file("large.bin", &[0xf4; MEMORY_BYTES + 1])?).to_owned();
    for path in [&missing, &folder, &empty, &too_large] {
        refused(answer, &[path], 66, path)?;
    }
    Ok(())
}

fn place(answer: &mut Answer) -> Result<()> {
    let bytes = answer.random.usize(0x100..0x2000);
    let load = answer.random.usize(0x1000..0x8000);
    let (path, dumps) = guest(answer, "load", load, bytes)?;
    for typed in [load.to_string(), format!("{load:#x}")] {
        let ran = answer.run(["--load", &typed, &path]).finish()?;
        ran.stderr(dumps.printed())?.status(0)?.stdout("")?;
    }

    // What is in front of the entry is not executed: it would halt.
    for load in [answer.random.usize(0x1000..0x8000), 0] {
        let skipped = answer.random.usize(1..0x100);
        let (path, dumps) = guest_behind(answer, &format!("entry-{load}"), load, skipped)?;
        let entry = format!("{:#x}", load + skipped);
        let load = load.to_string();
        let both = ["--load", &load, "--entry", &entry, &path];
        let arguments = if load == "0" { &both[2..] } else { &both[..] };
        let ran = answer.run(arguments).finish()?;
        ran.stderr(dumps.printed())?.status(0)?;
    }

    // The one byte can be anywhere, too.
    let load = answer.random.usize(0x1000..0xffff);
    let moved = Dumps { entry: load, end: load + 1, registers: [0; 7] };
    answer.run(["--load", &load.to_string()]).finish()?.stderr(moved.printed())?.status(0)?;

    // To the last byte of memory, and one beyond.
    let load = MEMORY_BYTES - bytes;
    let (path, dumps) = guest(answer, "last", load, bytes)?;
    let ran = answer.run(["--load", &load.to_string(), &path]).finish()?;
    ran.stderr(dumps.printed())?.status(0)?;
    refused(answer, &["--load", &(load + 1).to_string(), &path], 66, &path)?;
    refused(answer, &["--load", "0xffff", &path, "--entry", "0"], 66, &path)?;

    let beyond = answer.random.u32(0x1_0001..).to_string();
    for bad in ["65536", "0x10000", &beyond, "18446744073709551616", "0x", "12fe", "0x12g4", "hlt"]
    {
        refused(answer, &["--load", bad], 64, bad)?;
        refused(answer, &["--entry", bad], 64, bad)?;
    }
    Ok(())
}

/// A guest to be counted, and how many instructions it executes.
struct Counted {
    name: &'static str,
    source: String,
    instructions: usize,
}

fn count(answer: &mut Answer) -> Result<()> {
    let ran = answer.run(["--count"]).finish()?;
    let chapter = Dumps { entry: 0, end: 1, registers: [0; 7] }.printed();
    ran.stderr(chapter.replace("1 exit:", "1 instruction:"))?.status(0)?.stdout("")?;

    for Counted { name, source, instructions } in [straight(answer), calls(answer), long(answer)] {
        let image = answer.assemble(name, Place::Real, &source)?;
        let path = text(&image);
        let uncounted = answer.run([path]).finish()?;
        uncounted.status(0)?.stderr_has("1 exit: KVM_EXIT_HLT\n")?;
        let expected = uncounted.stderr_text();
        let expected = expected.replace("1 exit:", &format!("{instructions} instructions:"));
        answer.run(["--count", path]).finish()?.stderr(expected)?.status(0)?.stdout("")?;
    }

    // Where something else comes before the hlt.
    let [before, port, byte] =
        [answer.random.u16(3..50), answer.random.u16(..), answer.random.u16(..256)];
    let source = format!(
        "        .code16\n        mov ${port}, %dx\n        mov ${byte}, %al\n        .fill {before}, 1, \
         0x90\n        out %al, %dx\n        hlt\n"
    );
    let image = answer.assemble("count-out", Place::Real, &source)?;
    let ran = answer.run(["--count", text(&image)]).finish()?;
    let before = dump(0, &[0; 7]);
    ran.stderr(format!(
        "before:\n{before}\nerror: 1 exit, and not the one we expected: KVM_EXIT_IO: OUT [{byte:02x}] to \
         port {port:#x}\n"
    ))?;
    ran.status(65)?.stdout("")?;
    Ok(())
}

/// One instruction after the other, of many lengths.
fn straight(answer: &mut Answer) -> Counted {
    const CHOICES: [&str; 8] = [
        "nop",
        "inc %ax",
        "add $0x1234, %bx",
        "mov $0x12345678, %ecx",
        "addl $0x12345678, 0x4000(%si)",
        "xchg %dx, 0x4000",
        "push %bx",
        "imul $7, %di, %di",
    ];
    let random = &mut answer.random;
    let instructions = random.usize(50..200);
    let mut source = String::from("        .code16\n");
    for choice in repeat_with(|| random.choice(CHOICES).unwrap_or("nop")).take(instructions - 1) {
        let _ = writeln!(source, "        {choice}");
    }
    source += "        hlt\n";
    Counted { name: "count-straight", source, instructions }
}

/// Subroutines, and branches that are taken or not.
fn calls(answer: &mut Answer) -> Counted {
    let [calls, bound] = [answer.random.usize(20..60), answer.random.usize(5..15)];
    let source = format!(
        "        .code16
        mov     ${calls}, %cx
again:  call    sub
        dec     %cx
        jnz     again
        hlt
sub:    cmp     ${bound}, %cx
        jbe     few
        inc     %ax
        xor     $0x5555, %ax
        ret
few:    inc     %bx
        ret
"
    );
    // Each round: call, dec, jnz, and cmp, jbe; behind them three instructions, or two.
    let instructions = 1 + calls * 5 + (calls - bound) * 3 + bound * 2 + 1;
    Counted { name: "count-calls", source, instructions }
}

/// A loop in a loop.
fn long(answer: &mut Answer) -> Counted {
    let [outer, inner] = [answer.random.usize(10..20), answer.random.usize(80..150)];
    let source = format!(
        "        .code16
        mov     ${outer}, %dx
outer:  mov     ${inner}, %cx
inner:  add     %cx, %ax
        rol     $3, %ax
        loop    inner
        dec     %dx
        jnz     outer
        hlt
"
    );
    Counted { name: "count-long", source, instructions: 1 + outer * (inner * 3 + 3) + 1 }
}

/// A guest of so many bytes, to be loaded there, that sets all registers from its data and halts.
fn guest(answer: &mut Answer, name: &str, load: usize, bytes: usize) -> Result<(String, Dumps)> {
    let registers = REGISTERS.map(|_| answer.random.u32(..));
    let mut source = String::from("        .code16\n");
    for register in REGISTERS {
        let _ = writeln!(source, "        mov {register}, %{register}");
    }
    let code = source + "        hlt\nend:\n";
    // The data are at the very end of the image: all of it has to be there.
    let data = bytes - 4 * REGISTERS.len();
    let mut source = format!("{code}        .fill {data} - (end - .text), 1, 0x90\n");
    for (register, value) in REGISTERS.iter().zip(registers) {
        let _ = writeln!(source, "{register}: .long {value:#x}");
    }
    let image = answer.assemble(name, Place::At(load as u32), &source)?;
    let end = load + CODE_BYTES;
    Ok((text(&image).to_owned(), Dumps { entry: load, end, registers }))
}

/// `66 a1` and an address for `eax`, `66 8b`, a register and an address for the six others; `hlt`.
const CODE_BYTES: usize = 4 + 6 * 5 + 1;

/// A guest that is to be started behind some bytes of it.
fn guest_behind(
    answer: &mut Answer,
    name: &str,
    load: usize,
    skipped: usize,
) -> Result<(String, Dumps)> {
    let eax = answer.random.u32(..);
    let source = format!(
        "        .code16\n        .fill {skipped}, 1, 0xf4\n        mov ${eax}, %eax\n        hlt\n"
    );
    let image = answer.assemble(name, Place::At(load as u32), &source)?;
    let entry = load + skipped;
    let dumps = Dumps { entry, end: entry + 7, registers: [eax, 0, 0, 0, 0, 0, 0] };
    Ok((text(&image).to_owned(), dumps))
}

/// The registers as the chapter prints them, of a guest that never leaves segment 0 nor calculates.
fn dump(rip: usize, registers: &[u32; 7]) -> String {
    let [rax, rbx, rcx, rdx, rsi, rdi, rbp] = registers;
    format!(
        "  rip {rip:016x}  rflags 0000000000000002
  rax {rax:016x}  rbx {rbx:016x}  rcx {rcx:016x}  rdx {rdx:016x}
  rsi {rsi:016x}  rdi {rdi:016x}  rsp 0000000000000000  rbp {rbp:016x}
  r8  0000000000000000  r9  0000000000000000  r10 0000000000000000  r11 0000000000000000
  r12 0000000000000000  r13 0000000000000000  r14 0000000000000000  r15 0000000000000000
  cr0 0000000060000010  cr2 0000000000000000  cr3 0000000000000000  cr4 0000000000000000
  cs 0000 base 00000000  ds 0000 base 00000000  es 0000 base 00000000
  fs 0000 base 00000000  gs 0000 base 00000000  ss 0000 base 00000000
"
    )
}

/// Refused, with this status and a message that contains this, before there is a dump.
fn refused(answer: &Answer, arguments: &[&str], status: i32, name: &str) -> Result<()> {
    let ran = answer.run(arguments).finish()?;
    ran.status(status)?.stderr_has(name)?.stdout("")?;
    if ran.stderr_text().contains("before:") {
        return ran.fail("there is a dump, and nothing to run");
    }
    Ok(())
}
