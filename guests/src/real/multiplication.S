# multiplication: prints the multiplication tables of 2 to 9 by hypercall. 721 exits: 72 lines of
# 10 hypercalls and the hlt.
#include "print.h"

        .code16
        mov     $HYPERCALL_PORT, %dx
        mov     $2, %si                 # SI x DI: AL and BX belong to the hypercalls
table:  mov     $1, %di

line:   putnum  %si
        putchar $' '
        putchar $'x'
        putchar $' '
        putnum  %di
        putchar $' '
        putchar $'='
        putchar $' '
        mov     %si, %cx
        imul    %di, %cx                # not mul: that would overwrite DX, our port
        putnum  %cx
        newline

        inc     %di
        cmp     $9, %di
        jbe     line
        inc     %si
        cmp     $9, %si
        jbe     table
        hlt
