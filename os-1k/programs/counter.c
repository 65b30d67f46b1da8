/* counter: counts to 9 or to a number of your choice, ten times a second. */
#include "print.h"
#include "user.h"

#define PAUSE_MS 100

int main(int argc, char **argv)
{
        uint32_t last = 9;
        if (argc > 2 || (argc == 2 && !parse_unsigned(argv[1], &last))) {
                print("usage: counter [LAST]\n");
                return 1;
        }

        for (uint32_t number = 0;; number++) {
                print("%u\n", number);
                if (number == last)
                        return 0;
                sleep(PAUSE_MS);
        }
}
