# mmio: writes to a guest physical address with no memory behind it. 1 exit: the MMIO write.
        .code16
        mov     $0xb800, %ax
        mov     %ax, %es
        movw    $0x0f41, %es:0          # 0xb8000: on a PC, a white A at the top left of the screen
        hlt                             # reached only if the VMM lets it pass
