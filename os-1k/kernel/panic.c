/* The end of a kernel that has found itself wrong. */
#include <stdarg.h>

#include "kernel.h"

/* The kernel's functions by address. The build finds them in the kernel itself, and links it again
 * with this table at its end. */
extern const struct symbol {
        uint32_t address;
        const char *name;
} symbols[], symbols_end[];

static const char *function_at(uint32_t address)
{
        const char *name = "?";
        for (const struct symbol *symbol = symbols; symbol < symbols_end; symbol++)
                if (symbol->address <= address)
                        name = symbol->name;
        return name;
}

/* Each function has pushed its caller's EBP, just below the address that it returns to: the one
 * after the call, which may be the next function's. */
static void print_call_trace(uint32_t eip, uint32_t ebp)
{
        print("call trace:\n  %x %s\n", eip, function_at(eip));
        for (int depth = 0; depth < 20; depth++) {
                const uint32_t *frame = (uint32_t *)ebp;
                if (ebp < KERNEL_BASE || !is_mapped(kernel_directory, ebp, 8, 0))
                        break;
                print("  %x %s\n", frame[1], function_at(frame[1] - 1));
                ebp = frame[0];
        }
}

/* Says what is wrong, and ends. Without a frame it is the caller who found out. */
void panic(const struct trap_frame *frame, const char *message, ...)
{
        static bool is_panicking;
        if (is_panicking)               /* this went wrong, too: no word more */
                power_off(STATUS_PANIC);
        is_panicking = true;

        va_list arguments;
        va_start(arguments, message);
        print("\nkernel panic: ");
        print_arguments(message, arguments);
        print("\n");
        if (frame) {
                bool is_whole = frame->vector == EXCEPTION_DOUBLE_FAULT;
                uint32_t esp = is_whole ? frame->esp : (uint32_t)&frame->esp;
                print("  EAX %x  EBX %x  ECX %x  EDX %x\n", frame->eax, frame->ebx, frame->ecx,
                      frame->edx);
                print("  ESI %x  EDI %x  EBP %x  ESP %x\n", frame->esi, frame->edi, frame->ebp,
                      esp);
                print("  EIP %x  EFLAGS %x  CS %x  DS %x  ES %x\n", frame->eip, frame->eflags,
                      frame->cs, frame->ds, frame->es);
                print_call_trace(frame->eip, frame->ebp);
        } else {
                print_call_trace((uint32_t)__builtin_return_address(0),
                                 *(uint32_t *)__builtin_frame_address(0));
        }
        power_off(STATUS_PANIC);
}
