/* What is the CPU's: selectors, bits, and the instructions that C has no words for. */
#ifndef X86_H
#define X86_H

#define PAGE 4096                       /* bytes */

/* Bits of an entry of the page directory or of a page table. SDM Vol. 3A, 4.3. */
#define PRESENT 0x1
#define WRITABLE 0x2
#define USER 0x4
#define ADDRESS 0xfffff000

/* Bits of CR0. SDM Vol. 3A, 2.5. */
#define CR0_EM (1 << 2)                 /* an FPU instruction is an exception */
#define CR0_WP (1 << 16)                /* a read-only page is read-only for the kernel, too */
#define CR0_PG (1 << 31)

/* Selectors: offsets into our GDT, with the ring of those who use them. */
#define KERNEL_CODE 0x08
#define KERNEL_DATA 0x10
#define USER_CODE (0x18 | 3)
#define USER_DATA (0x20 | 3)
#define TASK 0x28
#define DOUBLE_FAULT_TASK 0x30

#define EFLAGS_RESERVED (1 << 1)        /* always 1 */
#define EFLAGS_IF (1 << 9)              /* interrupts may come */

#define EXCEPTION_DOUBLE_FAULT 8
#define EXCEPTION_PAGE_FAULT 14
#define IRQ_VECTOR 32                   /* of IRQ 0: those below are exceptions */
#define VECTORS 48                      /* with the 16 IRQs */
#define SYSCALL_VECTOR 0x80

#ifndef __ASSEMBLER__

#include <stdint.h>

static inline void outb(uint16_t port, uint8_t value)
{
        __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
        uint8_t value;
        __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
        return value;
}

static inline uint32_t read_cr2(void)
{
        uint32_t value;
        __asm__ volatile("mov %%cr2, %0" : "=r"(value));
        return value;
}

static inline void write_cr3(uint32_t value)
{
        __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

static inline uint64_t rdtsc(void)
{
        uint64_t value;
        __asm__ volatile("rdtsc" : "=A"(value));
        return value;
}

/* Sleeps until an interrupt has come and been handled. sti has no effect before the instruction
 * after it, so one that is there already ends the hlt. */
static inline void wait_for_interrupt(void)
{
        __asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* The quotient of 64 by 32 bits, or the highest number of 32 bits if it is more: for its own division
 * C would call a function that is not there. */
static inline uint32_t divide(uint64_t dividend, uint32_t divisor)
{
        uint32_t quotient, remainder;
        if (dividend >> 32 >= divisor)
                return UINT32_MAX;
        __asm__("divl %4" : "=a"(quotient), "=d"(remainder)
                          : "a"((uint32_t)dividend), "d"((uint32_t)(dividend >> 32)), "rm"(divisor));
        return quotient;
}

#endif

#endif
