/* hostile: a program that means the 1K OS harm. What the kernel must do is refuse, or kill it; what
 * it must not do is listen. `hostile WAY [NUMBER [NUMBER]]`, see main. */
#include "print.h"
#include "string.h"
#include "user.h"

#define SIZE(array) (sizeof (array) / sizeof *(array))

static uint32_t state;
static char code[512];                  /* there is no NX bit: it can be executed */

static uint32_t next(void)
{
        state = state * 1664525 + 1013904223;
        return state >> 16 | state << 16;
}

/* System calls with what nobody expects. Those that wait for something are left out. */
static void calls(uint32_t seed, uint32_t times)
{
        static char buffer[8192];
        static const int numbers[] = {
                SYS_READ_FILE, SYS_WRITE_FILE, SYS_REMOVE_FILE, SYS_LIST_FILES, SYS_SPAWN,
                SYS_UPTIME, SYS_LIST_PROCESSES, SYSCALLS, -1, 0x7fffffff,
        };
        static char names[][8] = { "a", "b", "gcd", "none", "", "no\nname" };
        state = seed;
        for (uint32_t i = 0; i < times; i++) {
                uint32_t with[4];
                for (int j = 0; j < 4; j++) {
                        const uint32_t edges[] = {
                                0, 1, 4095, 4096, 0x7ffff000, 0x7fffffff, 0x80000000, 0x80100000,
                                0xfffff000, 0xffffffff, (uint32_t)buffer, (uint32_t)buffer + 8190,
                                (uint32_t)calls, (uint32_t)names[next() % SIZE(names)], next(),
                                next() % 10000,
                        };
                        with[j] = edges[next() % SIZE(edges)];
                }
                int number = numbers[next() % SIZE(numbers)];
                if (next() % 2)
                        with[0] = (uint32_t)names[next() % SIZE(names)];
                /* It may have overwritten the names by now: what is started is known, or nowhere. */
                static const char *const programs[] = { "gcd", "none", (char *)0x80100000, "" };
                if (number == SYS_SPAWN)
                        with[0] = (uint32_t)programs[next() % SIZE(programs)];
                /* What is there has to stay. */
                static const char *const files[] = { "a", "b", (char *)0x80100000, "no\nname" };
                if (number == SYS_WRITE_FILE || number == SYS_REMOVE_FILE)
                        with[0] = (uint32_t)files[next() % SIZE(files)];
                int answer = syscall(number, with[0], with[1], with[2], with[3]);
                if (number == SYS_SPAWN && answer >= 0)
                        wait(answer, true);
        }
        remove_file("a");
        remove_file("b");
}

/* Runs what is in `code`, with these flags, and with registers that are no good for anything. */
static void run_code(uint32_t flags)
{
        __asm__ volatile("push %1; popf; mov $0x80100000, %%ebx; mov %%ebx, %%ecx; mov %%ebx, %%edx;"
                         "mov %%ebx, %%esi; mov $-1, %%edi; mov $0xfffffff0, %%ebp; jmp *%0"
                         : : "a"(code), "r"(flags) : "memory");
        __builtin_unreachable();
}

static void random_code(uint32_t seed)
{
        state = seed;
        for (size_t i = 0; i < sizeof code; i++)
                code[i] = next();
        run_code(next() & 0x54ed5);     /* with some of TF, DF, NT, AC */
}

#define TF 0x100                        /* an exception after each instruction */
#define NT 0x4000                       /* iret returns to another task */

static const struct {
        const char *bytes;
        uint32_t count, flags;
} odd[] = {
        { "\xf1", 1, 0 }, /*                                    int1 */
        { "\xcc", 1, 0 }, /*                                    int3 */
        { "\xce", 1, 0x800 }, /*                                into */
        { "\xcd\x00\xcd\x01\xcd\x02", 2, 0 }, /*                int 0 */
        { "\xcd\x08", 2, 0 }, /*                                int 8: the kernel's task gate */
        { "\xcd\x0e", 2, 0 }, /*                                int 14 */
        { "\xcd\x20", 2, 0 }, /*                                int 32: the timer's */
        { "\xcd\x21", 2, 0 }, /*                                the keyboard's */
        { "\xcd\xff", 2, 0 }, /*                                beyond the table */
        { "\x90\x90", 2, TF },
        { "\xcd\x80", 2, TF }, /*                               a system call, step by step */
        { "\x8c\xd0\x8e\xd0\xcd\x80", 6, TF }, /*               mov %ss, %eax; mov %eax, %ss */
        { "\xcf", 1, NT }, /*                                   iret */
        { "\xcd\x80\xcf", 3, NT },
        { "\x0f\x34", 2, 0 }, /*                                sysenter */
        { "\x0f\x05", 2, 0 }, /*                                syscall */
        { "\x0f\x01\xd9", 3, 0 }, /*                            vmmcall */
        { "\x0f\x01\xc1", 3, 0 }, /*                            vmcall */
        { "\xea\x00\x00\x00\x00\x28\x00", 7, 0 }, /*            ljmp to a task */
        { "\xea\x00\x00\x00\x00\x30\x00", 7, 0 },
        { "\x9a\x00\x00\x10\x80\x08\x00", 7, 0 }, /*            lcall into the kernel */
        { "\x6a\x08\x68\x00\x00\x10\x80\xcb", 8, 0 }, /*        lret into it */
        { "\x6a\x02\x6a\x08\x68\x00\x00\x10\x80\xcf", 10, 0 }, /* iret into it */
        { "\xff\xe3", 2, 0 }, /*                                jmp *%ebx */
        { "\x89\xdc\xcd\x80", 4, 0 }, /*                        its stack, and a system call */
        { "\x31\xe4\xcd\x80\x50", 5, 0 }, /*                    no stack at all */
        { "\xb8\x10\x00\x00\x00\x8e\xd8", 7, 0 }, /*            its data segment */
        { "\x31\xc0\x8e\xd8\x8e\xc0\xcd\x80", 8, 0 }, /*        none */
        { "\xb8\x23\x00\x00\x00\x8e\xe8\x8e\xe0\xcd\x80", 11, 0 },
        { "\x0f\x20\xc0", 3, 0 }, /*                            mov %cr0, %eax */
        { "\x0f\x23\xf8", 3, 0 }, /*                            mov %eax, %db7 */
        { "\x0f\x30", 2, 0 }, /*                                wrmsr */
        { "\x0f\x33", 2, 0 }, /*                                rdpmc */
        { "\x0f\x01\x13", 3, 0 }, /*                            lgdt (%ebx) */
        { "\x0f\x01\x3b", 3, 0 }, /*                            invlpg (%ebx) */
        { "\x0f\x00\xd8", 3, 0 }, /*                            ltr %ax */
        { "\x0f\x09", 2, 0 }, /*                                wbinvd */
        { "\x0f\xaa", 2, 0 }, /*                                rsm */
        { "\xfa", 1, 0 }, /*                                    cli */
        { "\xe4\x60", 2, 0 }, /*                                in $0x60, %al */
        { "\x6c", 1, 0 }, /*                                    insb */
        { "\xf0\x90", 2, 0 }, /*                                lock nop */
        { "\xc8\xff\xff\x1f", 4, 0 }, /*                        enter $0xffff, $31 */
        { "\x0f\x28\xc0", 3, 0 }, /*                            movaps */
        { "\x0f\x77\x9b\xdb\xe3", 5, 0 }, /*                    emms; fwait; fninit */
        { "\xf3\xa4", 2, 0x400 }, /*                            rep movsb, downwards */
        { "\x31\xc0\x48\xcd\x80", 5, 0 }, /*                    system call -1 */
        { "\x31\xc0\x83\xc0\x0c\xcd\x80", 7, 0 }, /*            the one after the last */
};

