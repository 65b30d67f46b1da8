/* See user.h. */
#include "user.h"

#include "print.h"

#define CTRL(key) ((key) & 0x1f)
#define DELETE 0x7f             /* what backspace sends on many a terminal */
#define BELL '\a'
#define ESCAPE 0x1b

int main(int argc, char **argv);

/* Where start.S goes on. */
void start(char *arguments)
{
        static char *argv[ARGUMENTS_BYTES / 2 + 1];     /* for words of one character, and NULL */
        int argc = 0;
        while ((argv[argc] = next_word(&arguments)))
                argc++;
        exit(main(argc, argv));
}

void putchar(char character)
{
        syscall(SYS_PUTCHAR, character);
}

const char *error_text(int error)
{
        switch (error) {
        case ERROR_NO_SUCH_CALL: return "no such system call";
        case ERROR_BAD_ADDRESS: return "not the program's own memory";
        case ERROR_BAD_NAME: return "no name for a file";
        case ERROR_NOT_FOUND: return "no such file";
        case ERROR_NO_ROOM: return "no room left";
        case ERROR_NOT_A_PROGRAM: return "not a program";
        case ERROR_STILL_RUNS: return "still runs";
        case ERROR_TOO_LONG: return "arguments too long";
        default: return "unknown error";
        }
}

/* What a terminal sends for a key like the left arrow: ESC [ D. */
static void skip_sequence(void)
{
        if (getchar() != '[')
                return;
        int key;
        do
                key = getchar();
        while (key >= ' ' && key < '@');
}

int read_line(char *line, int size)
{
        int length = 0;
        for (;;) {
                int key = getchar();
                int erase = 0;
                if (key == CTRL('D') && length == 0)
                        return -1;
                if (key == '\n' || key == CTRL('D'))
                        break;

                if (key == ESCAPE)
                        skip_sequence();
                else if (key == CTRL('U'))
                        erase = length;
                else if (key == '\b' || key == DELETE)
                        erase = length > 0;
                else if (key >= ' ' && length < size - 1)
                        putchar(line[length++] = key);
                else if (key >= ' ')
                        putchar(BELL);

                length -= erase;
                while (erase--)
                        print("\b \b");         /* back, wipe it out, back */
        }
        putchar('\n');
        line[length] = 0;
        return length;
}

char *next_word(char **text)
{
        char *word = *text;
        while (*word == ' ')
                word++;
        char *end = word;
        while (*end && *end != ' ')
                end++;
        *text = *end ? end + 1 : end;
        *end = 0;
        return end > word ? word : NULL;
}

const char *parse_digits(const char *text, uint32_t *number)
{
        const char *digit = text;
        *number = 0;
        for (; *digit >= '0' && *digit <= '9'; digit++)
                if (__builtin_mul_overflow(*number, 10, number)
                    || __builtin_add_overflow(*number, *digit - '0', number))
                        return NULL;
        return digit > text ? digit : NULL;
}

bool parse_unsigned(const char *text, uint32_t *number)
{
        const char *end = parse_digits(text, number);
        return end && !*end;
}

bool parse_signed(const char *text, int32_t *number)
{
        bool negative = *text == '-';
        uint32_t magnitude;
        if (!parse_unsigned(text + negative, &magnitude)
            || magnitude > (uint32_t)INT32_MAX + negative)
                return false;
        *number = negative ? -magnitude : magnitude;
        return true;
}

void print_seconds(uint32_t milliseconds)
{
        print("%u.%u%u s", milliseconds / 1000, milliseconds / 100 % 10, milliseconds / 10 % 10);
}
