# echo: prints in capitals what it reads on COM1, up to Ctrl-D. 3 exits a character: status, read,
# write; and 3 to stop: status, read, hlt. More if the VMM answers "nothing yet" to a status read.
#include "uart.h"

        .code16
wait:   mov     $COM1_LINE_STATUS, %dx
        in      %dx, %al
        test    $LINE_DATA_READY, %al
        jz      wait                    # nothing typed yet

        mov     $COM1, %dx
        in      %dx, %al
        cmp     $CTRL_D, %al
        je      done

        cmp     $'a', %al
        jb      send
        cmp     $'z', %al
        ja      send
        sub     $('a' - 'A'), %al
send:   out     %al, %dx
        jmp     wait
done:   hlt
