/* The system calls: what a program asks for, and whether it may. */
#include "kernel.h"

/* All that a program hands over is checked here, and nowhere else: in its own memory, and there to
 * be written if we are to write to it. */
static bool is_ours(uint32_t address, uint32_t bytes, uint32_t flags)
{
        return is_mapped(current->directory, address, bytes, USER | flags);
}

/* Copies a string of up to bytes - 1 characters. */
static int copy_string(char *to, uint32_t address, uint32_t bytes, int error_if_longer)
{
        for (uint32_t i = 0; i < bytes; i++) {
                if (!is_ours(address + i, 1, 0))
                        return ERROR_BAD_ADDRESS;
                to[i] = *(const char *)(address + i);
                if (to[i] == 0)
                        return 0;
        }
        return error_if_longer;
}

static int copy_name(char *name, uint32_t address)
{
        int error = copy_string(name, address, NAME_BYTES, ERROR_BAD_NAME);
        if (error < 0)
                return error;
        return fs_is_name(name) ? 0 : ERROR_BAD_NAME;
}

static int sys_exit(uint32_t status)
{
        process_exit(status & 0xff);
}

static int sys_putchar(uint32_t character)
{
        putchar(character);
        return 0;
}

static int sys_getchar(void)
{
        int character = -1;
        while (keyboard_owner != current || (character = keyboard_read()) < 0)
                block(&keyboard_owner);
        return character;
}

static int sys_read_file(uint32_t name_at, uint32_t buffer, uint32_t bytes, uint32_t offset)
{
        char name[NAME_BYTES];
        int error = copy_name(name, name_at);
        if (error < 0)
                return error;
        if (!is_ours(buffer, bytes, WRITABLE))
                return ERROR_BAD_ADDRESS;
        uint32_t file_bytes;
        const char *file = fs_find(name, &file_bytes);
        if (!file)
                return ERROR_NOT_FOUND;
        uint32_t rest = offset < file_bytes ? file_bytes - offset : 0;
        if (bytes > rest)
                bytes = rest;
        memcpy((void *)buffer, file + offset, bytes);
        return bytes;
}

static int sys_write_file(uint32_t name_at, uint32_t data, uint32_t bytes)
{
        char name[NAME_BYTES];
        int error = copy_name(name, name_at);
        if (error < 0)
                return error;
        if (!is_ours(data, bytes, 0))
                return ERROR_BAD_ADDRESS;
        return fs_write(name, (const void *)data, bytes);
}

static int sys_remove_file(uint32_t name_at)
{
        char name[NAME_BYTES];
        int error = copy_name(name, name_at);
        return error < 0 ? error : fs_remove(name);
}

static int sys_list_files(uint32_t index, uint32_t info)
{
        if (!is_ours(info, sizeof(struct file_info), WRITABLE))
                return ERROR_BAD_ADDRESS;
        return fs_list(index, (struct file_info *)info);
}

static int sys_spawn(uint32_t name_at, uint32_t arguments_at)
{
        char name[NAME_BYTES], arguments[ARGUMENTS_BYTES];
        int error = copy_name(name, name_at);
        if (error == 0)
                error = copy_string(arguments, arguments_at, sizeof arguments, ERROR_TOO_LONG);
        return error < 0 ? error : process_spawn(name, arguments);
}

static int sys_sleep(uint32_t milliseconds)
{
        process_sleep(milliseconds);
        return 0;
}

static int sys_list_processes(uint32_t index, uint32_t info)
{
        if (!is_ours(info, sizeof(struct process_info), WRITABLE))
                return ERROR_BAD_ADDRESS;
        return process_list(index, (struct process_info *)info);
}

int system_call(const struct trap_frame *frame)
{
        uint32_t a = frame->ebx, b = frame->ecx, c = frame->edx, d = frame->esi;
        switch (frame->eax) {
        case SYS_EXIT: return sys_exit(a);
        case SYS_PUTCHAR: return sys_putchar(a);
        case SYS_GETCHAR: return sys_getchar();
        case SYS_READ_FILE: return sys_read_file(a, b, c, d);
        case SYS_WRITE_FILE: return sys_write_file(a, b, c);
        case SYS_REMOVE_FILE: return sys_remove_file(a);
        case SYS_LIST_FILES: return sys_list_files(a, b);
        case SYS_SPAWN: return sys_spawn(a, b);
        case SYS_WAIT: return process_wait(a, b);
        case SYS_SLEEP: return sys_sleep(a);
        case SYS_UPTIME: return ticks * TICK_MS;
        case SYS_LIST_PROCESSES: return sys_list_processes(a, b);
        default: return ERROR_NO_SUCH_CALL;
        }
}
