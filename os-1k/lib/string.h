/* The few functions on bytes and strings that the kernel and the programs need. The compiler calls
 * the first three of its own accord. */
#ifndef STRING_H
#define STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
size_t strlen(const char *text);
int strcmp(const char *one, const char *other);

#endif
