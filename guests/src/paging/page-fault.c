/* page-fault: takes a page out of its page table and touches it, with nobody to handle the fault.
 * 134 exits: 133 characters and the fault. */
#include "paging.h"
#include "print.h"

int main(void)
{
        char *page = at_physical(0x800000);
        uint32_t address = (uint32_t)page;
        uint32_t *pte = pte_of(address);

        print("PDE of 0x%x: 0x%x at 0x%x\n", address, *pde_of(address), (uint32_t)pde_of(address));
        print("PTE of 0x%x: 0x%x at 0x%x\n", address, *pte, (uint32_t)pte);
        *pte &= ~PRESENT;
        /* The TLB may still know the page. */
        __asm__ volatile("invlpg %0" : : "m"(*page) : "memory");
        print("Now it is 0x%x. Writing to 0x%x.\n", *pte, address + 0x123);

        *(volatile char *)(page + 0x123) = 1;
        print("Nothing happened.\n");
        return 1;
}
