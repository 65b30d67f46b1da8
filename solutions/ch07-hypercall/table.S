# table: prints what multiplication prints, a line with one hypercall. 73 exits: 72 lines and the hlt.
#include "hypercall.h"

#define HC_PUTS 5                       /* CX bytes at DS:BX: writes them */

        .code16
        cld
        mov     $HYPERCALL_PORT, %dx
        mov     $2, %bp                 # BP x SI
table:  mov     $1, %si

line:   mov     $text, %di              # the line is put together here
        mov     %bp, %ax
        call    number
        mov     $'x', %al
        call    between
        mov     %si, %ax
        call    number
        mov     $'=', %al
        call    between
        mov     %bp, %ax
        imul    %si, %ax                # not mul: that would overwrite DX, our port
        call    number
        mov     $'\n', %al
        stosb

        mov     $text, %bx
        mov     %di, %cx
        sub     %bx, %cx
        mov     $HC_PUTS, %al
        out     %al, %dx

        inc     %si
        cmp     $9, %si
        jbe     line
        inc     %bp
        cmp     $9, %bp
        jbe     table
        hlt

# Appends AX, which is below 100, in decimal.
number: aam                             # AH = AL / 10, AL = the rest
        add     $'0' << 8 | '0', %ax
        xchg    %ah, %al
        cmp     $'0', %al               # no leading zero
        je      1f
        stosb
1:      mov     %ah, %al
        stosb
        ret

# Appends the character in AL with a blank at either side.
between:
        mov     %al, %ah
        mov     $' ', %al
        stosw                           # AL first
        stosb
        ret

text:                                   # behind the image there is memory enough
