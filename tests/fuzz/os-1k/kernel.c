/* The kernel's files and its loader of programs. */
#include <stdlib.h>

#include "../../../os-1k/kernel/fs.c"
#include "../../../os-1k/kernel/program.c"

#include "harness.h"

void panic(const struct trap_frame *frame, const char *message, ...)
{
        (void)frame;
        va_list arguments;
        va_start(arguments, message);
        print_arguments(message, arguments);
        longjmp(end, 1);
}

/* A program's pages. */
#define PAGES_MAX 64
static struct {
        uint32_t address;
        char *bytes;
} pages[PAGES_MAX];
static int page_count;

void *user_page(uint32_t *directory, uint32_t address, uint32_t flags)
{
        (void)directory, (void)flags;
        if (address < USER_START || address >= USER_END)
                broken("a segment reaches address %x", address);
        for (int i = 0; i < page_count; i++)
                if (pages[i].address == address / PAGE)
                        return pages[i].bytes;
        if (page_count == PAGES_MAX)
                return NULL;
        pages[page_count].address = address / PAGE;
        pages[page_count].bytes = calloc(1, PAGE);
        return pages[page_count++].bytes;
}

/* A disk of its own, of this very size. */
static char *new_disk(const uint8_t *bytes, size_t count)
{
        char *copy = malloc(count);
        memcpy(copy, bytes, count);
        used_bytes = 0;
        return copy;
}

/* What a system call makes sure of. */
static bool is_sayable(const char *name)
{
        return strlen(name) < NAME_BYTES && fs_is_name(name);
}

/* Each file is listed once, can be said, and is there. Returns how many there are. */
static uint32_t check_files(void)
{
        struct file_info info, other;
        uint32_t count = 0, bytes;
        for (; fs_list(count, &info) == 0; count++) {
                if (!is_sayable(info.name))
                        broken("a file is listed that nobody can name");
                const char *file = fs_find(info.name, &bytes);
                if (!file || bytes != info.bytes)
                        broken("%s: listed, but not there", info.name);
                if (file < disk || file + bytes > disk + disk_bytes)
                        broken("%s: not on the disk", info.name);
                for (uint32_t before = 0; before < count && before < 20; before++)
                        if (fs_list(before, &other) == 0 && strcmp(info.name, other.name) == 0)
                                broken("%s: listed twice", info.name);
        }
        if (used_bytes > disk_bytes)
                broken("more is used than there is");
        return count;
}

/* Writes, and looks whether it is there. */
static void write_one(const char *name, uint32_t bytes)
{
        static char data[4096];
        bytes %= sizeof data;
        for (uint32_t i = 0; i < bytes; i++)
                data[i] = i + bytes;
        if (!is_sayable(name) || fs_write(name, data, bytes) < 0)
                return;
        uint32_t found;
        const char *file = fs_find(name, &found);
        if (!file || found != bytes)
                broken("%s: written, but not there", name);
        for (uint32_t i = 0; i < bytes; i++)
                if (file[i] != data[i])
                        broken("%s: not what was written", name);
}

static void remove_one(const char *name)
{
        uint32_t bytes;
        if (is_sayable(name) && fs_remove(name) == 0 && fs_find(name, &bytes))
                broken("%s: removed, but there", name);
}

/* A count of operations, the operations, 4 bytes each, and the disk. */
void run_disk(const uint8_t *bytes, size_t count)
{
        static const char *const names[] = {
                "a", "readme.txt", "b/c", "./a", "./", ".", "shell", "a b",
                "123456789012345678901234567890123456789012345678901234567890"
                "12345678901234567890123456789012345678",
        };
        static char *old;
        free(old);              /* a panic has left it */
        old = NULL;
        size_t operations = count ? bytes[0] % 32 : 0;
        if (count < 1 + 4 * operations)
                return;
        const uint8_t *operation = bytes + 1, *image = operation + 4 * operations;
        size_t image_bytes = bytes + count - image;
        old = new_disk(image, image_bytes);
        if (setjmp(end) != 0)
                return;
        fs_init(old, image_bytes);
        check_files();
        for (; operation < image; operation += 4) {
                struct file_info info;
                const char *name = names[operation[1] % (sizeof names / sizeof *names)];
                if (operation[0] & 1 && fs_list(operation[1], &info) == 0)
                        name = info.name;
                if (operation[0] & 2)
                        write_one(name, operation[2] | operation[3] << 8);
                else
                        remove_one(name);
                check_files();
        }
        /* The next start finds the same. */
        uint32_t files = check_files();
        used_bytes = 0;
        if (setjmp(end) != 0)
                broken("after %zu changes the disk is no archive", operations);
        fs_init(old, image_bytes);
        if (check_files() != files)
                broken("after another start there are other files");
}

/* The file, on a disk with one header before it. */
void run_program(const uint8_t *bytes, size_t count)
{
        static char *old;
        static uint32_t room;
        free(old);
        room = BLOCK * 4 + (count + BLOCK - 1) / BLOCK * BLOCK;
        old = malloc(room);
        memset(old, 0, room);
        used_bytes = 0;
        while (page_count > 0)
                free(pages[--page_count].bytes);
        if (setjmp(end) != 0)
                broken("a program is no reason to panic");
        fs_init(old, room);
        uint32_t entry;
        if (fs_write("program", bytes, count) == 0)
                program_load("program", NULL, &entry);
}

/* The shell's files. */

void files_begin(void)
{
        static char disk_of_shell[8 * BLOCK];
        memset(disk_of_shell, 0, sizeof disk_of_shell);
        used_bytes = 0;
        fs_init(disk_of_shell, sizeof disk_of_shell);
}

int file_read(const char *name, void *buffer, uint32_t bytes, uint32_t offset)
{
        uint32_t file_bytes;
        const char *file = is_sayable(name) ? fs_find(name, &file_bytes) : NULL;
        if (!file)
                return ERROR_NOT_FOUND;
        uint32_t rest = offset < file_bytes ? file_bytes - offset : 0;
        bytes = bytes < rest ? bytes : rest;
        memcpy(buffer, file + offset, bytes);
        return bytes;
}

int file_write(const char *name, const void *data, uint32_t bytes)
{
        return is_sayable(name) ? fs_write(name, data, bytes) : ERROR_BAD_NAME;
}

int file_remove(const char *name)
{
        return is_sayable(name) ? fs_remove(name) : ERROR_BAD_NAME;
}

int file_list(uint32_t index, void *info)
{
        return fs_list(index, info);
}
