/* What a C program costs before and after its `main`. */

int main(void)
{
	return 0;
}
