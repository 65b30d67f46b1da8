# typist: echoes the keys you press, up to Ctrl-D, and sleeps between them. 2 exits a scancode, 1 a
# character printed, 1 to find that no more scancodes wait, and the HC_EXIT.
#include "interrupts.h"
#include "keyboard.h"

        .code32
        start_interrupts 1 << IRQ_KEYBOARD

next:   call    read_key
        cmp     $CTRL_D, %al
        je      done
        test    %al, %al
        jz      idle
        call    echo
        jmp     next
idle:   sleep
        jmp     next

done:   call    end_line
        mov     $0, %bl
        mov     $HC_EXIT, %al
        out     %al, %dx
        hlt                             # never reached

        interrupt_table spurious, acknowledge
