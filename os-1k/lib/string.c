/* See string.h. "rep movsb" is slow in silicon that is old, and short to read in any. */
#include "string.h"

void *memcpy(void *to, const void *from, size_t bytes)
{
        void *end = to;
        __asm__ volatile("rep movsb" : "+D"(end), "+S"(from), "+c"(bytes) : : "memory");
        return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
        if (to <= from)
                return memcpy(to, from, bytes);
        char *last_to = (char *)to + bytes - 1;
        const char *last_from = (const char *)from + bytes - 1;
        __asm__ volatile("std; rep movsb; cld"
                         : "+D"(last_to), "+S"(last_from), "+c"(bytes) : : "memory");
        return to;
}

void *memset(void *to, int byte, size_t bytes)
{
        void *end = to;
        __asm__ volatile("rep stosb" : "+D"(end), "+c"(bytes) : "a"(byte) : "memory");
        return to;
}

size_t strlen(const char *text)
{
        size_t length = 0;
        while (text[length])
                length++;
        return length;
}

int strcmp(const char *one, const char *other)
{
        while (*one && *one == *other)
                one++, other++;
        return (unsigned char)*one - (unsigned char)*other;
}
