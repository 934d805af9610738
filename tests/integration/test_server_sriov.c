/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A physical function and its virtual ones, each served at a socket of its own in one loop: what a client of
 * the PF does ends connections of others, from within its own request.
 */
#include "bed.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <unistd.h>

#include "../unit/test_sriov_card.h"

#define VFS 3u

struct card_bed {
	struct bed pf, vf[CARD_TOTAL]; /* the loop, a path, an instance and its server each */
	unsigned served;
};

/* As `medio serve` does it: VF n at the PF's path and ".vfN". */
static void on_vf(void *opaque, struct medio_instance *inst, unsigned index, bool present)
{
	struct card_bed *c = opaque;
	struct bed *vf = &c->vf[index];
	if (!present) {
		medio_server_free(vf->server);
		vf->server = NULL;
		vf->inst = NULL;
		c->served--;
		return;
	}
	vf->loop = c->pf.loop;
	vf->inst = inst;
	snprintf(vf->path, sizeof(vf->path), "%.90s.vf%u", c->pf.path, index);
	assert_int_equal(medio_server_new(inst, vf->path, NULL, &vf->server, NULL), 0);
	c->served++;
}

static void no_log(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static int setup(void **state)
{
	struct card_bed *c = calloc(1, sizeof(*c));
	const struct medio_instance_options opts = { .log = no_log, .vf = on_vf, .vf_opaque = c };
	char dir[] = "/tmp/medio-bed-XXXXXX";
	card_story[0] = '\0';
	assert_non_null(c);
	assert_non_null(mkdtemp(dir));
	snprintf(c->pf.path, sizeof(c->pf.path), "%s/s", dir);
	assert_int_equal(medio_loop_new(&c->pf.loop), 0);
	assert_int_equal(medio_instance_new(c->pf.loop, &card_type, &opts, &c->pf.inst, NULL), 0);
	assert_int_equal(medio_server_new(c->pf.inst, c->pf.path, NULL, &c->pf.server, NULL), 0);
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	struct card_bed *c = *state;
	bed_close(&c->pf);
	assert_int_equal(c->served, 0); /* they went before their PF */
	free(c);
	return 0;
}

static void set_reg(struct client *c, unsigned offset, uint16_t value)
{
	uint8_t bytes[2] = { (uint8_t)value, (uint8_t)(value >> 8) };
	assert_int_equal(client_write(c, MEDIO_REGION_CONFIG, CARD_SRIOV + offset, bytes, 2), 0);
}

static void enable(struct client *c)
{
	set_reg(c, PCI_SRIOV_NUM_VF, VFS);
	set_reg(c, PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
}

/* A client at each VF, with memory mapped and its own value in the register. */
static void occupy(struct card_bed *c, struct client clients[VFS])
{
	for (unsigned n = 0; n < VFS; n++) {
		client_hello(&clients[n], &c->vf[n]);
		client_write32(&clients[n], 0, CARD_VALUE, 100 + n);
		int fd = memory_new(4096);
		assert_int_equal(
			client_map(&clients[n], 0x10000 * (n + 1), 4096, MAP_RW, fd, 0), 0);
		close(fd);
	}
}

static void ended(struct client clients[VFS])
{
	for (unsigned n = 0; n < VFS; n++) {
		assert_true(client_gone(&clients[n]));
		client_close(&clients[n]);
	}
}

static void clients_of_vfs_are_served_beside_each_other(void **state)
{
	struct card_bed *c = *state;
	struct client pf, clients[VFS];
	struct message m;
	client_hello(&pf, &c->pf);
	enable(&pf);
	assert_int_equal(c->served, VFS);
	occupy(c, clients);
	client_write32(&pf, 0, CARD_VALUE, 7);
	for (unsigned n = 0; n < VFS; n++)
		assert_int_equal(client_read32(&clients[n], 0, CARD_VALUE), 100 + n);
	/* One goes, or is reset; the others stay. */
	client_close(&clients[0]);
	assert_int_equal(client_call(&clients[1], MEDIO_VU_RESET, NULL, 0, &m), 0);
	assert_int_equal(client_read32(&clients[1], 0, CARD_VALUE), 0);
	assert_int_equal(client_read32(&clients[2], 0, CARD_VALUE), 102);
	assert_int_equal(client_read32(&pf, 0, CARD_VALUE), 7);
	client_close(&clients[1]);
	client_close(&clients[2]);
	client_close(&pf);
}

static void one_client_reaches_no_others_memory(void **state)
{
	struct card_bed *c = *state;
	struct client pf, clients[VFS];
	client_hello(&pf, &c->pf);
	enable(&pf);
	occupy(c, clients);
	client_master(&pf, true);
	for (unsigned n = 0; n < VFS; n++)
		client_master(&clients[n], true);
	for (unsigned n = 0; n < VFS; n++)
		for (unsigned of = 0; of < VFS; of++) {
			client_write32(&clients[n], 0, CARD_IOVA, 0x10000 * (of + 1));
			assert_int_equal((int)client_read32(&clients[n], 0, CARD_RESULT),
				n == of ? 0 : -EFAULT);
		}
	client_write32(&pf, 0, CARD_IOVA, 0x10000);
	assert_int_equal((int)client_read32(&pf, 0, CARD_RESULT), -EFAULT);
	for (unsigned n = 0; n < VFS; n++)
		client_close(&clients[n]);
	client_close(&pf);
}

static void a_request_of_the_pfs_client_ends_those_of_vfs(void **state)
{
	struct card_bed *c = *state;
	struct client pf, clients[VFS];
	struct message m;
	client_hello(&pf, &c->pf);
	for (unsigned how = 0; how < 3; how++) {
		enable(&pf);
		occupy(c, clients);
		/* Something on the way to be answered, too. */
		client_bytes(&clients[1], "half a", 6, NULL, 0);
		if (how == 0)
			set_reg(&pf, PCI_SRIOV_CTRL, 0);
		else if (how == 1)
			assert_int_equal(client_call(&pf, MEDIO_VU_RESET, NULL, 0, &m), 0);
		else
			assert_int_equal(medio_instance_set_vfs(c->pf.inst, 0, NULL), 0);
		assert_int_equal(c->served, 0);
		ended(clients);
		for (unsigned n = 0; n < VFS; n++) {
			char path[128];
			snprintf(path, sizeof(path), "%s.vf%u", c->pf.path, n);
			assert_int_not_equal(access(path, F_OK), 0);
		}
		assert_int_equal(client_read32(&pf, MEDIO_REGION_CONFIG, 0), 0x00011234);
	}
	client_close(&pf);
}

static void a_pf_takes_its_vfs_along(void **state)
{
	struct card_bed *c = *state;
	struct client pf, clients[VFS];
	client_hello(&pf, &c->pf);
	enable(&pf);
	occupy(c, clients);
	client_close(&pf);
	bed_step(&c->pf);
	assert_int_equal(c->served, VFS); /* its client's going is nothing to them */
	assert_int_equal(client_read32(&clients[2], 0, CARD_VALUE), 102);
	/* What teardown() does, with clients there. */
	medio_server_free(c->pf.server);
	c->pf.server = NULL;
	medio_instance_free(c->pf.inst);
	c->pf.inst = NULL;
	assert_int_equal(c->served, 0);
	ended(clients);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(clients_of_vfs_are_served_beside_each_other),
		T(one_client_reaches_no_others_memory),
		T(a_request_of_the_pfs_client_ends_those_of_vfs),
		T(a_pf_takes_its_vfs_along),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
