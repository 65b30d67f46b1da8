/* gcd: prints the greatest common divisor of two numbers, and Euclid's steps to it. */
#include "print.h"
#include "user.h"

int main(int argc, char **argv)
{
        int32_t one = 1071, other = 462;
        if (argc != 1
            && (argc != 3 || !parse_signed(argv[1], &one) || !parse_signed(argv[2], &other))) {
                print("usage: gcd [NUMBER NUMBER]\n");
                return 1;
        }

        /* A number and its negative have the same divisors. Unsigned, for -2147483648. */
        uint32_t a = one < 0 ? -(uint32_t)one : (uint32_t)one;
        uint32_t b = other < 0 ? -(uint32_t)other : (uint32_t)other;
        while (b) {
                print("%u = %u x %u + %u\n", a, a / b, b, a % b);
                uint32_t remainder = a % b;
                a = b;
                b = remainder;
        }
        print("gcd(%d, %d) = %u\n", one, other, a);
        return 0;
}
