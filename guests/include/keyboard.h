/* A keyboard with scancodes of set 1 and a US layout, and the echo of what is typed on it. */
#ifndef KEYBOARD_H
#define KEYBOARD_H

#include "print.h"

#define KEYBOARD_DATA 0x60              /* read: the next scancode */
#define KEYBOARD_STATUS 0x64
#define KEYBOARD_FULL 0x01              /* status bit 0: a scancode waits */

#define KEY_CTRL 0x1d
#define KEY_LEFT_SHIFT 0x2a
#define KEY_RIGHT_SHIFT 0x36

#define CTRL_D 0x04

        /* Clears ZF if the key is down. */
        .macro  test_key key
        testb   $1 << (\key & 7), keys_down + (\key >> 3)
        .endm

        .text   1                       /* after what is in .text 0: the guest starts there */

/* Returns AL = the next character that was typed, or 0 when no scancode waits. Overwrites EBX.
 *
 * An interrupt says only that there may be scancodes: it may come late, when they have been read,
 * and one that came before the PIC was set up is lost. So this asks the status, each time. */
read_key:
        in      $KEYBOARD_STATUS, %al
        and     $KEYBOARD_FULL, %al
        jz      key_read
        in      $KEYBOARD_DATA, %al
        movzbl  %al, %ebx
        and     $0x7f, %ebx             /* the key */
        test    %al, %al
        js      released                /* also 0xe0, before a key that old keyboards lack: the */
                                        /* old key with the same code does the same, if any does */
        bts     %ebx, keys_down
        cmp     $shifted_keys - keys, %ebx
        jae     read_key
        mov     keys(%ebx), %al
        test_key KEY_LEFT_SHIFT
        jnz     shifted
        test_key KEY_RIGHT_SHIFT
        jz      known
shifted: mov    shifted_keys(%ebx), %al
known:  test    %al, %al
        jz      read_key                /* a key without a character */
        test_key KEY_CTRL
        jz      key_read
        cmp     $'@', %al
        jb      read_key
        and     $0x1f, %al              /* Ctrl-A is 1 */
        jz      read_key
key_read: ret

released: btr   %ebx, keys_down
        jmp     read_key

/* Prints AL, a key's character, or does what it asks for: Ctrl-D ends the guest, on a line of its
 * own. Overwrites AL, BX and EDX. */
echo:   mov     $HYPERCALL_PORT, %edx
        cmp     $'\n', %al
        je      enter
        cmp     $'\b', %al
        je      erase
        cmp     $'\t', %al
        je      tab
        cmp     $CTRL_D, %al
        je      end
        cmp     $' ', %al
        jb      echoed                  /* no other control character has an effect */
        putchar %al
        incl    column
echoed: ret

enter:  newline
        movl    $0, column
        ret

erase:  cmpl    $0, column
        je      echoed                  /* nothing left to erase */
        decl    column
        putchar $'\b'                   /* back, wipe it out, back */
        putchar $' '
        putchar $'\b'
        ret

tab:    putchar $' '                    /* spaces, which erase can take back one by one */
        incl    column
        testl   $7, column
        jnz     tab
        ret

end:    cmpl    $0, column
        je      exit
        newline
exit:   mov     $0, %bl
        mov     $HC_EXIT, %al
        out     %al, %dx
        hlt                             /* never reached */

        .data
/* By scancode, 0 for none. */
keys:   .ascii  "\0\0" "1234567890-=\b\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 "
shifted_keys:
        .ascii  "\0\0" "!@#$%^&*()_+\b\tQWERTYUIOP{}\n\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 "

        .bss
keys_down: .fill 16                     /* a bit for each of 128 keys */
column: .long   0
        .text   0

#endif
