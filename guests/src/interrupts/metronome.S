# metronome: echoes the keys you press, up to Ctrl-D, and prints a dot each half second. The exits
# of typist, 1 a dot, and 1 a tick, which ends a sleep too.
#include "interrupts.h"
#include "keyboard.h"

#define TICKS_PER_DOT (TICKS_PER_SECOND / 2)

        .code32
        start_interrupts 1 << IRQ_TIMER | 1 << IRQ_KEYBOARD
        start_timer

next:   call    read_key
        test    %al, %al
        jnz     print
        sleep                           # one sleep for both: whichever comes first ends it
        cmpl    $TICKS_PER_DOT, ticks
        jb      next
        subl    $TICKS_PER_DOT, ticks
        mov     $'.', %al
print:  call    echo
        jmp     next

        interrupt_table tick, acknowledge
