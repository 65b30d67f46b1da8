/* crash: dies in a way of your choice. The kernel says what happened, and all else goes on. */
#include "print.h"
#include "string.h"
#include "user.h"

#define KERNEL 0x80100000

static void read_kernel(void)
{
        *(volatile int *)KERNEL;
}

static void write_text(void)
{
        *(volatile char *)read_kernel = 0;
}

static void jump_to_null(void)
{
        ((void (*)(void))0)();
}

/* The sum of all numbers from this one on, without the wit to use a loop. */
static unsigned sum(unsigned number)
{
        return number ? number + sum(number + 1) : 0;
}

static void stack(void)
{
        print("%u\n", sum(1));
}

static void hlt(void)
{
        __asm__ volatile("hlt");
}

static void out(void)
{
        __asm__ volatile("out %al, $0x80");
}

static void interrupt(void)
{
        __asm__ volatile("int $14");
}

static void divide(void)
{
        __asm__ volatile("div %0" : : "r"(0) : "eax", "edx");
}

static void fpu(void)
{
        __asm__ volatile("fld1");
}

static void undefined(void)
{
        __asm__ volatile("ud2");
}

static const struct {
        const char *name, *what;
        void (*crash)(void);
} ways[] = {
        { "kernel", "reads the kernel's memory", read_kernel },
        { "write", "writes its own code", write_text },
        { "null", "calls a function at address 0", jump_to_null },
        { "stack", "recurses until its stack is full", stack },
        { "hlt", "halts the CPU", hlt },
        { "out", "writes to an I/O port", out },
        { "int", "raises an interrupt that only the CPU may", interrupt },
        { "divide", "divides by zero", divide },
        { "fpu", "computes with floating point", fpu },
        { "undefined", "executes what is no instruction", undefined },
};
#define WAYS (sizeof ways / sizeof *ways)

int main(int argc, char **argv)
{
        for (size_t i = 0; argc == 2 && i < WAYS; i++)
                if (strcmp(argv[1], ways[i].name) == 0) {
                        ways[i].crash();
                        print("crash: %s: nothing happened\n", argv[1]);
                        return 1;
                }

        print("usage: crash WAY, where it\n");
        for (size_t i = 0; i < WAYS; i++)
                print("  %-9s  %s\n", ways[i].name, ways[i].what);
        return argc == 1 ? 0 : 1;
}
