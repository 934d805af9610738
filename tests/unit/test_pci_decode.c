/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "pci/caplist.h"
#include "pci/config.h"
#include "pci/decode.h"
#include "test_pci_types.h"

/* What medio prints; the caller frees it. */
static char *ours(const struct medio_pci_decode *decode)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(medio_pci_decode_text(decode, out), 0);
	fclose(out);
	return text;
}

static char *ours_json(const struct medio_pci_decode *decode)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(medio_pci_decode_json(decode, out), 0);
	fclose(out);
	return text;
}

/* What pciutils prints of the same bytes, or NULL if there is no lspci here. */
static char *theirs(const uint8_t *bytes, size_t count, const char *options)
{
	char path[] = "/tmp/medio-lspci-XXXXXX", command[128];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	FILE *dump = fdopen(fd, "w");
	assert_non_null(dump);
	fputs("00:00.0 x", dump);
	for (size_t i = 0; i < count; i++) {
		if (i % 16 == 0)
			fprintf(dump, "\n%02zx:", i);
		fprintf(dump, " %02x", bytes[i]);
	}
	fputs("\n\n", dump);
	fclose(dump);

	char *text = calloc(1, 65536);
	assert_non_null(text);
	snprintf(command, sizeof(command), "lspci -F %s %s 2>/dev/null", path, options);
	FILE *in = popen(command, "r"); /* NOLINT(cert-env33-c): the peer is a program */
	assert_non_null(in);
	size_t size = fread(text, 1, 65535, in);
	int status = pclose(in);
	unlink(path);
	text[size] = '\0';
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		free(text);
		return NULL;
	}
	assert_int_equal(status, 0);
	/* Reading a dump, lspci takes the upper half of a 64-bit BAR for one more BAR; the same card
	 * read from the bus has no such line. */
	char *ghost = strstr(text, "Memory at <unassigned> (low-1M");
	if (ghost) {
		char *end = strchr(ghost, '\n');
		while (ghost > text && ghost[-1] != '\n')
			ghost--;
		memmove(ghost, end + 1, strlen(end + 1) + 1);
	}
	return text;
}

struct combination {
	const char *options;
	unsigned verbose, hex;
	enum medio_pci_numeric numeric;
};

static const struct combination combinations[] = {
	{ "", 0, 0, MEDIO_PCI_NAMES_ONLY },
	{ "-n", 0, 0, MEDIO_PCI_NUMBERS_ONLY },
	{ "-nn", 0, 0, MEDIO_PCI_BOTH },
	{ "-x", 0, 1, MEDIO_PCI_NAMES_ONLY },
	{ "-v", 1, 0, MEDIO_PCI_NAMES_ONLY },
	{ "-vv -nn", 2, 0, MEDIO_PCI_BOTH },
	{ "-vv -xxx", 2, 3, MEDIO_PCI_NAMES_ONLY },
	{ "-vvv -xxxx", 3, 4, MEDIO_PCI_NAMES_ONLY },
	{ "-vvv -n", 3, 0, MEDIO_PCI_NUMBERS_ONLY },
};

/* In every combination the two programs print the same. */
static void same_as_lspci(const uint8_t *bytes, size_t count)
{
	struct medio_pci_names *names = NULL;

	assert_int_equal(medio_pci_names_new(NULL, &names), 0);
	for (unsigned i = 0; i < sizeof(combinations) / sizeof(combinations[0]); i++) {
		const struct combination *c = &combinations[i];
		char *expected = theirs(bytes, count, c->options);
		if (!expected) {
			medio_pci_names_free(names);
			print_message(
				"lspci is missing (package pciutils): nothing to compare with\n");
			skip();
		}
		char *got = ours(&(struct medio_pci_decode){ .slot = "00:00.0",
			.bytes = bytes,
			.count = count,
			.names = names,
			.numeric = c->numeric,
			.verbose = c->verbose,
			.hex = c->hex });
		assert_string_equal(got, expected);
		free(got);
		free(expected);
	}
	medio_pci_names_free(names);
}

