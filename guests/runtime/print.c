/* Printing by hypercall, a VM exit a character. */
#include <stdarg.h>

#include "print.h"

static void putchar(char character)
{
        unsigned char number = HC_PUTCHAR;
        unsigned short port = HYPERCALL_PORT;
        __asm__ volatile("outb %0, %1" : : "a"(number), "d"(port), "b"(character));
}

static void print_decimal(unsigned number)
{
        if (number >= 10)
                print_decimal(number / 10);
        putchar('0' + number % 10);
}

static void print_hexadecimal(unsigned number)
{
        for (int shift = 28; shift >= 0; shift -= 4)
                putchar("0123456789abcdef"[number >> shift & 0xf]);
}

static void print_text(const char *text)
{
        while (*text)
                putchar(*text++);
}

void print(const char *format, ...)
{
        va_list arguments;
        va_start(arguments, format);
        for (; *format; format++) {
                if (*format != '%') {
                        putchar(*format);
                        continue;
                }
                switch (*++format) {
                case 's': print_text(va_arg(arguments, const char *)); break;
                case 'u': print_decimal(va_arg(arguments, unsigned)); break;
                case 'x': print_hexadecimal(va_arg(arguments, unsigned)); break;
                }
        }
        va_end(arguments);
}
