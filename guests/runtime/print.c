/* A little printf, for which somebody else writes putchar. */
#include <stdbool.h>

#include "print.h"

static void print_spaces(int count)
{
        while (count-- > 0)
                putchar(' ');
}

/* At the right of so many columns, or at the left if their number is below 0. */
static void print_text(const char *text, int columns)
{
        int length = 0;
        while (text[length])
                length++;
        print_spaces(columns - length);
        while (*text)
                putchar(*text++);
        print_spaces(-columns - length);
}

static void print_decimal(unsigned number, bool negative, int columns)
{
        char text[12];                  /* as long as "-2147483648", and a 0 */
        char *first = &text[11];
        *first = 0;
        do
                *--first = '0' + number % 10;
        while (number /= 10);
        if (negative)
                *--first = '-';
        print_text(first, columns);
}

static void print_signed(int number, int columns)
{
        bool negative = number < 0;
        print_decimal(negative ? -(unsigned)number : (unsigned)number, negative, columns);
}

static void print_hexadecimal(unsigned number)
{
        for (int shift = 28; shift >= 0; shift -= 4)
                putchar("0123456789abcdef"[number >> shift & 0xf]);
}

/* Reads the "-12" of "%-12s", and leaves the format at the 's'. */
static int read_columns(const char **format)
{
        bool left = **format == '-';
        *format += left;
        int columns = 0;
        while (**format >= '0' && **format <= '9')
                columns = 10 * columns + *(*format)++ - '0';
        return left ? -columns : columns;
}

void print_arguments(const char *format, va_list arguments)
{
        for (; *format; format++) {
                if (*format != '%') {
                        putchar(*format);
                        continue;
                }
                format++;
                int columns = read_columns(&format);
                switch (*format) {
                case 'c': putchar(va_arg(arguments, int)); break;
                case 's': print_text(va_arg(arguments, const char *), columns); break;
                case 'u': print_decimal(va_arg(arguments, unsigned), false, columns); break;
                case 'd': print_signed(va_arg(arguments, int), columns); break;
                case 'x': print_hexadecimal(va_arg(arguments, unsigned)); break;
                case '%': putchar('%'); break;
                }
        }
}

void print(const char *format, ...)
{
        va_list arguments;
        va_start(arguments, format);
        print_arguments(format, arguments);
        va_end(arguments);
}
