/* Processes: who runs, who waits for what, and who takes over. */
#include "kernel.h"

/* The first is the kernel's own, from main on: it runs when no other can. */
static struct process processes[PROCESSES] = {
        { .state = RUNNING, .directory = kernel_directory, .name = "idle" },
};
struct process *current = &processes[0];

/* Of each the upper half. The lower half is not mapped, so that an overflow is noticed. */
char kernel_stacks[PROCESSES][2 * PAGE] __attribute__((aligned(PAGE)));

static int next_id = 1;
static int sleepers;

static char *stack_top(const struct process *process)
{
        return kernel_stacks[process - processes + 1];
}

static struct process *next_ready(void)
{
        for (int i = 1; i <= PROCESSES; i++) {
                struct process *process = &processes[(current - processes + i) % PROCESSES];
                if (process->state == READY && process != processes)
                        return process;
        }
        return &processes[0];
}

/* Lets the next process run that can. Returns when it is this one's turn again. */
void schedule(void)
{
        void switch_stacks(uint32_t *save_esp, uint32_t esp);

        struct process *before = current;
        if (before->state == RUNNING)
                before->state = READY;
        current = next_ready();
        current->state = RUNNING;
        if (current == before)
                return;
        set_kernel_stack((uint32_t)stack_top(current));
        write_cr3(physical(current->directory));
        switch_stacks(&before->esp, current->esp);
}

void idle(void)
{
        for (;;) {
                schedule();
                if (sleepers == 0)
                        timer_stop();
                wait_for_interrupt();
                timer_go_on();
        }
}

/* Waits until somebody wakes those who wait for this event, a pointer that both know. */
void block(const void *event)
{
        current->state = WAITING;
        current->waits_for = event;
        schedule();
}

void wake(const void *event)
{
        for (struct process *process = processes; process < processes + PROCESSES; process++)
                if (process->state == WAITING && process->waits_for == event)
                        process->state = READY;
}

/* A program's stack, and at its top what user/start.S expects there. Returns its ESP, or 0. */
static uint32_t user_stack(uint32_t *directory, const char *arguments)
{
        for (uint32_t below = PAGE; below <= USER_STACK_BYTES; below += PAGE)
                if (!user_page(directory, USER_STACK_TOP - below, WRITABLE))
                        return 0;
        char *page = user_page(directory, USER_STACK_TOP - PAGE, WRITABLE);
        char *text = page + PAGE - ARGUMENTS_BYTES;
        uint32_t *pointer = (uint32_t *)text - 1;
        memcpy(text, arguments, strlen(arguments) + 1);
        *pointer = USER_STACK_TOP - ARGUMENTS_BYTES;
        return USER_STACK_TOP - ARGUMENTS_BYTES - sizeof *pointer;
}

/* A new process, child of this one, that runs the file `name`: its id, or an error. */
int process_spawn(const char *name, const char *arguments)
{
        struct process *process = processes + 1;
        while (process < processes + PROCESSES && process->state != UNUSED)
                process++;
        uint32_t *directory = process < processes + PROCESSES ? directory_new() : NULL;
        if (!directory)
                return ERROR_NO_ROOM;

        uint32_t entry, esp = 0;
        int error = program_load(name, directory, &entry);
        if (error == 0 && !(esp = user_stack(directory, arguments)))
                error = ERROR_NO_ROOM;
        if (error < 0) {
                directory_free(directory);
                return error;
        }

        *process = (struct process){
                .state = READY, .id = next_id++, .directory = directory,
                .parent = current == processes ? NULL : current,
        };
        memcpy(process->name, name, strlen(name) + 1);
        if (!keyboard_owner)
                give_keyboard(process);

        /* As if it had entered the kernel, and then switched to another. */
        struct trap_frame *frame = (struct trap_frame *)stack_top(process) - 1;
        *frame = (struct trap_frame){
                .es = USER_DATA, .ds = USER_DATA, .eip = entry, .cs = USER_CODE,
                .eflags = EFLAGS_RESERVED | EFLAGS_IF, .esp = esp, .ss = USER_DATA,
        };
        uint32_t *stack = (uint32_t *)frame;
        *--stack = (uint32_t)trap_return;
        stack -= 4;                     /* EBP, EBX, ESI, EDI for switch_stacks */
        process->esp = (uint32_t)memset(stack, 0, 4 * sizeof *stack);
        return process->id;
}

/* Ends this process. The first one takes the system with it. */
void process_exit(int status)
{
        if (current->id == 1 && status >= STATUS_PANIC)
                panic(NULL, "the first process has died: status %d", status);
        if (current->id == 1)
                power_off(status);

        for (struct process *child = processes; child < processes + PROCESSES; child++) {
                if (child->parent != current)
                        continue;
                child->parent = NULL;   /* nobody will ask for its status */
                if (child->state == ENDED)
                        child->state = UNUSED;
        }
        if (keyboard_owner == current)
                give_keyboard(current->parent);
        write_cr3(physical(kernel_directory));
        directory_free(current->directory);
        current->directory = kernel_directory;
        current->status = status;
        current->state = current->parent ? ENDED : UNUSED;
        wake(current);
        schedule();
        panic(NULL, "process %d runs after its end", current->id);
}

/* The status of a child that has ended, or an error. With patience, it may take a while; then the
 * keyboard is the child's. */
int process_wait(int id, bool patience)
{
        struct process *child = processes;
        while (child < processes + PROCESSES && !(child->parent == current && child->id == id))
                child++;
        if (child == processes + PROCESSES)
                return ERROR_NOT_FOUND;
        if (child->state != ENDED && !patience)
                return ERROR_STILL_RUNS;
        if (child->state != ENDED && keyboard_owner == current)
                give_keyboard(child);
        while (child->state != ENDED)
                block(child);
        child->state = UNUSED;
        child->parent = NULL;
        return child->status;
}

void process_sleep(uint32_t milliseconds)
{
        uint32_t since = ticks;
        sleepers++;
        while ((ticks - since) < milliseconds / TICK_MS + (milliseconds % TICK_MS != 0))
                block(&ticks);
        sleepers--;
}

int process_list(uint32_t index, struct process_info *info)
{
        for (struct process *process = processes + 1; process < processes + PROCESSES; process++) {
                if (process->state == UNUSED || index-- > 0)
                        continue;
                *info = (struct process_info){
                        process->id, process->parent ? process->parent->id : 0, process->state,
                        process->ticks * TICK_MS, "",
                };
                memcpy(info->name, process->name, NAME_BYTES);
                return 0;
        }
        return ERROR_NOT_FOUND;
}
