/* SPDX-License-Identifier: BSD-3-Clause */
/* What `script/bench vhost` consists of; each notes what it leaves out. */
#ifndef MEDIO_BENCH_VHOST_H
#define MEDIO_BENCH_VHOST_H

#include "bench.h"

void vhost_measure_disk(struct medio_report *r);
void vhost_measure_net(struct medio_report *r);

#endif
