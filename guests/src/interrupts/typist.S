# typist: echoes the keys you press, up to Ctrl-D, and sleeps between them. 2 exits a scancode, 1 a
# character printed, 1 before each sleep to find that no more scancodes wait, and the HC_EXIT.
#include "interrupts.h"
#include "keyboard.h"

        .code32
        start_interrupts 1 << IRQ_KEYBOARD

next:   call    read_key
        test    %al, %al
        jnz     print
        sleep
        jmp     next
print:  call    echo
        jmp     next

        interrupt_table spurious, acknowledge
