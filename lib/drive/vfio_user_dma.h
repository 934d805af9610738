/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers to a vfio-user server that reads and writes the driver's memory by messages. */
#ifndef MEDIO_DRIVE_VFIO_USER_DMA_H
#define MEDIO_DRIVE_VFIO_USER_DMA_H

#include "drive/vfio_user.h"

/*
 * A medio_vu_request_fn whose opaque is a struct medio_card. DMA_READ and DMA_WRITE are answered
 * from its container's memory, or with ENODEV (not mapped), EACCES (the mapping does not permit it), E2BIG (a count
 * above the data, or above what a message carries), EINVAL (a malformed request); other commands
 * with ENOSYS.
 */
int medio_vu_dma_answer(
	void *opaque, struct medio_vu_client *client, const struct medio_vu_message *request);

#endif
