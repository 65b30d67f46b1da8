/* The putchar of the guests: a hypercall, and so a VM exit, a character. */
#include "hypercall.h"
#include "print.h"

void putchar(char character)
{
        unsigned char number = HC_PUTCHAR;
        unsigned short port = HYPERCALL_PORT;
        __asm__ volatile("outb %0, %1" : : "a"(number), "d"(port), "b"(character));
}
