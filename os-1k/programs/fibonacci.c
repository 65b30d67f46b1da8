/* fibonacci: prints the first Fibonacci numbers, up to the 48 that fit 32 bits. */
#include "print.h"
#include "user.h"

#define MOST 48

int main(int argc, char **argv)
{
        uint32_t count = 25;
        if (argc > 2 || (argc == 2 && (!parse_unsigned(argv[1], &count) || count > MOST))) {
                print("usage: fibonacci [COUNT], with a COUNT of at most %d\n", MOST);
                return 1;
        }

        uint32_t this = 0, next = 1;
        for (uint32_t n = 0; n < count; n++) {
                print("fib(%u) = %u\n", n, this);
                uint32_t sum = this + next;
                this = next;
                next = sum;
        }
        return 0;
}
