/* The hypercall ABI: how a guest asks its VMM for something. For assembly and for C.
 *
 * OUT of one byte, the number, from AL to HYPERCALL_PORT. The Rust side of this table is
 * guests/src/hypercall.rs; a test there holds the two together. */
#ifndef HYPERCALL_H
#define HYPERCALL_H

#define HYPERCALL_PORT 0x500

#define HC_EXIT 0               /* BL = status: the guest ends with it */
#define HC_PUTCHAR 1            /* BL = byte: writes it */
#define HC_PUTNUM 2             /* BX = number: writes it as unsigned decimal */
#define HC_NEWLINE 3            /* writes '\n' */
#define HC_GETCHAR 4            /* waits for a byte, returns it in EAX; END_OF_INPUT when none is left */

#define END_OF_INPUT -1         /* all 32 bits of EAX: no byte looks like it */

#endif
