/* The interrupt controllers (two Intel 8259A) and the timer (Intel 8254) of a PC. */
#include "kernel.h"

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
#define PIT_COUNT (PIT_HZ * TICK_MS / 1000)

/* After so many ticks we know how fast the time stamp counter counts. */
#define CALIBRATION_TICKS 10

/* How many there have been, or would have been if the timer had not been stopped. */
uint32_t ticks;

/* What the time stamp counter has counted in how many ticks, and where it was. */
static uint64_t counted_tsc, last_tsc;
static uint32_t counted_ticks, tsc_per_tick;

void interrupts_init(void)
{
        outb(PIC1, PIC_INIT);
        outb(PIC2, PIC_INIT);
        outb(PIC1 + PIC_DATA, IRQ_VECTOR);
        outb(PIC2 + PIC_DATA, IRQ_VECTOR + 8);
        outb(PIC1 + PIC_DATA, 1 << 2);  /* ICW3: the other PIC is at IRQ 2, */
        outb(PIC2 + PIC_DATA, 2);       /* and it is told so */
        outb(PIC1 + PIC_DATA, PIC_8086);
        outb(PIC2 + PIC_DATA, PIC_8086);
        outb(PIC1 + PIC_DATA, ~(1 << IRQ_TIMER | 1 << IRQ_KEYBOARD));
        outb(PIC2 + PIC_DATA, 0xff);

        outb(PIT_COMMAND, PIT_RATE_GENERATOR);
        outb(PIT_CHANNEL_0, PIT_COUNT & 0xff);
        outb(PIT_CHANNEL_0, PIT_COUNT >> 8);
        last_tsc = rdtsc();
}

/* Only the first PIC interrupts us. */
void interrupt_done(void)
{
        outb(PIC1, PIC_EOI);
}

void timer_tick(void)
{
        uint64_t now = rdtsc();
        counted_tsc += now - last_tsc;
        last_tsc = now;
        tsc_per_tick = divide(counted_tsc, ++counted_ticks);
        ticks++;
}

/* When no process runs or sleeps, nobody needs ticks: a machine that waits for a key costs nothing.
 * How many we have missed the time stamp counter tells. */
void timer_stop(void)
{
        if (counted_ticks < CALIBRATION_TICKS)
                return;
        last_tsc = rdtsc();
        outb(PIC1 + PIC_DATA, inb(PIC1 + PIC_DATA) | 1 << IRQ_TIMER);
}

void timer_go_on(void)
{
        uint8_t mask = inb(PIC1 + PIC_DATA);
        if (!(mask & 1 << IRQ_TIMER))
                return;
        outb(PIC1 + PIC_DATA, mask & ~(1 << IRQ_TIMER));
        uint64_t now = rdtsc();
        ticks += divide(now - last_tsc, tsc_per_tick);
        last_tsc = now;
}
