/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers to a vfio-user server that reads and writes the driver's memory by messages. */
#ifndef MEDIO_DRIVE_VFIO_USER_DMA_H
#define MEDIO_DRIVE_VFIO_USER_DMA_H

#include "drive/vfio_user.h"

/*
 * A medio_vu_request_fn whose opaque is a struct medio_card. DMA_READ and DMA_WRITE are answered from
 * its container's memory, or with ENODEV (not all of it is mapped), EACCES (a mapping does not permit
 * it), E2BIG (a count above the data, or above the max_data_xfer_size we said; more mappings than an
 * answer has pieces), EINVAL (no bytes, a malformed request); other commands with ENOSYS. A write that
 * is refused has written nothing. A read without a reply is not looked at.
 */
int medio_vu_dma_answer(
	void *opaque, struct medio_vu_client *client, const struct medio_vu_message *request);

#endif
