# Before the code of a guest of this lab: macros, and the IDT. Any exception goes to where `on_exception`
# says: in ring 0, its number in EAX, its error code or 0 in ECX, and in EBP the stack as the CPU left
# it. `int $0x80` of ring 3 goes to `system_call`.
        .code32
        .set    GDT, 0x500
        .set    DATA, 0x10
        .set    CODE_3, 0x1b
        .set    DATA_3, 0x23
        .set    TSS, 0x28

        .macro  say     text            # say "text"
        .text   1
8:      .asciz  "\text"
        .text   0
        push    $8b
        call    print
        .endm

        .macro  hex     value           # hex %eax
        push    \value
        call    print_hex
        .endm

        .macro  to_ring_3 stack         # what follows is done in ring 3
        mov     $DATA_3, %eax
        mov     %eax, %ds
        mov     %eax, %es
        push    $DATA_3
        push    $\stack
        push    $2                      # EFLAGS: no IOPL
        push    $CODE_3
        push    $7f
        iret
7:
        .endm

        # Puts descriptors for ring 3 into the GDT.
        .macro  make_segments
        movl    $0xffff, GDT + 0x18
        movl    $0xcffb00, GDT + 0x1c
        movl    $0xffff, GDT + 0x20
        movl    $0xcff300, GDT + 0x24
        .endm

        # Before the first fault in ring 3: an emulated CPU of QEMU that finds no TSS there ends QEMU.
        .macro  load_task
        mov     $TSS, %ax
        ltr     %ax
        .endm

        .weak   system_call
        lidt    idtr
