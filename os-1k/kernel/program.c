/* From an ELF file to a program in memory: what the VMM has done for the kernel, once more.
 * System V ABI, chapters 4 and 5. */
#include "kernel.h"

#define ELF_MAGIC 0x464c457f            /* "\x7f" "ELF" */
#define ELF_32_BIT_LITTLE_ENDIAN 0x0101
#define ELF_EXECUTABLE 2
#define ELF_I386 3
#define SEGMENT_LOAD 1
#define SEGMENT_WRITABLE 2

struct elf_header {
        uint32_t magic;
        uint16_t class;
        uint8_t identification[10];
        uint16_t type, machine;
        uint32_t version, entry, segments, sections, flags;
        uint16_t header_bytes, segment_bytes, segment_count;
        uint16_t unused[3];
};

struct elf_segment {
        uint32_t type, offset, address, physical_address, file_bytes, memory_bytes, flags, align;
};

/* Maps a segment's pages, and copies what the file has for them. */
static int load_segment(uint32_t *directory, const struct elf_segment *segment, const char *file)
{
        uint32_t flags = segment->flags & SEGMENT_WRITABLE ? WRITABLE : 0;
        uint32_t next;
        for (uint32_t at = 0; at < segment->memory_bytes; at = next) {
                uint32_t address = segment->address + at, offset = address % PAGE;
                char *page = user_page(directory, address, flags);
                if (!page)
                        return ERROR_NO_ROOM;
                next = at + PAGE - offset;
                uint32_t end = next < segment->file_bytes ? next : segment->file_bytes;
                if (at < end)
                        memcpy(page + offset, file + segment->offset + at, end - at);
        }
        return 0;
}

/* Loads the file into the program's half of the directory, and says where it begins. An entry that
 * is nowhere is the program's own problem, later. */
int program_load(const char *name, uint32_t *directory, uint32_t *entry)
{
        uint32_t bytes;
        const char *file = fs_find(name, &bytes);
        if (!file)
                return ERROR_NOT_FOUND;

        const struct elf_header *elf = (const struct elf_header *)file;
        if (bytes < sizeof *elf || elf->magic != ELF_MAGIC ||
            elf->class != ELF_32_BIT_LITTLE_ENDIAN || elf->type != ELF_EXECUTABLE ||
            elf->machine != ELF_I386 || elf->segment_bytes != sizeof(struct elf_segment) ||
            elf->segments > bytes ||
            elf->segment_count > (bytes - elf->segments) / sizeof(struct elf_segment))
                return ERROR_NOT_A_PROGRAM;

        uint32_t last_end = USER_START;
        const struct elf_segment *segment = (const struct elf_segment *)(file + elf->segments);
        for (int i = 0; i < elf->segment_count; i++, segment++) {
                if (segment->type != SEGMENT_LOAD || segment->memory_bytes == 0)
                        continue;
                if (segment->offset > bytes || segment->file_bytes > bytes - segment->offset ||
                    segment->file_bytes > segment->memory_bytes ||
                    segment->address < last_end || segment->address > USER_END ||
                    segment->memory_bytes > USER_END - segment->address)
                        return ERROR_NOT_A_PROGRAM;
                last_end = segment->address + segment->memory_bytes;
                int error = load_segment(directory, segment, file);
                if (error < 0)
                        return error;
        }
        *entry = elf->entry;
        return 0;
}
