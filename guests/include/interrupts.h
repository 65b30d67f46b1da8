/* Interrupts in protected mode: an IDT, the two PICs (Intel 8259A), the PIT (Intel 8254).
 *
 * A guest that includes this has interrupts on only while it sleeps. So none comes while it works,
 * and none between a look for work and the sleep, which might then never end. */
#ifndef INTERRUPTS_H
#define INTERRUPTS_H

#include "gdt.h"

#define IRQ_TIMER 0
#define IRQ_KEYBOARD 1
#define IRQ_VECTOR 0x20                 /* of IRQ 0: those below belong to the exceptions */

#define PIC1 0x20                       /* IRQ 0 to 7 */
#define PIC2 0xa0                       /* IRQ 8 to 15, by way of IRQ 2 of the other */
#define PIC_DATA 1                      /* the port after the command port */
#define PIC_INIT 0x11                   /* ICW1: three more initialization words follow */
#define PIC_8086 0x01                   /* ICW4 */
#define PIC_EOI 0x20                    /* OCW2: the interrupt in service is done */

#define PIT_CHANNEL_0 0x40
#define PIT_COMMAND 0x43
#define PIT_RATE_GENERATOR 0x34         /* channel 0, low byte then high byte, mode 2 */
#define PIT_HZ 1193182

#define TICKS_PER_SECOND 20             /* 18.2 is as slow as 16 bits of PIT_HZ go */

        .macro  outb_   value, port
        mov     $(\value), %al
        out     %al, $(\port)
        .endm

        /* Gets the interrupts in `irqs`, a bit each, to the handlers in `idt`; masks the rest. */
        .macro  start_interrupts irqs
        lidt    idtr
        outb_   PIC_INIT, PIC1
        outb_   PIC_INIT, PIC2
        outb_   IRQ_VECTOR, PIC1 + PIC_DATA
        outb_   IRQ_VECTOR + 8, PIC2 + PIC_DATA
        outb_   1 << 2, PIC1 + PIC_DATA         /* ICW3: the other PIC is at IRQ 2, */
        outb_   2, PIC2 + PIC_DATA              /* and it is told so */
        outb_   PIC_8086, PIC1 + PIC_DATA
        outb_   PIC_8086, PIC2 + PIC_DATA
        outb_   ~(\irqs) & 0xff, PIC1 + PIC_DATA
        outb_   0xff, PIC2 + PIC_DATA
        .endm

        /* Starts the timer at IRQ 0. */
        .macro  start_timer
        outb_   PIT_RATE_GENERATOR, PIT_COMMAND
        outb_   PIT_HZ / TICKS_PER_SECOND & 0xff, PIT_CHANNEL_0
        outb_   PIT_HZ / TICKS_PER_SECOND >> 8, PIT_CHANNEL_0
        .endm

        /* Waits for an interrupt. The CPU takes none before the instruction after sti is done, so
         * one that is there already ends the hlt; after a sti that took effect at once it could
         * come before the hlt, and nothing would end that. */
        .macro  sleep
        sti
        hlt
        cli
        .endm

        /* An IDT with handlers for IRQ 0 and 1. An exception finds its gate not present. */
        .macro  interrupt_table irq0, irq1
idt:    .fill   IRQ_VECTOR, 8, 0
        gate    \irq0
        gate    \irq1
        .rept   14
        gate    spurious
        .endr
idtr:   .word   . - idt - 1             /* limit */
        .long   idt
        .endm

        .macro  gate    handler
        .word   \handler                /* bits 0 to 15; with more the build fails */
        .word   CODE
        .word   0x8e00                  /* present, ring 0, 32-bit interrupt gate: IF is cleared */
        .word   0                       /* bits 16 to 31 */
        .endm

        .text   1                       /* after what is in .text 0: the guest starts there */
/* The handlers. */
tick:   incl    ticks
acknowledge:
        push    %eax
        outb_   PIC_EOI, PIC1
        pop     %eax
spurious:                               /* IRQ 7 of a PIC that no longer knows why: no EOI */
        iret

        .bss
ticks:  .long   0
        .text   0

#endif
