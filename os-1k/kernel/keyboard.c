/* The keyboard: a controller like Intel's 8042, scancodes of set 1, a US layout. */
#include "kernel.h"

#define KEYBOARD_DATA 0x60              /* read: the next scancode */
#define KEYBOARD_STATUS 0x64
#define KEYBOARD_FULL 0x01              /* status bit 0: a scancode waits */

#define KEY_CTRL 0x1d
#define KEY_LEFT_SHIFT 0x2a
#define KEY_RIGHT_SHIFT 0x36
#define RELEASED 0x80                   /* set in the scancode of a key that is let go */

/* By scancode, 0 for none. */
static const char keys[] = "\0\033" "1234567890-=\b\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted_keys[] =
        "\0\0" "!@#$%^&*()_+\b\tQWERTYUIOP{}\n\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";

/* Who may read what is typed: the shell, or whom it waits for. */
struct process *keyboard_owner;

/* Whoever waits for a key looks whether it is his turn. */
void give_keyboard(struct process *process)
{
        keyboard_owner = process;
        wake(&keyboard_owner);
}

/* The next character that was typed, or -1 if there is none. An interrupt says only that there may
 * be one: so this asks, each time, and scancodes stay where they are until somebody wants them. */
int keyboard_read(void)
{
        static bool is_down[RELEASED];
        while (inb(KEYBOARD_STATUS) & KEYBOARD_FULL) {
                uint8_t scancode = inb(KEYBOARD_DATA), key = scancode & ~RELEASED;
                is_down[key] = !(scancode & RELEASED);
                if (!is_down[key] || key >= sizeof keys - 1)
                        continue;
                bool shift = is_down[KEY_LEFT_SHIFT] || is_down[KEY_RIGHT_SHIFT];
                char character = shift ? shifted_keys[key] : keys[key];
                if (is_down[KEY_CTRL])  /* Ctrl-A is 1 */
                        character = character >= '@' ? character & 0x1f : 0;
                if (character)
                        return character;
        }
        return -1;
}
