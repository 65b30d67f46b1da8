# pmode: reloads its segment registers from the GDT and prints what they hold. 171 exits: 170
# characters and the hlt.
#include "gdt.h"
#include "print.h"

#define ABOVE_1_MIB 0x200000            /* where no real-mode address reaches */
#define VALUE 0xcafef00d

        .code32
        mov     $DATA, %eax
        mov     %eax, %ds               # each of these reads a descriptor from the GDT
        mov     %eax, %es
        mov     %eax, %fs
        mov     %eax, %gs
        mov     %eax, %ss
        ljmp    $CODE, $reloaded        # and so does this: no mov can write CS

reloaded:
        movl    $VALUE, ABOVE_1_MIB
        pushl   ABOVE_1_MIB             # what the text asks for, the last first
        pushl   $VALUE
        pushl   $ABOVE_1_MIB
        sgdt    gdtr
        pushl   gdtr_base
        mov     %ss, %eax
        push    %eax
        mov     %cs, %eax
        push    %eax
        mov     %cr0, %eax
        push    %eax

        mov     $HYPERCALL_PORT, %edx
        mov     $text, %esi
next:   lodsb                           # AL = *ESI++
        test    %al, %al
        jz      done
        cmp     $'#', %al
        je      value
        putchar %al
        jmp     next

value:  pop     %ebp                    # in place of a #
        mov     $8, %ecx
digit:  rol     $4, %ebp                # the highest digit first
        mov     %ebp, %eax
        and     $0xf, %eax
        putchar digits(%eax)
        loop    digit
        jmp     next
done:   hlt

text:   .ascii  "CR0 = 0x#: bit 0, PE, is set in protected mode\n"
        .ascii  "CS = 0x#, SS = 0x#: reloaded from the GDT at 0x#\n"
        .asciz  "0x#: wrote 0x#, read 0x#\n"
digits: .ascii  "0123456789abcdef"

gdtr:   .word   0                       # limit
gdtr_base: .long 0
