/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts of a device of VFIO's, in every form of SET_IRQS, and doorbells. */
#include <poll.h>
#include <sys/eventfd.h>

#include "test_kdev_bed.h"

#define NONE	VFIO_IRQ_SET_DATA_NONE
#define BOOL	VFIO_IRQ_SET_DATA_BOOL
#define FD	VFIO_IRQ_SET_DATA_EVENTFD
#define MASK	VFIO_IRQ_SET_ACTION_MASK
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER

enum { INTX, MSI, MSIX, ERR, REQ };

/* struct vfio_irq_set, whose data are an array without a length. */
struct head {
	uint32_t argsz, flags, index, start, count;
};

struct set {
	struct head head;
	union {
		int32_t fds[8];
		uint8_t bools[8];
	};
};

static int64_t set_irqs(struct bed *bed, unsigned index, uint32_t flags, uint32_t start,
	uint32_t count, const void *data)
{
	struct set set = { { sizeof(set), flags, index, start, count }, { { 0 } } };

	if (data)
		memcpy(set.fds, data, count * (flags & FD ? sizeof(int32_t) : 1));
	return bed_ioctl(bed, VFIO_DEVICE_SET_IRQS, &set);
}

static int64_t set_fd(struct bed *bed, unsigned index, uint32_t action, uint32_t vector, int fd)
{
	int32_t value = fd;

	return set_irqs(bed, index, FD | action, vector, 1, &value);
}

