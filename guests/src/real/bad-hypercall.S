# bad-hypercall: makes hypercall 99, which does not exist. 1 exit: the hypercall.
#include "hypercall.h"

        .code16
        mov     $HYPERCALL_PORT, %dx
        mov     $99, %al
        out     %al, %dx
        hlt                             # reached only if the VMM lets it pass
