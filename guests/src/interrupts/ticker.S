# ticker: prints a letter each 100 ms, woken by the timer. 19 exits: 17 letters, the newline and
# the HC_EXIT; the PIC, the PIT and the sleep cost none.
#include "interrupts.h"
#include "print.h"

#define TICKS_PER_LETTER (TICKS_PER_SECOND / 10)

        .code32
        start_interrupts 1 << IRQ_TIMER
        start_timer

        mov     $HYPERCALL_PORT, %edx
        mov     $text, %esi
next:   lodsb                           # AL = *ESI++
        test    %al, %al
        jz      done
        mov     %al, %cl
wait:   sleep
        cmpl    $TICKS_PER_LETTER, ticks
        jb      wait
        subl    $TICKS_PER_LETTER, ticks
        putchar %cl
        jmp     next

done:   newline
        mov     $0, %bl
        mov     $HC_EXIT, %al
        out     %al, %dx
        hlt                             # never reached

text:   .asciz  "One IRQ at a time"
        interrupt_table tick, spurious
