# pmode-no-gdt: reloads a segment register when there is no GDT: a triple fault. 65 exits: 64
# characters and the shutdown.
#include "gdt.h"
#include "print.h"

        .code32
        mov     $HYPERCALL_PORT, %edx
        mov     $DATA, %ecx
        lgdt    no_gdt                  # nobody notices yet: the segment registers keep a copy of
                                        # their descriptors, and need the GDT only to be reloaded
        mov     $text, %esi
next:   lodsb                           # AL = *ESI++
        test    %al, %al
        jz      reload
        putchar %al
        jmp     next

reload: newline                         # the last exit
        mov     %ecx, %ds               # #GP: 0x10 is beyond the limit; so is the 0x08 of any
                                        # handler: #GP again, a double fault, and the CPU gives up
        hlt                             # never reached

text:   .ascii  "The GDT is gone, and all goes on as before.\n"
        .asciz  "Now DS is reloaded."

no_gdt: .word   0                       # limit
        .long   0                       # base
