/* COM1, the first serial port of a PC, as far as our guests use it: a 16550 UART.
 * Names and bits from the PC16550D data sheet, section 8. */
#ifndef UART_H
#define UART_H

#define COM1 0x3f8              /* write: the byte to send; read: the byte received */
#define COM1_LINE_STATUS 0x3fd  /* COM1 + 5, read only */

#define LINE_DATA_READY 0x01    /* line status bit 0: a received byte waits at COM1 */
#define LINE_CAN_SEND 0x20      /* line status bit 5: the next byte may be written to COM1 */

#define CTRL_D 0x04             /* what a terminal sends, and our VMM delivers, at end of input */

#endif
