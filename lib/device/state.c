/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole state of an instance as bytes, so that another process can go on where this one ended.
 * In order, without gaps:
 *
 *     struct head      all fields little-endian
 *     type name        head.name_size bytes
 *     config space     head.config_size bytes: all of it
 *     MSI-X table      head.table_size bytes: all of it, or 0 if nobody has written it
 *     device           head.device_size bytes: what its save() gives
 *
 * Interrupts that are pending are not in there: they end with the client that waited for them. Levels
 * are the device's to raise again in load(), as after a migration. What a client maps and signals is
 * its own to set up again.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "device/private.h"
#include "device/sriov.h"
#include "pci/bytes.h"

#define VERSION 1u
#define MSI_MAX 32u

static const uint8_t magic[8] = { 'm', 'e', 'd', 'i', 'o', 0, 's', 't' };

struct head {
	uint8_t magic[8];
	uint8_t version[4];
	uint8_t name_size[4];
	uint8_t config_size[4];
	uint8_t table_size[4];
	uint8_t device_size[4];
	uint8_t zero[4];
};
_Static_assert(sizeof(struct head) == 32, "the head has no gaps");

static size_t table_size(const struct medio_instance *inst)
{
	return medio_pci_msix_table_size(inst->msix.vectors);
}

/* ---- Save ---------------------------------------------------------------------------------------- */

static uint8_t *put(uint8_t *at, const void *bytes, size_t size)
{
	if (size)
		memcpy(at, bytes, size);
	return at + size;
}

/* All but the device's part; at has room for it. */
static void put_ours(const struct medio_instance *inst, uint8_t *at, size_t device_size)
{
	struct head head = { .zero = { 0 } };
	size_t name = strlen(inst->type->name), config = inst->layout->size;
	size_t table = inst->msix.used ? table_size(inst) : 0;
	memcpy(head.magic, magic, sizeof(magic));
	medio_pci_put32(head.version, VERSION);
	medio_pci_put32(head.name_size, (uint32_t)name);
	medio_pci_put32(head.config_size, (uint32_t)config);
	medio_pci_put32(head.table_size, (uint32_t)table);
	medio_pci_put32(head.device_size, (uint32_t)device_size);
	at = put(at, &head, sizeof(head));
	at = put(at, inst->type->name, name);
	medio_pci_config_read(&inst->config, 0, at, config);
	put(at + config, inst->msix.table, table);
}

static ssize_t save(struct medio_instance *inst, uint8_t *buf, size_t cap)
{
	struct medio_dev *dev = &inst->chain.device;
	size_t ours = sizeof(struct head) + strlen(inst->type->name) + inst->layout->size +
		      (inst->msix.used ? table_size(inst) : 0);
	uint8_t none[1];
	ssize_t size = cap > ours ? dev->down->save(dev, buf + ours, cap - ours)
				  : dev->down->save(dev, none, 0);
	if (size < 0)
		return size;
	if ((size_t)size > MEDIO_MIGRATION_MAX)
		return -EFBIG;
	if (ours + (size_t)size <= cap)
		put_ours(inst, buf, (size_t)size);
	return (ssize_t)(ours + (size_t)size);
}

static bool owes_an_answer(const struct medio_instance *inst)
{
	medio_list_for_each (item, &inst->tokens)
		if (!medio_container_of(item, struct medio_token, link)->cancelled)
			return true;
	return false;
}

ssize_t medio_instance_save(struct medio_instance *inst, void *buf, size_t cap)
{
	if (!medio_migration_possible(inst))
		return -EOPNOTSUPP;
	/* In the middle of a client's access, or on the way to be quiet for a client. */
	if (owes_an_answer(inst) || inst->quiescing)
		return -EBUSY;
	/* One that is stopped (migration) is quiet, and stays so. */
	if (medio_migration_state(inst) != MEDIO_MIGRATION_RUNNING)
		return save(inst, buf, cap);
	ssize_t size = medio_instance_quiesce(inst);
	if (size == 0)
		size = save(inst, buf, cap);
	medio_instance_resume(inst);
	return size;
}

/* ---- Load ---------------------------------------------------------------------------------------- */

/* Where the parts are, in bytes from anybody. */
struct parts {
	const uint8_t *config, *table, *device;
	size_t table_size, device_size;
};

static int take_apart(
	const struct medio_instance *inst, const uint8_t *buf, size_t size, struct parts *parts)
{
	struct head head;
	if (size < sizeof(head))
		return -EINVAL;
	memcpy(&head, buf, sizeof(head));
	size_t name = strlen(inst->type->name), config = inst->layout->size;
	parts->table_size = medio_pci_get32(head.table_size);
	parts->device_size = medio_pci_get32(head.device_size);
	if (memcmp(head.magic, magic, sizeof(magic)) != 0 ||
		medio_pci_get32(head.version) != VERSION || medio_pci_get32(head.zero) ||
		medio_pci_get32(head.name_size) != name ||
		medio_pci_get32(head.config_size) != config ||
		(parts->table_size && parts->table_size != table_size(inst)) ||
		parts->device_size > MEDIO_MIGRATION_MAX)
		return -EINVAL;
	/* Each of these is small, so their sum is right. */
	if (size != sizeof(head) + name + config + parts->table_size + parts->device_size)
		return -EINVAL;
	if (memcmp(buf + sizeof(head), inst->type->name, name) != 0)
		return -EINVAL;
	parts->config = buf + sizeof(head) + name;
	parts->table = parts->config + config;
	parts->device = parts->table + parts->table_size;
	return 0;
}

static int load(struct medio_instance *inst, const struct parts *parts)
{
	int ret = medio_pci_config_load(&inst->config, parts->config, inst->layout->size);
	if (ret)
		return ret;
	for (unsigned vector = 0; vector < MSI_MAX; vector++)
		medio_pci_config_set_msi_pending(&inst->config, vector, false);
	if (parts->table_size)
		medio_pci_msix_write(&inst->msix, 0, parts->table, parts->table_size, NULL, NULL);
	medio_next_config_changed(&inst->chain.head, 0, inst->layout->size);
	ret = inst->chain.device.down->load(&inst->chain.device, parts->device, parts->device_size);
	if (ret)
		return ret < 0 ? ret : -EINVAL;
	medio_irqs_refresh(inst); /* the status bit of INTx is what the device says */
	return medio_vfs_load(inst);
}

int medio_instance_load(struct medio_instance *inst, const void *buf, size_t size)
{
	struct parts parts;
	if (!medio_migration_possible(inst))
		return -EOPNOTSUPP;
	if (inst->transport)
		return -EBUSY;
	int ret = medio_instance_quiesce(inst);
	if (ret == 0) {
		medio_instance_reset(inst, MEDIO_RESET_DEVICE);
		ret = take_apart(inst, buf, size, &parts);
		if (ret == 0)
			ret = load(inst, &parts);
		if (ret)
			medio_instance_reset(inst, MEDIO_RESET_DEVICE);
	}
	medio_instance_resume(inst);
	return ret;
}
