/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "pci/msix.h"

struct heard {
	struct medio_pci_msix *msix;
	unsigned vectors[8], count;
	uint32_t data; /* of the last one, as the callback saw it */
};

static void unmasked(void *opaque, unsigned vector)
{
	struct heard *heard = opaque;
	assert_true(heard->count < 8);
	heard->vectors[heard->count++] = vector;
	heard->data = medio_pci_msix_data(heard->msix, vector);
	medio_pci_msix_clear_pending(heard->msix, vector);
}

static void a_new_table_is_masked_and_not_used(void **state)
{
	struct medio_pci_msix msix;
	uint8_t entry[16];

	assert_int_equal(medio_pci_msix_init(&msix, 2048), 0);
	assert_false(msix.used);
	for (unsigned i = 0; i < 2048; i++) {
		assert_true(medio_pci_msix_masked(&msix, i));
		assert_false(medio_pci_msix_pending(&msix, i));
	}
	assert_int_equal(medio_pci_msix_read(&msix, 2047 * 16, entry, 16), 0);
	assert_memory_equal(entry, "\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0", 16);
	medio_pci_msix_fini(&msix);
}

static void no_vectors_cost_nothing_and_more_than_2048_are_refused(void **state)
{
	struct medio_pci_msix msix;
	uint8_t byte;

	assert_int_equal(medio_pci_msix_init(&msix, 2049), -EINVAL);
	assert_int_equal(medio_pci_msix_init(&msix, 0), 0);
	assert_true(medio_pci_msix_masked(&msix, 0));
	medio_pci_msix_set_pending(&msix, 0);
	assert_false(medio_pci_msix_pending(&msix, 0));
	assert_int_equal(medio_pci_msix_read(&msix, 0, &byte, 1), -EINVAL);
	assert_int_equal(medio_pci_msix_pba_read(&msix, 0, &byte, 1), -EINVAL);
	medio_pci_msix_reset(&msix);
	assert_null(msix.table);
	medio_pci_msix_fini(&msix);
}

static void entries_take_every_width(void **state)
{
	struct medio_pci_msix msix;
	uint8_t raw[8];

	assert_int_equal(medio_pci_msix_init(&msix, 3), 0);
	/* 8, 4 and 1 bytes; address bits 0-1 stay 0. */
	medio_pci_msix_write(&msix, 16, "\xff\x00\xe0\xfe\x01\x00\x00\x00", 8, NULL, NULL);
	medio_pci_msix_write(&msix, 24, "\x11\x22\x33\x44", 4, NULL, NULL);
	for (unsigned i = 0; i < 4; i++)
		medio_pci_msix_write(&msix, 28 + i, "\xfe", 1, NULL, NULL);
	assert_true(msix.used);
	assert_true(medio_pci_msix_address(&msix, 1) == UINT64_C(0x1fee000fc));
	assert_int_equal(medio_pci_msix_data(&msix, 1), 0x44332211);
	assert_false(medio_pci_msix_masked(&msix, 1));
	assert_int_equal(medio_pci_msix_read(&msix, 27, raw, 5), 0);
	assert_memory_equal(raw, "\x44\0\0\0\0", 5); /* reserved control bits stay 0 */
	assert_true(medio_pci_msix_masked(&msix, 0));
	assert_true(medio_pci_msix_masked(&msix, 2));
	medio_pci_msix_fini(&msix);
}

