/* SPDX-License-Identifier: BSD-3-Clause */
/* The network card with virtual functions: its types, for the program that offers them. */
#ifndef MEDIO_NIC_H
#define MEDIO_NIC_H

#include <medio/device.h>

extern const struct medio_type medio_nic, medio_nic_vf;

/* As a list; NULL ends it. */
extern const struct medio_type *const medio_nic_types[];

#endif