static void read_card(const struct medio_type *type, const struct medio_config_bytes *writes,
	uint8_t *bytes, size_t count)
{
	struct medio_pci_layout *layout = NULL;
	struct medio_pci_config config;

	assert_int_equal(medio_pci_layout_new(type, &layout, NULL), 0);
	assert_int_equal(medio_pci_config_init(&config, layout), 0);
	for (; writes && writes->size; writes++)
		assert_true(medio_pci_config_write(
				    &config, writes->offset, writes->data, writes->size) >= 0);
	assert_int_equal(medio_pci_config_read(&config, 0, bytes, count), 0);
	medio_pci_config_fini(&config);
	medio_pci_layout_unref(layout);
}

static void mtty_decodes_as_lspci_does(void **state)
{
	uint8_t bytes[256];

	read_card(&mtty_type, NULL, bytes, sizeof(bytes));
	same_as_lspci(bytes, sizeof(bytes));
}

/* As a guest leaves a card that works: BARs placed, interrupts on. */
static const struct medio_config_bytes working[] = {
	{ 0x04, 2, "\x07\x04" },
	{ 0x0c, 1, "\x10" },
	{ 0x10, 8, "\x00\x00\x00\x00\x12\x00\x00\x00" },
	{ 0x18, 8, "\x00\x00\xeb\xfe\x00\xc0\x00\x00" },
	{ 0x20, 8, "\x40\x00\xec\xfe\x00\x00\x00\x00" },
	{ 0x3c, 1, "\x0b" },
	{ 0x4a, 2, "\x00\x80" },
	{ 0x54 + 2, 12, "\x21\x00\x00\x00\xe0\xfe\x01\x00\x00\x00\x41\x40" },
	{ 0x54 + 16, 1, "\x0e" },
	{ 0x88 + 8, 2, "\x1f\x59" },
	{ 0 },
};

static void a_card_with_all_decodes_as_lspci_does(void **state)
{
	uint8_t bytes[4096];

	read_card(&rich_type, working, bytes, sizeof(bytes));
	same_as_lspci(bytes, sizeof(bytes));
	/* As lspci without privilege sees it. */
	same_as_lspci(bytes, 64);
	same_as_lspci(bytes, 256);
	read_card(&rich_type, NULL, bytes, sizeof(bytes));
	same_as_lspci(bytes, sizeof(bytes));
}

/* As its driver leaves it: two VFs, BARs of theirs placed. */
static const struct medio_config_bytes enabled[] = {
	{ 0x108 + 0x10, 2, "\x02\x00" },
	{ 0x108 + 0x08, 2, "\x19\x00" },
	{ 0x108 + 0x24, 12, "\x00\x00\x00\xfe\x10\x00\x00\x00\x00\x00\x00\xfd" },
	{ 0 },
};

static void a_physical_function_decodes_as_lspci_does(void **state)
{
	uint8_t bytes[4096];

	read_card(&pf_type, NULL, bytes, sizeof(bytes));
	same_as_lspci(bytes, sizeof(bytes));
	read_card(&pf_type, enabled, bytes, sizeof(bytes));
	same_as_lspci(bytes, sizeof(bytes));
	/* Bits that our own never has. */
	memset(bytes + 0x104, 0x35, 4);
	for (unsigned i = 4; i < 64; i++)
		bytes[0x108 + i] = (uint8_t)(0x2d + 7 * i);
	bytes[0x108 + 0x38] = 8; /* lspci would read on for the second half of the last one */
	same_as_lspci(bytes, sizeof(bytes));
	same_as_lspci(bytes, 256);

	struct medio_pci_decode decode = { .slot = "x", .bytes = bytes, .count = 0x140 };
	read_card(&pf_type, enabled, bytes, sizeof(bytes));
	decode.verbose = 2;
	char *text = ours(&decode); /* half of it */
	assert_non_null(strstr(text, "Single Root I/O Virtualization (SR-IOV)\n"));
	assert_null(strstr(text, "IOVCap"));
	free(text);
	decode.count = sizeof(bytes);
	text = ours_json(&decode);
	assert_non_null(strstr(text, "\"num_vfs\": 2"));
	assert_non_null(strstr(text, "\"enabled\": true"));
	free(text);
}

