/* abuse: asks the kernel for what it must refuse, and ends with status 0 if it refused it all. */
#include "print.h"
#include "string.h"
#include "user.h"

#define KERNEL 0x80100000
#define UNMAPPED 0x40000000
#define PAGE 4096
#define FILE "abuse.tmp"
#define MANY 100                        /* processes: more than there can be */

extern char end[];                      /* in user.ld: of our memory, but for the page's rest */

/* The smallest program: ELF header, program header, and code that calls exit(0). */
static const uint32_t tiny[] = {
        0x464c457f, 0x00010101, 0, 0,                   /* "\x7f" "ELF", 32-bit, little-endian */
        0x00030002, 1, 0x01000054, 0x34,                /* 80386 executable; entry; headers at */
        0, 0, 0x00200034, 0x00280001, 0,                /* bytes of the headers; one of them */
        1, 0, 0x01000000, 0, 0x5c, 0x5c, 5, PAGE,       /* load: from, to, bytes there, here */
        0xdb31c031, 0x000080cd, /* xor %eax, %eax; xor %ebx, %ebx; int $0x80 */
};

/* It is spoilt by another value of the word of this index. */
static const struct {
        const char *what;
        uint32_t index, value;
} spoilt[] = {
        { "another magic number", 0, 0x464c4580 },
        { "64 bits", 1, 0x00010102 },
        { "another CPU", 4, 0x003e0002 },
        { "program headers past its end", 7, 0x1000 },
        { "program headers at the end of the address space", 7, 0xfffffff0 },
        { "program headers without end", 11, 0x0028ffff },
        { "a segment past its end", 14, 0x1000 },
        { "a segment that begins at the end of the address space", 14, 0xfffffff0 },
        { "a segment at address 0", 15, 0 },
        { "a segment in the kernel", 15, KERNEL },
        { "a segment on the stack", 15, 0x7fffe000 },
        { "a segment up to the kernel and around", 15, 0xffffffe0 },
        { "a segment longer than itself", 18, 0x10 },
        { "a segment that fills the memory", 18, 0x7e000000 },
        { "a segment that wraps around", 18, 0xff000010 },
};

static int allowed;

/* Prints what the kernel says to a request, which should be an error. */
static void refuse(const char *request, int answer)
{
        const char *text = answer == ERROR_NOT_FOUND ? "not found" : error_text(answer);
        if (answer >= 0) {
                text = "ALLOWED";
                allowed++;
        }
        print("%s: %s\n", request, text);
}

static void spawn_many(void)
{
        int ids[MANY], count = 0, answer;
        do
                answer = ids[count++] = spawn(FILE, FILE);
        while (answer >= 0 && count < MANY);
        refuse("spawn processes without end", answer);
        while (count--)
                wait(ids[count], true);
}

static void spawn_spoilt(void)
{
        for (size_t i = 0; i < sizeof spoilt / sizeof *spoilt; i++) {
                uint32_t program[sizeof tiny / sizeof *tiny];
                memcpy(program, tiny, sizeof tiny);
                program[spoilt[i].index] = spoilt[i].value;
                write_file(FILE, program, sizeof program);
                print("spawn a program with ");
                refuse(spoilt[i].what, spawn(FILE, FILE));
        }
}

int main(void)
{
        /* The last bytes before memory that is not ours: text without an end. */
        char *edge = (char *)(((uint32_t)end + PAGE - 1) / PAGE * PAGE - 8);
        memset(edge, 'a', 8);

        char buffer[16], long_text[ARGUMENTS_BYTES + 1];
        memset(long_text, 'a', ARGUMENTS_BYTES);
        long_text[ARGUMENTS_BYTES] = 0;
        write_file(FILE, tiny, sizeof tiny);

        refuse("system call -1", syscall(-1));
        refuse("system call after the last", syscall(SYSCALLS));
        refuse("system call 0x80000000", syscall(0x80000000));

        refuse("read a file named by the kernel", syscall(SYS_READ_FILE, KERNEL, buffer, 16, 0));
        refuse("read a file named by NULL", read_file(NULL, buffer, 16, 0));
        refuse("read a file named off the edge", read_file(edge, buffer, 16, 0));
        refuse("read a file without a name", read_file("", buffer, 16, 0));
        refuse("read a file with a long name", read_file(long_text, buffer, 16, 0));
        refuse("read a file that is not there", read_file("abuse.none", buffer, 16, 0));
        refuse("read into the kernel", syscall(SYS_READ_FILE, FILE, KERNEL, 16, 0));
        refuse("read into NULL", read_file(FILE, NULL, 16, 0));
        refuse("read into nowhere", syscall(SYS_READ_FILE, FILE, UNMAPPED, 16, 0));
        refuse("read into our code", read_file(FILE, (void *)main, 16, 0));
        refuse("read over the edge", read_file(FILE, edge, 16, 0));
        refuse("read around the address space", read_file(FILE, buffer, -1, 0));

        refuse("write from the kernel", syscall(SYS_WRITE_FILE, FILE, KERNEL, 16));
        refuse("write from NULL", write_file(FILE, NULL, 16));
        refuse("write from over the edge", write_file(FILE, edge, 16));
        refuse("write from around the address space", write_file(FILE, buffer, -1));
        refuse("write a file without a name", write_file("", buffer, 16));
        refuse("write a file with a newline in its name", write_file("a\nb", buffer, 16));
        refuse("write a file with a long name", write_file(long_text, buffer, 16));

        refuse("remove a file named by the kernel", syscall(SYS_REMOVE_FILE, KERNEL));
        refuse("remove a file that is not there", remove_file("abuse.none"));

        refuse("list files into the kernel", syscall(SYS_LIST_FILES, 0, KERNEL));
        refuse("list files over the edge", syscall(SYS_LIST_FILES, 0, edge));
        refuse("list files into our code", syscall(SYS_LIST_FILES, 0, main));
        refuse("list processes into the kernel", syscall(SYS_LIST_PROCESSES, 0, KERNEL));
        refuse("list processes over the edge", syscall(SYS_LIST_PROCESSES, 0, edge));
        struct file_info file;
        refuse("list file -1", list_files(-1, &file));
        struct process_info process;
        refuse("list process -1", list_processes(-1, &process));

        refuse("spawn a program named by NULL", spawn(NULL, ""));
        refuse("spawn what is not there", spawn("abuse.none", ""));
        refuse("spawn with the kernel's arguments", syscall(SYS_SPAWN, FILE, KERNEL));
        refuse("spawn with arguments off the edge", spawn(FILE, edge));
        refuse("spawn with long arguments", spawn(FILE, long_text));

        refuse("wait for process 0", wait(0, true));
        refuse("wait for the shell", wait(1, true));
        refuse("wait for process -1", wait(-1, true));

        /* None of this may have changed the file. */
        if (wait(spawn(FILE, FILE), true) != 0)
                refuse("write what was refused", 0);
        spawn_many();
        spawn_spoilt();
        remove_file(FILE);

        print("abuse: %d allowed\n", allowed);
        return allowed > 0;
}
