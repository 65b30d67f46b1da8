/* Reads cases from standard input, each a length of 32 bits and so many bytes, and answers each with
 * one byte. The first byte of a case says for whom it is. */
#include "harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CTRL_D 4

jmp_buf end;

static const uint8_t *keys, *keys_end;

void broken(const char *promise, ...)
{
        va_list arguments;
        va_start(arguments, promise);
        fprintf(stderr, "promise broken: ");
        vfprintf(stderr, promise, arguments);
        fprintf(stderr, "\n");
        abort();
}

/* At the end Ctrl-D, as often as somebody reads; but not for ever. */
int next_key(void)
{
        static int ends;
        if (keys < keys_end) {
                ends = 0;
                return *keys++;
        }
        if (++ends > 1000)
                broken("a program reads on after the end of the input");
        return CTRL_D;
}

static void run_user(const uint8_t *bytes, size_t count, bool is_shell)
{
        static char *no_arguments[] = { "calculator", NULL };
        keys = bytes;
        keys_end = bytes + count;
        files_begin();
        if (setjmp(end) != 0)
                return;
        if (is_shell)
                shell_main();
        else
                calculator_main(1, no_arguments);
}

static bool read_all(void *to, size_t count)
{
        for (uint8_t *at = to; count > 0;) {
                ssize_t got = read(STDIN_FILENO, at, count);
                if (got <= 0)
                        return false;
                at += got;
                count -= got;
        }
        return true;
}

int main(void)
{
        uint32_t count;
        while (read_all(&count, sizeof count)) {
                uint8_t *bytes = malloc(count + 1);     /* of this very size: beyond it is beyond */
                if (!bytes || !read_all(bytes, count))
                        return 1;
                switch (count ? bytes[0] : 0) {
                case 'd': run_disk(bytes + 1, count - 1); break;
                case 'p': run_program(bytes + 1, count - 1); break;
                case 's': run_user(bytes + 1, count - 1, true); break;
                case 'c': run_user(bytes + 1, count - 1, false); break;
                }
                free(bytes);
                if (write(STDOUT_FILENO, "k", 1) != 1)
                        return 1;
        }
        return 0;
}