static void odd_code(uint32_t index)
{
        static const char leave[] = "\x31\xc0\x31\xdb\xcd\x80"; /* exit(0) */
        memcpy(code, odd[index].bytes, odd[index].count);
        memcpy(code + odd[index].count, leave, sizeof leave);
        run_code(odd[index].flags | 2);
}

/* Runs `hostile WAY N` for each N, and waits a while for each. */
static void many(const char *way, uint32_t first, uint32_t count)
{
        int left = 0;
        for (uint32_t i = first; i < first + count && left < 20; i++) {
                char arguments[ARGUMENTS_BYTES] = "hostile ", *end = arguments + strlen(arguments);
                memcpy(end, way, strlen(way));
                end += strlen(way);
                *end++ = ' ';
                for (uint32_t power = 100000; power > 0; power /= 10)
                        *end++ = '0' + i / power % 10;
                *end = 0;
                int id = spawn("hostile", arguments), tries = 0;
                while (id >= 0 && wait(id, false) == ERROR_STILL_RUNS && ++tries < 20)
                        sleep(20);
                left += tries == 20;
        }
        print("many: %s, %d still run\n", way, left);
}

/* As many of us as there can be. */
static void bomb(void)
{
        for (int i = 0; i < 4; i++)
                spawn("hostile", "hostile bomb");
}

static void spawns(uint32_t count)
{
        uint32_t done = 0;
        while (done < count) {
                int id = spawn("hostile", "hostile nothing");
                if (id < 0 || wait(id, true) != 0)
                        break;
                done++;
        }
        print("%u spawned\n", done);
}

/* Files until there is no room, and away with them; how many there were is always the same. */
static void fill(void)
{
        static char data[9000];
        char name[] = "f000";
        int first = 0;
        for (int round = 0; round < 3; round++) {
                int count = 0;
                for (; count < 1000; count++) {
                        name[1] = '0' + count / 100;
                        name[2] = '0' + count / 10 % 10;
                        name[3] = '0' + count % 10;
                        if (write_file(name, data, sizeof data) < 0)
                                break;
                }
                /* What is full is not lost. */
                int old = write_file("f000", data, sizeof data + 5000);
                int kept = read_file("f000", data, sizeof data, 0);
                for (int i = 0; i < count; i++) {
                        name[1] = '0' + i / 100;
                        name[2] = '0' + i / 10 % 10;
                        name[3] = '0' + i % 10;
                        remove_file(name);
                }
                first = round ? first : count;
                if (count != first || count == 0 || count == 1000 || kept != sizeof data || old > 0)
                        print("fill: %d, then %d, %d of %d\n", first, count, kept, old);
        }
        print("filled\n");
}

int main(int argc, char **argv)
{
        uint32_t a = 0, b = 0;
        const char *way = argc > 1 ? argv[1] : "";
        if (argc > 2)
                parse_unsigned(argv[2], &a);
        if (argc > 3)
                parse_unsigned(argv[3], &b);
        if (strcmp(way, "calls") == 0)
                calls(a, b);
        else if (strcmp(way, "code") == 0)
                random_code(a);
        else if (strcmp(way, "odd") == 0)
                odd_code(a % SIZE(odd));
        else if (strcmp(way, "odds") == 0)
                many("odd", 0, SIZE(odd));
        else if (strcmp(way, "codes") == 0)
                many("code", a, b);
        else if (strcmp(way, "bomb") == 0)
                bomb();
        else if (strcmp(way, "spawns") == 0)
                spawns(a);
        else if (strcmp(way, "fill") == 0)
                fill();
        else if (strcmp(way, "loop") == 0)
                for (;;)
                        continue;
        return 0;
}
