//! Ring 3.

use std::fmt::Write;

use crate::Check;
use crate::answer::{Answer, text};
use crate::guest::Place;
use crate::ran::Ran;
use crate::verdict::Result;

pub const CHECKS: &[(&str, Check)] = &[("segments", segments), ("back", back), ("port", port)];

/// What the page says of places.
const GDT: usize = 0x500;
const TSS: u32 = 0x600;
const TABLES_END: u32 = 0x800;
const STACK: u32 = 0x100_0000;

/// Selectors, those of ring 3 with a requested privilege level of 3.
const DATA: u32 = 0x10;
const CODE_3: u32 = 0x1b;
const DATA_3: u32 = 0x23;
const TSS_SELECTOR: u32 = 0x28;

/// The ports of the bytes that a bit map needs for port 0x500: its own, and the one after it.
const PORT_BYTE: u32 = 0x500 / 8;

/// The descriptors that do not depend on the TSS.
const SEGMENTS: [u64; 5] =
    [0, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00cf_fb00_0000_ffff, 0x00cf_f300_0000_ffff];

fn segments(answer: &mut Answer) -> Result<()> {
    let tables = Tables::read(answer)?;
    let ran = &tables.ran;
    if (tables.gdt_base, tables.gdt_limit) != (GDT as u32, 0x2f) {
        return ran.fail(&format!(
            "the GDT register holds base {:#x} and limit {:#x}, not base {GDT:#x} and limit 0x2f",
            tables.gdt_base, tables.gdt_limit
        ));
    }
    for (selector, expected) in (0..).step_by(8).zip(SEGMENTS) {
        let descriptor = tables.descriptor(selector);
        if descriptor != expected {
            return ran.fail(&format!(
                "the descriptor at {selector:#x} is {}, not {}",
                shown(descriptor),
                shown(expected)
            ));
        }
    }

    // Into ring 3 and back, by a TSS of the guest's own: for the way back there is another task.
    let random = &mut answer.random;
    let [stack, handler_stack] = [0x20_0000, 0x30_0000].map(|base| base + 16 * random.u32(1..900));
    let address = random.u32(0x40_0000..0xf0_0000) & !3;
    let value = random.u32(..);
    let code = format!(
        "        movl    ${handler_stack:#x}, own_tss + 4
        movl    $DATA, own_tss + 8
        movl    $own_tss, %eax
        movw    $0x67, GDT + 0x28
        movw    %ax, GDT + 0x2a
        movl    $0x8900, GDT + 0x2c
        load_task
        to_ring_3 {stack:#x}
        movl    ${value:#x}, {address:#x}
        push    {address:#x}
        pop     %ecx
        mov     %cs, %eax
        mov     %ds, %ebx
        mov     %ss, %ebp
        mov     %esp, %edi
        int     $0x80
system_call:
        say     \"CS \"
        hex     %eax
        say     \", DS \"
        hex     %ebx
        say     \", SS \"
        hex     %ebp
        say     \", ESP \"
        hex     %edi
        say     \", read \"
        hex     %ecx
        say     \"\\n\"
        hlt
        .balign 16
own_tss: .fill  0x68                    # all of it but the bit map
"
    );
    let ran = run(answer, "ring-3", &code)?;
    ran.stdout(format!(
        "CS {CODE_3:08x}, DS {DATA_3:08x}, SS {DATA_3:08x}, ESP {stack:08x}, read {value:08x}\n"
    ))?;

    // Nothing is new in real mode.
    let source = "        .code16
        mov     $0x500, %si
        mov     $0x300, %cx
next:   lodsb
        or      %al, %bl
        loop    next
        mov     $HYPERCALL_PORT, %dx
        mov     $HC_EXIT, %al
        out     %al, %dx
";
    let image = answer.assemble("real", Place::Real, source)?;
    let ran = answer.run([text(&image)]).finish()?;
    if ran.status(0).is_err() {
        return ran.fail("a real-mode guest finds tables at 0x500 to 0x7ff: they are not for it");
    }
    let ran = answer.run(["pmode"]).finish()?;
    ran.status(0)?.stdout(
        "CR0 = 0x60000011: bit 0, PE, is set in protected mode\nCS = 0x00000008, SS = 0x00000010: \
         reloaded from the GDT at 0x00000500\n0x00200000: wrote 0xcafef00d, read 0xcafef00d\n",
    )?;
    Ok(())
}

fn back(answer: &mut Answer) -> Result<()> {
    let tables = Tables::read(answer)?;
    tables.has_tss()?;
    let word = |offset| tables.dword(TSS as usize - GDT + offset);
    let (esp0, ss0) = (word(4), word(8) & 0xffff);
    if (esp0, ss0) != (STACK, DATA) {
        return tables.ran.fail(&format!(
            "in the TSS, ESP0 is {esp0:#x} and SS0 is {ss0:#x}, not {STACK:#x} and {DATA:#x}"
        ));
    }

    // What can go wrong in ring 3, with the number of the exception, and its error code if it has one.
    let mut faults = vec![
        ("cli", 13, Some(0)),
        ("hlt", 13, Some(0)),
        ("mov %cr0, %eax", 13, Some(0)),
        ("ud2", 6, None),
        ("mov $DATA, %eax; mov %eax, %ss", 13, Some(DATA)),
        ("int $0x20", 13, Some(0x20 << 3 | 2)),
        ("xor %ecx, %ecx; div %ecx", 0, None),
    ];
    answer.random.shuffle(&mut faults);
    faults.truncate(4);
    let stacks: Vec<u32> =
        faults.iter().map(|_| 0x20_0000 + 16 * answer.random.u32(1..60_000)).collect();
    // It makes the segments of ring 3 itself: they are another task.
    let mut code = String::from(
        "        make_segments
        load_task
",
    );
    let mut expected = String::new();
    for (number, ((instruction, exception, error), stack)) in faults.iter().zip(&stacks).enumerate()
    {
        // What the handler finds on its stack: the error code, if there is one, EIP, CS, EFLAGS, ESP, SS.
        let pushed = if error.is_some() { 24 } else { 20 };
        let _ = writeln!(
            code,
            "        movl    $fault_{number}, on_exception
        to_ring_3 {stack:#x}
        {instruction}
        hlt
fault_{number}:
        say     \"{instruction}: exception \"
        hex     %eax
        say     \", error code \"
        hex     %ecx
        say     \", SS \"
        mov     %ss, %eax
        hex     %eax
        say     \", ESP \"
        hex     %ebp
        say     \", ring 3 had CS \"
        hex     {cs}(%ebp)
        say     \", SS \"
        hex     {ss}(%ebp)
        say     \", ESP \"
        hex     {esp}(%ebp)
        say     \"\\n\"",
            cs = pushed - 16,
            ss = pushed - 4,
            esp = pushed - 8,
        );
        let _ = writeln!(
            expected,
            "{instruction}: exception {exception:08x}, error code {:08x}, SS {DATA:08x}, ESP {:08x}, \
             ring 3 had CS {CODE_3:08x}, SS {DATA_3:08x}, ESP {stack:08x}",
            error.unwrap_or(0),
            STACK - pushed
        );
    }
    code += "        hlt\n";
    let ran = run(answer, "back", &code)?;
    ran.stdout(expected)?;
    Ok(())
}

fn port(answer: &mut Answer) -> Result<()> {
    let tables = Tables::read(answer)?;
    let limit = tables.has_tss()?;
    let ran = &tables.ran;
    let io_map = tables.dword(TSS as usize - GDT + 0x64) >> 16;
    let last = io_map + PORT_BYTE + 1;
    if io_map < 0x68 {
        return ran.fail(&format!(
            "the I/O map base, at offset 0x66 of the TSS, is {io_map:#x}: the bit map lies behind the \
             TSS, which has 0x68 bytes"
        ));
    }
    if last != limit {
        return ran.fail(&format!(
            "the limit of the TSS is {limit:#x}; with a bit map at {io_map:#x}, the bit of port 0x500 \
             is in the byte at {:#x}, and the byte of ones after it is at {last:#x}",
            last - 1
        ));
    }
    if TSS + limit >= TABLES_END {
        return ran.fail(&format!("the TSS ends at {:#x}, not below 0x800", TSS + limit));
    }
    let ones = tables.bytes[(TSS + limit) as usize - GDT];
    if ones != 0xff {
        return ran
            .fail(&format!("the last byte of the TSS, at {limit:#x}, is {ones:#04x}, not 0xff"));
    }

    let random = &mut answer.random;
    let letters: String = (0..3).map(|_| random.alphanumeric()).collect();
    // Their first port, then the bytes that they read or write. 0x500 is among these.
    let mut wide = [(0x500, 2), (0x4ff, 2), (0x500, 4), (0x4fd, 4), (0x4fe, 4), (0x4ff, 4)];
    random.shuffle(&mut wide);
    let mut code = format!(
        "        make_segments
        movl    ${STACK:#x}, 0x604      # in the TSS: they are another task
        movw    $DATA, 0x608
        load_task
        movl    $unexpected, on_exception
        to_ring_3 0x200000
"
    );
    for letter in letters.chars() {
        let _ = writeln!(
            code,
            "        mov     $'{letter}', %bl
        mov     $HC_PUTCHAR, %al
        mov     $HYPERCALL_PORT, %edx
        out     %al, %dx"
        );
    }
    code += "        movl    $skip, on_exception\n";
    for (port, bytes) in wide {
        let instruction = if bytes == 2 { "out %ax, %dx" } else { "out %eax, %dx" };
        let length = if bytes == 2 { 2 } else { 1 };
        let _ = writeln!(
            code,
            "        mov     ${port:#x}, %edx
        mov     ${bytes}, %edi
        mov     ${length}, %esi
        xor     %eax, %eax              # were it let through, it would be HC_EXIT
        mov     $50, %ebx
        xor     %ecx, %ecx
        {instruction}
        test    %ecx, %ecx
        jz      open"
        );
    }
    code += "        mov     $1, %edi
        mov     %edi, %esi
        mov     $0xffff, %edx
next:   cmp     $0x500, %edx
        je      skipped
        mov     $HC_EXIT, %al
        xor     %ecx, %ecx
        in      %dx, %al
        test    %ecx, %ecx
        jz      open
skipped: dec    %edx
        jns     next
open:   movl    $done, on_exception
        ud2

# In ring 0 with EBP the stack. EDX is the port; ECX is 0 in ring 3 as long as nothing faulted.
skip:   cmp     $13, %eax
        jne     unexpected
        mov     %esi, %ecx
        add     %ecx, 4(%ebp)           # behind the IN or OUT
        add     $4, %ebp                # the error code
        mov     %ebp, %esp
        mov     $1, %ecx
        iret

done:   cmp     $-1, %edx
        je      closed
        say     \"; not forbidden: access to port \"
        hex     %edx
        say     \", bytes: \"
        hex     %edi
        say     \"\\n\"
        hlt
closed: say     \"; all other ports: forbidden\"
        say     \"\\n\"
        hlt
";
    let ran = run(answer, "port", &code)?;
    ran.stdout(format!("{letters}; all other ports: forbidden\n"))?;
    Ok(())
}

/// What the VMM put where a protected-mode guest finds it.
struct Tables {
    gdt_base: u32,
    gdt_limit: u32,
    /// From 0x500 up to 0x800.
    bytes: Vec<u8>,
    ran: Ran,
}

impl Tables {
    /// Has a guest tell.
    fn read(answer: &Answer) -> Result<Self> {
        let source = "        .code32
        sgdt    gdtr
        mov     $HYPERCALL_PORT, %edx
        mov     $gdtr, %esi
        mov     $3, %ecx
        call    print
        mov     $0x500, %esi
        mov     $0x180, %ecx
        call    print
        hlt
print:  lodsw
        mov     %eax, %ebx
        mov     $HC_PUTNUM, %al
        out     %al, %dx
        mov     $HC_NEWLINE, %al
        out     %al, %dx
        loop    print
        ret
gdtr:   .fill   6
";
        let image = answer.assemble("tables", Place::Protected, source)?;
        let ran = answer.run(["--mode", "protected", text(&image)]).finish()?;
        ran.status(0)?;
        let printed = ran.stdout_text();
        let words: Vec<u16> = printed.lines().filter_map(|word| word.parse().ok()).collect();
        let [limit, low, high, ref tables @ ..] = words[..] else {
            return ran.fail("the guest was to print what is at 0x500, and printed nothing");
        };
        Ok(Self {
            gdt_base: u32::from(high) << 16 | u32::from(low),
            gdt_limit: limit.into(),
            bytes: tables.iter().flat_map(|word| word.to_le_bytes()).collect(),
            ran,
        })
    }

    /// The 32 bits at this offset.
    fn dword(&self, offset: usize) -> u32 {
        let byte = |index: usize| self.bytes.get(offset + index).copied().unwrap_or(0);
        u32::from_le_bytes([0, 1, 2, 3].map(byte))
    }

    fn descriptor(&self, selector: u32) -> u64 {
        let at = selector as usize;
        u64::from(self.dword(at + 4)) << 32 | u64::from(self.dword(at))
    }

    /// The limit of the TSS; without a TSS a guest that goes to ring 3 must not run.
    fn has_tss(&self) -> Result<u32> {
        let ran = &self.ran;
        if self.gdt_limit < TSS_SELECTOR + 7 {
            let limit = self.gdt_limit;
            return ran.fail(&format!("the GDT, with limit {limit:#x}, has no entry 0x28"));
        }
        let descriptor = self.descriptor(TSS_SELECTOR);
        let bits = |from: u32, count: u32| (descriptor >> from & ((1 << count) - 1)) as u32;
        let (base, limit) = (bits(56, 8) << 24 | bits(16, 24), bits(48, 4) << 16 | bits(0, 16));
        let why = if bits(40, 8) != 0x89 {
            "bits 40 to 47 say that it is not a present, available 32-bit TSS of ring 0"
        } else if base != TSS {
            "the base is not 0x600"
        } else if bits(55, 1) != 0 {
            "the limit counts pages, not bytes"
        } else if limit < 0x67 {
            "the limit is below 0x67"
        } else {
            return Ok(limit);
        };
        ran.fail(&format!("the descriptor at 0x28 is {}: {why}", shown(descriptor)))
    }
}

/// A descriptor as the page has it: the higher half first.
fn shown(descriptor: u64) -> String {
    format!("{:08x} {:08x}", descriptor >> 32, descriptor as u32)
}

/// Runs a guest that begins with this code, in protected mode.
fn run(answer: &Answer, name: &str, code: &str) -> Result<Ran> {
    let source = [include_str!("ch09/begin.S"), code, include_str!("ch09/end.S")].concat();
    let image = answer.assemble(name, Place::Protected, &source)?;
    let ran = answer.run(["--mode", "protected", text(&image)]).finish()?;
    // It halts even after an exception; a crash says more than what it has not printed.
    ran.status(0)?;
    Ok(ran)
}
