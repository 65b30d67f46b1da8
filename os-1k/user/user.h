/* What every program has: the system calls, and a little more. */
#ifndef USER_H
#define USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "syscall.h"

/* In start.S. Below 0 the answer is an error, of those in syscall.h. */
int syscall(int number, ...);

/* The system calls; see syscall.h. putchar is in print.h. */
static inline __attribute__((noreturn)) void exit(int status)
{
        syscall(SYS_EXIT, status);
        __builtin_unreachable();
}

/* 'a' for the key A, '\n' for Enter, '\b' for backspace, 1 for Ctrl-A and so on. */
static inline int getchar(void)
{
        return syscall(SYS_GETCHAR);
}

static inline int read_file(const char *name, void *buffer, uint32_t bytes, uint32_t offset)
{
        return syscall(SYS_READ_FILE, name, buffer, bytes, offset);
}

static inline int write_file(const char *name, const void *data, uint32_t bytes)
{
        return syscall(SYS_WRITE_FILE, name, data, bytes);
}

static inline int remove_file(const char *name)
{
        return syscall(SYS_REMOVE_FILE, name);
}

static inline int list_files(uint32_t index, struct file_info *info)
{
        return syscall(SYS_LIST_FILES, index, info);
}

/* By convention the arguments begin with the program's name: they become argv. */
static inline int spawn(const char *name, const char *arguments)
{
        return syscall(SYS_SPAWN, name, arguments);
}

static inline int wait(int id, bool patience)
{
        return syscall(SYS_WAIT, id, patience);
}

static inline void sleep(uint32_t milliseconds)
{
        syscall(SYS_SLEEP, milliseconds);
}

static inline uint32_t uptime(void)
{
        return syscall(SYS_UPTIME);
}

static inline int list_processes(uint32_t index, struct process_info *info)
{
        return syscall(SYS_LIST_PROCESSES, index, info);
}

/* What an error is, in words. */
const char *error_text(int error);

/* Lets the user type and edit a line of less than `size` characters. Returns how many it has, or
 * less than 0 if there are no more lines: after Ctrl-D, which also ends a line that has begun. */
int read_line(char *line, int size);

/* The first word of *text, now with a 0 at its end, or NULL; *text moves on to what follows it. */
char *next_word(char **text);

/* Reads digits at `text`. Returns where they end, NULL if there are none or they need 33 bits. */
const char *parse_digits(const char *text, uint32_t *number);

/* Whether all of `text` is one number, which then is in *number. */
bool parse_unsigned(const char *text, uint32_t *number);
bool parse_signed(const char *text, int32_t *number);

/* Prints a time as "3.25 s". */
void print_seconds(uint32_t milliseconds);

#endif
