/* factorial: prints 1! to 12!, which are all that fit 32 bits, or one of your choice. */
#include "print.h"
#include "user.h"

static bool print_factorial(uint32_t n)
{
        uint32_t product = 1;
        for (uint32_t factor = 2; factor <= n; factor++)
                if (__builtin_mul_overflow(product, factor, &product)) {
                        print("factorial: %u! needs more than 32 bits\n", n);
                        return false;
                }
        print("%u! = %u\n", n, product);
        return true;
}

int main(int argc, char **argv)
{
        uint32_t n;
        if (argc > 2 || (argc == 2 && !parse_unsigned(argv[1], &n))) {
                print("usage: factorial [N]\n");
                return 1;
        }
        if (argc == 2)
                return print_factorial(n) ? 0 : 1;
        for (n = 1; n <= 12; n++)
                print_factorial(n);
        return 0;
}
