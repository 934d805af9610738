/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as VERSION's JSON: what parses must print, and parse again to the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/version.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct medio_vu_caps caps, again;
	struct medio_error *err = NULL;
	char text[512];

	memset(&caps, 0, sizeof(caps));
	memset(&again, 0, sizeof(again));
	if (medio_vu_caps_parse((const char *)data, size, &caps, &err)) {
		if (!err || !*medio_error_text(err))
			abort();
		medio_error_free(err);
		return 0;
	}
	int len = medio_vu_caps_print(&caps, text, sizeof(text));
	if (len <= 0 || medio_vu_caps_parse(text, (size_t)len, &again, NULL))
		abort();
	if (caps.max_msg_fds != again.max_msg_fds || caps.pgsizes != again.pgsizes ||
		caps.max_data_xfer_size != again.max_data_xfer_size ||
		caps.max_dma_maps != again.max_dma_maps || caps.twin_socket != again.twin_socket ||
		caps.twin_fd_index != again.twin_fd_index ||
		caps.write_multiple != again.write_multiple ||
		caps.migration_pgsize != again.migration_pgsize)
		abort();
	return 0;
}
