/* The tables that the CPU looks into: segments (GDT), tasks (TSS), and interrupts (IDT).
 * SDM Vol. 3A, 3.4.5, 7.2.1 and 6.11. */
#include "kernel.h"

/* What a CPU saves when it switches tasks. Ours does that for a double fault only, and takes from
 * the first one the stack for interrupts that come from ring 3. */
struct task {
        uint32_t link, esp0, ss0, unused[4], cr3, eip, eflags;
        uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi, es, cs, ss, ds, fs, gs, ldt;
        uint16_t trap, io_map;          /* beyond the limit: ring 3 may use no port */
};

struct table_pointer {
        uint16_t limit;
        uint32_t base;
} __attribute__((packed));

static struct task task = { .ss0 = KERNEL_DATA, .io_map = sizeof task };
static struct task double_fault_task;

/* Flat segments for ring 0 and ring 3; where protection comes from is the page tables. */
static uint64_t gdt[] = {
        [KERNEL_CODE / 8] = 0x00cf9b000000ffff,
        [KERNEL_DATA / 8] = 0x00cf93000000ffff,
        [USER_CODE / 8] = 0x00cffb000000ffff,
        [USER_DATA / 8] = 0x00cff3000000ffff,
        [DOUBLE_FAULT_TASK / 8] = 0,
};

static uint64_t idt[SYSCALL_VECTOR + 1];

static uint64_t task_descriptor(const struct task *task)
{
        uint64_t base = (uint32_t)task;
        return (sizeof *task - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24) << 56;
}

/* An interrupt gate, which switches interrupts off, for an `int` from `ring`. */
static uint64_t interrupt_gate(uint32_t handler, uint32_t ring)
{
        uint64_t high = handler >> 16 << 16 | 0x8e00 | ring << 13;
        return high << 32 | KERNEL_CODE << 16 | (handler & 0xffff);
}

/* The stack is of no use: it may be what is wrong. A task gate gives us another, and the registers
 * are in the other task. */
static void double_fault(void)
{
        const struct trap_frame frame = {
                .vector = EXCEPTION_DOUBLE_FAULT, .eip = task.eip, .cs = task.cs,
                .eflags = task.eflags, .esp = task.esp, .ebp = task.ebp, .ds = task.ds,
                .es = task.es, .eax = task.eax, .ebx = task.ebx, .ecx = task.ecx, .edx = task.edx,
                .esi = task.esi, .edi = task.edi,
        };
        panic(&frame, "double fault, after a fault at %x", read_cr2());
}

void descriptors_init(void)
{
        extern const uint32_t vectors[];
        static char stack[PAGE];

        double_fault_task = (struct task){
                .cr3 = physical(kernel_directory), .eip = (uint32_t)double_fault,
                .eflags = EFLAGS_RESERVED, .esp = (uint32_t)stack + sizeof stack,
                .cs = KERNEL_CODE, .ss = KERNEL_DATA, .ds = KERNEL_DATA, .es = KERNEL_DATA,
        };
        gdt[TASK / 8] = task_descriptor(&task);
        gdt[DOUBLE_FAULT_TASK / 8] = task_descriptor(&double_fault_task);

        for (int i = 0; i < VECTORS; i++)
                idt[i] = interrupt_gate(vectors[i], 0);
        idt[SYSCALL_VECTOR] = interrupt_gate(vectors[VECTORS], 3);
        idt[EXCEPTION_DOUBLE_FAULT] = 0x85ull << 40 | DOUBLE_FAULT_TASK << 16;

        const struct table_pointer gdt_pointer = { sizeof gdt - 1, (uint32_t)gdt };
        const struct table_pointer idt_pointer = { sizeof idt - 1, (uint32_t)idt };
        __asm__ volatile("lgdt %0; lidt %1" : : "m"(gdt_pointer), "m"(idt_pointer));
        __asm__ volatile("ljmp %0, $1f; 1:" : : "i"(KERNEL_CODE));
        __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss" : : "r"(KERNEL_DATA));
        __asm__ volatile("mov %0, %%fs; mov %0, %%gs" : : "r"(0));
        __asm__ volatile("ltr %w0" : : "r"(TASK));
}

/* Where interrupts from ring 3 begin to push. */
void set_kernel_stack(uint32_t top)
{
        task.esp0 = top;
}
