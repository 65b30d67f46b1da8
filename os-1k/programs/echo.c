/* echo: prints its arguments, or else each line that you type, up to Ctrl-D. */
#include "print.h"
#include "user.h"

int main(int argc, char **argv)
{
        for (int i = 1; i < argc; i++)
                print("%s%c", argv[i], i < argc - 1 ? ' ' : '\n');

        char line[ARGUMENTS_BYTES];
        while (argc < 2 && read_line(line, sizeof line) >= 0)
                print("%s\n", line);
        return 0;
}
