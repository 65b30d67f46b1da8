/* The 1K OS on the host: its files compiled as they stand, with sanitizers. What they call, and the
 * kernel's assembly or hardware would answer, is here. */
#ifndef HARNESS_H
#define HARNESS_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ends the process, with these words: a promise is broken. */
void broken(const char *promise, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Where a panic of the kernel or the exit of a program goes on. */
extern jmp_buf end;

/* What is typed, for the case that runs. */
int next_key(void);

/* kernel.c */
void run_disk(const uint8_t *bytes, size_t count);
void run_program(const uint8_t *bytes, size_t count);
void files_begin(void);
int file_read(const char *name, void *buffer, uint32_t bytes, uint32_t offset);
int file_write(const char *name, const void *data, uint32_t bytes);
int file_remove(const char *name);
int file_list(uint32_t index, void *info);

/* user.c, shell.c and calculator.c of the OS: their main. */
int shell_main(void);
int calculator_main(int argc, char **argv);

#endif