static void sizes_are_printed_when_known(void **state)
{
	static const uint64_t sizes[6] = { 8, 8, 0x10000, UINT64_C(3) << 30, 0, 0 };
	uint8_t bytes[256];
	struct medio_pci_decode decode = { .slot = "mtty-2",
		.bytes = bytes,
		.count = sizeof(bytes),
		.sizes = sizes,
		.verbose = 2 };

	read_card(&mtty_type, NULL, bytes, sizeof(bytes));
	bytes[4] = 0;
	medio_pci_put32(bytes + 0x14, 0xc001);
	char *text = ours(&decode);
	assert_non_null(
		strstr(text, "mtty-2 Class 0700: Device 4348:3253 (rev 10) (prog-if 02)\n"));
	assert_non_null(strstr(text, "Region 0: I/O ports at <unassigned> [disabled] [size=8]\n"));
	assert_non_null(strstr(text, "Region 1: I/O ports at c000 [disabled] [size=8]\n"));
	assert_non_null(strstr(text,
		"Region 2: Memory at <unassigned> (32-bit, non-prefetchable) [disabled] "
		"[size=64K]\n"));
	assert_non_null(strstr(text, "[size=3G]\n"));
	free(text);
}

static void names_fall_back_to_numbers_without_a_database(void **state)
{
	struct medio_pci_names *names = NULL;
	char buf[64];

	assert_int_equal(medio_pci_names_new("/nonexistent/pci.ids", &names), 0);
	medio_pci_names_class(names, MEDIO_PCI_NAMES_ONLY, 0x0700, buf, sizeof(buf));
	assert_string_equal(buf, "Class 0700");
	medio_pci_names_device(names, MEDIO_PCI_NAMES_ONLY, 0xfff0, 0x3253, buf, sizeof(buf));
	assert_string_equal(buf, "Device fff0:3253");
	medio_pci_names_device(names, MEDIO_PCI_BOTH, 0xfff0, 0x3253, buf, sizeof(buf));
	assert_string_equal(buf, "Device [fff0:3253]");
	medio_pci_names_free(names);

	/* The same words without any object. */
	medio_pci_names_class(NULL, MEDIO_PCI_NUMBERS_ONLY, 0x0700, buf, sizeof(buf));
	assert_string_equal(buf, "0700");
	medio_pci_names_subsystem(
		NULL, MEDIO_PCI_BOTH, 0xfff0, 0x3253, 0xfff1, 2, buf, sizeof(buf));
	assert_string_equal(buf, "Device [fff1:0002]");
	medio_pci_names_prog_if(NULL, 0x0700, 2, buf, sizeof(buf));
	assert_string_equal(buf, "");
	medio_pci_names_free(NULL);
}

static void a_database_that_is_garbage_gives_numbers(void **state)
{
	char path[] = "/tmp/medio-pci-ids-XXXXXX", buf[64];
	struct medio_pci_names *names = NULL;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "\t\t\tzz <garbage>\nC\n", 18), 18);
	close(fd);
	assert_int_equal(medio_pci_names_new(path, &names), 0);
	unlink(path);
	medio_pci_names_device(names, MEDIO_PCI_NAMES_ONLY, 0xfff0, 0x3253, buf, sizeof(buf));
	assert_string_equal(buf, "Device fff0:3253");
	medio_pci_names_free(names);
}

static void short_input_is_refused(void **state)
{
	uint8_t bytes[64] = { 0 };
	struct medio_pci_decode decode = { .slot = "x", .bytes = bytes, .count = 63 };

	assert_int_equal(medio_pci_decode_text(&decode, stdout), -EINVAL);
	assert_int_equal(medio_pci_decode_json(&decode, stdout), -EINVAL);
	decode.count = 64;
	FILE *full = fopen("/dev/full", "w");
	assert_non_null(full);
	setbuf(full, NULL);
	assert_int_equal(medio_pci_decode_text(&decode, full), -EIO);
	assert_int_equal(medio_pci_decode_json(&decode, full), -EIO);
	fclose(full);
}

