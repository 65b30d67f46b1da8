/* shell: the first process. Reads commands, and runs programs. */
#include "print.h"
#include "string.h"
#include "user.h"

#define STATUS_MAX 62                   /* 63 is a kernel panic's, those above are the VMM's */
#define WRITE_BYTES 4096                /* what can be typed into a file */
#define JOBS 8

/* A program in the background. */
static struct job {
        int id;                         /* 0: none */
        char name[NAME_BYTES];
} jobs[JOBS];

static void complain(const char *command, const char *name, int error)
{
        print("%s: %s: %s\n", command, name, error_text(error));
}

/* The commands: each gets what the line says after its name. */

static void ls(char *rest)
{
        (void)rest;
        struct file_info file;
        for (uint32_t index = 0; list_files(index, &file) >= 0; index++)
                print("%7u  %s\n", file.bytes, file.name);
}

static void cat(char *rest)
{
        char *name;
        while ((name = next_word(&rest))) {
                char bytes[512], last = '\n';
                uint32_t offset = 0;
                int count;
                while ((count = read_file(name, bytes, sizeof bytes, offset)) > 0) {
                        for (int i = 0; i < count; i++)
                                putchar(bytes[i]);
                        last = bytes[count - 1];
                        offset += count;
                }
                if (last != '\n')
                        putchar('\n');          /* the prompt wants a line of its own */
                if (count < 0)
                        complain("cat", name, count);
        }
}

static void echo(char *rest)
{
        print("%s\n", rest);
}

/* Files what the line says, or else the lines that follow, up to Ctrl-D. */
static void write(char *rest)
{
        static char text[WRITE_BYTES];
        const char *name = next_word(&rest);
        int length = strlen(rest), typed;
        if (length) {
                memcpy(text, rest, length);
                text[length++] = '\n';
        } else {
                /* Each newline goes where read_line had put a 0. */
                while (length < WRITE_BYTES
                       && (typed = read_line(text + length, WRITE_BYTES - length)) >= 0) {
                        length += typed;
                        text[length++] = '\n';
                }
                if (length == WRITE_BYTES) {
                        print("write: %s: full\n", name);
                        char lost[ARGUMENTS_BYTES];     /* what is still to come is no command */
                        while (read_line(lost, sizeof lost) >= 0)
                                continue;
                }
        }
        int answer = write_file(name, text, length);
        if (answer < 0)
                complain("write", name, answer);
}

static void rm(char *rest)
{
        char *name;
        while ((name = next_word(&rest))) {
                int answer = remove_file(name);
                if (answer < 0)
                        complain("rm", name, answer);
        }
}

static void ps(char *rest)
{
        static const char *const states[] = {
                [UNUSED] = "unused", [READY] = "ready", [RUNNING] = "running",
                [WAITING] = "waiting", [ENDED] = "ended",
        };
        (void)rest;
        struct process_info process;
        print("  id  parent  state       cpu ms  name\n");
        for (uint32_t index = 0; list_processes(index, &process) >= 0; index++)
                print("%4u  %6u  %-8s  %8u  %s\n", process.id, process.parent,
                      states[process.state], process.cpu_ms, process.name);
}

static struct job *free_job(void)
{
        for (struct job *job = jobs; job < jobs + JOBS; job++)
                if (!job->id)
                        return job;
        return NULL;
}

/* Runs the program that the line names. The whole line becomes its argv. */
static void run(char *line)
{
        char *last = line + strlen(line) - 1;
        bool background = *last == '&';
        if (background)
                *last = 0;

        char copy[ARGUMENTS_BYTES], *rest = copy;
        memcpy(copy, line, strlen(line) + 1);
        const char *name = next_word(&rest);
        struct job *job = free_job();
        if (!name) {
                print("run: no program named\n");
                return;
        }
        if (background && !job) {
                print("run: %s: %d programs run in the background already\n", name, JOBS);
                return;
        }

        int id = spawn(name, line);
        if (id == ERROR_NOT_FOUND) {
                print("%s: no such command or program\n", name);
        } else if (id < 0) {
                complain("run", name, id);
        } else if (background) {
                job->id = id;
                memcpy(job->name, name, strlen(name) + 1);
                print("[%d] %s\n", id, name);
        } else {
                int status = wait(id, true);
                if (status > 0 && status < STATUS_KILLED)       /* else the kernel has said it */
                        print("%s: status %d\n", name, status);
        }
}

/* Tells of the programs that have ended in the background. */
static void report_jobs(void)
{
        for (struct job *job = jobs; job < jobs + JOBS; job++) {
                int status = job->id ? wait(job->id, false) : ERROR_STILL_RUNS;
                if (status == ERROR_STILL_RUNS)
                        continue;
                print("[%d] %s: ", job->id, job->name);
                if (status == 0)
                        print("done\n");
                else if (status < STATUS_KILLED)
                        print("status %d\n", status);
                else
                        print("killed\n");
                job->id = 0;
        }
}

static void up(char *rest)
{
        (void)rest;
        print("up ");
        print_seconds(uptime());
        print("\n");
}

static void leave(char *rest)
{
        uint32_t status = 0;
        if (*rest && (!parse_unsigned(rest, &status) || status > STATUS_MAX))
                print("exit: %s: not a number from 0 to %d\n", rest, STATUS_MAX);
        else
                exit(status);
}

static void help(char *rest);

static const struct command {
        const char *name, *arguments, *what;
        bool needs_arguments;
        void (*run)(char *rest);
} commands[] = {
        { "help", "", "this list", false, help },
        { "ls", "", "the files, and how many bytes each has", false, ls },
        { "cat", "NAME...", "print files", true, cat },
        { "write", "NAME [TEXT]", "put text into a file: this, or what you type up to Ctrl-D",
          true, write },
        { "rm", "NAME...", "remove files", true, rm },
        { "echo", "[TEXT]", "print the text", false, echo },
        { "run", "NAME [ARGUMENT]... [&]", "run a program, with & in the background", true, run },
        { "ps", "", "the processes", false, ps },
        { "uptime", "", "how long ago all this began", false, up },
        { "exit", "[STATUS]", "end the shell, and with it the 1K OS", false, leave },
};
#define COMMANDS (sizeof commands / sizeof *commands)

static void help(char *rest)
{
        (void)rest;
        for (const struct command *command = commands; command < commands + COMMANDS; command++)
                print("%-6s  %-22s  %s\n", command->name, command->arguments, command->what);
        print("Without \"run\" programs run too. Ctrl-U takes a line back, Ctrl-D is exit.\n");
}

static void execute(char *line)
{
        char copy[ARGUMENTS_BYTES], *rest = copy;
        memcpy(copy, line, strlen(line) + 1);
        const char *name = next_word(&rest);
        while (*rest == ' ')
                rest++;
        for (const struct command *command = commands; command < commands + COMMANDS; command++) {
                if (strcmp(command->name, name) != 0)
                        continue;
                if (command->needs_arguments && !*rest)
                        print("usage: %s %s\n", name, command->arguments);
                else
                        command->run(rest);
                return;
        }
        run(line);
}

int main(void)
{
        char line[ARGUMENTS_BYTES];             /* a program can have all of it */
        for (;;) {
                report_jobs();
                print("> ");
                int length = read_line(line, sizeof line);
                if (length < 0)
                        break;
                while (length && line[length - 1] == ' ')
                        line[--length] = 0;
                if (length)
                        execute(line);
        }
        print("\n");
        return 0;
}
