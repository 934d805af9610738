/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtio devices as physical and virtual functions. */
#include <errno.h>

#include <linux/pci_regs.h>

#include "test_virtio_regs.h"

#define SR_IOV (UINT64_C(1) << 37)

/* ---- A physical function: as many VFs as a parameter says, by shape() ------------------------------ */

struct tiny {
	struct medio_virtio virtio;
	uint64_t vfs;
	bool fail;
	struct medio_sriov sriov;
	unsigned inits, told;
};

static unsigned finis;
static struct medio_type vf_type; /* echo's device */

static int tiny_shape(struct medio_dev *dev, struct medio_type *type)
{
	struct tiny *t = medio_priv(dev);
	if (!t->vfs)
		return 0;
	t->sriov = (struct medio_sriov){ .vf = &vf_type, .total_vfs = (uint16_t)t->vfs };
	type->sriov = &t->sriov;
	type->caps = medio_virtio_pcie_caps;
	return 0;
}

static int tiny_init(struct medio_dev *dev)
{
	struct tiny *t = medio_priv(dev);
	t->inits++;
	return t->fail ? medio_fail(dev, ENOSPC, "no room") : 0;
}

static void tiny_fini(struct medio_dev *dev)
{
	(void)dev;
	finis++;
}

static int tiny_vfs(struct medio_dev *dev, unsigned num)
{
	struct tiny *t = medio_priv(dev);
	t->told = num;
	return 0;
}

static const struct medio_virtio_ops tiny_ops = {
	.shape = tiny_shape,
	.init = tiny_init,
	.fini = tiny_fini,
	.vfs = tiny_vfs,
};

static const struct medio_virtio_type tiny_virtio = {
	.id = ECHO_ID, .max_queues = 2, .ops = &tiny_ops
};

static const struct medio_param tiny_params[] = {
	MEDIO_VIRTIO_PARAMS,
	{ "vfs", MEDIO_PARAM_UINT, offsetof(struct tiny, vfs), NULL, "VFs", 0, 8, NULL },
	{ "fail", MEDIO_PARAM_BOOL, offsetof(struct tiny, fail), NULL, "Fail", 0, 0, NULL },
	{ 0 },
};

static const struct medio_type tiny_type = {
	MEDIO_VIRTIO_TYPE(&tiny_virtio, struct tiny, ECHO_ID, 2, 0xff0000),
	.name = "tiny",
	.params = tiny_params,
};

/* What the macro makes is a VF's type. */
static const struct medio_type tiny_vf_type = {
	MEDIO_VIRTIO_VF_TYPE(&tiny_virtio, struct tiny, ECHO_ID, 2, 0xff0000),
	.name = "tiny-vf",
};

static int setup(void **state)
{
	vf_type = echo_type;
	vf_type.params = NULL;
	vf_type.irqs.intx_pin = tiny_vf_type.irqs.intx_pin;
	vf_type.caps = tiny_vf_type.caps;
	finis = 0;
	return regs_setup(state);
}

static bool has_express(struct medio_card *card)
{
	uint8_t at = 0;
	for (medio_card_read(card, MEDIO_CARD_CONFIG, PCI_CAPABILITY_LIST, &at, 1); at;) {
		uint8_t head[2];
		assert_int_equal(medio_card_read(card, MEDIO_CARD_CONFIG, at, head, 2), 0);
		if (head[0] == PCI_CAP_ID_EXP)
			return true;
		at = head[1];
	}
	return false;
}

static void a_physical_function_offers_sr_iov(void **state)
{
	static const char *const params[] = { "vfs=3", NULL };
	struct regs *r = *state;
	regs_device(r, &tiny_type, params);
	regs_card(r);
	assert_true(offered(r) & SR_IOV);
	assert_true(has_express(r->card));
	struct medio_sriov_info info;
	assert_int_equal(medio_instance_sriov(r->inst, &info), 0);
	assert_int_equal(info.total, 3);
	assert_int_equal(info.vf_device, 0x1040 + ECHO_ID);
	negotiate(r, PLAIN | SR_IOV);
	assert_int_equal(medio_instance_set_vfs(r->inst, 2, NULL), 0);
	const struct tiny *t = medio_priv(medio_instance_device(r->inst));
	assert_int_equal(t->told, 2);
}

static void another_card_does_not(void **state)
{
	struct regs *r = *state;
	regs_device(r, &tiny_type, NULL);
	regs_card(r);
	assert_false(offered(r) & SR_IOV);
	assert_false(has_express(r->card));
	assert_int_equal(medio_instance_set_vfs(r->inst, 1, NULL), -ENODEV);
}

static void fini_follows_init_alone(void **state)
{
	static const char *const params[] = { "vfs=3", "fail=on" };
	const struct medio_instance_options opts = { .params = params, .nparams = 2 };
	struct regs *r = *state;
	struct medio_error *err = NULL;
	struct medio_instance *inst = NULL;
	regs_device(r, &tiny_type, NULL);
	assert_int_equal(medio_instance_new(r->loop, &tiny_type, &opts, &inst, &err), -ENOSPC);
	assert_string_equal(medio_error_text(err), "tiny: no room");
	medio_error_free(err);
	assert_int_equal(finis, 0);
}

static void a_vf_carries_traffic(void **state)
{
	static const char *const params[] = { "vfs=3", NULL };
	struct regs *r = *state;
	regs_device(r, &tiny_type, params);
	assert_int_equal(medio_instance_set_vfs(r->inst, 2, NULL), 0);
	struct medio_instance *pf = r->inst;
	for (unsigned n = 0; n < 2; n++) {
		uint8_t pin = 9;
		r->inst = medio_instance_vf(pf, n);
		regs_card(r);
		assert_false(offered(r) & SR_IOV);
		assert_true(has_express(r->card));
		assert_int_equal(
			medio_card_read(r->card, MEDIO_CARD_CONFIG, PCI_INTERRUPT_PIN, &pin, 1), 0);
		assert_int_equal(pin, 0);
		bring_up(r, PLAIN, 1);
		works(r, 0, n);
		medio_card_close(r->card);
		r->card = NULL;
	}
	r->inst = pf;
}

static void one_without_a_card_has_none(void **state)
{
	static const char *const params[] = { "vfs=3" };
	const struct medio_instance_options opts = { .params = params, .nparams = 1 };
	struct regs *r = *state;
	struct medio_error *err = NULL;
	assert_int_equal(medio_loop_new(&r->loop), 0);
	assert_int_equal(medio_instance_new_bare(r->loop, &tiny_type, &opts, &r->inst, NULL), 0);
	assert_int_equal(medio_instance_set_vfs(r->inst, 1, &err), -EOPNOTSUPP);
	assert_non_null(strstr(medio_error_text(err), "without one"));
	medio_error_free(err);
	struct medio_sriov_info info;
	assert_int_equal(medio_instance_sriov(r->inst, &info), -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, regs_teardown)
		T(a_physical_function_offers_sr_iov),
		T(another_card_does_not),
		T(fini_follows_init_alone),
		T(a_vf_carries_traffic),
		T(one_without_a_card_has_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
