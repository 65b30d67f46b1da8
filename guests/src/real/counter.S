# counter: prints the digits 0 to 9 on COM1, then halts. 11 exits: 10 digits and the hlt.
#include "uart.h"

        .code16
        mov     $COM1, %dx
        mov     $'0', %al               # the UART knows characters, not numbers
next:   out     %al, %dx
        inc     %al
        cmp     $'9', %al
        jbe     next
        hlt
