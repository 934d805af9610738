/* SPDX-License-Identifier: BSD-3-Clause */
/* What the controller and a namespace are (5.17; NVM 4.1.5). */
#include "nvme_queue.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* Where things stand in Identify Controller (5.17.2.1) … */
enum {
	SERIAL = 4,
	MODEL = 24,
	FIRMWARE = 64,
	MDTS = 77,
	SQES = 512,
	CQES = 513,
	NN = 516,
	VWC = 525,
};

/* … and in Identify Namespace (NVM 4.1.5.1). */
enum {
	NSZE = 0,
	NLBAF = 25,
	FLBAS = 26,
	LBAF = 128, /* 4 bytes each: metadata size, log2 of data size, performance */
};

#define MAX_FORMATS 64
/* PRP 1 and a list of a page: what a command can move when its memory begins in mid-page. */
#define MAX_TRANSFER (NVME_PAGE / 8 * NVME_PAGE)

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

/* Ask into a copy: the controller can write its page at any time. */
static int identify(struct nvme *nvme, unsigned cns, uint32_t nsid, const char *what, uint8_t *out)
{
	uint8_t *page = nvme->memory + NVME_AT_IDENTIFY * NVME_PAGE;
	struct nvme_command command = {
		.opcode = NVME_ADMIN_IDENTIFY,
		.nsid = htole32(nsid),
		.prp1 = htole64(nvme->iova + NVME_AT_IDENTIFY * NVME_PAGE),
		.cdw10 = htole32(cns),
	};

	memset(page, 0, NVME_PAGE);
	int ret = nvme_admin(nvme, &command, what, NULL);
	if (!ret)
		memcpy(out, page, NVME_IDENTIFY_SIZE);
	return ret;
}

/* size bytes padded with blanks. */
static void text(const uint8_t *at, unsigned size, char *out)
{
	while (size && (at[size - 1] == ' ' || !at[size - 1]))
		size--;
	for (unsigned i = 0; i < size; i++)
		out[i] = at[i] >= 0x20 && at[i] < 0x7f ? (char)at[i] : '?';
	out[size] = '\0';
}

static int controller(struct nvme *nvme, uint8_t *data)
{
	struct nvme_info *info = &nvme->info;
	int ret = identify(nvme, NVME_IDENTIFY_CONTROLLER, 0, "identify controller", data);

	if (ret)
		return ret;
	text(data + SERIAL, 20, info->serial);
	text(data + MODEL, 40, info->model);
	text(data + FIRMWARE, 8, info->firmware);
	/* Least and largest size of entries, log2. */
	if ((data[SQES] & 15) > 6 || data[SQES] >> 4 < 6 || (data[CQES] & 15) > 4 ||
		data[CQES] >> 4 < 4)
		return nvme_fail(nvme, -EPROTO,
			"entries of 64 and 16 bytes are the standard's, the controller's are 0x%02x, "
			"0x%02x",
			data[SQES], data[CQES]);
	info->namespaces = get32(data + NN);
	info->volatile_cache = data[VWC] & 1;
	/* In least pages, log2; 0: no limit. */
	info->max_transfer = MAX_TRANSFER;
	if (data[MDTS] && data[MDTS] < 9)
		info->max_transfer = NVME_PAGE << data[MDTS];
	return 0;
}

/* The first active namespace, or whether wanted is one. */
static int choose(struct nvme *nvme, uint32_t wanted, uint8_t *data)
{
	uint32_t after = wanted ? wanted - 1 : 0, found;
	int ret;

	if (wanted > nvme->info.namespaces)
		return nvme_fail(nvme, -EINVAL, "no namespace %u: there are at most %u", wanted,
			nvme->info.namespaces);
	/* The list came with NVMe 1.1. */
	if (nvme->info.version < 0x00010100) {
		nvme->info.nsid = wanted ? wanted : 1;
		return 0;
	}
	ret = identify(nvme, NVME_IDENTIFY_LIST, after, "list of namespaces", data);
	if (ret)
		return ret;
	found = get32(data);
	if (found && (found <= after || found > nvme->info.namespaces))
		return nvme_fail(nvme, -EPROTO,
			"asked for namespaces above %u, the controller, which has at most %u, named %u",
			after, nvme->info.namespaces, found);
	if (!found && !wanted)
		return nvme_fail(nvme, -EINVAL, "the controller has no active namespace");
	if (wanted && found != wanted)
		return nvme_fail(nvme, -EINVAL, "namespace %u is not active", wanted);
	nvme->info.nsid = found;
	return 0;
}

static int namespace(struct nvme *nvme, uint8_t *data)
{
	struct nvme_info *info = &nvme->info;
	int ret = identify(nvme, NVME_IDENTIFY_NAMESPACE, info->nsid, "identify namespace", data);

	if (ret)
		return ret;
	/* Bits 6:5 are the upper ones of the index. */
	unsigned format = (data[FLBAS] & 15u) | (data[FLBAS] >> 5 & 3u) << 4;
	if (format > data[NLBAF] || format >= MAX_FORMATS)
		return nvme_fail(nvme, -EPROTO, "namespace %u has format %u of %u", info->nsid,
			format, data[NLBAF] + 1u);
	uint32_t lbaf = get32(data + LBAF + 4ul * format);
	unsigned shift = lbaf >> 16 & 0xff;
	if (lbaf & 0xffff)
		return nvme_fail(nvme, -ENOTSUP,
			"namespace %u has %u bytes of metadata a block, which this driver has not",
			info->nsid, lbaf & 0xffff);
	info->blocks = get64(data + NSZE);
	if (!info->blocks)
		return nvme_fail(nvme, -EINVAL, "namespace %u is not active", info->nsid);
	if (shift < 9 || shift > 16 || info->blocks > UINT64_MAX >> shift)
		return nvme_fail(nvme, -EPROTO, "namespace %u has %llu blocks of 2^%u bytes",
			info->nsid, (unsigned long long)info->blocks, shift);
	info->block = 1u << shift;
	if (info->block > info->max_transfer)
		return nvme_fail(nvme, -EPROTO,
			"namespace %u has blocks of %u bytes, a command moves at most %u",
			info->nsid, info->block, info->max_transfer);
	/* A command counts blocks in 16 bits (NVM 3.2.4). */
	if (info->max_transfer >> shift > 0x10000)
		info->max_transfer = 0x10000u << shift;
	return 0;
}

int nvme_identify(struct nvme *nvme, uint32_t nsid)
{
	uint8_t data[NVME_IDENTIFY_SIZE];
	int ret = controller(nvme, data);

	if (!ret)
		ret = choose(nvme, nsid, data);
	return ret ? ret : namespace(nvme, data);
}
