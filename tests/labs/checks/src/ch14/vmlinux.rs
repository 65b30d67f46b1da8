//! A kernel in an ELF file that prints, byte by byte, what it finds when it starts.

use fastrand::Rng;

use super::{bzimage_is_accepted, is_refused};
use crate::answer::{Answer, text};
use crate::guest::Place;
use crate::ran::Ran;
use crate::verdict::Result;

const MIB: u64 = 1 << 20;
const LOW_MEMORY_END: u64 = 0x9_fc00;

const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const XEN: &[u8] = b"Xen\0";
const PHYS32_ENTRY: u32 = 18;

/// What is printed before the start info: a word for each.
const WORDS: [&str; 5] = ["EBX", "CR0", "EFER", "line status", "port without a device"];
const START_INFO_BYTES: usize = 56;
const ENTRY_BYTES: usize = 24;

pub fn pvh(answer: &mut Answer) -> Result<()> {
    for (round, width) in [8, 4].into_iter().enumerate() {
        let plan = Plan::random(&mut answer.random, width);
        let file = plan.file(answer, round)?;
        let path = answer.file(&format!("vmlinux-{round}"), &file)?;
        let memory = plan.memory.to_string();
        let arguments =
            ["--kernel", text(&path), "--memory", &memory, "--cmdline", &plan.command_line];
        let ran = answer.run(arguments).finish()?;
        if ran.stdout_bytes().first() == Some(&b'E') {
            return ran.fail(
                "it was not called at the entry that the note of the owner Xen and type 18 has, but at \
                 that of the ELF header, or of another note",
            );
        }
        ran.status(0)?.stderr_has("linux: reset after ")?;
        plan.compare(&ran)?;
    }
    bad_files(answer)?;
    bzimage_is_accepted(answer)
}

/// Files that are refused, the first with the reason that the task names.
fn bad_files(answer: &mut Answer) -> Result<()> {
    let plan = Plan::random(&mut answer.random, 8);
    let none = Plan { notes: plan.decoys(), ..plan.clone() }.file(answer, 2)?;
    is_refused(answer, "vmlinux-without", &none, Some("it has no PVH entry"))?;
    let whole = plan.file(answer, 2)?;
    is_refused(answer, "vmlinux-cut", &whole[..whole.len() - 1], None)?;
    is_refused(answer, "vmlinux-header", &whole[..80], None)?;
    let mut wide = whole.clone();
    wide[4] = 1; // EI_CLASS: 32 bits
    is_refused(answer, "vmlinux-32-bit", &wide, None)?;
    for (name, address) in [("beyond", 256 * MIB - 8), ("around", u64::MAX - 7)] {
        let far = Plan { data_at: address, memory: 256 * MIB, ..plan.clone() };
        let far = far.file(answer, 3)?;
        is_refused(answer, &format!("vmlinux-{name}"), &far, None)?;
    }
    Ok(())
}

#[derive(Clone)]
struct Plan {
    memory: u64,
    command_line: String,
    code_at: u64,
    data_at: u64,
    data: Vec<u8>,
    /// What the data has in memory, and not in the file.
    zeros: u64,
    /// Owner, type, contents.
    notes: Vec<(Vec<u8>, u32, Vec<u8>)>,
    port: u16,
}

impl Plan {
    fn random(random: &mut Rng, width: usize) -> Self {
        let memory = random.u64(64..200) * MIB + random.u64(0..256) * 0x1000;
        let places = [random.u64(0x500..0x1000) * 0x1000, random.u64(0x2000..0x3000) * 0x1000];
        let [code_at, data_at] = if random.bool() { places } else { [places[1], places[0]] };
        let words = (0..random.u8(3..9))
            .map(|_| (0..random.u8(1..12)).map(|_| random.alphanumeric()).collect::<String>());
        let command_line = words.collect::<Vec<_>>().join(" ");
        let data = (0..random.usize(20..200)).map(|_| random.u8(..)).collect();
        let zeros = random.u64(20..200);
        let port = random.u16(0xa000..0xf000);
        let mut plan =
            Self { memory, command_line, code_at, data_at, data, zeros, notes: Vec::new(), port };
        plan.notes = plan.decoys();
        let entry = plan.code_at.to_le_bytes()[..width].to_vec();
        let place = random.usize(1..=plan.notes.len());
        plan.notes.insert(place, (XEN.to_vec(), PHYS32_ENTRY, entry));
        plan
    }

