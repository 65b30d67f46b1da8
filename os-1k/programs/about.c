/* about: says what system this is, and what it has to do. */
#include "print.h"
#include "user.h"

int main(void)
{
        struct file_info file;
        uint32_t files = 0, bytes = 0;
        for (; list_files(files, &file) >= 0; files++)
                bytes += file.bytes;

        struct process_info process;
        uint32_t processes = 0;
        while (list_processes(processes, &process) >= 0)
                processes++;

        print("The 1K OS: a 32-bit operating system of about a thousand lines,\n"
              "to be read as much as to be run.\n"
              "It is up for ");
        print_seconds(uptime());
        print(", has %u processes, and %u files of %u bytes.\n", processes, files, bytes);
        return 0;
}
