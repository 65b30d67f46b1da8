/* primes: prints the prime numbers up to 100 or to a number of your choice. */
#include "print.h"
#include "user.h"

#define MOST 100000                     /* which keeps you waiting, and so many squares fit */
#define PER_LINE 10

static bool is_prime(uint32_t number)
{
        for (uint32_t divisor = 2; divisor * divisor <= number; divisor++)
                if (number % divisor == 0)
                        return false;
        return true;
}

int main(int argc, char **argv)
{
        uint32_t last = 100;
        if (argc > 2 || (argc == 2 && (!parse_unsigned(argv[1], &last) || last > MOST))) {
                print("usage: primes [LAST], with a LAST of at most %d\n", MOST);
                return 1;
        }

        int column = 0;
        for (uint32_t number = 2; number <= last; number++)
                if (is_prime(number))
                        print("%6u%s", number, ++column % PER_LINE ? "" : "\n");
        if (column % PER_LINE)
                print("\n");
        return 0;
}