static void unmasking_is_told_once_after_the_whole_write(void **state)
{
	struct medio_pci_msix msix;
	struct heard heard = { .msix = &msix };
	uint8_t table[3 * 16];

	assert_int_equal(medio_pci_msix_init(&msix, 70), 0);
	memset(table, 0, sizeof(table));
	table[2 * 16 + 8] = 0x5a;
	table[16 + 12] = 1; /* vector 65 stays masked */
	medio_pci_msix_set_pending(&msix, 66);
	assert_int_equal(
		medio_pci_msix_write(&msix, 64 * 16, table, sizeof(table), unmasked, &heard), 0);
	assert_int_equal(heard.count, 2);
	assert_int_equal(heard.vectors[0], 64);
	assert_int_equal(heard.vectors[1], 66);
	assert_int_equal(heard.data, 0x5a);
	assert_false(medio_pci_msix_pending(&msix, 66));
	/* Unmasked already, or masked now: nothing to tell. */
	medio_pci_msix_write(&msix, 64 * 16, table, sizeof(table), unmasked, &heard);
	medio_pci_msix_write(&msix, 64 * 16 + 12, "\1", 1, unmasked, &heard);
	assert_int_equal(heard.count, 2);
	medio_pci_msix_write(&msix, 64 * 16 + 12, "\0", 1, unmasked, &heard);
	assert_int_equal(heard.count, 3);
	/* A write of the upper control bytes does not touch the mask. */
	medio_pci_msix_write(&msix, 65 * 16 + 13, "\0\0\0", 3, unmasked, &heard);
	assert_int_equal(heard.count, 3);
	medio_pci_msix_fini(&msix);
}

static void the_last_vector_of_the_largest_table_is_told(void **state)
{
	struct medio_pci_msix msix;
	struct heard heard = { .msix = &msix };

	assert_int_equal(medio_pci_msix_init(&msix, 2048), 0);
	assert_int_equal(
		medio_pci_msix_write(&msix, 2047 * 16 + 12, "\0\0\0\0", 4, unmasked, &heard), 0);
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.vectors[0], 2047);
	medio_pci_msix_fini(&msix);
}

static void pending_bits_show_in_the_array(void **state)
{
	struct medio_pci_msix msix;
	uint8_t pba[16];

	assert_int_equal(medio_pci_msix_init(&msix, 65), 0);
	assert_int_equal(medio_pci_msix_pba_size(65), 16);
	assert_int_equal(medio_pci_msix_pba_size(64), 8);
	medio_pci_msix_set_pending(&msix, 0);
	medio_pci_msix_set_pending(&msix, 64);
	medio_pci_msix_set_pending(&msix, 65); /* not a vector */
	assert_int_equal(medio_pci_msix_pba_read(&msix, 0, pba, 16), 0);
	assert_memory_equal(pba, "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 16);
	assert_true(medio_pci_msix_pending(&msix, 64));
	assert_false(medio_pci_msix_pending(&msix, 65));
	medio_pci_msix_clear_pending(&msix, 64);
	assert_int_equal(medio_pci_msix_pba_read(&msix, 8, pba, 1), 0);
	assert_int_equal(pba[0], 0);
	medio_pci_msix_write(&msix, 12, "\0", 1, NULL, NULL);
	medio_pci_msix_reset(&msix);
	assert_false(medio_pci_msix_pending(&msix, 0));
	assert_true(medio_pci_msix_masked(&msix, 0));
	assert_false(msix.used);
	medio_pci_msix_fini(&msix);
}

static void ranges_outside_are_refused(void **state)
{
	struct medio_pci_msix msix;
	uint8_t raw[32] = { 0 };

	assert_int_equal(medio_pci_msix_init(&msix, 2), 0);
	assert_int_equal(medio_pci_msix_read(&msix, 1, raw, 32), -EINVAL);
	assert_int_equal(medio_pci_msix_write(&msix, 32, raw, 1, NULL, NULL), -EINVAL);
	assert_int_equal(medio_pci_msix_write(&msix, UINT64_MAX, raw, 2, NULL, NULL), -EINVAL);
	assert_int_equal(medio_pci_msix_pba_read(&msix, 8, raw, 1), -EINVAL);
	assert_int_equal(medio_pci_msix_pba_read(&msix, UINT64_MAX - 1, raw, 4), -EINVAL);
	assert_false(msix.used);
	assert_int_equal(medio_pci_msix_write(&msix, 32, raw, 0, NULL, NULL), 0);
	medio_pci_msix_fini(&msix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_table_is_masked_and_not_used),
		cmocka_unit_test(no_vectors_cost_nothing_and_more_than_2048_are_refused),
		cmocka_unit_test(entries_take_every_width),
		cmocka_unit_test(unmasking_is_told_once_after_the_whole_write),
		cmocka_unit_test(the_last_vector_of_the_largest_table_is_told),
		cmocka_unit_test(pending_bits_show_in_the_array),
		cmocka_unit_test(ranges_outside_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
