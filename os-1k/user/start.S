# How a program begins, and how it calls the kernel.
        .text

# The kernel leaves one word on the stack, the address of the arguments: just where C looks for a
# function's only parameter, once call has pushed the address to return to. start never does.
        .globl  _start
_start: xor     %ebp, %ebp              # no caller: here the chain of frames ends
        call    start

# int syscall(int number, ...): the arguments, of which C has left some on the stack, all four to
# where the kernel looks for them. What lies there instead of those not given, it ignores.
        .globl  syscall
syscall: push   %ebx                    # these two are the caller's
        push    %esi
        mov     12(%esp), %eax          # above two registers and the address to return to
        mov     16(%esp), %ebx
        mov     20(%esp), %ecx
        mov     24(%esp), %edx
        mov     28(%esp), %esi
        int     $0x80
        pop     %esi
        pop     %ebx
        ret