    /// Notes of the same type or of the same owner, whose contents would be the other entry.
    fn decoys(&self) -> Vec<(Vec<u8>, u32, Vec<u8>)> {
        let wrong = (self.code_at + WRONG_ENTRY).to_le_bytes().to_vec();
        vec![
            (b"Linux\0".to_vec(), PHYS32_ENTRY, wrong.clone()),
            (XEN.to_vec(), 1, wrong.clone()),
            (XEN.to_vec(), 6, b"linux\0".to_vec()),
            (b"GNU\0".to_vec(), PHYS32_ENTRY, wrong),
        ]
    }

    /// The ELF file: headers in no order, virtual addresses far from the physical ones.
    fn file(&self, answer: &Answer, round: usize) -> Result<Vec<u8>> {
        let place = Place::At(self.code_at as u32);
        let image = answer.assemble(&format!("kernel-{round}"), place, &self.source())?;
        let code = std::fs::read(image)?;
        let notes: Vec<u8> = self.notes.iter().flat_map(note).collect();
        let parts = [
            (PT_LOAD, self.data_at, self.data.as_slice(), self.zeros),
            (PT_NOTE, self.data_at, &notes, 0),
            (PT_LOAD, self.code_at, &code, 0),
        ];
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        let entry = self.code_at + WRONG_ENTRY;
        // An executable for x86-64.
        file.extend([2, 62].map(u16::to_le_bytes).concat());
        file.extend(1_u32.to_le_bytes());
        file.extend([entry, 64, 0].map(u64::to_le_bytes).concat());
        file.extend([0, 0, 64, 56, parts.len() as u16, 0, 0, 0].map(u16::to_le_bytes).concat());
        let mut offset = 0x1000;
        let (mut contents, mut end) = (Vec::new(), 0);
        for (kind, physical, bytes, more) in parts {
            let length = bytes.len() as u64;
            let virtual_address = 0xffff_ffff_8000_0000_u64.wrapping_add(physical);
            file.extend([kind, 7].map(u32::to_le_bytes).concat());
            let align = if kind == PT_NOTE { 4 } else { 0x1000 };
            file.extend(
                [offset, virtual_address, physical, length, length + more, align]
                    .map(u64::to_le_bytes)
                    .concat(),
            );
            contents.extend(bytes);
            end = contents.len();
            contents.resize(contents.len().next_multiple_of(0x1000), 0xcc);
            offset = 0x1000 + contents.len() as u64;
        }
        // The last byte of the file is one that counts.
        contents.truncate(end);
        file.resize(0x1000, 0);
        Ok([file, contents].concat())
    }

