# What guests/src/real/matrix.S multiplies, as often as the last four bytes of the image say. Then it
# prints one entry of the product on COM1, an E, and ends by hypercall: for chapter 7, and for a QEMU
# with a device at that port.

#define N 3
#define ROW (2 * N)
#define COM1 0x3f8
#define HYPERCALL_PORT 0x500

        .code16
again:  mov     $a, %si
        mov     $product, %di
row:    mov     $b, %bx
column: push    %si
        push    %bx
        xor     %bp, %bp
        mov     $N, %cx
term:   lodsw
        mulw    (%bx)
        add     %ax, %bp
        add     $ROW, %bx
        loop    term
        mov     %bp, (%di)
        add     $2, %di
        pop     %bx
        pop     %si
        add     $2, %bx
        cmp     $b + ROW, %bx
        jb      column
        add     $ROW, %si
        cmp     $a + N * ROW, %si
        jb      row
        decl    count
        jnz     again

        mov     $COM1, %dx
        mov     product + 4 * 2, %al    # the middle: 4 * 8 + 5 * 5 + 6 * 2 = 69
        out     %al, %dx
        mov     $HYPERCALL_PORT, %dx
        xor     %ax, %ax                # HC_EXIT
        xor     %bx, %bx                # with status 0
        out     %al, %dx
        hlt

a:      .word   1, 2, 3
        .word   4, 5, 6
        .word   7, 8, 9
b:      .word   9, 8, 7
        .word   6, 5, 4
        .word   3, 2, 1

        # In a page of its own: an emulator translates the code of a page anew when something is written
        # there, and would do little else.
        .org    0x1000
product: .fill  N * N, 2, 0
count:  .long   1
