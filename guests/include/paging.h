/* 32-bit paging with 4 KiB pages (SDM Vol. 3A, 4.3), seen by a guest in the higher half. */
#ifndef PAGING_H
#define PAGING_H

#include <stdint.h>

#define PAGE 4096               /* bytes */

/* Bits of an entry of the page directory or of a page table. */
#define PRESENT 0x1
#define WRITABLE 0x2
#define USER 0x4
#define ADDRESS 0xfffff000

/* Where all memory is mapped a second time; see src/paging/paging.ld. */
extern char mapping[];

/* The memory at a physical address. */
static inline void *at_physical(uint32_t physical)
{
        return mapping + physical;
}

/* The page directory's entry for an address, among the 1024 for 4 MiB each. */
static inline uint32_t *pde_of(uint32_t address)
{
        uint32_t cr3;
        __asm__("mov %%cr3, %0" : "=r"(cr3));
        return (uint32_t *)at_physical(cr3 & ADDRESS) + (address >> 22);
}

/* The page table's entry for it, among the 1024 for a page each, if the PDE is present. */
static inline uint32_t *pte_of(uint32_t address)
{
        return (uint32_t *)at_physical(*pde_of(address) & ADDRESS) + (address >> 12 & 0x3ff);
}

#endif
