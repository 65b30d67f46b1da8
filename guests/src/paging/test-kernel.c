/* test-kernel: prints how its memory is mapped, and tests it through both mappings. 381 exits: 380
 * characters and the HC_EXIT. */
#include "paging.h"
#include "print.h"

/* From paging.ld. */
extern char text[], text_end[], rodata[], rodata_end[], data[], data_end[], bss[], bss_end[],
        stack_bottom[], stack_top[];

/* Physical addresses of the memory that nobody uses. It begins above the page tables, as far up as
 * we have found any. */
static uint32_t free_begin = 0x100000;
static uint32_t free_end;

/* Pages in a row that are mapped in a row, with the same flags. */
static struct {
        uint32_t address;
        uint32_t entry;         /* the PTE of the first page, without bits that the CPU sets */
        uint32_t pages;
} range;

static void print_section(const char *name, const char *begin, const char *end)
{
        uint32_t address = (uint32_t)begin;
        print("%s  0x%x-0x%x -> 0x%x\n", name, address, (uint32_t)end - 1,
              *pte_of(address) & ADDRESS);
}

static void print_range(void)
{
        if (range.pages)
                print("0x%x-0x%x -> 0x%x  %s, %s\n", range.address,
                      range.address + range.pages * PAGE - 1, range.entry & ADDRESS,
                      range.entry & USER ? "user" : "kernel",
                      range.entry & WRITABLE ? "read/write" : "read-only");
}

/* Walks the page tables through the higher half, as the CPU does through physical memory. */
static void print_mappings(void)
{
        for (uint32_t page = 0; page < 1 << 20; page++) {
                uint32_t address = page * PAGE;
                uint32_t pde = *pde_of(address);
                uint32_t pte = pde & PRESENT ? *pte_of(address) : 0;
                if (!(pte & PRESENT))
                        continue;
                if (free_begin < (pde & ADDRESS) + PAGE)
                        free_begin = (pde & ADDRESS) + PAGE;

                /* A page is as open as both levels say. */
                uint32_t entry = (pte & ADDRESS) | (pte & pde & (WRITABLE | USER));
                uint32_t size = range.pages * PAGE;
                if (address != range.address + size || entry != range.entry + size) {
                        print_range();
                        range.address = address;
                        range.entry = entry;
                        range.pages = 0;
                }
                range.pages++;
        }
        print_range();
}

/* Writes a different word to each address through one mapping, then reads all through the other:
 * finds bits that are stuck, words that are stored twice, mappings that disagree. */
static int test(uint32_t writes, uint32_t reads, uint32_t flip)
{
        for (uint32_t at = free_begin; at < free_end; at += 4)
                *(volatile uint32_t *)(writes + at) = at ^ flip;
        for (uint32_t at = free_begin; at < free_end; at += 4) {
                uint32_t word = *(volatile uint32_t *)(reads + at);
                if (word != (at ^ flip)) {
                        print("memory test failed: wrote 0x%x at 0x%x, read 0x%x at 0x%x\n",
                              at ^ flip, writes + at, word, reads + at);
                        return 1;
                }
        }
        return 0;
}

int main(void)
{
        print_section("text  ", text, text_end);
        print_section("rodata", rodata, rodata_end);
        print_section("data  ", data, data_end);
        print_section("bss   ", bss, bss_end);
        print_section("stack ", stack_bottom, stack_top);
        print("\n");
        print_mappings();
        print("\n");

        uint32_t identity = 0;
        uint32_t higher_half = (uint32_t)mapping;
        free_end = *pte_of((uint32_t)stack_bottom) & ADDRESS;
        if (test(identity, higher_half, 0) || test(higher_half, identity, ~0u))
                return 1;
        print("memory test passed: %u KiB from 0x%x\n", (free_end - free_begin) / 1024, free_begin);
        return 0;
}
