# hctest: prints Hello!, 42 and 1234, each on a line, by hypercall. 12 exits: 6 characters,
# 2 numbers, 3 newlines and the hlt.
#include "hypercall.h"

        .code16
        mov     $HYPERCALL_PORT, %dx

        mov     $message, %si
next:   lodsb                           # AL = *SI++
        test    %al, %al
        jz      numbers
        mov     %al, %bl                # the character in BL,
        mov     $HC_PUTCHAR, %al        # what to do with it in AL
        out     %al, %dx
        jmp     next

numbers:
        mov     $HC_NEWLINE, %al
        out     %al, %dx

        mov     $42, %bx
        mov     $HC_PUTNUM, %al         # the VMM does the dividing by ten
        out     %al, %dx
        mov     $HC_NEWLINE, %al
        out     %al, %dx

        mov     $1234, %bx              # more than BL holds: HC_PUTNUM takes all of BX
        mov     $HC_PUTNUM, %al
        out     %al, %dx
        mov     $HC_NEWLINE, %al
        out     %al, %dx
        hlt

message: .asciz "Hello!"
