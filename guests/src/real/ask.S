# ask: asks for your name and greets you, by hypercall. 31 exits and 3 a letter: one to read it, one
# to echo it, one to greet with it. A mistake corrected with backspace costs more.
#include "print.h"

#define ROOM 64                         /* bytes for the name */
#define BACKSPACE 0x08                  /* a terminal's backspace key sends this one */
#define DELETE 0x7f                     /* or this one */
#define CTRL_D 0x04                     /* end of input from a terminal in raw mode */

        .code16
        mov     $HYPERCALL_PORT, %dx
        mov     $question, %si
        call    print

        mov     $name, %di              # DI: where the next byte goes
read:   mov     $HC_GETCHAR, %al
        out     %al, %dx                # the VMM changes EAX while we wait here
        cmp     $END_OF_INPUT, %eax     # all of it: AL alone would take byte 255 for the end
        je      answer
        cmp     $'\r', %al              # Enter in a terminal in raw mode
        je      answer
        cmp     $'\n', %al              # the end of a line in a file
        je      answer
        cmp     $CTRL_D, %al
        je      answer
        cmp     $BACKSPACE, %al
        je      erase
        cmp     $DELETE, %al
        je      erase
        cmp     $' ', %al
        jb      read                    # no other control character belongs in a name
        cmp     $name + ROOM, %di
        je      read                    # no room: not stored, so not echoed either
        stosb                           # *DI++ = AL
        putchar %al
        jmp     read

erase:  cmp     $name, %di
        je      read                    # nothing left to erase
        dec     %di
        mov     (%di), %al
        and     $0xc0, %al
        cmp     $0x80, %al              # 10xxxxxx: in UTF-8, the same letter began before it
        je      erase
        putchar $'\b'                   # back, wipe it out, back
        putchar $' '
        putchar $'\b'
        jmp     read

answer: movb    $0, (%di)
        newline
        mov     $hello, %si
        call    print
        mov     $name, %si
        cmp     %si, %di
        jne     known
        mov     $stranger, %si
known:  call    print
        putchar $'!'
        newline

        mov     $0, %bl
        mov     $HC_EXIT, %al
        out     %al, %dx
        hlt                             # never reached

# Prints the text at SI, up to its 0.
print:  lodsb                           # AL = *SI++
        test    %al, %al
        jz      printed
        putchar %al
        jmp     print
printed: ret

question: .asciz "What is your name? "
hello:  .asciz "Hello, "
stranger: .asciz "stranger"
name:   .fill   ROOM + 1                # and the 0 after it
