/* The hypercalls that print, a line each, for guests that print much.
 * They want DX = HYPERCALL_PORT and overwrite AL and BX, as the three lines they stand for would. */
#ifndef PRINT_H
#define PRINT_H

#include "hypercall.h"

        .macro  putchar char            /* putchar $'x' */
        mov     \char, %bl
        mov     $HC_PUTCHAR, %al
        out     %al, %dx
        .endm

        .macro  putnum  number          /* putnum %si */
        mov     \number, %bx
        mov     $HC_PUTNUM, %al
        out     %al, %dx
        .endm

        .macro  newline
        mov     $HC_NEWLINE, %al
        out     %al, %dx
        .endm

#endif
