/* SPDX-License-Identifier: BSD-3-Clause */
/* The JSON of VFIO_USER_VERSION: what each side can do. Pure: bytes in, struct out. */
#ifndef MEDIO_PROTO_VERSION_H
#define MEDIO_PROTO_VERSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct medio_error;

struct medio_vu_caps {
	uint64_t max_msg_fds;	     /* default 1 */
	uint64_t max_data_xfer_size; /* default 1 MiB */
	uint64_t max_dma_maps;	     /* default 65535 */
	uint64_t pgsizes;	     /* default 4096 */
	bool twin_socket;	     /* twin_socket.supported */
	int64_t twin_fd_index;	     /* twin_socket.fd_index, -1 if absent */
	bool write_multiple;
	uint64_t migration_pgsize; /* migration.pgsize, 0 if absent */
	/* medio_observer, of ours: such a client only looks (MEDIO_VU_ATTRIBUTE), beside the one who
	 * has the device. */
	bool observer;
};

/* The defaults of the document, "Capabilities". */
void medio_vu_caps_default(struct medio_vu_caps *caps);
/*
 * Parse a VERSION payload after major and minor: size bytes, 0 for none, NUL-terminated JSON.
 * Unknown members are ignored. -EINVAL with words: no NUL, not JSON, not an object, nested deeper
 * than 16, a member of the wrong type or out of range. caps is written only on success.
 */
int medio_vu_caps_parse(
	const char *json, size_t size, struct medio_vu_caps *caps, struct medio_error **err);
/*
 * Print as JSON with its NUL into buf; returns the bytes used, NUL included, or -ENOSPC. Members
 * equal to the document's defaults are left out if that is what it takes to fit into size (QEMU
 * wants a reply no longer than its request, 194 bytes of JSON, and max_msg_fds always present).
 */
int medio_vu_caps_print(const struct medio_vu_caps *caps, char *buf, size_t size);

#endif
