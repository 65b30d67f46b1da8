# bad-port: writes to an I/O port that nobody listens on. 1 exit: the OUT.
        .code16
        mov     $0x0bad, %dx            # no PC device has it, unlike 0x80, which Linux uses to wait
        mov     $0x55, %al
        out     %al, %dx
        hlt                             # reached only if the VMM lets it pass