/* A header with a capability list that begins at `first`. */
static void hostile(uint8_t *bytes, size_t count, uint8_t first)
{
	memset(bytes, 0, count);
	memcpy(bytes, "\x34\x12\x78\x56", 4);
	bytes[0x06] = 0x10;
	bytes[0x34] = first;
}

static void hostile_lists_end(void **state)
{
	uint8_t bytes[4096];
	struct medio_pci_decode decode = {
		.slot = "x", .bytes = bytes, .count = 256, .verbose = 3
	};

	/* It points at itself. */
	hostile(bytes, sizeof(bytes), 0x40);
	bytes[0x40] = 0x00;
	bytes[0x41] = 0x40;
	char *text = ours(&decode);
	assert_non_null(
		strstr(text, "\tCapabilities: [40] Null\n\tCapabilities: [40] <chain looped>\n"));
	free(text);
	/* Two point at each other. */
	hostile(bytes, sizeof(bytes), 0x43);
	bytes[0x41] = 0x80;
	bytes[0x81] = 0x41;
	text = ours(&decode);
	assert_non_null(strstr(text, "[80] Null\n\tCapabilities: [40] <chain looped>\n"));
	free(text);
	/* Into the header, into nothing, beyond what there is. */
	hostile(bytes, sizeof(bytes), 0x3c);
	text = ours(&decode);
	assert_non_null(strstr(text, "\tCapabilities: [3c] <chain broken>\n"));
	free(text);
	hostile(bytes, sizeof(bytes), 0x40);
	bytes[0x40] = 0xff;
	text = ours(&decode);
	assert_non_null(strstr(text, "\tCapabilities: [40] <chain broken>\n"));
	free(text);
	decode.count = 64;
	text = ours(&decode);
	assert_non_null(strstr(text, "\tCapabilities: <access denied>\n"));
	free(text);
	/* Each capability the decoder knows, at the last place. */
	decode.count = 256;
	for (unsigned id = 0; id < 255; id++) {
		hostile(bytes, sizeof(bytes), 0xfc);
		bytes[0xfc] = (uint8_t)id;
		memset(bytes + 0xfd, 0xfe, 3);
		bytes[0xfd] = 0;
		free(ours(&decode));
		free(ours_json(&decode));
	}
	/* An extended list that turns around, and one that leaves. */
	hostile(bytes, sizeof(bytes), 0x40);
	bytes[0x40] = 0x10;
	medio_pci_put32(bytes + 0x100, 0x20010003);
	medio_pci_put32(bytes + 0x200, 0x1001000b);
	decode.count = 4096;
	text = ours(&decode);
	assert_non_null(
		strstr(text, "[200 v1] Vendor Specific Information: ID=0000 Rev=0 Len=000"));
	assert_non_null(strstr(text, "\tCapabilities: [100 v1] <chain looped>\n"));
	free(text);
	medio_pci_put32(bytes + 0x200, 0x0501000b);
	text = ours(&decode);
	assert_non_null(strstr(text, "\tCapabilities: [050 v0] <chain broken>\n"));
	free(text);
}

static void a_list_is_walked_once_around(void **state)
{
	uint8_t bytes[4096];
	struct medio_pci_caplist list;
	unsigned steps = 0;

	/* All 48 places, the last points at the first. */
	hostile(bytes, sizeof(bytes), 0x40);
	for (unsigned at = 0x40; at < 0x100; at += 4) {
		bytes[at] = 9;
		bytes[at + 1] = at == 0xfc ? 0x40 : (uint8_t)(at + 4);
	}
	medio_pci_caplist_init(&list, bytes, sizeof(bytes), false);
	while (medio_pci_caplist_next(&list) == MEDIO_PCI_CAPLIST_CAP)
		steps++;
	assert_int_equal(steps, 48);
	assert_int_equal(medio_pci_caplist_next(&list), MEDIO_PCI_CAPLIST_END);
	assert_int_equal(medio_pci_caplist_find(bytes, sizeof(bytes), false, 9), 0x40);
	assert_int_equal(medio_pci_caplist_find(bytes, sizeof(bytes), false, 5), 0);

	steps = 0;
	for (unsigned at = 0x100; at < 0x1000; at += 4)
		medio_pci_put32(bytes + at, 0x0001000b | (at == 0xffc ? 0x100 : at + 4) << 20);
	medio_pci_caplist_init(&list, bytes, sizeof(bytes), true);
	while (medio_pci_caplist_next(&list) == MEDIO_PCI_CAPLIST_CAP)
		steps++;
	assert_int_equal(steps, 960);
	assert_int_equal(medio_pci_caplist_find(bytes, 256, true, 0xb), 0);
	assert_int_equal(medio_pci_caplist_find(bytes, 10, false, 9), 0);
}

