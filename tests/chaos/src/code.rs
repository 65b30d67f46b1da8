//! Machine code made at random: register states, and instructions that need the VMM or KVM.
//!
//! Instructions are emitted as the SDM, Vol. 2, encodes them.

use fastrand::Rng;

use crate::target::{MSRS, PORTS, address, pick};
use crate::value;

/// The size of a mode's default operand, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bits {
    /// Real mode.
    B16,
    /// Protected mode.
    B32,
    /// Long mode.
    B64,
}

/// Operand-size prefix: 32 bits for 16-bit code and the other way round.
const OPERAND: u8 = 0x66;
/// The same for addresses.
const ADDRESS: u8 = 0x67;
/// REX.W: 64-bit operands.
const REX_W: u8 = 0x48;

/// Code that is being written.
#[derive(Debug)]
pub struct Code {
    bits: Bits,
    /// What there is so far.
    pub bytes: Vec<u8>,
}

impl Code {
    /// None yet.
    pub fn new(bits: Bits) -> Self {
        Self { bits, bytes: Vec::new() }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// The prefix by which the next operand has 32 bits.
    fn wide(&mut self) {
        if self.bits == Bits::B16 {
            self.add(&[OPERAND]);
        }
    }

    /// The one by which it has 16.
    fn narrow(&mut self) {
        if self.bits != Bits::B16 {
            self.add(&[OPERAND]);
        }
    }

    /// `mov $value, REGISTER`, as wide as a register is.
    fn load(&mut self, register: u8, value: u64) {
        match self.bits {
            Bits::B64 => self.add(&[REX_W]),
            _ => self.wide(),
        }
        self.add(&[0xb8 + register]);
        let bytes = value.to_le_bytes();
        self.add(&bytes[..if self.bits == Bits::B64 { 8 } else { 4 }]);
    }

    /// `mov $value, %ax`.
    fn load_ax(&mut self, value: u16) {
        self.narrow();
        self.add(&[0xb8]);
        self.add(&value.to_le_bytes());
    }

    /// `mov $value, %dx`.
    fn load_dx(&mut self, value: u16) {
        self.narrow();
        self.add(&[0xba]);
        self.add(&value.to_le_bytes());
    }

    /// Pushes a pseudo-descriptor, and loads it: register 2 of this instruction is the GDT, 3 the IDT.
    fn load_table(&mut self, table: u8, base: u64, limit: u16) {
        match self.bits {
            Bits::B64 => {
                self.load(0, base);
                self.add(&[0x50]);
            }
            _ => {
                self.wide();
                self.add(&[0x68]);
                self.add(&(base as u32).to_le_bytes());
            }
        }
        self.narrow();
        self.add(&[0x68]);
        self.add(&limit.to_le_bytes());
        if self.bits == Bits::B16 {
            self.add(&[ADDRESS, OPERAND]);
        }
        self.add(&[0x0f, 0x01, table << 3 | 0b100, 0x24]);
    }

    /// A random state of the registers, or of some of them.
    pub fn registers(&mut self, rng: &mut Rng) {
        if rng.u8(..) < 80 {
            let (base, limit) = (u64::from(address(rng)), value::interesting(rng) as u16);
            self.load_table(rng.u8(2..4), base, limit);
        }
        for _ in 0..rng.u8(..4) {
            self.write_msr(rng);
        }
        for _ in 0..rng.u8(..3) {
            let register = rng.u8(..8);
            let value = value::interesting(rng);
            self.load(0, if register & 5 == 5 { without_watchpoints(value) } else { value });
            self.add(&[0x0f, 0x23, 0xc0 | register << 3]);
        }
        if rng.bool() {
            self.control_register(rng);
        }
        for _ in 0..rng.u8(..4) {
            // ES, SS, DS, FS, GS; CS cannot be loaded so. Where there is no segment, that faults.
            let selectors =
                [0, 8, 0x10, 0x18, 0x28, 0x1000, 0x4000, value::interesting(rng) as u16];
            self.load_ax(pick(rng, &selectors));
            self.add(&[0x8e, 0xc0 | pick(rng, &[0, 2, 3, 4, 5]) << 3]);
        }
        for _ in 0..rng.u8(..3) {
            // LLDT, LTR.
            if rng.u8(..) < 40 {
                self.load_ax(value::interesting(rng) as u16 & 0x7f);
                self.add(&[0x0f, 0x00, 0xd0 | u8::from(rng.bool()) << 3]);
            }
        }
        if rng.u8(..) < 60 {
            // POPF.
            self.wide();
            self.add(&[0x68]);
            self.add(&(value::interesting(rng) as u32).to_le_bytes());
            self.wide();
            self.add(&[0x9d]);
        }
        // Last, for what is above needs some of them.
        for register in 0..8 {
            let is_stack = register == 4;
            if rng.u8(..) < if is_stack { 40 } else { 128 } {
                self.load(register, value::interesting(rng));
            }
        }
    }

    /// Some bits of CR0, CR3 or CR4 changed, or all; CR2 and CR8 written.
    fn control_register(&mut self, rng: &mut Rng) {
        let register = pick(rng, &[0, 0, 2, 3, 4, 4]);
        if rng.u8(..4) == 0 {
            self.load(0, value::interesting(rng));
        } else {
            // mov %crN, %eax; xor $bit, %eax
            self.add(&[0x0f, 0x20, 0xc0 | register << 3]);
            self.wide();
            self.add(&[0x35]);
            self.add(&(1_u32 << rng.u8(..32)).to_le_bytes());
        }
        if self.bits == Bits::B64 && rng.u8(..8) == 0 {
            self.add(&[0x44, 0x0f, 0x22, 0xc0]); // CR8
        } else {
            self.add(&[0x0f, 0x22, 0xc0 | register << 3]);
        }
    }

    fn write_msr(&mut self, rng: &mut Rng) {
        let (first, count) = pick(rng, &MSRS);
        let number = if rng.u8(..16) == 0 { rng.u32(..) } else { first + rng.u32(..count) };
        self.load(1, number.into());
        let value = if rng.bool() { value::interesting(rng) } else { u64::from(address(rng)) | 1 };
        self.load(0, value & 0xffff_ffff);
        self.load(2, value >> 32);
        self.add(&[0x0f, if rng.u8(..4) == 0 { 0x32 } else { 0x30 }]);
    }

    /// One instruction, with what it needs, of those that leave the guest or might.
    pub fn instruction(&mut self, rng: &mut Rng) {
        match rng.u8(..24) {
            0..6 => self.port(rng),
            6..9 => self.hypercall(rng),
            9..12 => self.memory(rng),
            12 => self.write_msr(rng),
            13 => self.control_register(rng),
            14 => self.registers(rng),
            15 => self.add(&[0xcd, rng.u8(..)]), // INT
            16 => self.add(&[pick(rng, &[0xfa, 0xfb, 0xcf, 0xf1, 0xcc, 0xc3, 0xcb, 0x9c])]),
            17 => self.add(&[0xf4]),       // HLT
            18 => self.add(&[0x0f, 0xa2]), // CPUID
            // VMCALL, VMMCALL, VMRUN, MONITOR, MWAIT, XSETBV, CLGI, INVLPGA, RDTSCP, SWAPGS
            19 => {
                let last = pick(rng, &[0xc1, 0xd9, 0xd8, 0xc8, 0xc9, 0xd1, 0xdd, 0xdf, 0xf9, 0xf8]);
                self.add(&[0x0f, 0x01, last]);
            }
            // WBINVD, UD2, SYSCALL, SYSENTER, RSM, INVD, CLTS
            20 => self.add(&[0x0f, pick(rng, &[0x09, 0x0b, 0x05, 0x34, 0xaa, 0x08, 0x06])]),
            21 => {
                let count = rng.usize(1..8);
                let bytes: Vec<u8> = (0..count).map(|_| rng.u8(..)).collect();
                self.add(&bytes);
            }
            22 => self.add(&[0xeb, rng.u8(..8)]), // JMP, forward
            _ => {
                self.wide();
                self.add(&[0x68]); // PUSH
                self.add(&(value::interesting(rng) as u32).to_le_bytes());
            }
        }
    }

    /// IN or OUT: a byte, a word, a double word, or with REP many.
    fn port(&mut self, rng: &mut Rng) {
        let port = if rng.u8(..8) == 0 { rng.u16(..) } else { pick(rng, &PORTS) };
        self.load_dx(port);
        if rng.u8(..4) == 0 {
            self.load(1, rng.u64(..2000));
            let at = address(rng);
            self.load(6, at.into());
            self.load(7, at.into());
            if rng.u8(..3) == 0 {
                self.add(&[OPERAND]);
            }
            self.add(&[0xf3, pick(rng, &[0x6c, 0x6d, 0x6e, 0x6f])]);
            return;
        }
        if rng.bool() {
            self.load(0, value::interesting(rng));
        }
        if rng.u8(..3) == 0 {
            self.add(&[OPERAND]);
        }
        self.add(&[pick(rng, &[0xec, 0xed, 0xee, 0xee, 0xef])]);
    }

    fn hypercall(&mut self, rng: &mut Rng) {
        self.load_dx(0x500);
        self.load(3, value::interesting(rng));
        // HC_EXIT ends the guest: not too often.
        let number = if rng.u8(..16) == 0 { pick(rng, &[0, 5, 255]) } else { rng.u8(1..5) };
        self.add(&[0xb0, number, 0xee]);
    }

    /// A read or a write somewhere.
    fn memory(&mut self, rng: &mut Rng) {
        self.load(5, address(rng).into());
        if rng.bool() {
            self.load(0, value::interesting(rng));
        }
        if self.bits == Bits::B16 {
            self.add(&[ADDRESS]);
        }
        if rng.u8(..3) == 0 {
            self.add(&[OPERAND]);
        }
        // 0(%ebp)
        self.add(&[pick(rng, &[0x88, 0x89, 0x8a, 0x8b, 0x01, 0x87, 0xff]), 0x45, 0]);
    }

    /// Jumps back to where the code is that many bytes before its end.
    pub fn jump_back(&mut self, bytes: usize) {
        let bytes = bytes as i32;
        match self.bits {
            Bits::B16 => {
                self.add(&[0xe9]);
                self.add(&((-bytes - 3) as i16).to_le_bytes());
            }
            _ => {
                self.add(&[0xe9]);
                self.add(&(-bytes - 5).to_le_bytes());
            }
        }
    }

    /// Jumps to an absolute address, by way of the stack; that near a jump is for 16 bits.
    pub fn jump_to(&mut self, address: u32) {
        self.add(&[0x68]);
        match self.bits {
            Bits::B16 => self.add(&(address as u16).to_le_bytes()),
            _ => self.add(&address.to_le_bytes()),
        }
        self.add(&[0xc3]);
    }
}

/// A value for DR7, which is DR5 as well, by which instructions and ports are watched, but no data: of
/// that, QEMU 7.2 dies when it emulates KVM's host.
fn without_watchpoints(dr7: u64) -> u64 {
    (0..4).fold(dr7, |dr7, number| {
        let is_enabled = dr7 >> (2 * number) & 0b11 != 0;
        if is_enabled { dr7 & !(1 << (16 + 4 * number)) } else { dr7 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_encoded_for_their_mode() {
        let encode = |bits, write: fn(&mut Code)| {
            let mut code = Code::new(bits);
            write(&mut code);
            code.bytes
        };
        let load = |code: &mut Code| code.load(3, 0x1234);
        assert_eq!(encode(Bits::B16, load), [0x66, 0xbb, 0x34, 0x12, 0, 0]);
        assert_eq!(encode(Bits::B32, load), [0xbb, 0x34, 0x12, 0, 0]);
        assert_eq!(encode(Bits::B64, load), [0x48, 0xbb, 0x34, 0x12, 0, 0, 0, 0, 0, 0]);

        // push $0x800; pushw $7; lgdt (%esp)
        let table = |code: &mut Code| code.load_table(2, 0x800, 7);
        assert_eq!(
            encode(Bits::B32, table),
            [0x68, 0, 8, 0, 0, 0x66, 0x68, 7, 0, 0x0f, 0x01, 0x14, 0x24]
        );
        assert_eq!(
            encode(Bits::B16, table),
            [0x66, 0x68, 0, 8, 0, 0, 0x68, 7, 0, 0x67, 0x66, 0x0f, 0x01, 0x14, 0x24]
        );
        assert_eq!(encode(Bits::B16, |code| code.jump_back(4)), [0xe9, 0xf9, 0xff]);
        assert_eq!(encode(Bits::B32, |code| code.jump_back(0)), [0xe9, 0xfb, 0xff, 0xff, 0xff]);
        assert_eq!(encode(Bits::B16, |code| code.jump_to(0x123)), [0x68, 0x23, 1, 0xc3]);
    }

    #[test]
    fn no_data_is_watched() {
        // Number 0 for writes, 1 for ports, 2 for both reads and writes, 3 not at all.
        assert_eq!(without_watchpoints(0x1321_0015), 0x1220_0015);
    }
}
