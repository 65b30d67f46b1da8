/* Printing by hypercall, for guests that print much. */
#ifndef PRINT_H
#define PRINT_H

#include "hypercall.h"

#ifdef __ASSEMBLER__

/* Macros, each for the two or three lines of a hypercall.
 * They want DX = HYPERCALL_PORT and overwrite AL and BX, as those lines would. */

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

#else

/* A little printf: it knows %s, %u, and %x, which here always has 8 digits. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

#endif
