/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtqueue of the device's side as in fuzz_virtq_core.c, with notes of what is in flight that anybody writes, and
 * that another queue takes up. */
#define WITH_NOTES 1
#include "fuzz_virtq_core.c"
