# triple-fault: divides by zero when nothing can handle it. 1 exit: the shutdown.
        .code16
        lidtl   no_idt                  # the l: all 32 bits of the base, not only 24
        xor     %dl, %dl
        div     %dl                     # #DE finds no vector, so #GP; #GP finds none, so a double
                                        # fault; that finds none either, and the CPU shuts down
        hlt                             # never reached

no_idt: .word   0                       # limit: 1 byte, where a vector has 4
        .long   0xff000000              # base: no memory there, for a KVM that forgets the limit
