# After the code of a guest of this lab: what begin.S promises.
unexpected:
        say     "exception "
        hex     %eax
        say     ", error code "
        hex     %ecx
        say     "\n"
        hlt

print:  pusha
        mov     0x24(%esp), %esi        # above the return address and what pusha pushed
        mov     $HYPERCALL_PORT, %edx
1:      lodsb
        test    %al, %al
        jz      2f
        mov     %al, %bl
        mov     $HC_PUTCHAR, %al
        out     %al, %dx
        jmp     1b
2:      popa
        ret     $4

print_hex:
        pusha
        mov     0x24(%esp), %ebp
        mov     $8, %ecx
        mov     $HYPERCALL_PORT, %edx
1:      rol     $4, %ebp
        mov     %ebp, %ebx
        and     $0xf, %ebx
        mov     digits(%ebx), %bl
        mov     $HC_PUTCHAR, %al
        out     %al, %dx
        loop    1b
        popa
        ret     $4
digits: .ascii  "0123456789abcdef"

        .set    vector, 0
        .balign 8
handlers:
        .rept   32
        push    $vector
        jmp     exception
        .balign 8
        .set    vector, vector + 1
        .endr

exception:
        pop     %eax
        xor     %ecx, %ecx
        bt      %eax, has_error_code
        jnc     1f
        mov     (%esp), %ecx
1:      mov     %esp, %ebp
        jmp     *on_exception

has_error_code: .long 1 << 8 | 0x1f << 10 | 1 << 17 | 1 << 21
on_exception: .long unexpected

        .balign 8
        .set    vector, 0
idt:    .rept   32
        .word   handlers + 8 * vector, 0x08, 0x8e00, 0  # the image ends below 64 KiB
        .set    vector, vector + 1
        .endr
        .fill   0x80 - 32, 8, 0
        .word   system_call, 0x08, 0xee00, 0
idtr:   .word   . - idt - 1
        .long   idt
