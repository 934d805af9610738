/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as the memory of checkpoints, which the other side can write: what is read lies inside,
 * and what is written then is read. */
#include "worker/shared.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const void *state;
	/* Exactly sized, so that a sanitizer sees every access past the end. */
	uint8_t *map = malloc(size ? size : 1);

	memcpy(map, data, size);
	size_t found = medio_checkpoint_read(map, size, &state);
	if (found > size / 2)
		abort();
	for (size_t i = 0; i < found; i++)
		sink ^= ((const uint8_t *)state)[i];
	if (medio_checkpoint_write(map, size, "state", 5) == 0 &&
		(medio_checkpoint_read(map, size, &state) != 5 || memcmp(state, "state", 5) != 0))
		abort();
	free(map);
	return 0;
}
