/* SPDX-License-Identifier: BSD-3-Clause */
#include "compat/call.h"

#include <errno.h>
#include <string.h>

int medio_call_read_argsz(
	struct medio_call *call, uint64_t addr, void *buf, size_t min, size_t size)
{
	uint32_t argsz;
	int ret = medio_call_read(call, addr, &argsz, sizeof(argsz));

	if (ret)
		return ret;
	if (argsz < min)
		return -EINVAL;
	size_t known = argsz < size ? argsz : size;
	uint8_t *bytes = buf;
	ret = medio_call_read(call, addr, buf, known);
	if (ret)
		return ret;
	memset(bytes + known, 0, size - known);
	/* It may be another number by now. */
	memcpy(bytes, &argsz, sizeof(argsz));
	return 0;
}

int medio_call_read_sized(
	struct medio_call *call, uint64_t addr, void *buf, size_t min, size_t size)
{
	uint8_t rest[64];
	int ret = medio_call_read_argsz(call, addr, buf, min, size);
	uint32_t told;

	if (ret)
		return ret;
	memcpy(&told, buf, sizeof(told));
	/* As copy_struct_from_user(): a page at most, and nothing in it that we do not know. */
	if (told > 4096)
		return -E2BIG;
	for (size_t at = size; at < told; at += sizeof(rest)) {
		size_t part = told - at < sizeof(rest) ? told - at : sizeof(rest);
		ret = medio_call_read(call, addr + at, rest, part);
		if (ret)
			return ret;
		for (size_t i = 0; i < part; i++)
			if (rest[i])
				return -E2BIG;
	}
	return 0;
}
