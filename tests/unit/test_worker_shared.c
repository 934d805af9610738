/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "worker/shared.h"

#define SIZE 512 /* of a checkpoint's memory here */

static void memory_is_sealed_and_the_same_on_both_sides(void **state)
{
	(void)state;
	void *ours, *theirs;
	int fd = medio_shared_new("test", 8192, PROT_READ, &ours);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 16384), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(medio_shared_map(fd, 8192, PROT_READ | PROT_WRITE, &theirs), 0);
	memcpy(theirs, "hello", 6);
	assert_string_equal(ours, "hello");
	munmap(ours, 8192);
	munmap(theirs, 8192);
	close(fd);
}

static void memory_that_could_go_away_is_refused(void **state)
{
	(void)state;
	void *map;
	int fd = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(medio_shared_map(fd, 4096, PROT_READ, &map), -EINVAL);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	assert_int_equal(medio_shared_map(fd, 4096, PROT_READ, &map), -EINVAL);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(medio_shared_map(fd, 4097, PROT_READ, &map), -EINVAL);
	assert_int_equal(medio_shared_map(fd, 0, PROT_READ, &map), -EINVAL);
	assert_int_equal(medio_shared_map(fd, 4096, PROT_READ, &map), 0);
	munmap(map, 4096);
	close(fd);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(medio_shared_map(null, 4096, PROT_READ, &map), -EINVAL);
	close(null);
	assert_int_equal(medio_shared_map(-1, 4096, PROT_READ, &map), -EBADF);
}

/* A hole in it is filled when it is read, from a pool of the machine's that may be empty: SIGBUS. */
static void memory_of_huge_pages_is_refused(void **state)
{
	(void)state;
	void *map;
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
	if (fd < 0)
		skip(); /* not in this kernel */
	assert_int_equal(ftruncate(fd, 1 << 30), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	assert_int_equal(medio_shared_map(fd, 4096, PROT_READ, &map), -EINVAL);
	close(fd);
}

/* ---- Checkpoints -------------------------------------------------------------------------------------------- */

static uint64_t memory[SIZE / 8];

static void fill(uint8_t *bytes, size_t size, unsigned seed)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(seed * 37 + i * 11 + 1);
}

static void assert_state(const void *map, const void *expected, size_t size)
{
	const void *at;
	assert_int_equal(medio_checkpoint_read(map, SIZE, &at), size);
	if (size)
		assert_memory_equal(at, expected, size);
}

static void fresh_memory_holds_no_state(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	assert_state(memory, NULL, 0);
	memset(memory, 0xff, sizeof(memory));
	assert_state(memory, NULL, 0);
	const void *at;
	for (size_t size = 0; size < 40; size++) {
		assert_int_equal(medio_checkpoint_read(memory, size, &at), 0);
		assert_int_equal(medio_checkpoint_write(memory, size, "x", 9), -ENOSPC);
	}
}

static void the_latest_state_is_read(void **state)
{
	(void)state;
	uint8_t bytes[SIZE] = { 0 };
	memset(memory, 0, sizeof(memory));
	for (unsigned i = 1; i < 200; i++) {
		fill(bytes, i, i);
		assert_int_equal(medio_checkpoint_write(memory, SIZE, bytes, i), 0);
		assert_state(memory, bytes, i);
	}
	/* Half of it, but for 16 bytes. */
	assert_int_equal(medio_checkpoint_write(memory, SIZE, bytes, 240), 0);
	assert_int_equal(medio_checkpoint_write(memory, SIZE, bytes, 241), -ENOSPC);
	assert_state(memory, bytes, 240);
	/* An empty one says that there is none. */
	assert_int_equal(medio_checkpoint_write(memory, SIZE, NULL, 0), 0);
	assert_state(memory, NULL, 0);
}

