/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel that runs us, below the host's root. */
#ifndef MEDIO_HOST_KERNEL_H
#define MEDIO_HOST_KERNEL_H

#include "host/host.h"

extern const struct medio_host_kernel medio_host_kernel;

#endif