static int event(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static uint64_t take(struct bed *bed, int fd)
{
	uint64_t count = 0;

	bed_run(bed);
	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void pulse(struct bed *bed, uint32_t vector)
{
	assert_int_equal(bed_write(bed, 0, BENCH_PULSE, &vector, 4), 4);
}

static void line(struct bed *bed, uint32_t level)
{
	assert_int_equal(bed_write(bed, 0, BENCH_LINE, &level, 4), 4);
}

/* ---- Messages ---------------------------------------------------------------------------------- */

static void vectors_signal_their_eventfds(void **state)
{
	struct bed *bed = *state;
	int32_t fds[4] = { event(), event(), event(), event() };

	for (unsigned index = MSI; index <= MSIX; index++) {
		assert_int_equal(set_irqs(bed, index, FD | TRIGGER, 0, 4, fds), 0);
		for (uint32_t i = 0; i < 4; i++) {
			pulse(bed, i);
			for (uint32_t k = 0; k < 4; k++)
				assert_int_equal(take(bed, fds[k]), k == i);
		}
		assert_int_equal(set_irqs(bed, index, NONE | TRIGGER, 0, 0, NULL), 0);
		pulse(bed, 0);
		assert_int_equal(take(bed, fds[0]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		close(fds[i]);
}

static void one_kind_at_a_time(void **state)
{
	struct bed *bed = *state;
	int fd = event();

	assert_int_equal(set_fd(bed, MSI, TRIGGER, 0, fd), 0);
	assert_int_equal(set_fd(bed, MSIX, TRIGGER, 0, fd), -EINVAL);
	assert_int_equal(set_fd(bed, INTX, TRIGGER, 0, fd), -EINVAL);
	assert_int_equal(set_irqs(bed, MSIX, NONE | TRIGGER, 0, 0, NULL), -EINVAL);
	assert_int_equal(set_irqs(bed, INTX, NONE | TRIGGER, 0, 0, NULL), -EINVAL);
	assert_int_equal(set_irqs(bed, MSI, NONE | TRIGGER, 0, 0, NULL), 0);
	assert_int_equal(set_irqs(bed, MSI, NONE | TRIGGER, 0, 0, NULL), -EINVAL);
	assert_int_equal(set_fd(bed, INTX, TRIGGER, 0, fd), 0);
	assert_int_equal(set_fd(bed, MSI, TRIGGER, 0, fd), -EINVAL);
	close(fd);
}

static void an_index_without_eventfds_is_still_in_use(void **state)
{
	struct bed *bed = *state;
	int fd = event();

	assert_int_equal(set_fd(bed, MSI, TRIGGER, 0, -1), 0);
	assert_int_equal(set_fd(bed, MSIX, TRIGGER, 0, fd), -EINVAL);
	assert_int_equal(set_irqs(bed, MSI, NONE | TRIGGER, 0, 0, NULL), 0);
	assert_int_equal(set_fd(bed, INTX, TRIGGER, 0, -1), 0);
	assert_int_equal(set_fd(bed, MSIX, TRIGGER, 0, fd), -EINVAL);
	assert_int_equal(set_fd(bed, INTX, TRIGGER, 0, fd), 0);
	line(bed, 1);
	assert_int_equal(take(bed, fd), 1);
	close(fd);
}

static void msi_does_not_grow_msix_does(void **state)
{
	struct bed *bed = *state;
	int fd = event();

	assert_int_equal(set_fd(bed, MSI, TRIGGER, 1, fd), 0);
	assert_int_equal(set_fd(bed, MSI, TRIGGER, 0, fd), 0);
	assert_int_equal(set_fd(bed, MSI, TRIGGER, 2, fd), -EINVAL);
	assert_int_equal(set_irqs(bed, MSI, NONE | TRIGGER, 0, 0, NULL), 0);
	assert_int_equal(set_fd(bed, MSIX, TRIGGER, 1, fd), 0);
	assert_int_equal(set_fd(bed, MSIX, TRIGGER, 3, fd), 0);
	pulse(bed, 3);
	assert_int_equal(take(bed, fd), 1);
	close(fd);
}

static void a_vector_can_be_taken_away_and_given_again(void **state)
{
	struct bed *bed = *state;
	int fd = event(), other = event();

	assert_int_equal(set_fd(bed, MSIX, TRIGGER, 2, fd), 0);
	assert_int_equal(set_fd(bed, MSIX, TRIGGER, 2, -1), 0);
	pulse(bed, 2);
	assert_int_equal(take(bed, fd), 0);
	/* It was pending. */
	assert_int_equal(set_fd(bed, MSIX, TRIGGER, 2, other), 0);
	assert_int_equal(take(bed, other), 1);
	close(fd);
	close(other);
}

static void triggering_signals_who_has_an_eventfd(void **state)
{
	const uint8_t some[4] = { 0, 1, 1, 0 };
	struct bed *bed = *state;
	int32_t fds[4] = { event(), event(), -1, event() };

	assert_int_equal(set_irqs(bed, MSIX, FD | TRIGGER, 0, 4, fds), 0);
	assert_int_equal(set_irqs(bed, MSIX, NONE | TRIGGER, 0, 4, NULL), 0);
	assert_int_equal(take(bed, fds[0]), 1);
	assert_int_equal(take(bed, fds[1]), 1);
	assert_int_equal(take(bed, fds[3]), 1);
	assert_int_equal(set_irqs(bed, MSIX, BOOL | TRIGGER, 0, 4, some), 0);
	assert_int_equal(take(bed, fds[0]), 0);
	assert_int_equal(take(bed, fds[1]), 1);
	/* The one that had none is owed none. */
	fds[2] = event();
	assert_int_equal(set_fd(bed, MSIX, TRIGGER, 2, fds[2]), 0);
	assert_int_equal(take(bed, fds[2]), 0);
	assert_int_equal(set_irqs(bed, MSI, NONE | TRIGGER, 0, 1, NULL), -EINVAL);
	for (unsigned i = 0; i < 4; i++)
		close(fds[i]);
}

static void a_bad_descriptor_takes_back_what_came_before_it(void **state)
{
	struct bed *bed = *state;
	int pipes[2];
	int32_t fds[4] = { event(), event(), 4000, event() };

	assert_int_equal(pipe(pipes), 0);
	/* First use: nothing is in use after the failure. */
	assert_int_equal(set_irqs(bed, MSIX, FD | TRIGGER, 0, 4, fds), -EBADF);
	assert_int_equal(set_fd(bed, MSI, TRIGGER, 0, fds[0]), 0);
	assert_int_equal(set_irqs(bed, MSI, NONE | TRIGGER, 0, 0, NULL), 0);

	fds[2] = -1;
	assert_int_equal(set_irqs(bed, MSIX, FD | TRIGGER, 0, 4, fds), 0);
	fds[2] = pipes[0];
	assert_int_equal(set_irqs(bed, MSIX, FD | TRIGGER, 1, 2, &fds[1]), -EINVAL);
	assert_int_equal(set_irqs(bed, MSIX, NONE | TRIGGER, 0, 4, NULL), 0);
	assert_int_equal(take(bed, fds[0]), 1);
	assert_int_equal(take(bed, fds[1]), 0);
	assert_int_equal(take(bed, fds[3]), 1);
	close(fds[0]);
	close(fds[1]);
	close(fds[3]);
	close(pipes[0]);
	close(pipes[1]);
}

static void messages_have_no_mask(void **state)
{
	struct bed *bed = *state;
	int fd = event();

	assert_int_equal(set_fd(bed, MSIX, TRIGGER, 0, fd), 0);
	for (unsigned index = MSI; index <= REQ; index++) {
		assert_int_equal(set_irqs(bed, index, NONE | MASK, 0, 1, NULL), -ENOTTY);
		assert_int_equal(set_irqs(bed, index, NONE | UNMASK, 0, 1, NULL), -ENOTTY);
	}
	close(fd);
}

/* ---- INTx -------------------------------------------------------------------------------------- */

static void the_line_signals_once_until_it_is_unmasked(void **state)
{
	struct bed *bed = *state;
	int fd = event();

	assert_int_equal(set_fd(bed, INTX, TRIGGER, 0, fd), 0);
	line(bed, 1);
	assert_int_equal(take(bed, fd), 1);
	line(bed, 0);
	line(bed, 1);
	assert_int_equal(take(bed, fd), 0);
	/* Still high. */
	assert_int_equal(set_irqs(bed, INTX, NONE | UNMASK, 0, 1, NULL), 0);
	assert_int_equal(take(bed, fd), 1);
	line(bed, 0);
	const uint8_t no = 0, yes = 1;
	assert_int_equal(set_irqs(bed, INTX, BOOL | UNMASK, 0, 1, &yes), 0);
	assert_int_equal(set_irqs(bed, INTX, BOOL | MASK, 0, 1, &no), 0);
	line(bed, 1);
	assert_int_equal(take(bed, fd), 1);
	line(bed, 0);
	assert_int_equal(set_irqs(bed, INTX, NONE | UNMASK, 0, 1, NULL), 0);
	assert_int_equal(set_irqs(bed, INTX, NONE | MASK, 0, 1, NULL), 0);
	line(bed, 1);
	assert_int_equal(take(bed, fd), 0);
	close(fd);
}

static void an_eventfd_unmasks_the_line(void **state)
{
	struct bed *bed = *state;
	int fd = event(), unmask = event(), third = event();
	uint64_t one = 1;

	assert_int_equal(set_fd(bed, INTX, UNMASK, 0, unmask), -EINVAL);
	assert_int_equal(set_fd(bed, INTX, TRIGGER, 0, fd), 0);
	assert_int_equal(set_fd(bed, INTX, UNMASK, 0, unmask), 0);
	assert_int_equal(set_fd(bed, INTX, UNMASK, 0, third), -EBUSY);
	assert_int_equal(set_fd(bed, INTX, UNMASK, 0, 4000), -EBADF);
	line(bed, 1);
	assert_int_equal(take(bed, fd), 1);
	assert_int_equal(write(unmask, &one, 8), 8);
	assert_int_equal(take(bed, fd), 1);
	/* The line's own goes and comes again; this one stays. */
	assert_int_equal(set_fd(bed, INTX, TRIGGER, 0, -1), 0);
	assert_int_equal(set_fd(bed, INTX, TRIGGER, 0, fd), 0);
	assert_int_equal(take(bed, fd), 1);
	assert_int_equal(write(unmask, &one, 8), 8);
	assert_int_equal(take(bed, fd), 1);
	assert_int_equal(set_fd(bed, INTX, UNMASK, 0, -1), 0);
	assert_int_equal(write(unmask, &one, 8), 8);
	assert_int_equal(take(bed, fd), 0);
	assert_int_equal(set_fd(bed, INTX, UNMASK, 0, third), 0);
	close(fd);
	close(unmask);
	close(third);
}

static void the_line_is_one(void **state)
{
	struct bed *bed = *state;
	int32_t fds[2] = { event(), event() };

	assert_int_equal(set_irqs(bed, INTX, FD | TRIGGER, 0, 2, fds), -EINVAL);
	assert_int_equal(set_irqs(bed, INTX, FD | TRIGGER, 1, 1, fds), -EINVAL);
	assert_int_equal(set_irqs(bed, INTX, FD | TRIGGER, 0, 0, fds), -EINVAL);
	assert_int_equal(set_irqs(bed, INTX, NONE | TRIGGER, 0, 1, NULL), -EINVAL);
	assert_int_equal(set_irqs(bed, INTX, NONE | UNMASK, 0, 1, NULL), -EINVAL);
	assert_int_equal(set_irqs(bed, INTX, NONE | MASK, 0, 1, NULL), -EINVAL);
	assert_int_equal(set_fd(bed, INTX, TRIGGER, 0, fds[0]), 0);
	assert_int_equal(set_fd(bed, INTX, MASK, 0, fds[1]), -ENOTTY);
	assert_int_equal(set_irqs(bed, INTX, NONE | TRIGGER, 0, 1, NULL), 0);
	assert_int_equal(take(bed, fds[0]), 1);
	close(fds[0]);
	close(fds[1]);
}

/* ---- ERR and REQ ------------------------------------------------------------------------------- */

static void notices_are_signalled_and_taken_away(void **state)
{
	struct bed *bed = *state;
	int fd = event();
	const uint8_t yes = 1;

	for (unsigned index = ERR; index <= REQ; index++) {
		assert_int_equal(set_irqs(bed, index, NONE | TRIGGER, 0, 1, NULL), -EINVAL);
		assert_int_equal(set_irqs(bed, index, BOOL | TRIGGER, 0, 1, &yes), 0);
		assert_int_equal(set_fd(bed, index, TRIGGER, 0, fd), 0);
		assert_int_equal(set_irqs(bed, index, NONE | TRIGGER, 0, 1, NULL), 0);
		assert_int_equal(take(bed, fd), 1);
		assert_int_equal(set_irqs(bed, index, BOOL | TRIGGER, 0, 1, &yes), 0);
		assert_int_equal(take(bed, fd), 1);
		assert_int_equal(set_fd(bed, index, TRIGGER, 0, -2), 0);
		assert_int_equal(set_fd(bed, index, TRIGGER, 0, 4000), -EBADF);
		assert_int_equal(set_irqs(bed, index, NONE | TRIGGER, 0, 1, NULL), 0);
		assert_int_equal(take(bed, fd), 1);
		assert_int_equal(set_irqs(bed, index, FD | TRIGGER, 0, 0, NULL), -EINVAL);
		assert_int_equal(set_irqs(bed, index, NONE | TRIGGER, 0, 0, NULL), 0);
		assert_int_equal(set_irqs(bed, index, NONE | TRIGGER, 0, 1, NULL), -EINVAL);
		assert_int_equal(set_fd(bed, index, TRIGGER, 0, fd), 0);
		assert_int_equal(set_fd(bed, index, TRIGGER, 0, -1), 0);
		assert_int_equal(set_irqs(bed, index, NONE | TRIGGER, 0, 0, NULL), -EINVAL);
	}
	close(fd);
}

static void a_device_that_is_wanted_back_says_so(void **state)
{
	struct bed *bed = *state;
	int fd = event();

	assert_int_equal(set_fd(bed, REQ, TRIGGER, 0, fd), 0);
	medio_instance_request(bed->inst);
	assert_int_equal(take(bed, fd), 1);
	close(fd);
}

/* ---- Words that are wrong ---------------------------------------------------------------------- */

static void wrong_requests_are_einval(void **state)
{
	struct bed *bed = *state;
	struct set set = { { sizeof(struct head) - 1, NONE | TRIGGER, MSI, 0, 1 }, { { 0 } } };

	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_SET_IRQS, &set), -EINVAL);
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_SET_IRQS, NULL), -EFAULT);
	assert_int_equal(set_irqs(bed, 5, NONE | TRIGGER, 0, 1, NULL), -EINVAL);
	assert_int_equal(set_irqs(bed, UINT32_MAX, NONE | TRIGGER, 0, 1, NULL), -EINVAL);
	assert_int_equal(set_irqs(bed, MSI, NONE | TRIGGER, 4, 0, NULL), -EINVAL);
	assert_int_equal(set_irqs(bed, MSI, NONE | TRIGGER, 3, 2, NULL), -EINVAL);
	assert_int_equal(set_irqs(bed, MSI, NONE | TRIGGER, 1, UINT32_MAX, NULL), -EINVAL);
	assert_int_equal(set_irqs(bed, MSI, NONE | TRIGGER | 0x40, 0, 1, NULL), -EINVAL);
	assert_int_equal(set_irqs(bed, MSI, TRIGGER, 0, 1, NULL), -EINVAL);
	assert_int_equal(set_irqs(bed, MSI, NONE | BOOL | TRIGGER, 0, 1, NULL), -EINVAL);
	assert_int_equal(set_irqs(bed, MSI, NONE, 0, 1, NULL), -ENOTTY);
	assert_int_equal(set_irqs(bed, MSI, NONE | TRIGGER | MASK, 0, 1, NULL), -ENOTTY);
	assert_int_equal(set_irqs(bed, MSI, FD | TRIGGER, 0, 0, NULL), -ERANGE);
	/* Too short for what it says. */
	set.head = (struct head){ sizeof(set.head) + 15, FD | TRIGGER, MSI, 0, 4 };
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_SET_IRQS, &set), -EINVAL);
	/* Too little memory for it. */
	set.head.argsz = sizeof(set.head) + 16;
	bed->p.areas[0] = (struct program_area){ (char *)&set, sizeof(set.head) + 15 };
	bed->p.num_areas = 1;
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_SET_IRQS, &set), -EFAULT);
}

