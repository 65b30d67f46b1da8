# The first and the last instructions of a C guest in the higher half.
#include "hypercall.h"

        .section .start, "ax"
        .code32
        .globl  start
start:  mov     $bss, %edi              # the image ends where .bss begins, and C wants it to be 0
        mov     $bss_end, %ecx
        sub     %edi, %ecx
        xor     %eax, %eax
        rep stosb

        call    main
        mov     %eax, %ebx              # what main returns is the status
        mov     $HYPERCALL_PORT, %edx
        mov     $HC_EXIT, %al
        out     %al, %dx
        hlt                             # never reached