    fn source(&self) -> String {
        let Self { data_at, data, zeros, port, .. } = self;
        // The bytes to print are sent from ESI, as many as ECX says; EBP is where to go on.
        format!(
            "        .code32
        jmp     start
        .org    {WRONG_ENTRY}
        mov     $'E', %al
        jmp     last
start:  cld
        mov     %ebx, words
        mov     %cr0, %eax
        mov     %eax, words + 4
        mov     $0xc0000080, %ecx
        rdmsr
        mov     %eax, words + 8
        mov     %ds, %ecx               # from the table: there has to be one
        mov     %ecx, %ds
        mov     %ss, %ecx
        mov     %ecx, %ss
        mov     %es, %ecx
        mov     %ecx, %es
        mov     $0x3fd, %edx
        in      %dx, %al
        movzbl  %al, %eax
        mov     %eax, words + 12
        mov     ${port:#x}, %edx
        in      %dx, %al
        movzbl  %al, %eax
        mov     %eax, words + 16
        out     %al, %dx
        mov     $words, %esi
        mov     $20, %ecx
        mov     $1f, %ebp
        jmp     print
1:      mov     words, %esi
        mov     $56, %ecx
        mov     $1f, %ebp
        jmp     print
1:      mov     words, %esi
        mov     48(%esi), %ecx
        cmp     $8, %ecx
        ja      crazy
        imul    $24, %ecx
        mov     40(%esi), %esi
        mov     $1f, %ebp
        jmp     print
1:      mov     words, %esi
        mov     24(%esi), %esi
        mov     %esi, %edi
        mov     $1000, %ecx
        xor     %eax, %eax
        repne   scasb
        mov     %edi, %ecx
        sub     %esi, %ecx
        mov     $1f, %ebp
        jmp     print
1:      mov     ${data_at:#x} & 0xffffffff, %esi
        mov     ${}, %ecx
        mov     $1f, %ebp
        jmp     print
1:      mov     $'.', %al
last:   mov     $0x3f8, %edx
        out     %al, %dx
crazy:  mov     $0xfe, %al
        out     %al, $0x64
        hlt
print:  mov     $0x3f8, %edx
        jecxz   2f
3:      lodsb
        out     %al, %dx
        loop    3b
2:      jmp     *%ebp
        .balign 4
words:  .fill   5, 4, 0
",
            data.len() as u64 + zeros
        )
    }

    /// Takes apart what the kernel printed.
    fn compare(&self, ran: &Ran) -> Result<()> {
        let mut rest = ran.stdout_bytes();
        let mut take = |count: usize, what: &str| match rest.split_at_checked(count) {
            Some((bytes, after)) => {
                rest = after;
                Ok(bytes)
            }
            None => ran.fail(&format!("the kernel came to its end before it had printed {what}")),
        };
        let words = take(4 * WORDS.len(), "its registers")?;
        let [ebx, cr0, efer, status, port] = std::array::from_fn(|index| word(words, 4 * index));
        if cr0 & 1 == 0 || cr0 >> 31 != 0 || efer & 0x500 != 0 {
            return ran.fail(&format!(
                "the entry is called in protected mode without paging, not with CR0 {cr0:#x} and EFER \
                 {efer:#x}"
            ));
        }
        if status & 0xff != 0x60 || port != 0xff {
            return ran.fail(&format!(
                "line status {status:#x}, and {port:#x} from port {:#x}: for a bzImage it is 0x60, and 0xff \
                 where there is no device",
                self.port
            ));
        }
        let info = take(START_INFO_BYTES, "the start info")?;
        let [magic, version, flags, modules] = [0, 4, 8, 12].map(|at| word(info, at));
        if (magic, version, flags, modules) != (0x336e_c578, 1, 0, 0) {
            return ran.fail(&format!(
                "what EBX, {ebx:#x}, points to begins with magic {magic:#x}, version {version}, flags \
                 {flags:#x}, {modules} modules"
            ));
        }
        let entries = word(info, 48) as usize;
        if entries != 2 {
            return ran.fail(&format!("the memory map has {entries} entries, not 2"));
        }
        let map = take(entries * ENTRY_BYTES, "the memory map")?;
        let mut map: Vec<_> = map
            .chunks(ENTRY_BYTES)
            .map(|entry| (long(entry, 0), long(entry, 8), word(entry, 16)))
            .collect();
        map.sort();
        let expected = [(0, LOW_MEMORY_END, 1), (MIB, self.memory - MIB, 1)];
        if map != expected {
            return ran.fail(&format!(
                "the memory map, as address, size and type, is\n{map:#x?}\nand should be\n{expected:#x?}"
            ));
        }
        let line = take(self.command_line.len() + 1, "the command line")?;
        let expected = format!("{}\0", self.command_line);
        if line != expected.as_bytes() {
            return ran.fail(&format!(
                "the command line is {:?}, not {expected:?}",
                String::from_utf8_lossy(line)
            ));
        }
        let data = take(self.data.len(), "the bytes of the segment with data")?;
        if data != self.data {
            return ran.fail(&format!(
                "at {:#x}, the physical address of the segment with data, there is\n{}\nnot\n{}",
                self.data_at,
                data.escape_ascii(),
                self.data.escape_ascii()
            ));
        }
        let zeros = take(self.zeros as usize, "what the segment with data has in memory only")?;
        if zeros.iter().any(|byte| *byte != 0) {
            return ran.fail(
                "what a segment has in memory and not in the file is not 0: bytes of the file behind \
                 the segment?",
            );
        }
        if rest != b"." {
            return ran
                .fail("the kernel printed more than it has to say, or did not come to its end");
        }
        Ok(())
    }
}

/// Where the entry in the ELF header leads, from the beginning of the code.
const WRONG_ENTRY: u64 = 8;

fn note((owner, kind, contents): &(Vec<u8>, u32, Vec<u8>)) -> Vec<u8> {
    let mut note =
        [owner.len() as u32, contents.len() as u32, *kind].map(u32::to_le_bytes).concat();
    for part in [owner, contents] {
        note.extend(part);
        note.resize(note.len().next_multiple_of(4), 0);
    }
    note
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}
