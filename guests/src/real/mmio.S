# mmio: writes to a guest physical address with no memory behind it. 1 exit: the MMIO write.
        .code16
        mov     $0xffff, %ax            # the highest segment, 0xffff0,
        mov     %ax, %es
        movw    $0x0f41, %es:0x10       # and 16: 0x100000, the first byte above 1 MiB
        hlt                             # reached only if the VMM lets it pass
