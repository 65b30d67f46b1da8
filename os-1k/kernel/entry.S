# The ways into the kernel and out of it, and from one process to another.
#include "x86.h"

# Exceptions for which the CPU pushes an error code, a bit each. SDM Vol. 3A, table 6-1.
#define HAS_ERROR_CODE (1 << 8 | 0x1f << 10 | 1 << 17 | 1 << 21)

        .section .rodata
        .globl  vectors
vectors:                                # where the code of each begins: filled in below
        .text
        .set    number, 0
        .rept   VECTORS + 1
        .if     number == VECTORS
        .set    number, SYSCALL_VECTOR
        .endif
        .pushsection .rodata
        .long   1f
        .popsection
1:      .if     number >= 32 || !(HAS_ERROR_CODE >> (number & 31) & 1)
        push    $0                      # so that all frames look alike
        .endif
        push    $number
        jmp     enter
        .set    number, number + 1
        .endr

# The stack holds a struct trap_frame when this calls trap.
enter:  pusha
        push    %ds
        push    %es
        mov     $KERNEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        cld                             # as C wants it, whatever the program did
        push    %esp
        call    trap
        add     $4, %esp
        .globl  trap_return
trap_return:
        pop     %es
        pop     %ds
        popa
        add     $8, %esp                # vector and error code
        iret

# switch_stacks(uint32_t *save_esp, uint32_t esp): returns to whoever called this on that stack. C
# functions expect these four registers to be as they were, and no others.
        .globl  switch_stacks
switch_stacks:
        mov     4(%esp), %eax
        mov     8(%esp), %edx
        push    %ebp
        push    %ebx
        push    %esi
        push    %edi
        mov     %esp, (%eax)
        mov     %edx, %esp
        pop     %edi
        pop     %esi
        pop     %ebx
        pop     %ebp
        ret
