# hello64: prints a line and 2^40, which takes a 64-bit register. 44 exits: 43 characters and the
# hlt.
#include "print.h"

        .code64
        mov     $HYPERCALL_PORT, %edx   # a 32-bit result clears the upper half of RDX
        lea     text(%rip), %rsi        # its distance from here: only 64-bit code can say it so
next:   lodsb                           # AL = *RSI++
        test    %al, %al
        jz      power
        putchar %al
        jmp     next

power:  mov     $1, %eax
        shl     $40, %rax               # for EAX the CPU would take 40 mod 32
        mov     $10, %ecx
        xor     %ebp, %ebp              # number of digits
divide: xor     %edx, %edx
        div     %rcx                    # RAX = RDX:RAX / 10, RDX = the lowest digit
        push    %rdx                    # 8 bytes, as all that goes on this stack
        inc     %ebp
        test    %rax, %rax
        jnz     divide

        mov     $HYPERCALL_PORT, %edx
digit:  pop     %rax                    # the highest first
        add     $'0', %al
        putchar %al
        dec     %ebp
        jnz     digit
        newline
        hlt

text:   .ascii  "Hello from long mode!\n"
        .asciz  "2^40 = "
