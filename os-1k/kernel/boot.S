# os-1k: a small operating system: processes, files and a shell, in about a thousand lines.
#
# From the first instruction, in 32-bit protected mode without paging, to C code in the higher half.
#include "x86.h"

#define KERNEL_BASE 0x80000000

#define MULTIBOOT_HEADER_MAGIC 0x1badb002
#define MULTIBOOT_FLAGS 0x3             /* modules on pages of their own; tell us how much memory */

        .section .multiboot, "a"        # where a boot loader looks for it: in the first 8 KiB
        .long   MULTIBOOT_HEADER_MAGIC, MULTIBOOT_FLAGS
        .long   -(MULTIBOOT_HEADER_MAGIC + MULTIBOOT_FLAGS)

# EAX and EBX are the boot loader's: the arguments of main. We are linked for the higher half, but
# not there yet: each address has to be a physical one.
        .text
        .globl  start
start:  mov     %eax, %esi
        mov     $boot_table - KERNEL_BASE, %edi
        mov     $PRESENT | WRITABLE, %eax
        mov     $PAGE / 4, %ecx
fill:   stosl                           # the first 4 MiB of memory, a page after the other
        add     $PAGE, %eax
        loop    fill

        # Here, for the instructions up to the jump, and 2 GiB higher.
        movl    $boot_table - KERNEL_BASE + (PRESENT | WRITABLE), kernel_directory - KERNEL_BASE
        movl    $boot_table - KERNEL_BASE + (PRESENT | WRITABLE), \
                kernel_directory - KERNEL_BASE + (KERNEL_BASE >> 22) * 4

        mov     $kernel_directory - KERNEL_BASE, %eax
        mov     %eax, %cr3
        mov     %cr0, %eax
        or      $CR0_PG | CR0_WP | CR0_EM, %eax
        mov     %eax, %cr0
        mov     $higher, %eax
        jmp     *%eax

higher: mov     $kernel_stacks + 2 * PAGE, %esp
        xor     %ebp, %ebp              # the call trace ends here
        push    %ebx
        push    %esi
        call    main

        .bss
        .align  PAGE
        .globl  kernel_directory
kernel_directory: .fill PAGE
boot_table: .fill PAGE
