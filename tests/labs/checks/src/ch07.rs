//! Ten times fewer exits.

use std::fs;

use crate::Check;
use crate::answer::{Answer, text};
use crate::guest::Place;
use crate::ran::Ran;
use crate::verdict::{Result, fail};

pub const CHECKS: &[(&str, Check)] = &[("puts", puts), ("pointers", pointers), ("tenth", tenth)];

/// All that a 16-bit address reaches, and all the memory that there is.
const MEMORY_BYTES: u32 = 0x1_0000;

/// The most that `table` may have of each.
const TABLE_EXITS: u32 = 73;
const TABLE_BYTES: u64 = 512;

fn puts(answer: &mut Answer) -> Result<()> {
    let random = &mut answer.random;
    // With a 0 and a 255 in it, and no end of a line.
    let mut bytes: Vec<u8> = (0..random.u16(40..200)).map(|_| random.u8(..)).collect();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 2].copy_from_slice(&[0, 255]);
    bytes.push(b'!');
    let segment = random.u16(0x20..0xc00);
    let offset = random.u16(0x100..0x3000);
    let [ah, si, di, bp, high] = std::array::from_fn(|_| random.u16(1..0xff));

    // The text is copied to where nothing but DS:BX leads. Only CX and BX count: the registers are
    // longer, and hold more. All of them are printed afterwards.
    let source = format!(
        "        .code16
        cld
        mov     ${segment:#x}, %ax
        mov     %ax, %es
        mov     $text, %si
        mov     ${offset:#x}, %di
        mov     ${length}, %cx
        rep movsb
        mov     %ax, %ds
        mov     $HYPERCALL_PORT, %dx
        mov     ${high:#x}0000 | {offset:#x}, %ebx
        mov     ${high:#x}0000 | {length}, %ecx
        mov     ${si}, %si
        mov     ${di}, %di
        mov     ${bp}, %bp
        mov     ${ah:#x} << 8 | 5, %ax
        out     %al, %dx
        push    %ax
        push    %dx
        push    %di
        push    %si
        push    %bp
        push    %ebx
        push    %ecx
        .rept   9
        pop     %bx
        mov     $HC_PUTNUM, %al
        out     %al, %dx
        mov     $HC_NEWLINE, %al
        out     %al, %dx
        .endr
        xor     %cx, %cx
        mov     $0xffff, %bx
        mov     $5, %al
        out     %al, %dx
        hlt
text:   .byte   {text}
",
        length = bytes.len(),
        text = list(&bytes),
    );
    let image = answer.assemble("puts", Place::Real, &source)?;
    let ran = answer.run([text(&image)]).finish()?;
    let registers = [bytes.len() as u16, high, offset, high, bp, si, di, 0x500, ah << 8 | 5];
    let registers: String = registers.iter().map(|register| format!("{register}\n")).collect();
    let expected = [bytes, registers.into_bytes()].concat();
    ran.status(0)?.stdout(expected)?.stderr(format!(
        "{}: halted after 21 exits\n        9  HC_PUTNUM\n        9  HC_NEWLINE\n        2  HC_PUTS\n        \
         1  hlt\n",
        image.display()
    ))?;
    rows(answer)?;
    // What was there before is as it was.
    let ran = answer.run(["hctest"]).finish()?;
    ran.status(0)?.stdout("Hello!\n42\n1234\n")?;
    let unknown = answer.assemble(
        "unknown",
        Place::Real,
        "        .code16\n        mov     $HYPERCALL_PORT, %dx\n        mov     $6, %al\n        out     \
         %al, %dx\n        hlt\n",
    )?;
    let ran = answer.run([text(&unknown)]).finish()?;
    ran.status(65)?.stderr_has("no hypercall has the number 6")?;
    Ok(())
}

/// The row of the new hypercall is between that of HC_GETCHAR and those of COM1.
fn rows(answer: &mut Answer) -> Result<()> {
    let times = answer.random.u16(2..30);
    let source = format!(
        "        .code16
        mov     $HYPERCALL_PORT, %dx
        mov     $HC_GETCHAR, %al
        out     %al, %dx
        mov     ${times}, %bp
again:  mov     $text, %bx
        mov     $3, %cx
        mov     $5, %al
        out     %al, %dx
        dec     %bp
        jnz     again
        mov     $0x3f8, %dx
        mov     $'.', %al
        out     %al, %dx
        hlt
text:   .ascii  \"abc\"
"
    );
    let image = answer.assemble("rows", Place::Real, &source)?;
    let ran = answer.run([text(&image)]).finish()?;
    ran.status(0)?.stdout("abc".repeat(times.into()) + ".")?.stderr(format!(
        "{}: halted after {} exits\n        1  HC_GETCHAR\n{times:>9}  HC_PUTS\n        1  COM1 \
         transmit\n        1  hlt\n",
        image.display(),
        times + 3
    ))?;
    Ok(())
}

fn pointers(answer: &mut Answer) -> Result<()> {
    let random = &mut answer.random;
    let length = random.u32(10..200);
    let bad = [
        // The last byte alone is too far.
        ("last-byte", 0, MEMORY_BYTES - length + 1, length),
        ("half", 0, MEMORY_BYTES - length / 2, length),
        ("segment", 0xf00 + random.u32(0..0x10), 0x1000 + random.u32(0..0x100), 0xffff),
        ("first-beyond", 0x1000, 0, 1),
        ("far", 0xffff, random.u32(0x1000..0xf000), length),
    ];
    for (name, segment, offset, length) in bad {
        let (image, ran) = pointer(answer, name, segment, offset, length)?;
        let address = (segment << 4) + offset;
        let plural = if length == 1 { "" } else { "s" };
        ran.stdout("so far\n")?.status(65)?.stderr_begins(&format!(
            "error: {image}: crashed after 3 exits: HC_PUTS of {length} byte{plural} at {address:#x}: \
             not in guest memory\n"
        ))?;
        if !ran.stderr_text().lines().nth(1).is_some_and(|line| line.starts_with("  rip ")) {
            return ran
                .fail("the usual report, with the registers, does not follow on standard error");
        }
    }
    // To the very last byte it is fine, and nothing is nowhere.
    let good = [("whole", 0, MEMORY_BYTES - length, length), ("nothing", 0xffff, 0xffff, 0)];
    for (name, segment, offset, length) in good {
        let (image, ran) = pointer(answer, name, segment, offset, length)?;
        let mut expected = b"so far\n".to_vec();
        expected.extend(vec![0; length as usize]);
        expected.extend(b"x");
        ran.status(0)?.stdout(expected)?;
        ran.stderr_begins(&format!("{image}: halted after 5 exits\n"))?;
    }
    Ok(())
}

/// Runs a guest that prints something, then asks for this text, then prints `x`.
fn pointer(
    answer: &Answer,
    name: &str,
    segment: u32,
    offset: u32,
    length: u32,
) -> Result<(String, Ran)> {
    // Memory that nobody wrote is zero: to find the text there needs no text.
    let source = format!(
        "        .code16
        mov     $HYPERCALL_PORT, %dx
        mov     $text, %bx
        mov     $6, %cx
        mov     $5, %al
        out     %al, %dx
        mov     $HC_NEWLINE, %al
        out     %al, %dx
        mov     ${segment:#x}, %ax
        mov     %ax, %ds
        mov     ${offset:#x}, %bx
        mov     ${length}, %cx
        mov     $5, %al
        out     %al, %dx
        mov     $'x', %bl
        mov     $HC_PUTCHAR, %al
        out     %al, %dx
        hlt
text:   .ascii  \"so far\"
"
    );
    let image = answer.assemble(&format!("pointer-{name}"), Place::Real, &source)?;
    let ran = answer.run([text(&image)]).finish()?;
    Ok((text(&image).to_owned(), ran))
}

fn tenth(answer: &mut Answer) -> Result<()> {
    let image = answer.build_real_guest("table.S")?;
    let bytes = fs::metadata(&image)?.len();
    if bytes > TABLE_BYTES {
        return fail(format!("the image of table.S has {bytes} bytes, more than {TABLE_BYTES}"));
    }
    let ran = answer.run([text(&image)]).finish()?;
    let mut table = String::new();
    for (a, b) in (2..=9).flat_map(|a| (1..=9).map(move |b| (a, b))) {
        table += &format!("{a} x {b} = {}\n", a * b);
    }
    ran.status(0)?.stdout(table)?;
    let said = ran.stderr_text();
    let exits = said.split_once(": halted after ").and_then(|(_, rest)| rest.split_once(' '));
    match exits.and_then(|(exits, _)| exits.parse::<u32>().ok()) {
        Some(exits) if exits <= TABLE_EXITS => Ok(()),
        Some(exits) => ran.fail(&format!("halted after {exits} exits, more than {TABLE_EXITS}")),
        None => ran.fail("does not say after how many exits it halted"),
    }
}

/// Bytes as the assembler reads them.
fn list(bytes: &[u8]) -> String {
    bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")
}
