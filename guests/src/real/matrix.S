# matrix: multiplies two 3 x 3 matrices and prints all three, by hypercall. 120 exits: 27
# numbers, 70 spaces, 9 newlines, 13 characters of titles and the hlt.
#include "print.h"

#define N 3
#define ROW (2 * N)                     /* bytes: an entry is a 16-bit word */

        .code16
        # product[i][j] = sum over k of a[i][k] * b[k][j]
        mov     $a, %si                 # SI: row i of A
        mov     $product, %di           # DI: the entry to compute
row:    mov     $b, %bx                 # BX: column j of B
column: push    %si
        push    %bx
        xor     %bp, %bp                # BP: the sum
        mov     $N, %cx
term:   lodsw                           # AX = a[i][k], and SI goes on along the row
        mulw    (%bx)                   # AX *= b[k][j]; DX gets the high half, which stays 0 here
        add     %ax, %bp
        add     $ROW, %bx               # down the column
        loop    term
        mov     %bp, (%di)
        add     $2, %di
        pop     %bx
        pop     %si
        add     $2, %bx                 # the next column,
        cmp     $b + ROW, %bx
        jb      column
        add     $ROW, %si               # or the next row
        cmp     $a + N * ROW, %si
        jb      row

        mov     $HYPERCALL_PORT, %dx    # only now: mul overwrote DX
        mov     $title_a, %si
        call    print
        mov     $title_b, %si
        call    print
        mov     $title_product, %si
        call    print
        hlt

# Prints the title at SI and the matrix that follows it.
print:  lodsb                           # AL = *SI++
        test    %al, %al
        jz      matrix
        putchar %al
        jmp     print
matrix: mov     $N, %cx                 # rows to go
line:   mov     $N, %di                 # entries to go
entry:  lodsw                           # AX = the entry
        mov     %ax, %bp                # AL belongs to the hypercalls
        putchar $' '
        cmp     $100, %bp               # columns of 4: a space for each digit it lacks
        jae     number
        putchar $' '
        cmp     $10, %bp
        jae     number
        putchar $' '
number: putnum  %bp
        dec     %di
        jnz     entry
        newline
        dec     %cx                     # not loop: line is too far away for it
        jnz     line
        ret

title_a: .asciz "A:\n"
a:      .word   1, 2, 3
        .word   4, 5, 6
        .word   7, 8, 9

title_b: .asciz "B:\n"
b:      .word   9, 8, 7
        .word   6, 5, 4
        .word   3, 2, 1

title_product: .asciz "A x B:\n"
product: .fill  N * N, 2, 0
