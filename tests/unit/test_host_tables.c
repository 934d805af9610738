/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses, and the tables of procfs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/bdf.h"
#include "host/host.h"
#include "host/tables.h"

static void an_address_is_read_with_and_without_domain(void **state)
{
	static const struct {
		const char *text, *same;
	} right[] = {
		{ "0000:01:00.0", "0000:01:00.0" },
		{ "01:00.0", "0000:01:00.0" },
		{ "AB:1F.7", "0000:ab:1f.7" },
		{ "10000:e1:00.0", "10000:e1:00.0" },
		{ "ffffffff:ff:1f.7", "ffffffff:ff:1f.7" },
	};
	struct medio_bdf bdf;
	char text[MEDIO_BDF_TEXT];
	(void)state;

	for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++) {
		assert_int_equal(medio_bdf_parse(right[i].text, &bdf), 0);
		medio_bdf_format(&bdf, text);
		assert_string_equal(text, right[i].same);
	}
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const wrong[] = { "", "01", "01:00", "1:00.0", "01:0.0", "01:20.0",
		"01:00.8", "01:00.0x", " 01:00.0", "000:01:00.0", "123456789:01:00.0", "../01:00.0",
		"0000:01:00.", "0000:0g:00.0", "0000/01:00.0" };
	struct medio_bdf bdf;
	(void)state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(medio_bdf_parse(wrong[i], &bdf), -EINVAL);
}

static void a_mount_is_read_with_its_tags_and_spaces(void **state)
{
	const char *at = "22 1 254:3 / /home rw,noatime shared:1 master:2 - ext4 /dev/vda3 rw\n"
			 "nonsense\n"
			 "23 1 0:41 /sub /a\\040b rw - btrfs /dev/vda2 rw,subvol=/sub\n"
			 "24 1 x:1 / / rw - ext4 /dev/x rw\n"
			 "25 1 1:2 / / rw -\n";
	struct medio_mount_row row;
	(void)state;

	assert_true(medio_mountinfo_next(&at, &row));
	assert_int_equal(row.major, 254);
	assert_int_equal(row.minor, 3);
	assert_string_equal(row.target, "/home");
	assert_string_equal(row.type, "ext4");
	assert_string_equal(row.source, "/dev/vda3");
	assert_true(medio_mountinfo_next(&at, &row));
	assert_int_equal(row.major, 0);
	assert_string_equal(row.target, "/a b");
	assert_string_equal(row.source, "/dev/vda2");
	assert_false(medio_mountinfo_next(&at, &row));
	assert_string_equal(at, "");
}

static void swaps_are_read_without_their_heading(void **state)
{
	const char *at = "Filename\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
			 "/dev/vda3                               partition\t1048572\t0\t-2\n"
			 "/swap\\040file\tfile\t1\t0\t-3";
	char path[MEDIO_TABLE_TEXT];
	(void)state;

	assert_true(medio_swaps_next(&at, path));
	assert_string_equal(path, "/dev/vda3");
	assert_true(medio_swaps_next(&at, path));
	assert_string_equal(path, "/swap file");
	assert_false(medio_swaps_next(&at, path));
}

static void only_a_route_of_no_bits_is_the_default(void **state)
{
	const char *at =
		"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
		"eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
		"eth1\t00000000\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
		"eth2\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0\n"
		"eth3\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
	struct medio_route_row row;
	(void)state;

	assert_true(medio_route_next(&at, &row));
	assert_string_equal(row.interface, "eth0");
	assert_true(row.is_default);
	assert_true(medio_route_next(&at, &row));
	assert_string_equal(row.interface, "eth1");
	assert_false(row.is_default);
	assert_true(medio_route_next(&at, &row));
	assert_string_equal(row.interface, "eth3");
	assert_false(medio_route_next(&at, &row));
}

#define ZERO "00000000000000000000000000000000"