static void what_a_card_lacks_is_einval(void **state)
{
	struct bed *bed = *state;
	int fd = event();

	for (unsigned index = INTX; index <= ERR; index++)
		assert_int_equal(set_fd(bed, index, TRIGGER, 0, fd), -EINVAL);
	assert_int_equal(set_fd(bed, REQ, TRIGGER, 0, fd), 0);
	close(fd);
}

/* ---- Doorbells --------------------------------------------------------------------------------- */

static int64_t bell(
	struct bed *bed, unsigned region, uint64_t at, uint32_t size, uint64_t data, int fd)
{
	struct vfio_device_ioeventfd request = {
		.argsz = sizeof(request),
		.flags = size,
		.offset = MEDIO_KDEV_OFFSET(region) + at,
		.data = data,
		.fd = fd,
	};

	return bed_ioctl(bed, VFIO_DEVICE_IOEVENTFD, &request);
}

static void an_eventfd_is_a_write(void **state)
{
	struct bed *bed = *state;
	int fd = event();
	uint64_t two = 2;
	uint32_t value = 0;

	assert_int_equal(bell(bed, 0, 0x40, 4, 0x11223344, fd), 0);
	assert_int_equal(bell(bed, 0, 0x40, 4, 0x11223344, fd), -EEXIST);
	assert_int_equal(bell(bed, 0, 0x40, 2, 0x11223344, fd), 0);
	assert_int_equal(bell(bed, 0, 0x40, 2, 0x11223344, -1), 0);
	assert_int_equal(write(fd, &two, 8), 8);
	bed_run(bed);
	assert_int_equal(bed_read(bed, 0, 0x40, &value, 4), 4);
	assert_int_equal(value, 0x11223344);
	assert_int_equal(bell(bed, 0, 0x40, 4, 0x11223344, -1), 0);
	assert_int_equal(bell(bed, 0, 0x40, 4, 0x11223344, -1), -ENODEV);
	value = 0;
	assert_int_equal(bed_write(bed, 0, 0x40, &value, 4), 4);
	assert_int_equal(write(fd, &two, 8), 8);
	bed_run(bed);
	assert_int_equal(bed_read(bed, 0, 0x40, &value, 4), 4);
	assert_int_equal(value, 0);
	/* One that is left goes with the device. */
	assert_int_equal(bell(bed, 0, 0x48, 8, 1, fd), 0);
	close(fd);
}

