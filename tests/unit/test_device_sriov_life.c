/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual functions in numbers, over restarts, with options, and under a hostile driver of their PF. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/pci_regs.h>

#include "device/instance.h"
#include "test_sriov_card.h"

static struct medio_loop *loop;

static int setup(void **state)
{
	(void)state;
	card_story[0] = '\0';
	card_refuse = 0;
	card_fail_at = ~0u;
	return medio_loop_new(&loop);
}

static int teardown(void **state)
{
	(void)state;
	medio_loop_free(loop);
	return 0;
}

static void quiet(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static struct medio_instance *make(
	const struct medio_type *type, struct medio_instance_options opts)
{
	struct medio_instance *pf;
	opts.log = quiet;
	assert_int_equal(medio_instance_new(loop, type, &opts, &pf, NULL), 0);
	return pf;
}

static unsigned num_vfs(struct medio_instance *pf)
{
	struct medio_sriov_info info;
	assert_int_equal(medio_instance_sriov(pf, &info), 0);
	return info.num;
}

static void put16(struct medio_instance *inst, unsigned offset, uint16_t value)
{
	uint8_t bytes[2] = { (uint8_t)value, (uint8_t)(value >> 8) };
	assert_int_equal(medio_instance_write(inst, MEDIO_REGION_CONFIG, offset, bytes, 2), 0);
}

static void enable(struct medio_instance *pf, unsigned num)
{
	put16(pf, CARD_SRIOV + PCI_SRIOV_NUM_VF, (uint16_t)num);
	put16(pf, CARD_SRIOV + PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
}

static void set_value(struct medio_instance *inst, uint32_t value)
{
	uint8_t bytes[4];
	medio_put_le(bytes, 4, value);
	assert_int_equal(medio_instance_write(inst, 0, CARD_VALUE, bytes, 4), 0);
}

static uint32_t value_of(struct medio_instance *inst)
{
	uint8_t bytes[4] = { 0 };
	assert_int_equal(medio_instance_read(inst, 0, CARD_VALUE, bytes, 4), 0);
	return (uint32_t)medio_get_le(bytes, 4);
}

/* ---- Numbers ----------------------------------------------------------------------------------------- */

static void there_can_be_256(void **state)
{
	static const struct medio_sriov many = {
		.vf = &card_vf_type, .total_vfs = 256, .offset = 128, .stride = 2
	};
	struct medio_type type = card_type;
	struct medio_sriov_info info;
	(void)state;
	type.sriov = &many;
	struct medio_instance *pf = make(&type, (struct medio_instance_options){ 0 });
	enable(pf, 256);
	assert_int_equal(medio_instance_sriov(pf, &info), 0);
	assert_int_equal(info.num, 256);
	assert_int_equal(info.offset, 128);
	assert_int_equal(info.stride, 2);
	for (unsigned n = 0; n < 256; n++)
		set_value(medio_instance_vf(pf, n), n + 1);
	for (unsigned n = 0; n < 256; n++)
		assert_int_equal(value_of(medio_instance_vf(pf, n)), n + 1);
	assert_null(medio_instance_vf(pf, 256));
	medio_instance_free(pf);
}

static void what_cannot_be_is_refused(void **state)
{
	struct medio_sriov sriov = card_sriov;
	struct medio_type type = card_type, vf = card_vf_type;
	struct medio_instance *pf;
	(void)state;
	type.sriov = &sriov;
	sriov.vf = &vf;
#define refused() assert_int_equal(medio_instance_new(loop, &type, NULL, &pf, NULL), -EINVAL)
	sriov.total_vfs = 0;
	refused();
	sriov.total_vfs = 257;
	refused();
	sriov.total_vfs = 256;
	sriov.stride = 256;
	sriov.offset = 256; /* the last one is 0x10000 away */
	refused();
	sriov = (struct medio_sriov){ .total_vfs = 1 };
	refused();
	sriov.vf = &vf;
	vf.irqs.intx_pin = 1;
	refused();
	vf = card_vf_type;
	vf.id.vendor = 1;
	refused();
	vf = card_vf_type;
	vf.bars[0].size = 2048;
	refused();
	vf = card_vf_type;
	vf.bars[0] = (struct medio_bar){ .kind = MEDIO_BAR_IO, .size = 8 };
	refused();
	vf = card_vf_type;
	vf.caps = NULL;
	refused();
	vf = card_vf_type;
	vf.sriov = &card_sriov;
	refused();
	vf = card_vf_type;
	static const struct medio_param params[] = { { .name = "x", .kind = MEDIO_PARAM_BOOL },
		{ 0 } };
	vf.params = params;
	refused();
	vf = card_vf_type;
	type.caps = NULL;
	refused();
	type.caps = card_caps;
	assert_int_equal(medio_instance_new(loop, &type, NULL, &pf, NULL), 0);
	medio_instance_free(pf);
}

/* By turns as a driver does it and by call, ending with a disable, a reset, or not at all. */
static void one_round(struct medio_instance *pf, unsigned round)
{
	card_story[0] = '\0';
	card_fail_at = round % 7 == 3 ? round % 4 : ~0u;
	if (round & 1)
		(void)medio_instance_set_vfs(pf, 4, NULL);
	else
		enable(pf, 4);
	assert_int_equal(num_vfs(pf), card_fail_at == ~0u ? 4 : 0);
	if (round % 3 == 0) {
		unsigned num = num_vfs(pf);
		medio_instance_reset(pf, MEDIO_RESET_FLR);
		assert_int_equal(num_vfs(pf), round & 1 ? num : 0);
		assert_int_equal(medio_instance_set_vfs(pf, 0, NULL), 0);
	} else if (round % 3 == 1)
		put16(pf, CARD_SRIOV + PCI_SRIOV_CTRL, 0);
	else
		assert_int_equal(medio_instance_set_vfs(pf, 0, NULL), 0);
	assert_int_equal(num_vfs(pf), 0);
	put16(pf, CARD_SRIOV + PCI_SRIOV_CTRL, 0);
}

static void ten_thousand_leave_nothing_behind(void **state)
{
	const unsigned rounds = getenv("MEDIO_TEST_FULL") ? 25000 : 3000;
	(void)state;
	struct medio_instance *pf = make(&card_type, (struct medio_instance_options){ 0 });
	for (unsigned round = 0; round < 42; round++)
		one_round(pf, round);
	struct mallinfo2 before = mallinfo2();
	for (unsigned round = 0; round < rounds; round++)
		one_round(pf, round);
	struct mallinfo2 after = mallinfo2();
	assert_true(after.uordblks <= before.uordblks + 4096);
	medio_instance_free(pf);
}

/* ---- Over a restart ---------------------------------------------------------------------------------- */

static void a_state_brings_its_vfs_along(void **state)
{
	uint8_t buf[8192], again[8192];
	(void)state;
	struct medio_instance *pf = make(&card_type, (struct medio_instance_options){ 0 });
	put16(pf, CARD_SRIOV + PCI_SRIOV_SYS_PGSIZE, 0x10);
	enable(pf, 3);
	set_value(pf, 77);
	ssize_t size = medio_instance_save(pf, buf, sizeof(buf));
	assert_true(size > 0 && (size_t)size < sizeof(buf));
	medio_instance_free(pf);

	pf = make(&card_type, (struct medio_instance_options){ 0 });
	enable(pf, 5); /* those go */
	card_story[0] = '\0';
	assert_int_equal(medio_instance_load(pf, buf, (size_t)size), 0);
	assert_string_equal(card_story, "f0 f1 f2 f3 f4 v0 r v3 i0 i1 i2 ");
	assert_int_equal(num_vfs(pf), 3);
	assert_int_equal(value_of(pf), 77);
	assert_int_equal(medio_instance_save(pf, again, sizeof(again)), size);
	assert_memory_equal(again, buf, (size_t)size);

	/* One whose VFs cannot be made is not loaded. */
	card_fail_at = 1;
	assert_int_equal(medio_instance_load(pf, buf, (size_t)size), -ENOSPC);
	assert_int_equal(num_vfs(pf), 0);
	assert_int_equal(value_of(pf), 0);
	medio_instance_free(pf);
}

/* Registers that no driver's writes lead to, and a state of the card without the capability. */
static void states_of_others_are_refused(void **state)
{
	uint8_t buf[8192];
	(void)state;
	struct medio_instance *pf = make(&card_type, (struct medio_instance_options){ 0 });
	enable(pf, 3);
	ssize_t size = medio_instance_save(pf, buf, sizeof(buf));
	assert_true(size > 0);
	uint8_t *cap = buf + 32 + strlen(card_type.name) + CARD_SRIOV;
	assert_int_equal(cap[PCI_SRIOV_NUM_VF], 3);
	static const struct {
		unsigned offset;
		uint8_t value;
	} bad[] = {
		{ PCI_SRIOV_NUM_VF, 0 }, { PCI_SRIOV_NUM_VF, CARD_TOTAL + 1 },
		{ PCI_SRIOV_NUM_VF + 1, 1 }, { PCI_SRIOV_SYS_PGSIZE, 0 },
		{ PCI_SRIOV_SYS_PGSIZE, 3 }, { PCI_SRIOV_TOTAL_VF, 4 }, { PCI_SRIOV_VF_DID, 9 },
		{ PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_VFM },
		{ PCI_SRIOV_BAR + 1, 0x10 }, /* below its size */
	};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t was = cap[bad[i].offset];
		cap[bad[i].offset] = bad[i].value;
		assert_int_equal(medio_instance_load(pf, buf, (size_t)size), -EINVAL);
		assert_int_equal(num_vfs(pf), 0);
		cap[bad[i].offset] = was;
	}
	assert_int_equal(medio_instance_load(pf, buf, (size_t)size), 0);
	assert_int_equal(num_vfs(pf), 3);
	medio_instance_free(pf);

	struct medio_type plain = card_type;
	plain.sriov = NULL;
	struct medio_instance *old = make(&plain, (struct medio_instance_options){ 0 });
	assert_int_equal(medio_instance_load(old, buf, (size_t)size), -EINVAL);
	size = medio_instance_save(old, buf, sizeof(buf));
	medio_instance_free(old);
	pf = make(&card_type, (struct medio_instance_options){ 0 });
	assert_int_equal(medio_instance_load(pf, buf, (size_t)size), -EINVAL);
	medio_instance_free(pf);
}

/* ---- Options ----------------------------------------------------------------------------------------- */

struct given {
	struct medio_stats stats[2];
	char uuid[2][37];
	unsigned filters, told;
};

static int filter_init(struct medio_dev *dev)
{
	card_tell("F", medio_vf_pf(dev) ? (int)medio_vf_index(dev) : -1);
	return 0;
}

static const struct medio_device_ops filter_down = { .init = filter_init };
static const struct medio_filter filter = {
	.abi = MEDIO_DEVICE_ABI, .name = "look", .down = &filter_down
};

static void on_options(void *opaque, unsigned index, struct medio_instance_options *opts)
{
	struct given *given = opaque;
	assert_true(index < 2);
	assert_int_equal(opts->nparams, 0);
	assert_int_equal(opts->nfilters, 1);
	assert_null(opts->stats);
	snprintf(given->uuid[index], sizeof(given->uuid[index]), "%s", opts->uuid);
	given->told++;
	opts->stats = &given->stats[index];
	if (index == 1) {
		opts->uuid = "11111111-2222-3333-4444-555555555555";
		opts->nfilters = 0;
	}
}

static void each_vf_has_options_of_its_own(void **state)
{
	static const struct medio_filter *const known[] = { &filter, NULL };
	char *names[] = { strdup("look") };
	struct given given = { .told = 0 };
	const char *copy = names[0];
	(void)state;
	assert_non_null(copy);
	struct medio_instance *pf = make(
		&card_type, (struct medio_instance_options){
				    .uuid = "83B8F4F2-509F-382F-3C1E-E6BFE0FA1001",
				    .filters = &copy,
				    .nfilters = 1,
				    .known_filters = known,
				    .vf_options = on_options,
				    .vf_opaque = &given,
			    });
	free(names[0]); /* the arrays were the caller's */
	copy = NULL;
	enable(pf, 2);
	assert_string_equal(card_story, "F v2 F0 i0 i1 ");
	assert_int_equal(given.told, 2);
	char expected[37];
	assert_int_equal(medio_vf_uuid(medio_instance_uuid(pf), 1, expected), 0);
	assert_string_equal(given.uuid[1], expected);
	assert_string_equal(medio_instance_uuid(medio_instance_vf(pf, 0)), given.uuid[0]);
	assert_string_equal(medio_instance_uuid(medio_instance_vf(pf, 1)),
		"11111111-2222-3333-4444-555555555555");
	set_value(medio_instance_vf(pf, 1), 1);
	assert_int_equal(given.stats[1].writes, 1);
	assert_int_equal(given.stats[0].writes, 0);
	medio_instance_free(pf);
}

static void uuids_are_by_name(void **state)
{
	char out[37], other[37];
	(void)state;
	assert_int_equal(medio_vf_uuid("nonsense", 0, out), -EINVAL);
	/* By uuidgen --sha1 --namespace … --name vf3. */
	assert_int_equal(medio_vf_uuid("83b8f4f2-509f-382f-3c1e-e6bfe0fa1001", 3, out), 0);
	assert_string_equal(out, "adb89978-a9eb-5a7f-ad84-a8ca50c04ced");
	assert_int_equal(medio_vf_uuid("83B8F4F2-509F-382F-3C1E-E6BFE0FA1001", 3, other), 0);
	assert_string_equal(out, other);
}

/* ---- A hostile driver -------------------------------------------------------------------------------- */

static uint32_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

static void random_writes_leave_it_whole(void **state)
{
	const unsigned rounds = getenv("MEDIO_TEST_FULL") ? 200000 : 8000;
	uint64_t seed = 7;
	(void)state;
	struct medio_instance *pf = make(&card_type, (struct medio_instance_options){ 0 });
	unsigned seen = 0;
	for (unsigned round = 0; round < rounds; round++) {
		uint8_t bytes[64], ctrl[2];
		/* Near the capability, mostly; sometimes all over. */
		unsigned size = next(&seed) % 8 ? 1u << next(&seed) % 3 : 1 + next(&seed) % 64;
		unsigned offset = next(&seed) % 4 ? CARD_SRIOV + next(&seed) % 64
						  : next(&seed) % 512;
		for (unsigned i = 0; i < size; i++)
			bytes[i] = (uint8_t)(next(&seed) % 3 ? next(&seed) % 10 : next(&seed));
		card_story[0] = '\0';
		card_fail_at = next(&seed) % 16 ? ~0u : next(&seed) % 4;
		(void)medio_instance_write(pf, MEDIO_REGION_CONFIG, offset, bytes, size);
		assert_int_equal(medio_instance_read(pf, MEDIO_REGION_CONFIG,
					 CARD_SRIOV + PCI_SRIOV_CTRL, ctrl, 2),
			0);
		/* VF Enable tells how it is. */
		unsigned num = num_vfs(pf);
		assert_int_equal(num != 0, ctrl[0] & PCI_SRIOV_CTRL_VFE);
		seen += num != 0;
		for (unsigned n = 0; n < num; n++)
			(void)medio_instance_write(medio_instance_vf(pf, n), next(&seed) % 8,
				offset % 4096, bytes, size);
	}
	assert_true(seen > rounds / 100);
	medio_instance_free(pf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(there_can_be_256),
		T(what_cannot_be_is_refused),
		T(ten_thousand_leave_nothing_behind),
		T(a_state_brings_its_vfs_along),
		T(states_of_others_are_refused),
		T(each_vf_has_options_of_its_own),
		T(uuids_are_by_name),
		T(random_writes_leave_it_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
