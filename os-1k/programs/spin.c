/* spin: computes without a system call, then prints a letter; several times. Two of them in the
 * background get on together only because the kernel takes the CPU away from each in turn. */
#include "print.h"
#include "user.h"

#define LOOPS 20000000                  /* some 10 ms */

int main(int argc, char **argv)
{
        const char *letter = argc > 1 ? argv[1] : ".";
        uint32_t rounds = 10;
        if (argc > 3 || (argc == 3 && !parse_unsigned(argv[2], &rounds))) {
                print("usage: spin [LETTER [ROUNDS]]\n");
                return 1;
        }

        for (uint32_t round = 0; round < rounds; round++) {
                for (int loop = 0; loop < LOOPS; loop++)
                        __asm__ volatile("");           /* or the compiler would skip it all */
                print("%s", letter);
        }
        print("\nspin %s: done\n", letter);
        return 0;
}
