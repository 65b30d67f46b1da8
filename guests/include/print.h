/* The hypercalls that print, a line each, for guests that print a lot.
 * They want DX = HYPERCALL_PORT and overwrite AL and BX, as the three lines they stand for would. */
#ifndef PRINT_H
#define PRINT_H

#include "hypercall.h"

        .macro  putchar char            /* putchar $'x' */
        mov     $HC_PUTCHAR, %al
        mov     \char, %bl
        out     %al, %dx
        .endm

        .macro  putnum  number          /* putnum %si */
        mov     $HC_PUTNUM, %al
        mov     \number, %bx
        out     %al, %dx
        .endm

        .macro  newline
        mov     $HC_NEWLINE, %al
        out     %al, %dx
        .endm

#endif