static void a_rejecting_ipv6_route_leads_nowhere(void **state)
{
	const char *at = ZERO " 00 " ZERO " 00 " ZERO
			      " ffffffff 00000001 00000000 00200200       lo\n"
			      "fe800000000000000000000000000000 40 " ZERO " 00 " ZERO
			      " 00000100 00000002 00000000 00000001     eth0\n" ZERO " 00 " ZERO
			      " 00 fd000000000000000000000000000001 00000400 00000003 00000000 "
			      "00000003     eth0\n";
	struct medio_route_row row;
	(void)state;

	assert_true(medio_route6_next(&at, &row));
	assert_string_equal(row.interface, "eth0");
	assert_false(row.is_default);
	assert_true(medio_route6_next(&at, &row));
	assert_true(row.is_default);
	assert_false(medio_route6_next(&at, &row));
}

static void a_link_local_address_does_not_count(void **state)
{
	const char *at = "fe8000000000000000fc00fffe000001 02 40 20 80     eth0\n"
			 "fd000000000000000000000000000002 02 40 00 80     eth1\n";
	char interface[32];
	(void)state;

	assert_true(medio_inet6_next(&at, interface));
	assert_string_equal(interface, "eth1");
	assert_false(medio_inet6_next(&at, interface));
}

static void the_soft_limit_of_locked_memory_is_found(void **state)
{
	uint64_t limit = 1;
	(void)state;

	assert_int_equal(
		medio_limits_memlock(
			"Limit                     Soft Limit           Hard Limit           Units\n"
			"Max locked memory         65536                unlimited            bytes\n",
			&limit),
		0);
	assert_int_equal(limit, 65536);
	assert_int_equal(
		medio_limits_memlock("Max locked memory   unlimited  unlimited  bytes", &limit), 0);
	assert_true(limit == UINT64_MAX);
	limit = 7;
	assert_int_equal(
		medio_limits_memlock("Max locked memory   many  1  bytes\n", &limit), -ENOENT);
	assert_int_equal(medio_limits_memlock("Max locked memory", &limit), -ENOENT);
	assert_int_equal(medio_limits_memlock("", &limit), -ENOENT);
	assert_int_equal(limit, 7);
}

static void a_field_is_found_by_its_whole_name(void **state)
{
	char value[16];
	(void)state;

	assert_int_equal(medio_fields_get("MemTotalX: 1\nMemTotal:   42 kB \n", "MemTotal", value,
				 sizeof(value)),
		0);
	assert_string_equal(value, "42 kB");
	assert_int_equal(
		medio_fields_get("vendor_id\t: GenuineIntel\n", "vendor_id", value, sizeof(value)),
		0);
	assert_string_equal(value, "GenuineIntel");
	assert_int_equal(
		medio_fields_get("a: 0123456789abcdefghij\n", "a", value, sizeof(value)), 0);
	assert_string_equal(value, "0123456789abcde");
	assert_int_equal(medio_fields_get("a b\n", "a", value, sizeof(value)), -ENOENT);
}

static void words_are_found_whole_and_by_their_beginning(void **state)
{
	(void)state;

	assert_true(medio_words_have("quiet iommu=off ro\n", "iommu=off"));
	assert_false(medio_words_have("quiet intel_iommu=off ro", "iommu=off"));
	assert_true(medio_words_have("root=/dev/vda", "root="));
	assert_false(medio_words_have("", "root="));
}

static void a_name_is_a_whole_part_of_a_path(void **state)
{
	(void)state;

	assert_true(medio_host_path_has(
		"../../devices/pci0000:00/0000:00:05.0/virtio1", "0000:00:05.0"));
	assert_false(
		medio_host_path_has("../../devices/pci0000:00/0000:00:05.01/x", "0000:00:05.0"));
	assert_true(medio_host_path_has("x", "x"));
	assert_false(medio_host_path_has("", "x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_read_with_and_without_domain),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(a_mount_is_read_with_its_tags_and_spaces),
		cmocka_unit_test(swaps_are_read_without_their_heading),
		cmocka_unit_test(only_a_route_of_no_bits_is_the_default),
		cmocka_unit_test(a_rejecting_ipv6_route_leads_nowhere),
		cmocka_unit_test(a_link_local_address_does_not_count),
		cmocka_unit_test(the_soft_limit_of_locked_memory_is_found),
		cmocka_unit_test(a_field_is_found_by_its_whole_name),
		cmocka_unit_test(words_are_found_whole_and_by_their_beginning),
		cmocka_unit_test(a_name_is_a_whole_part_of_a_path),
	};

	return cmocka_run_group_tests_name("host_tables", tests, NULL, NULL);
}
