/* What the kernel's files offer each other. */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "print.h"
#include "string.h"
#include "syscall.h"
#include "x86.h"

/* Interrupts are off in the kernel, except when it sleeps for want of work: so none of this is ever
 * interrupted, and only programs are preempted. */

/* All physical memory is mapped from here on, for the kernel alone. Programs are below. */
#define KERNEL_BASE 0x80000000u

/* A program has the memory from the second page up to its stack; so a null pointer is an error, and
 * so is a stack that overflows. */
#define USER_START PAGE
#define USER_STACK_TOP (KERNEL_BASE - PAGE)
#define USER_STACK_BYTES (4 * PAGE)
#define USER_END (USER_STACK_TOP - USER_STACK_BYTES - PAGE)

/* console.c: what the kernel prints, and how all ends. */
#define STATUS_PANIC 63
void console_init(const char *boot_loader);
void power_off(int status) __attribute__((noreturn));

/* panic.c */
struct trap_frame;
void panic(const struct trap_frame *frame, const char *message, ...)
        __attribute__((noreturn, format(printf, 2, 3)));

/* memory.c: pages, and the tables that map them. */
extern uint32_t kernel_directory[];
void memory_init(uint32_t memory_end, uint32_t disk, uint32_t disk_end);
void *page_alloc(void);
void page_free(void *page);
uint32_t *directory_new(void);
void directory_free(uint32_t *directory);
void *user_page(uint32_t *directory, uint32_t address, uint32_t flags);
bool is_mapped(uint32_t *directory, uint32_t address, uint32_t bytes, uint32_t flags);

static inline void *at_physical(uint32_t physical)
{
        return (void *)(KERNEL_BASE + physical);
}

static inline uint32_t physical(const void *pointer)
{
        return (uint32_t)pointer - KERNEL_BASE;
}

/* descriptors.c: GDT, TSS and IDT. */
void descriptors_init(void);
void set_kernel_stack(uint32_t top);

/* trap.c: what interrupted whom. From ring 0 the last two are not there. */
struct trap_frame {
        uint32_t es, ds;
        uint32_t edi, esi, ebp, unused, ebx, edx, ecx, eax;
        uint32_t vector, error_code;
        uint32_t eip, cs, eflags, esp, ss;
};
void trap(struct trap_frame *frame);
void trap_return(void);

/* syscall.c */
int system_call(const struct trap_frame *frame);

/* interrupts.c: the controllers and the timer. */
#define IRQ_TIMER 0
#define IRQ_KEYBOARD 1
#define TICK_MS 20
extern uint32_t ticks;
void interrupts_init(void);
void interrupt_done(void);
void timer_tick(void);
void timer_stop(void);
void timer_go_on(void);

/* keyboard.c */
extern struct process *keyboard_owner;
void give_keyboard(struct process *process);
int keyboard_read(void);

/* process.c */
#define PROCESSES 32
struct process {
        enum process_state state;
        int id, status;
        struct process *parent;
        uint32_t *directory;
        uint32_t esp;                   /* of its kernel stack, while it does not run */
        const void *waits_for;
        uint32_t ticks;
        char name[NAME_BYTES];
};
extern struct process *current;
extern char kernel_stacks[PROCESSES][2 * PAGE];
void idle(void) __attribute__((noreturn));
void schedule(void);
void block(const void *event);
void wake(const void *event);
int process_spawn(const char *name, const char *arguments);
void process_exit(int status) __attribute__((noreturn));
int process_wait(int id, bool patience);
void process_sleep(uint32_t milliseconds);
int process_list(uint32_t index, struct process_info *info);

/* program.c: an ELF file into memory. */
int program_load(const char *name, uint32_t *directory, uint32_t *entry);

/* fs.c: the files, in a tar archive. Names are checked, buffers are not. */
void fs_init(void *disk, uint32_t bytes);
bool fs_is_name(const char *name);
const void *fs_find(const char *name, uint32_t *bytes);
int fs_write(const char *name, const void *data, uint32_t bytes);
int fs_remove(const char *name);
int fs_list(uint32_t index, struct file_info *info);

#endif
