# fibonacci: prints the 25 Fibonacci numbers that fit 16 bits, by hypercall. 276 exits: 25 lines of
# 11 hypercalls and the hlt.
#include "print.h"

        .code16
        mov     $HYPERCALL_PORT, %dx
        xor     %cx, %cx                # CX = n
        xor     %si, %si                # SI = fib(n)
        mov     $1, %di                 # DI = fib(n + 1)

next:   putchar $'f'
        putchar $'i'
        putchar $'b'
        putchar $'('
        putnum  %cx
        putchar $')'
        putchar $' '
        putchar $'='
        putchar $' '
        putnum  %si
        newline

        cmp     %si, %di
        jb      done                    # fib(n + 1) had lost its carry: that number does not fit
        inc     %cx
        add     %di, %si                # SI = fib(n + 2),
        xchg    %si, %di                # and both move on by one
        jmp     next
done:   hlt