static void wrong_doorbells_are_refused(void **state)
{
	struct bed *bed = *state;
	int fd = event(), pipes[2];

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(bell(bed, 0, 0, 0, 0, fd), -EINVAL);
	assert_int_equal(bell(bed, 0, 0, 3, 0, fd), -EINVAL);
	assert_int_equal(bell(bed, 0, 0, 16, 0, fd), -EINVAL);
	assert_int_equal(bell(bed, 0, 0, 4, 0, -2), -EINVAL);
	assert_int_equal(bell(bed, 0, 4094, 4, 0, fd), -EINVAL);
	assert_int_equal(bell(bed, 1, 0, 4, 0, fd), -EINVAL);
	assert_int_equal(bell(bed, 7, 0, 4, 0, fd), -EINVAL);
	assert_int_equal(bell(bed, 2, BENCH_TABLE + 12, 4, 0, fd), -EINVAL);
	assert_int_equal(bell(bed, 2, BENCH_TABLE - 1, 2, 0, fd), -EINVAL);
	assert_int_equal(bell(bed, 0, 0, 4, 0, 4000), -EBADF);
	assert_int_equal(bell(bed, 0, 0, 4, 0, pipes[0]), -EINVAL);
	struct vfio_device_ioeventfd request = { .argsz = sizeof(request) - 1 };
	assert_int_equal(bed_ioctl(bed, VFIO_DEVICE_IOEVENTFD, &request), -EINVAL);
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
}

