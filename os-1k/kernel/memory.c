/* Memory: pages, and the tables that say who sees which. 32-bit paging, SDM Vol. 3A, 4.3. */
#include "kernel.h"

/* Our page tables reach from KERNEL_BASE on, and memory is not all that has to be there. */
#define MEMORY_END_MAX (512u << 20)

extern char read_only_end[], kernel_end[];

static struct free_page {
        struct free_page *next;
} *free_pages;

/* What has never been given away: from here to the end of memory, but for the disk. */
static uint32_t fresh, end, disk_start, disk_end;

/* A page of zeros, or NULL. */
void *page_alloc(void)
{
        struct free_page *page = free_pages;
        if (page) {
                free_pages = page->next;
                return memset(page, 0, PAGE);
        }
        if (fresh + PAGE > disk_start && fresh < disk_end)
                fresh = (disk_end + PAGE - 1) & ADDRESS;
        if (fresh + PAGE > end)
                return NULL;
        fresh += PAGE;
        return memset(at_physical(fresh - PAGE), 0, PAGE);
}

void page_free(void *page)
{
        struct free_page *first = page;
        first->next = free_pages;
        free_pages = first;
}

/* The page table's entry for an address. NULL if there is no table, and none to be had. */
static uint32_t *entry_of(uint32_t *directory, uint32_t address, bool create)
{
        uint32_t *pde = &directory[address >> 22];
        if (!(*pde & PRESENT)) {
                void *table = create ? page_alloc() : NULL;
                if (!table)
                        return NULL;
                *pde = physical(table) | PRESENT | WRITABLE | USER;
        }
        return (uint32_t *)at_physical(*pde & ADDRESS) + (address >> 12 & 0x3ff);
}

/* Maps all memory at KERNEL_BASE, and nothing else. From now on there are pages to be had. */
void memory_init(uint32_t memory_end, uint32_t disk, uint32_t disk_limit)
{
        fresh = physical(kernel_end);
        end = memory_end < MEMORY_END_MAX ? memory_end : MEMORY_END_MAX;
        disk_start = disk;
        disk_end = disk_limit;

        kernel_directory[0] = 0;
        for (uint32_t page = 0; page < end; page += PAGE) {
                uint32_t *entry = entry_of(kernel_directory, KERNEL_BASE + page, true);
                if (!entry)
                        panic(NULL, "no room for the page tables");
                bool is_read_only = page >= 1 << 20 && page < physical(read_only_end);
                *entry = page | PRESENT | (is_read_only ? 0 : WRITABLE);
        }
        /* The lower half of each kernel stack is its guard. */
        for (int i = 0; i < PROCESSES; i++)
                *entry_of(kernel_directory, (uint32_t)kernel_stacks[i], false) = 0;
        write_cr3(physical(kernel_directory));
}

/* A page directory with the kernel's half in it, or NULL. */
uint32_t *directory_new(void)
{
        const size_t half = PAGE / 2;
        uint32_t *directory = page_alloc();
        if (directory)
                memcpy((char *)directory + half, (char *)kernel_directory + half, half);
        return directory;
}

/* Frees it, and the pages of the program's half. */
void directory_free(uint32_t *directory)
{
        for (uint32_t *pde = directory; pde < directory + (KERNEL_BASE >> 22); pde++) {
                if (!(*pde & PRESENT))
                        continue;
                uint32_t *table = at_physical(*pde & ADDRESS);
                for (uint32_t *pte = table; pte < table + PAGE / sizeof *pte; pte++)
                        if (*pte & PRESENT)
                                page_free(at_physical(*pte & ADDRESS));
                page_free(table);
        }
        page_free(directory);
}

/* The page of a program at this address, where the kernel sees it. It is made if need be; `flags`
 * may be WRITABLE. NULL if there is no more memory. */
void *user_page(uint32_t *directory, uint32_t address, uint32_t flags)
{
        uint32_t *entry = entry_of(directory, address, true);
        if (!entry)
                return NULL;
        if (!(*entry & PRESENT)) {
                void *page = page_alloc();
                if (!page)
                        return NULL;
                *entry = physical(page) | PRESENT | USER;
        }
        *entry |= flags;
        return at_physical(*entry & ADDRESS);
}

/* Whether all these bytes are mapped, each with these flags. */
bool is_mapped(uint32_t *directory, uint32_t address, uint32_t bytes, uint32_t flags)
{
        if (bytes == 0)
                return true;
        uint32_t last = address + bytes - 1;
        if (last < address)
                return false;           /* beyond the last address there is, it begins at 0 again */
        flags |= PRESENT;
        for (uint32_t page = address / PAGE; page <= last / PAGE; page++) {
                const uint32_t *entry = entry_of(directory, page * PAGE, false);
                if (!entry || (*entry & flags) != flags)
                        return false;
        }
        return true;
}
