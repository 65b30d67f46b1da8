/* What happens when something interrupts a program, or the kernel. */
#include "kernel.h"

/* Exceptions by number, with the letters that the SDM has for them. Vol. 3A, table 6-1. */
static const char *const names[] = {
        "#DE, a division without a result", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD, no such instruction",
        "#NM, there is no FPU for programs", "#DF", "", "#TS", "#NP", "#SS",
        "#GP, not for programs", "#PF", "", "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
};

/* A bit of a page fault's error code. SDM Vol. 3A, 4.7. */
#define FAULT_WRITE 0x2

static const char *place(uint32_t address)
{
        if (address < USER_START)
                return "a null pointer";
        if (address >= KERNEL_BASE)
                return "the kernel's memory";
        if (address >= USER_END && address < USER_END + PAGE)
                return "the stack has overflowed";
        return "not its memory";
}

static void kill(const struct trap_frame *frame)
{
        print("[%d %s] killed at %x: ", current->id, current->name, frame->eip);
        if (frame->vector == EXCEPTION_PAGE_FAULT) {
                uint32_t address = read_cr2(), error = frame->error_code;
                const char *access = error & FAULT_WRITE ? "write to" :
                                     address == frame->eip ? "jump to" : "read from";
                bool is_own = is_mapped(current->directory, address, 1, USER);
                print("%s %x, %s\n", access, address, is_own ? "read-only" : place(address));
        } else if (frame->vector < sizeof names / sizeof *names) {
                print("%s\n", names[frame->vector]);
        } else {
                print("exception %u\n", frame->vector);
        }
        process_exit(STATUS_KILLED + frame->vector);
}

/* Called by enter, with interrupts off. What is in the frame is what the interrupted one goes on
 * with. */
void trap(struct trap_frame *frame)
{
        bool is_program = frame->cs & 3;
        switch (frame->vector) {
        case SYSCALL_VECTOR:
                frame->eax = system_call(frame);
                break;
        case IRQ_VECTOR + IRQ_TIMER:
                interrupt_done();
                timer_tick();
                current->ticks++;
                wake(&ticks);
                if (is_program)
                        schedule();     /* its time is up: somebody else's turn */
                break;
        case IRQ_VECTOR + IRQ_KEYBOARD:
                interrupt_done();
                wake(&keyboard_owner);
                break;
        case IRQ_VECTOR + 7:
                break;                  /* a PIC that no longer knows why. It wants no answer. */
        default:
                if (!is_program)
                        panic(frame, "exception %u, error code %x, CR2 %x", frame->vector,
                              frame->error_code, read_cr2());
                kill(frame);
        }
}
