/* SPDX-License-Identifier: BSD-3-Clause */
#include "mediod-systemd.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include <medio/device.h>

#include "util/error.h"

int medio_systemd_socket(int *fd, struct medio_error **err)
{
	int count = sd_listen_fds(1); /* workers need not know of it */

	*fd = -1;
	if (count < 0)
		return medio_error_set(err, -count, "socket of systemd's: %s", strerror(-count));
	if (count == 0)
		return 0;
	if (count > 1 || sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) <= 0)
		return medio_error_set(err, EINVAL,
			"mediod.socket must have one ListenStream=, the path of the control socket");
	*fd = SD_LISTEN_FDS_START;
	return 0;
}

void medio_systemd_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void medio_systemd_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, medio_now_ns() / 1000);
}

void medio_systemd_stopping(const char *status)
{
	sd_notifyf(0, "STOPPING=1\nSTATUS=%s", status);
}