static void the_latest_is_known_after_the_numbers_wrapped(void **state)
{
	(void)state;
	const struct {
		uint64_t sequence;
		uint32_t size, crc;
		char byte;
	} last = { UINT64_MAX, 1, 0x6bb9a53c, 'z' };
	memset(memory, 0, sizeof(memory));
	memcpy(memory, &last, 17);
	assert_state(memory, "z", 1);
	for (unsigned i = 0; i < 5; i++) {
		uint8_t byte = (uint8_t)('a' + i);
		assert_int_equal(medio_checkpoint_write(memory, SIZE, &byte, 1), 0);
		assert_state(memory, &byte, 1);
	}
}

/*
 * A writer that dies leaves some of its stores done and the others not. Whatever it was: the state
 * read is the old one or the new one.
 */
static void a_writer_may_die_after_every_byte(void **state)
{
	(void)state;
	static uint8_t before[SIZE], after[SIZE], torn[SIZE];
	uint8_t old[200], new[200];
	const void *at;
	for (unsigned round = 1; round < 6; round++) {
		memset(memory, 0, sizeof(memory));
		for (unsigned i = 0; i < round; i++) {
			fill(old, sizeof(old), i);
			medio_checkpoint_write(memory, SIZE, old, sizeof(old) - i);
		}
		size_t old_size = sizeof(old) - (round - 1);
		memcpy(before, memory, SIZE);
		fill(new, sizeof(new), 100 + round);
		medio_checkpoint_write(memory, SIZE, new, sizeof(new));
		memcpy(after, memory, SIZE);
		/* In order, backwards, and every second byte. */
		for (unsigned way = 0; way < 3; way++) {
			for (size_t cut = 0; cut <= SIZE; cut++) {
				for (size_t i = 0; i < SIZE; i++) {
					bool done = way == 0   ? i < cut
						    : way == 1 ? i >= SIZE - cut
							       : i < cut && i % 2;
					torn[i] = done ? after[i] : before[i];
				}
				memcpy(memory, torn, SIZE);
				size_t size = medio_checkpoint_read(memory, SIZE, &at);
				bool is_old = size == old_size && !memcmp(at, old, size);
				bool is_new = size == sizeof(new) && !memcmp(at, new, size);
				assert_true(is_old || is_new);
				/* And it is written on from there. */
				assert_int_equal(
					medio_checkpoint_write(memory, SIZE, "next", 4), 0);
				assert_state(memory, "next", 4);
			}
		}
	}
}

static void a_changed_bit_is_noticed(void **state)
{
	(void)state;
	uint8_t bytes[100];
	const void *at;
	memset(memory, 0, sizeof(memory));
	fill(bytes, sizeof(bytes), 1);
	medio_checkpoint_write(memory, SIZE, bytes, sizeof(bytes));
	for (size_t bit = 0; bit < (16 + sizeof(bytes)) * 8; bit++) {
		uint8_t *byte = (uint8_t *)memory + bit / 8;
		*byte ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(medio_checkpoint_read(memory, SIZE, &at), 0);
		*byte ^= (uint8_t)(1u << bit % 8);
	}
	assert_state(memory, bytes, sizeof(bytes));
}

static void the_crc_is_the_usual_one(void **state)
{
	(void)state;
	/* Sequence 1 and size 0: CRC-32 of 01 00 00 00 00 00 00 00 00 00 00 00, as zlib has it. */
	uint32_t crc;
	memset(memory, 0, sizeof(memory));
	medio_checkpoint_write(memory, SIZE, NULL, 0);
	memcpy(&crc, (const uint8_t *)memory + 12, sizeof(crc));
	assert_int_equal(crc, 0xe0708a00);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_sealed_and_the_same_on_both_sides),
		cmocka_unit_test(memory_that_could_go_away_is_refused),
		cmocka_unit_test(memory_of_huge_pages_is_refused),
		cmocka_unit_test(fresh_memory_holds_no_state),
		cmocka_unit_test(the_latest_state_is_read),
		cmocka_unit_test(the_latest_is_known_after_the_numbers_wrapped),
		cmocka_unit_test(a_writer_may_die_after_every_byte),
		cmocka_unit_test(a_changed_bit_is_noticed),
		cmocka_unit_test(the_crc_is_the_usual_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
