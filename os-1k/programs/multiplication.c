/* multiplication: prints the multiplication tables of 2 to 9, as chapter 7's guest does. */
#include "print.h"

int main(void)
{
        for (int table = 2; table <= 9; table++)
                for (int factor = 1; factor <= 9; factor++)
                        print("%d x %d = %d\n", table, factor, table * factor);
        return 0;
}
