/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A physical function under a hostile driver, with what its virtual functions' clients do meanwhile, and
 * states that were saved and changed. An input is a list of records: an operation, a VF's number, an
 * offset (2 bytes), a length, and as many bytes.
 */
#include <stdint.h>

#include <linux/pci_regs.h>

#include "device/instance.h"
#include "../unit/test_sriov_card.h"

#define check(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct medio_instance *pf;
static unsigned present; /* of the embedder's count */

static void no_log(void *opaque, enum medio_log_level level, const char *line)
{
	(void)opaque;
	(void)level;
	(void)line;
}

static void on_vf(void *opaque, struct medio_instance *vf, unsigned index, bool is)
{
	(void)opaque;
	check(medio_instance_vf(pf, index) == vf);
	present += is ? 1 : -1u;
}

static unsigned num_vfs(void)
{
	struct medio_sriov_info info;
	uint8_t ctrl = 0;
	check(medio_instance_sriov(pf, &info) == 0);
	check(medio_instance_read(pf, 7, CARD_SRIOV + PCI_SRIOV_CTRL, &ctrl, 1) == 0);
	check(info.num <= CARD_TOTAL && present == info.num);
	check((info.num != 0) == (ctrl & PCI_SRIOV_CTRL_VFE));
	return info.num;
}

/* The state goes into another life, with one byte changed. */
static void reload(uint16_t where, uint8_t what)
{
	uint8_t buf[8192];
	ssize_t size = medio_instance_save(pf, buf, sizeof(buf));
	check(size > 0 && (size_t)size <= sizeof(buf));
	unsigned before = num_vfs();
	check(medio_instance_load(pf, buf, (size_t)size) == 0);
	check(num_vfs() == before);
	/* Mostly in the capability. */
	size_t at = where & 0x8000 ? where % (size_t)size
				   : 32 + strlen(card_type.name) + CARD_SRIOV + where % 64;
	buf[at] ^= what;
	/* As after a reset, which leaves those that were asked for by call. */
	if (medio_instance_load(pf, buf, (size_t)size) < 0)
		check(num_vfs() == 0 || num_vfs() == before);
}

static void act(unsigned op, unsigned n, uint16_t offset, const uint8_t *data, size_t size)
{
	struct medio_instance *vf = medio_instance_vf(pf, n % CARD_TOTAL);
	uint8_t buf[256];
	card_story[0] = '\0';
	switch (op) {
	case 0:
	case 1:
		offset = (uint16_t)(CARD_SRIOV + offset % 64);
		(void)medio_instance_write(pf, 7, offset, data, size);
		break;
	case 2:
		(void)medio_instance_write(pf, 7, offset, data, size);
		break;
	case 3:
		(void)medio_instance_set_vfs(pf, n, NULL);
		break;
	case 4:
		medio_instance_reset(pf, MEDIO_RESET_DEVICE);
		break;
	case 5:
		card_fail_at = n & 8 ? n % 8 : ~0u;
		card_refuse = n & 16 ? -EPERM : 0;
		break;
	case 6:
		if (vf && n & 128)
			(void)medio_instance_read(vf, offset >> 12, offset & 4095, buf, size);
		else if (vf)
			(void)medio_instance_write(vf, offset >> 12, offset & 4095, data, size);
		break;
	default:
		card_fail_at = ~0u;
		card_refuse = 0;
		reload(offset, (uint8_t)n);
	}
	(void)num_vfs();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct medio_instance_options opts = { .log = no_log, .vf = on_vf };
	static struct medio_loop *loop;
	if (!loop)
		check(medio_loop_new(&loop) == 0);
	card_fail_at = ~0u;
	card_refuse = 0;
	present = 0;
	check(medio_instance_new(loop, &card_type, &opts, &pf, NULL) == 0);
	while (size >= 5) {
		unsigned op = data[0] % 8, n = data[1];
		uint16_t offset = (uint16_t)(data[2] | data[3] << 8);
		size_t len = data[4];
		data += 5;
		size -= 5;
		if (len > size)
			len = size;
		act(op, n, offset, data, len);
		data += len;
		size -= len;
	}
	medio_instance_free(pf);
	check(present == 0);
	return 0;
}
