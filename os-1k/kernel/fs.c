/* The files: a tar archive in memory, changed in place. What is in it that is no file, or has a
 * name that we cannot say, stays as it is. POSIX.1, pax, "ustar Interchange Format". */
#include "kernel.h"

#define BLOCK 512
#define END_BYTES (2 * BLOCK)           /* of zeros, after the last entry */

struct tar_header {
        char name[100], mode[8], owner[8], group[8], bytes[12], time[12], checksum[8], type;
        char link[100], magic[6], version[2], owner_name[32], group_name[32], device[2][8];
        char prefix[155], unused[12];
};

static char *disk;
static uint32_t disk_bytes, used_bytes;

/* What has more than 32 bits is UINT32_MAX: more than there is room for. */
static uint32_t parse_octal(const char *digits, size_t count)
{
        uint32_t number = 0;
        while (count > 0 && *digits == ' ')
                digits++, count--;
        for (; count > 0 && *digits >= '0' && *digits <= '7'; digits++, count--)
                number = number >> 29 ? UINT32_MAX : number << 3 | (*digits - '0');
        return number;
}

static void print_octal(char *digits, size_t count, uint32_t number)
{
        for (digits[--count] = 0; count > 0; number >>= 3)
                digits[--count] = '0' + (number & 7);
}

/* The sum of the header's bytes, with spaces for the checksum itself. */
static uint32_t checksum(const struct tar_header *header)
{
        const uint8_t *bytes = (const uint8_t *)header;
        uint32_t sum = sizeof header->checksum * ' ';
        for (size_t i = 0; i < BLOCK; i++)
                if (i < offsetof(struct tar_header, checksum) ||
                    i >= offsetof(struct tar_header, type))
                        sum += bytes[i];
        return sum;
}

static uint32_t file_bytes(const struct tar_header *header)
{
        return parse_octal(header->bytes, sizeof header->bytes);
}

static uint32_t entry_bytes(uint32_t file_bytes)
{
        return BLOCK + (file_bytes + BLOCK - 1) / BLOCK * BLOCK;
}

/* The header after this one, or the first; NULL after the last. */
static struct tar_header *next(const struct tar_header *header)
{
        char *at = header ? (char *)header + entry_bytes(file_bytes(header)) : disk;
        return at < disk + used_bytes ? (struct tar_header *)at : NULL;
}

static const char *name_of(const struct tar_header *header)
{
        return header->name[0] == '.' && header->name[1] == '/' ? header->name + 2 : header->name;
}

/* Whether a program can say it, and a terminal show it: "./a" is said "a". */
bool fs_is_name(const char *name)
{
        size_t length = 0;
        while (name[length] > ' ' && name[length] <= '~')
                length++;
        return length > 0 && name[length] == 0 && (name[0] != '.' || name[1] != '/');
}

/* Whether it has more to say about the file after it: its name, for one. */
static bool is_about_next(const struct tar_header *header)
{
        return header->type == 'x' || header->type == 'L' || header->type == 'K';
}

/* The file after this entry, or the first. Not one with a header before it that is about it. */
static struct tar_header *next_file(const struct tar_header *header)
{
        bool is_plain = true;
        struct tar_header *file = (struct tar_header *)header;
        while ((file = next(file))) {
                bool is_file = file->type == '0' || file->type == 0;
                if (is_file && is_plain && file->prefix[0] == 0 &&
                    file->name[NAME_BYTES - 1] == 0 && fs_is_name(name_of(file)))
                        break;
                is_plain = !is_about_next(file);
        }
        return file;
}

static struct tar_header *find(const char *name)
{
        struct tar_header *header = NULL;
        while ((header = next_file(header)))
                if (strcmp(name_of(header), name) == 0)
                        break;
        return header;
}

/* Closes the gap, so that free space is all in one piece. */
static void delete(struct tar_header *header)
{
        uint32_t bytes = entry_bytes(file_bytes(header));
        char *after = (char *)header + bytes, *end = disk + used_bytes;
        memmove(header, after, end - after);
        memset(end - bytes, 0, bytes);
        used_bytes -= bytes;
}

/* Goes through the whole archive once, so that nobody else has to doubt it. */
void fs_init(void *archive, uint32_t bytes)
{
        disk = archive;
        disk_bytes = bytes / BLOCK * BLOCK;
        const struct tar_header *header = NULL;
        while (used_bytes < disk_bytes && disk[used_bytes]) {
                header = (struct tar_header *)(disk + used_bytes);
                uint32_t rest = disk_bytes - used_bytes - BLOCK;
                if (parse_octal(header->checksum, sizeof header->checksum) != checksum(header) ||
                    file_bytes(header) > rest)
                        panic(NULL, "no tar archive: bad header at byte %u of the disk", used_bytes);
                if (header->type == 'S')
                        panic(NULL, "the disk has a sparse file, at byte %u", used_bytes);
                used_bytes += entry_bytes(file_bytes(header));
        }
        if (header && is_about_next(header))
                panic(NULL, "no tar archive: it ends before the file that its last header is about");
        memset(disk + used_bytes, 0, disk_bytes - used_bytes); /* as free space is */
        /* tar adds a new version of a file to the end. The old ones go, so that names are unique. */
        struct tar_header *file = next_file(NULL);
        while (file) {
                const struct tar_header *newer = file;
                while ((newer = next_file(newer)) && strcmp(name_of(newer), name_of(file)) != 0)
                        continue;
                if (newer)
                        delete(file);
                file = newer ? next_file(NULL) : next_file(file);
        }
}

/* A file's bytes, or NULL. */
const void *fs_find(const char *name, uint32_t *bytes)
{
        const struct tar_header *header = find(name);
        if (header)
                *bytes = file_bytes(header);
        return header ? header + 1 : NULL;
}

int fs_write(const char *name, const void *data, uint32_t bytes)
{
        const struct tar_header *old = find(name);
        uint32_t free_bytes = disk_bytes - used_bytes;
        if (old)
                free_bytes += entry_bytes(file_bytes(old));
        if (bytes > disk_bytes || entry_bytes(bytes) + END_BYTES > free_bytes)
                return ERROR_NO_ROOM;
        if (old)
                fs_remove(name);

        struct tar_header *header = (struct tar_header *)(disk + used_bytes);
        *header = (struct tar_header){ .type = '0', .magic = "ustar", .version = "00" };
        memcpy(header->name, name, strlen(name));
        print_octal(header->mode, sizeof header->mode, 0644);
        print_octal(header->owner, sizeof header->owner, 0);
        print_octal(header->group, sizeof header->group, 0);
        print_octal(header->bytes, sizeof header->bytes, bytes);
        print_octal(header->time, sizeof header->time, 0); /* nobody here knows the date */
        print_octal(header->checksum, sizeof header->checksum, checksum(header));
        memcpy(header + 1, data, bytes);
        used_bytes += entry_bytes(bytes);
        memset((char *)(header + 1) + bytes, 0, disk + used_bytes - (char *)(header + 1) - bytes);
        return 0;
}

int fs_remove(const char *name)
{
        struct tar_header *header = find(name);
        if (!header)
                return ERROR_NOT_FOUND;
        delete(header);
        return 0;
}

int fs_list(uint32_t index, struct file_info *info)
{
        const struct tar_header *header = NULL;
        while ((header = next_file(header))) {
                if (index-- > 0)
                        continue;
                memcpy(info->name, name_of(header), strlen(name_of(header)) + 1);
                info->bytes = file_bytes(header);
                return 0;
        }
        return ERROR_NOT_FOUND;
}
