/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compat/hold.h"
#include "compat/seccomp_abi.h"
#include "util/error.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCH AUDIT_ARCH_PPC64LE
#else
#define ARCH 0 /* said at run time */
#endif

/* The halves of argument n, on machines that store the low one first. */
#define LOW(n)	((uint32_t)offsetof(struct seccomp_data, args[n]))
#define HIGH(n) (LOW(n) + 4)

#define IOCTL_TYPE_MASK 0xff00u
#define IOCTL_TYPE_VFIO 0x3b00u /* ';' */

/* A program of the kernel's little machine that is being written. Jumps go forward, to where a label is put. */
enum label { ALLOW, CATCH, NEXT };

struct jump {
	unsigned at;
	enum label yes, no;
};

struct writer {
	struct sock_filter code[64];
	struct jump jumps[32];
	unsigned count, num_jumps;
};

static void put(struct writer *w, uint16_t op, uint32_t k)
{
	w->code[w->count++] = (struct sock_filter)BPF_STMT(op, k);
}

static void load(struct writer *w, uint32_t offset)
{
	put(w, BPF_LD | BPF_W | BPF_ABS, offset);
}

/* Compare what is loaded; NEXT: go on behind. */
static void jump(struct writer *w, uint16_t how, uint32_t k, enum label yes, enum label no)
{
	w->jumps[w->num_jumps++] = (struct jump){ w->count, yes, no };
	put(w, BPF_JMP | how | BPF_K, k);
}

/* If the call is nr the code between this and its end() is run, which always decides. */
static unsigned begin(struct writer *w, uint32_t nr)
{
	load(w, offsetof(struct seccomp_data, nr));
	put(w, BPF_JMP | BPF_JEQ | BPF_K, nr);
	return w->count - 1;
}

static void end(struct writer *w, unsigned begun)
{
	w->code[begun].jf = (uint8_t)(w->count - begun - 1);
}

/* Argument n, an offset in a file, is one of a device's: 2^62 and more, and not negative. */
static void catch_offset(struct writer *w, unsigned n, enum label otherwise)
{
	load(w, HIGH(n));
	put(w, BPF_ALU | BPF_AND | BPF_K, 3 * MEDIO_FILTER_OFFSET);
	jump(w, BPF_JEQ, MEDIO_FILTER_OFFSET, CATCH, otherwise);
}

static void catch_ioctl(struct writer *w)
{
	unsigned call = begin(w, __NR_ioctl);

	load(w, LOW(1));
	put(w, BPF_ALU | BPF_AND | BPF_K, IOCTL_TYPE_MASK);
	jump(w, BPF_JEQ, IOCTL_TYPE_VFIO, CATCH, ALLOW);
	end(w, call);
}

static void catch_mmap(struct writer *w, bool uio)
{
	unsigned call = begin(w, __NR_mmap);

	/* Ours, made by a thread that is held. */
	load(w, HIGH(4));
	jump(w, BPF_JEQ, MEDIO_HOLD_MARK, ALLOW, NEXT);
	catch_offset(w, 5, uio ? NEXT : ALLOW);
	if (uio) {
		load(w, LOW(3));
		put(w, BPF_ALU | BPF_AND | BPF_K, MAP_SHARED | MAP_ANONYMOUS);
		jump(w, BPF_JEQ, MAP_SHARED, NEXT, ALLOW);
		load(w, HIGH(5));
		jump(w, BPF_JEQ, 0, NEXT, ALLOW);
		load(w, LOW(5));
		jump(w, BPF_JGE, MEDIO_FILTER_UIO_OFFSET, ALLOW, CATCH);
	}
	end(w, call);
}

static uint8_t distance(const struct writer *w, unsigned from, enum label to)
{
	/* The last two instructions are ALLOW and CATCH. */
	return to == NEXT ? 0 : (uint8_t)(w->count - 2 + (to == CATCH) - from - 1);
}

static void write_filter(struct writer *w, bool uio)
{
	/* The offset of all of these is their fourth argument. */
	static const uint32_t moves[] = { __NR_pread64, __NR_pwrite64, __NR_preadv, __NR_pwritev,
		__NR_preadv2, __NR_pwritev2 };

	load(w, offsetof(struct seccomp_data, arch));
	jump(w, BPF_JEQ, ARCH, NEXT, ALLOW);
	catch_ioctl(w);
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		unsigned call = begin(w, moves[i]);
		catch_offset(w, 3, ALLOW);
		end(w, call);
	}
	catch_mmap(w, uio);
	put(w, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	put(w, BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	for (unsigned i = 0; i < w->num_jumps; i++) {
		const struct jump *j = &w->jumps[i];
		w->code[j->at].jt = distance(w, j->at, j->yes);
		w->code[j->at].jf = distance(w, j->at, j->no);
	}
}

static int refuse(int errnum, struct medio_error **err)
{
	switch (errnum) {
	case EBUSY:
		return medio_error_set(err, errnum,
			"this process is watched by a seccomp supervisor already, and the kernel allows "
			"one: a `medio run` inside another, or a container's own. Start it outside of that");
	case EINVAL:
	case ENOSYS:
		return medio_error_set(err, errnum,
			"the kernel cannot pass system calls to medio (seccomp user notification with "
			"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV): Linux 5.19 or newer is needed, with "
			"CONFIG_SECCOMP_FILTER");
	default:
		return medio_error_set(err, errnum,
			"not allowed to install a seccomp filter: %s. In a container, allow the system "
			"call seccomp in its seccomp profile",
			strerror(errnum));
	}
}

int medio_filter_install(bool uio, int *listener, struct medio_error **err)
{
	struct writer w = { .count = 0 };
	/* Without SPEC_ALLOW older kernels slow the whole program down. */
	const unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER |
				    SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV |
				    SECCOMP_FILTER_FLAG_SPEC_ALLOW;

	if (!ARCH)
		return medio_error_set(
			err, ENOSYS, "medio run has not been written for this machine's processor");
	write_filter(&w, uio);
	const struct sock_fprog program = { (unsigned short)w.count, w.code };
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	/* Without CAP_SYS_ADMIN in its user namespace: then with the promise to gain nothing by exec(). */
	if (fd < 0 && errno == EACCES && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	if (fd < 0)
		return refuse(errno, err);
	*listener = (int)fd;
	return 0;
}