static void a_mediated_device_has_no_doorbells(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(bell(bed, 0, 0, 4, 0, -1), -ENOTTY);
}

#define PCI(fn) cmocka_unit_test_setup_teardown(fn, setup_pci, teardown)
#define BOTH(fn) \
	PCI(fn), \
	{ \
		"mdev: " #fn, fn, setup_mdev, teardown, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(vectors_signal_their_eventfds),
		BOTH(one_kind_at_a_time),
		PCI(an_index_without_eventfds_is_still_in_use),
		PCI(msi_does_not_grow_msix_does),
		PCI(a_vector_can_be_taken_away_and_given_again),
		PCI(triggering_signals_who_has_an_eventfd),
		PCI(a_bad_descriptor_takes_back_what_came_before_it),
		PCI(messages_have_no_mask),
		BOTH(the_line_signals_once_until_it_is_unmasked),
		PCI(an_eventfd_unmasks_the_line),
		PCI(the_line_is_one),
		BOTH(notices_are_signalled_and_taken_away),
		PCI(a_device_that_is_wanted_back_says_so),
		PCI(wrong_requests_are_einval),
		cmocka_unit_test_setup_teardown(what_a_card_lacks_is_einval, setup_plain, teardown),
		PCI(an_eventfd_is_a_write),
		PCI(wrong_doorbells_are_refused),
		cmocka_unit_test_setup_teardown(
			a_mediated_device_has_no_doorbells, setup_mdev, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
