# hello: prints one line on COM1, then halts. 13 exits: 12 characters and the hlt.
#include "uart.h"

        .code16
        mov     $message, %si
        mov     $COM1, %dx
next:   lodsb                           # AL = *SI++
        test    %al, %al
        jz      done
        outb    %al, %dx                # one VM exit per character
        jmp     next
done:   hlt

message: .asciz "Hello, KVM!\n"
