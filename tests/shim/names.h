/* The calls that can be made to fail by their names, and how often each has been made. */
#include <sys/ioctl.h>

#define REQUEST(name) { #name, name, 0 }
#define OTHER(name) { name, 0, 0 }

static struct {
        const char *name;
        unsigned long request;          /* of an ioctl */
        unsigned count;
} calls[] = {
        REQUEST(KVM_GET_API_VERSION), REQUEST(KVM_CHECK_EXTENSION), REQUEST(KVM_CREATE_VM),
        REQUEST(KVM_GET_VCPU_MMAP_SIZE), REQUEST(KVM_GET_SUPPORTED_CPUID),
        REQUEST(KVM_SET_USER_MEMORY_REGION), REQUEST(KVM_SET_TSS_ADDR), REQUEST(KVM_CREATE_IRQCHIP),
        REQUEST(KVM_CREATE_PIT2), REQUEST(KVM_IRQFD), REQUEST(KVM_CREATE_VCPU), REQUEST(KVM_GET_REGS),
        REQUEST(KVM_SET_REGS), REQUEST(KVM_GET_SREGS), REQUEST(KVM_SET_SREGS),
        REQUEST(KVM_SET_CPUID2), REQUEST(KVM_TRANSLATE), REQUEST(KVM_GET_STATS_FD), REQUEST(KVM_RUN),
        OTHER("mmap of a vCPU"), OTHER("mmap of guest memory"), OTHER("eventfd"), OTHER("dup"),
        OTHER("madvise"), OTHER("tcgetattr"), OTHER("pthread_create"),
        OTHER("a KVM ioctl without a name"),
};
#define CALLS (sizeof calls / sizeof *calls)

static bool is_kvm(unsigned long request)
{
        return _IOC_TYPE(request) == KVMIO;
}

static const char *name_of(unsigned long request)
{
        for (size_t i = 0; i < CALLS; i++)
                if (calls[i].request == request)
                        return calls[i].name;
        return calls[CALLS - 1].name;
}

/* Counts a call, and notes it. Whether it is one that is to fail: then errno says how. */
static bool fails(const char *name)
{
        const char *path = fault("calls"), *text = fault("nth");
        size_t length = strlen(name), i = 0;
        char *rest;

        while (strcmp(calls[i].name, name) != 0)
                i++;
        unsigned count = __atomic_add_fetch(&calls[i].count, 1, __ATOMIC_SEQ_CST);
        FILE *file = path ? fopen(path, "a") : NULL;
        if (file) {
                fprintf(file, "%s\n", name);
                fclose(file);
        }
        if (!text || strncmp(text, name, length) != 0 || text[length] != ':' ||
            strtoull(text + length + 1, &rest, 0) != count)
                return false;
        errno = strtoull(rest + 1, NULL, 0);
        return true;
}

static bool interrupted(void)
{
        static __thread unsigned long long times;
        const char *text = fault("eintr");

        if (!text || times++ == strtoull(text, NULL, 0)) {
                times = 0;
                return false;
        }
        errno = EINTR;
        return true;
}
