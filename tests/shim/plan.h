/* Many runs for the price of one start: KVM_FAULT=each:FILE. For each line of FILE there is a process
 * that has come as far as before main, has the line for its KVM_FAULT, and ends by a signal if it
 * hangs. Beside the faults, a line may have these:
 *
 *   memory:BYTES       its address space may grow by so many
 *   files:N            RLIMIT_NOFILE
 *   file:BYTES         RLIMIT_FSIZE
 *   stdin:PATH         or stdout or stderr: this file, or "closed", or "nobody" for a pipe that
 *                      nobody reads
 *
 * Else standard input is ours, and outputs are in FILE.N.out and FILE.N.err, with N from 0. FILE.ends
 * gets a line for each: its wait status, and 1 if it has left the terminal other than it was. */
#include <sys/resource.h>
#include <sys/wait.h>

#define HANGS_AFTER 60                  /* seconds: much longer than any run takes */

static void limit(const char *kind, int resource, rlim_t base)
{
        const char *text = fault(kind);
        if (!text)
                return;
        rlim_t most = base + strtoull(text, NULL, 0);
        setrlimit(resource, &(struct rlimit){ most, most });
}

static rlim_t address_space(void)
{
        unsigned long pages = 0;
        FILE *file = fopen("/proc/self/statm", "r");
        if (!file || fscanf(file, "%lu", &pages) != 1)
                _exit(99);
        fclose(file);
        return pages * sysconf(_SC_PAGESIZE);
}

static void redirect(int to, const char *kind, const char *otherwise)
{
        char path[512];
        const char *text = fault(kind);
        int fds[2];

        snprintf(path, sizeof path, "%s", text ? text : otherwise);
        path[strcspn(path, ";")] = 0;
        if (strcmp(path, "closed") == 0) {
                close(to);
                return;
        }
        if (strcmp(path, "nobody") == 0) {
                if (pipe(fds) < 0)
                        _exit(99);
                close(fds[0]);
        } else {
                fds[1] = open(path, to ? O_WRONLY | O_CREAT | O_APPEND : O_RDONLY, 0600);
        }
        if (dup2(fds[1], to) < 0)
                _exit(99);
        if (fds[1] != to)
                close(fds[1]);
}

static void begin(const char plan[256], int number, const char *line)
{
        char path[512];

        setenv("KVM_FAULT", line, 1);
        snprintf(path, sizeof path, "%s.%d.out", plan, number);
        redirect(1, "stdout", path);
        snprintf(path, sizeof path, "%s.%d.err", plan, number);
        redirect(2, "stderr", path);
        if (fault("stdin"))
                redirect(0, "stdin", NULL);
        limit("files", RLIMIT_NOFILE, 0);
        limit("file", RLIMIT_FSIZE, 0);
        if (fault("memory"))
                limit("memory", RLIMIT_AS, address_space());
        alarm(HANGS_AFTER);
}

/* In the processes it returns, and main begins. */
__attribute__((constructor)) static void run_plan(void)
{
        char plan[256], path[512], *line = NULL;
        size_t room = 0;
        ssize_t length;
        const char *text = fault("each");
        if (!text)
                return;
        snprintf(plan, sizeof plan, "%s", text);
        snprintf(path, sizeof path, "%s.ends", plan);
        FILE *lines = fopen(plan, "r"), *ends = fopen(path, "w");
        struct termios before, after;
        bool is_terminal = isatty(0) && tcgetattr(0, &before) == 0;
        if (!lines || !ends)
                _exit(99);
        for (int number = 0; (length = getline(&line, &room, lines)) > 0; number++) {
                int status;
                line[length - 1] = 0;
                fflush(ends);
                pid_t child = fork();
                if (child < 0)
                        _exit(99);
                if (child == 0) {
                        close(fileno(lines));
                        close(fileno(ends));
                        begin(plan, number, line);
                        for (size_t i = 0; i < CALLS; i++)
                                calls[i].count = 0;
                        return;
                }
                while (waitpid(child, &status, 0) < 0)
                        continue;
                bool is_other = is_terminal && (tcgetattr(0, &after) < 0 ||
                                                after.c_lflag != before.c_lflag ||
                                                after.c_iflag != before.c_iflag ||
                                                after.c_oflag != before.c_oflag);
                if (is_other)
                        tcsetattr(0, TCSANOW, &before);
                fprintf(ends, "%d %d\n", status, is_other);
        }
        fclose(ends);
        _exit(0);
}
