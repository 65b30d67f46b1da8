/* The kernel's table of contents. */
#include "kernel.h"

#define MULTIBOOT_MAGIC 0x2badb002
#define MULTIBOOT_MEMORY (1 << 0)
#define MULTIBOOT_MODULES (1 << 3)
#define MULTIBOOT_LOADER_NAME (1 << 9)

/* What the boot loader tells us. Multiboot Specification 0.6.96, 3.3. */
struct multiboot_info {
        uint32_t flags;
        uint32_t lower_kib, upper_kib;  /* memory from 0, and from 1 MiB on */
        uint32_t boot_device, command_line;
        uint32_t module_count, modules;
        uint32_t symbols[4], memory_map[2], drives[2], rom_configuration;
        uint32_t loader_name;
};

struct multiboot_module {
        uint32_t start, end, name, unused;
};

/* Never returns: this is the process that runs when no other can. */
void main(uint32_t magic, uint32_t info_address)
{
        const struct multiboot_info *info = at_physical(info_address);
        bool is_multiboot = magic == MULTIBOOT_MAGIC;
        bool has_name = is_multiboot && info->flags & MULTIBOOT_LOADER_NAME;
        console_init(has_name ? at_physical(info->loader_name) : "");

        if (!is_multiboot || !(info->flags & MULTIBOOT_MEMORY))
                panic(NULL, "who started us does not say how much memory there is");
        if (!(info->flags & MULTIBOOT_MODULES) || info->module_count == 0)
                panic(NULL, "there is no disk: it should be the first module");
        const struct multiboot_module disk = *(struct multiboot_module *)at_physical(info->modules);

        memory_init((1024 + info->upper_kib) * 1024, disk.start, disk.end);
        descriptors_init();
        interrupts_init();
        fs_init(at_physical(disk.start), disk.end - disk.start);
        int shell = process_spawn("shell", "shell");
        if (shell < 0)
                panic(NULL, "no shell: error %d", shell);
        idle();
}