static struct json_object *member(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;
	if (!json_object_object_get_ex(object, name, &value))
		fail_msg("no member '%s'", name);
	return value;
}

static void a_dump_ends_where_the_configuration_space_ends(void **state)
{
	static uint8_t bytes[255];
	char *text;

	bytes[254] = 0x5a;
	text = ours(&(struct medio_pci_decode){
		.slot = "00:00.0", .bytes = bytes, .count = sizeof(bytes), .hex = 3 });
	assert_non_null(strstr(text, "\nf0: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 5a\n\n"));
	free(text);
}

static void json_is_well_formed_and_says_the_same(void **state)
{
	static const uint64_t sizes[6] = { UINT64_C(1) << 33, 0, 0x10000, 256, 16, 0 };
	uint8_t bytes[4096];
	struct medio_pci_decode decode = { .slot = "a \"b\"\\\n",
		.bytes = bytes,
		.count = sizeof(bytes),
		.sizes = sizes,
		.hex = 1 };

	read_card(&rich_type, working, bytes, sizeof(bytes));
	char *text = ours_json(&decode);
	struct json_object *root = json_tokener_parse(text);
	assert_non_null(root);
	assert_string_equal(json_object_get_string(member(root, "slot")), "a \"b\"\\\n");
	assert_string_equal(json_object_get_string(member(root, "vendor")), "1234");
	assert_string_equal(json_object_get_string(member(root, "class")), "0200");
	assert_true(json_object_get_boolean(member(member(root, "command"), "bus_master")));
	assert_false(json_object_get_boolean(member(member(root, "status"), "intx")));

	struct json_object *regions = member(root, "regions");
	assert_int_equal(json_object_array_length(regions), 4);
	struct json_object *region = json_object_array_get_idx(regions, 0);
	assert_string_equal(json_object_get_string(member(region, "address")), "0x1200000000");
	assert_int_equal(json_object_get_int64(member(region, "size")), INT64_C(1) << 33);
	region = json_object_array_get_idx(regions, 2);
	assert_string_equal(json_object_get_string(member(region, "type")), "io");
	assert_string_equal(json_object_get_string(member(region, "address")), "0xc000");

	struct json_object *caps = member(root, "capabilities");
	assert_int_equal(json_object_array_length(caps), 5);
	struct json_object *msix = json_object_array_get_idx(caps, 3);
	assert_string_equal(json_object_get_string(member(msix, "name")), "MSI-X");
	assert_int_equal(json_object_get_int(member(msix, "vectors")), 33);
	assert_true(json_object_get_boolean(member(msix, "enabled")));
	assert_string_equal(json_object_get_string(member(msix, "table_offset")), "0x2000");
	struct json_object *ext = member(root, "extended_capabilities");
	assert_int_equal(json_object_array_length(ext), 2);
	assert_int_equal(json_object_get_string_len(member(root, "config")), 8192);
	json_object_put(root);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mtty_decodes_as_lspci_does),
		cmocka_unit_test(a_card_with_all_decodes_as_lspci_does),
		cmocka_unit_test(a_physical_function_decodes_as_lspci_does),
		cmocka_unit_test(sizes_are_printed_when_known),
		cmocka_unit_test(names_fall_back_to_numbers_without_a_database),
		cmocka_unit_test(a_database_that_is_garbage_gives_numbers),
		cmocka_unit_test(short_input_is_refused),
		cmocka_unit_test(hostile_lists_end),
		cmocka_unit_test(a_list_is_walked_once_around),
		cmocka_unit_test(a_dump_ends_where_the_configuration_space_ends),
		cmocka_unit_test(json_is_well_formed_and_says_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
