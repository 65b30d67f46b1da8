/* Makes a chapter's KVM misbehave: preloaded into it, told by the environment what to do.
 *
 *   KVM_FAULT=open:ERRNO            open("/dev/kvm") fails
 *   KVM_FAULT=version:N             KVM_GET_API_VERSION answers N
 *   KVM_FAULT=lacks:CAPABILITY      KVM_CHECK_EXTENSION answers 0 for it
 *   KVM_FAULT=answers:CAPABILITY:N  KVM_CHECK_EXTENSION answers N for it
 *   KVM_FAULT=cpuid:FILE            KVM_GET_SUPPORTED_CPUID answers with the kvm_cpuid_entry2 in it
 *   KVM_FAULT=exit:REASON:DETAIL    KVM_RUN ends with that reason, DETAIL in its first 64 bits
 *   KVM_FAULT=ioctl:REQUEST:ERRNO   that request fails
 *   KVM_FAULT=slots:FILE            no fault: when the program ends, FILE has each memory slot, as a
 *                                   kvm_userspace_memory_region and the memory behind it
 *   KVM_FAULT=calls:FILE            no fault: FILE gets the name of each call in names.h, in order
 *   KVM_FAULT=nth:NAME:N:ERRNO      the Nth call of that name fails, as often as it is made again:
 *                                   once
 *   KVM_FAULT=eintr:N               KVM_RUN fails with EINTR N times before each time it runs
 *   KVM_FAULT=each:FILE             many runs: plan.h
 *
 * Several of them have a ';' between them. Numbers as strtoull reads them. With no KVM_FAULT, or with
 * another, nothing is changed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

static int vcpu_fd = -1;
static struct kvm_run *run;

/* The text behind "KIND:" if that is a fault we are to commit. */
static const char *fault(const char *kind)
{
        const char *text = getenv("KVM_FAULT");
        size_t length = strlen(kind);

        while (text && (strncmp(text, kind, length) != 0 || text[length] != ':'))
                if ((text = strchr(text, ';')))
                        text++;
        return text ? text + length + 1 : NULL;
}

#include "names.h"
#include "plan.h"

int open(const char *path, int flags, ...)
{
        static int (*real)(const char *, int, ...);
        const char *error = fault("open");
        va_list arguments;
        int mode;

        if (error && strcmp(path, "/dev/kvm") == 0) {
                errno = strtoull(error, NULL, 0);
                return -1;
        }
        va_start(arguments, flags);
        mode = va_arg(arguments, int);
        va_end(arguments);
        if (!real)
                real = dlsym(RTLD_NEXT, "open");
        return real(path, flags, mode);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
        static void *(*real)(void *, size_t, int, int, int, off_t);
        void *mapping;

        if (!real)
                real = dlsym(RTLD_NEXT, "mmap");
        if (fd >= 0 && fd == vcpu_fd && fails("mmap of a vCPU"))
                return MAP_FAILED;
        if (flags & MAP_NORESERVE && fails("mmap of guest memory"))
                return MAP_FAILED;
        mapping = real(address, length, protection, flags, fd, offset);
        if (fd >= 0 && fd == vcpu_fd)
                run = mapping;
        return mapping;
}

/* What else may fail for want of something. */

int eventfd(unsigned count, int flags)
{
        static int (*real)(unsigned, int);

        if (!real)
                real = dlsym(RTLD_NEXT, "eventfd");
        return fails("eventfd") ? -1 : real(count, flags);
}

int dup(int fd)
{
        static int (*real)(int);

        if (!real)
                real = dlsym(RTLD_NEXT, "dup");
        return fails("dup") ? -1 : real(fd);
}

int madvise(void *address, size_t length, int advice)
{
        static int (*real)(void *, size_t, int);

        if (!real)
                real = dlsym(RTLD_NEXT, "madvise");
        return fails("madvise") ? -1 : real(address, length, advice);
}

