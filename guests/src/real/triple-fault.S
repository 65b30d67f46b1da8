# triple-fault: raises an exception that nobody can handle. 1 exit: the shutdown.
        .code16
        lidt    no_idt
        ud2                             # #UD finds no vector: #GP; #GP finds none: double fault;
                                        # that finds none either: the CPU shuts down
        hlt                             # never reached

no_idt: .word   0                       # limit 0: not one whole vector
        .long   0
