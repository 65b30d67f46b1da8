# The first and the last instructions of a long-mode guest in C or Rust, and what such guests cannot
# say themselves. Arguments are in EDI, ESI, EDX, results in EAX or RAX: the System V ABI.
#include "hypercall.h"

        .code64
        .section .start, "ax"
        .globl  start
start:  call    main                    # pushes 8 bytes: the ABI wants RSP so, 8 off from 16
        mov     %eax, %edi              # what main returns is the status

        .globl  exit                    # _Noreturn void exit(uint8_t status)
exit:   mov     %edi, %ebx
        mov     $HYPERCALL_PORT, %edx
        mov     $HC_EXIT, %al
        out     %al, %dx
        hlt                             # never reached

        .section .text.hypercall, "ax"
        .globl  hypercall               # uint32_t hypercall(uint8_t number, uint16_t argument)
hypercall:
        push    %rbx                    # is the caller's
        mov     %edi, %eax
        mov     %esi, %ebx
        mov     $HYPERCALL_PORT, %edx
        out     %al, %dx
        pop     %rbx
        ret

# What compilers call, for a line of C or Rust that copies, clears or compares much memory.

        .section .text.memory, "ax"
        .globl  memcpy, memmove, memset, memcmp, bcmp
memcpy: mov     %rdi, %rax              # returns where it copied to
        mov     %rdx, %rcx
        rep movsb
        ret

memmove:
        mov     %rdi, %rax
        sub     %rsi, %rax              # the target begins in the source,
        cmp     %rdx, %rax              # unsigned: at 0 or more, and before its end?
        jae     memcpy
        lea     -1(%rdi,%rdx), %rdi     # yes: from the last byte to the first
        lea     -1(%rsi,%rdx), %rsi
        mov     %rdx, %rcx
        std
        rep movsb
        cld                             # the ABI wants it so
        lea     1(%rdi), %rax
        ret

memset: mov     %rdi, %r8
        mov     %esi, %eax
        mov     %rdx, %rcx
        rep stosb
        mov     %r8, %rax
        ret

bcmp:
memcmp: xor     %eax, %eax
        mov     %rdx, %rcx
        cmp     %eax, %eax              # equal, if there is nothing to compare
        repe cmpsb
        je      equal
        movzbl  -1(%rdi), %eax          # the first that differ
        movzbl  -1(%rsi), %ecx
        sub     %ecx, %eax
equal:  ret
