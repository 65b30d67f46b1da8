/* calculator: evaluates its arguments, or else each line that you type, up to Ctrl-D. Numbers of 32
 * bits, + - * / %, parentheses. As in C, 7 / -2 is -3 and 7 % -2 is 1. */
#include "print.h"
#include "string.h"
#include "user.h"

#define DEEPEST 32                      /* parentheses in parentheses: the stack has an end */

static const char *next;                /* what is still to be read */
static int depth;
static const char *error, *error_at;    /* what is wrong, and where; NULL if nothing is */

static int32_t expression(int least);

/* Only the first error counts. Nothing is read after it. */
static int32_t fail(const char *what, const char *where)
{
        if (!error) {
                error = what;
                error_at = where;
        }
        next = "";
        return 0;
}

/* Whether this character comes next; then it is read. */
static bool accept(char character)
{
        while (*next == ' ')
                next++;
        if (*next != character)
                return false;
        next++;
        return true;
}

/* A number or an expression in parentheses, with any number of minus signs before it. */
static int32_t operand(void)
{
        bool negative = false;
        while (accept('-'))
                negative = !negative;

        const char *start = next;
        int32_t value;
        if (accept('(')) {
                if (++depth > DEEPEST)
                        return fail("too many parentheses", start);
                value = expression(1);
                depth--;
                if (!accept(')'))
                        return fail("a \")\" is missing", next);
                if (negative && __builtin_sub_overflow(0, value, &value))
                        return fail("more than 32 bits", start);
                return value;
        }

        if (*next < '0' || *next > '9')
                return fail("a number is missing", next);
        uint32_t magnitude;
        next = parse_digits(start, &magnitude);
        if (!next || magnitude > (uint32_t)INT32_MAX + negative)
                return fail("more than 32 bits", start);
        return negative ? -magnitude : magnitude;
}

/* 0 for what is no operator. */
static int precedence(char operator)
{
        switch (operator) {
        case '+': case '-': return 1;
        case '*': case '/': case '%': return 2;
        default: return 0;
        }
}

static int32_t compute(int32_t left, const char *operator, int32_t right)
{
        int32_t value = 0;
        bool overflow = false;
        switch (*operator) {
        case '+': overflow = __builtin_add_overflow(left, right, &value); break;
        case '-': overflow = __builtin_sub_overflow(left, right, &value); break;
        case '*': overflow = __builtin_mul_overflow(left, right, &value); break;
        case '/': case '%':
                if (right == 0)
                        return fail("division by zero", operator);
                /* The CPU's idiv raises an exception if the quotient is 2147483648. */
                if (right == -1)
                        overflow = *operator == '/' && __builtin_sub_overflow(0, left, &value);
                else
                        value = *operator == '/' ? left / right : left % right;
        }
        return overflow ? fail("more than 32 bits", operator) : value;
}

/* Operands and the operators between them, of at least this precedence. */
static int32_t expression(int least)
{
        int32_t value = operand();
        for (;;) {
                accept(' ');
                const char *operator = next;
                if (precedence(*operator) < least)
                        return value;
                next++;
                value = compute(value, operator, expression(precedence(*operator) + 1));
        }
}

/* Prints what it is, or what is wrong with it. */
static bool evaluate(const char *text)
{
        next = text;
        depth = 0;
        error = NULL;
        int32_t value = expression(1);
        if (*next)
                fail("not expected", next);
        if (!error)
                print("%d\n", value);
        else if (*error_at)
                print("calculator: \"%s\": %s\n", error_at, error);
        else
                print("calculator: at the end: %s\n", error);
        return !error;
}

int main(int argc, char **argv)
{
        if (argc > 1) {
                /* Back to one text: a 0 is where a space was. */
                for (int i = 1; i < argc - 1; i++)
                        argv[i][strlen(argv[i])] = ' ';
                return evaluate(argv[1]) ? 0 : 1;
        }

        char line[ARGUMENTS_BYTES];
        int length;
        while (print("? "), (length = read_line(line, sizeof line)) >= 0)
                if (length)
                        evaluate(line);
        print("\n");
        return 0;
}
