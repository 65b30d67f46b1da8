/* What a program may ask of the kernel: int 0x80 with the number in EAX and up to four arguments in
 * EBX, ECX, EDX, ESI. The answer is in EAX; below 0 it is an error. For the kernel and for programs. */
#ifndef SYSCALL_H
#define SYSCALL_H

#include <stdint.h>

enum {
        SYS_EXIT,               /* (status): ends this process; the low 8 bits count */
        SYS_PUTCHAR,            /* (character) */
        SYS_GETCHAR,            /* () -> the next character typed: waits for it, and for the shell to wait */
        SYS_READ_FILE,          /* (name, buffer, bytes, offset) -> bytes read, 0 at the end */
        SYS_WRITE_FILE,         /* (name, data, bytes): it then holds these and no others */
        SYS_REMOVE_FILE,        /* (name) */
        SYS_LIST_FILES,         /* (index, struct file_info *) */
        SYS_SPAWN,              /* (name, arguments) -> id of the process that runs this file */
        SYS_WAIT,               /* (id, patience) -> status of a child; with patience 0 now or not */
        SYS_SLEEP,              /* (milliseconds) */
        SYS_UPTIME,             /* () -> milliseconds */
        SYS_LIST_PROCESSES,     /* (index, struct process_info *) */
        SYSCALLS
};

enum {
        ERROR_NO_SUCH_CALL = -1,
        ERROR_BAD_ADDRESS = -2,         /* not the program's own memory */
        ERROR_BAD_NAME = -3,            /* of a file: empty, too long, or not printable ASCII */
        ERROR_NOT_FOUND = -4,           /* no such file, child or index */
        ERROR_NO_ROOM = -5,             /* on the disk, in memory, in the table of processes */
        ERROR_NOT_A_PROGRAM = -6,       /* not an ELF file that could run here */
        ERROR_STILL_RUNS = -7,
        ERROR_TOO_LONG = -8             /* arguments */
};

#define NAME_BYTES 100                  /* of a file, with the 0 at its end */
#define ARGUMENTS_BYTES 256             /* of a program, likewise */

/* A process that the kernel killed ends with this and the number of the exception. */
#define STATUS_KILLED 128

struct file_info {
        char name[NAME_BYTES];
        uint32_t bytes;
};

enum process_state { UNUSED, READY, RUNNING, WAITING, ENDED };

struct process_info {
        uint32_t id, parent;            /* parent 0: the kernel */
        enum process_state state;
        uint32_t cpu_ms;                /* for which it has run */
        char name[NAME_BYTES];
};

#endif
