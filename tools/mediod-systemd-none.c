/* SPDX-License-Identifier: BSD-3-Clause */
/* A build without libsystemd. */
#include "mediod-systemd.h"

int medio_systemd_socket(int *fd, struct medio_error **err)
{
	(void)err;
	*fd = -1;
	return 0;
}

void medio_systemd_ready(const char *status)
{
	(void)status;
}

void medio_systemd_reloading(void)
{
}

void medio_systemd_stopping(const char *status)
{
	(void)status;
}
