/* SPDX-License-Identifier: BSD-3-Clause */
/* A build without libmicrohttpd: everything but the metrics works. */
#include "manage/metrics.h"

#include <errno.h>

#include "util/error.h"

int medio_metrics_check(const char *where, struct medio_error **err)
{
	(void)where;
	(void)err;
	return 0;
}

int medio_metrics_new(struct medio_manager *m, const char *where, struct medio_metrics **out,
	struct medio_error **err)
{
	(void)m;
	(void)out;
	return medio_error_set(err, EOPNOTSUPP,
		"no metrics at '%s': this build is without libmicrohttpd; build it again with "
		"libmicrohttpd-dev installed",
		where);
}

void medio_metrics_free(struct medio_metrics *metrics)
{
	(void)metrics;
}
