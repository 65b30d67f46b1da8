/* Printing, for programs that print much. */
#ifndef PRINT_H
#define PRINT_H

#ifdef __ASSEMBLER__

#include "hypercall.h"

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

#include <stdarg.h>

/* Writes one character: runtime/putchar.c does, by hypercall. The 1K OS's kernel and its programs
 * have their own. */
void putchar(char character);

/* A little printf, through putchar: it knows %c, %s, %u, %d, %%, and %x, which here always has 8
 * digits. %8s puts a text, or %8u and %8d a number, at the right of 8 columns, %-8s at the left. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, for a function that has such arguments itself. */
void print_arguments(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

#endif

#endif