int tcgetattr(int fd, struct termios *settings)
{
        static int (*real)(int, struct termios *);

        if (!real)
                real = dlsym(RTLD_NEXT, "tcgetattr");
        return fails("tcgetattr") ? -1 : real(fd, settings);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument)
{
        static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

        if (!real)
                real = dlsym(RTLD_NEXT, "pthread_create");
        return fails("pthread_create") ? errno : real(thread, attributes, start, argument);
}

#define SLOTS_MAX 16

static struct kvm_userspace_memory_region slots[SLOTS_MAX];
static int slot_count;

/* A slot as KVM has it from now on. KVM API document, 4.35. */
static void note_slot(const struct kvm_userspace_memory_region *region)
{
        int i = 0;

        while (i < slot_count && slots[i].slot != region->slot)
                i++;
        if (i == SLOTS_MAX)
                return;
        slots[i] = *region;
        if (i == slot_count)
                slot_count++;
}

/* What is to be written when the program ends has to be there until then. */
int munmap(void *address, size_t length)
{
        static int (*real)(void *, size_t);

        if (fault("slots"))
                return 0;
        if (!real)
                real = dlsym(RTLD_NEXT, "munmap");
        return real(address, length);
}

__attribute__((destructor)) static void write_slots(void)
{
        const char *path = fault("slots");
        FILE *file = path ? fopen(path, "w") : NULL;

        if (!file)
                return;
        for (int i = 0; i < slot_count; i++) {
                fwrite(&slots[i], sizeof(slots[i]), 1, file);
                fwrite((void *)slots[i].userspace_addr, slots[i].memory_size, 1, file);
        }
        fclose(file);
}

/* KVM_GET_SUPPORTED_CPUID with the entries of a file. KVM API document, 4.46. */
static int supported_cpuid(const char *path, struct kvm_cpuid2 *cpuid)
{
        size_t room = cpuid->nent * sizeof(cpuid->entries[0]);
        int file = open(path, O_RDONLY);
        ssize_t length = file < 0 ? -1 : read(file, cpuid->entries, room);
        char more;

        if (length < 0)
                return -1;
        if (read(file, &more, 1) > 0) {
                close(file);
                errno = E2BIG;
                return -1;
        }
        close(file);
        cpuid->nent = length / sizeof(cpuid->entries[0]);
        return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
        static int (*real)(int, unsigned long, ...);
        const char *text;
        char *rest;
        va_list arguments;
        void *argument;
        int result;

        va_start(arguments, request);
        argument = va_arg(arguments, void *);
        va_end(arguments);

        if (request == KVM_GET_API_VERSION && (text = fault("version")))
                return strtoull(text, NULL, 0);
        if (request == KVM_CHECK_EXTENSION && (text = fault("lacks")) &&
            strtoull(text, NULL, 0) == (unsigned long)argument)
                return 0;
        if (request == KVM_CHECK_EXTENSION && (text = fault("answers")) &&
            strtoull(text, &rest, 0) == (unsigned long)argument)
                return strtoull(rest + 1, NULL, 0);
        if (request == KVM_GET_SUPPORTED_CPUID && (text = fault("cpuid")))
                return supported_cpuid(text, argument);
        if (is_kvm(request) && fails(name_of(request)))
                return -1;
        if (request == KVM_RUN && interrupted())
                return -1;
        if (request == KVM_RUN && run && (text = fault("exit"))) {
                run->exit_reason = strtoull(text, &rest, 0);
                run->hw.hardware_exit_reason = *rest ? strtoull(rest + 1, NULL, 0) : 0;
                return 0;
        }
        if ((text = fault("ioctl")) && strtoull(text, &rest, 0) == request) {
                errno = strtoull(rest + 1, NULL, 0);
                return -1;
        }
        if (!real)
                real = dlsym(RTLD_NEXT, "ioctl");
        result = real(fd, request, argument);
        if (request == KVM_SET_USER_MEMORY_REGION && result == 0)
                note_slot(argument);
        if (request == KVM_CREATE_VCPU)
                vcpu_fd = result;
        return result;
}
