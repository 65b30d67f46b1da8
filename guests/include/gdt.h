/* Selectors of the flat ring-0 segments in the VMM's GDT: an entry's offset each. */
#ifndef GDT_H
#define GDT_H

#define CODE 0x08
#define DATA 0x10

#endif
