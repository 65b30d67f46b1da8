/* Chapter 3 in C: the same calls in the same order, the same words on standard error. */

#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define MEMORY_BYTES (64 * 1024)

static int must(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
	return result;
}

static void *map(int fd, size_t bytes, int flags)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (at == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return at;
}

static void row(const char *const names[4], const uint64_t values[4])
{
	for (int i = 0; i < 4; i++)
		fprintf(stderr, "  %s %016llx", names[i], (unsigned long long)values[i]);
	fputc('\n', stderr);
}

static void segments(const char *const names[3], const struct kvm_segment *const values[3])
{
	for (int i = 0; i < 3; i++)
		fprintf(stderr, "  %s %04x base %08llx", names[i], values[i]->selector,
			(unsigned long long)values[i]->base);
	fputc('\n', stderr);
}

static void registers(int vcpu)
{
	struct kvm_regs r;
	struct kvm_sregs s;
	must(ioctl(vcpu, KVM_GET_REGS, &r), "KVM_GET_REGS");
	must(ioctl(vcpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
	fprintf(stderr, "  rip %016llx  rflags %016llx\n", r.rip, r.rflags);
	row((const char *[]){ "rax", "rbx", "rcx", "rdx" }, (uint64_t[]){ r.rax, r.rbx, r.rcx, r.rdx });
	row((const char *[]){ "rsi", "rdi", "rsp", "rbp" }, (uint64_t[]){ r.rsi, r.rdi, r.rsp, r.rbp });
	row((const char *[]){ "r8 ", "r9 ", "r10", "r11" }, (uint64_t[]){ r.r8, r.r9, r.r10, r.r11 });
	row((const char *[]){ "r12", "r13", "r14", "r15" }, (uint64_t[]){ r.r12, r.r13, r.r14, r.r15 });
	row((const char *[]){ "cr0", "cr2", "cr3", "cr4" }, (uint64_t[]){ s.cr0, s.cr2, s.cr3, s.cr4 });
	segments((const char *[]){ "cs", "ds", "es" }, (const struct kvm_segment *[]){ &s.cs, &s.ds, &s.es });
	segments((const char *[]){ "fs", "gs", "ss" }, (const struct kvm_segment *[]){ &s.fs, &s.gs, &s.ss });
}

int main(void)
{
	/* As the other one does it: what is printed is put together first. */
	static char words[4096];
	setvbuf(stderr, words, _IOFBF, sizeof words);

	int kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return 1;
	if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) < 1)
		return 1;
	int vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	int run_bytes = must(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");

	uint8_t *memory = map(-1, MEMORY_BYTES, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	struct kvm_userspace_memory_region slot = {
		.memory_size = MEMORY_BYTES,
		.userspace_addr = (uint64_t)memory,
	};
	must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
	memory[0] = 0xf4; /* hlt */

	int vcpu = must(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	struct kvm_run *run = map(vcpu, (size_t)run_bytes, MAP_SHARED);
	struct kvm_sregs special;
	must(ioctl(vcpu, KVM_GET_SREGS, &special), "KVM_GET_SREGS");
	special.cs.selector = 0;
	special.cs.base = 0;
	must(ioctl(vcpu, KVM_SET_SREGS, &special), "KVM_SET_SREGS");
	struct kvm_regs general = { .rflags = 1 << 1 };
	must(ioctl(vcpu, KVM_SET_REGS, &general), "KVM_SET_REGS");

	fputs("before:\n", stderr);
	registers(vcpu);
	fputc('\n', stderr);
	must(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
	if (run->exit_reason != KVM_EXIT_HLT)
		return 1;
	fputs("1 exit: KVM_EXIT_HLT\n\n", stderr);
	fputs("after:\n", stderr);
	registers(vcpu);
	fputc('\n', stderr);
	return 0;
}
