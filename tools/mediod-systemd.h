/* SPDX-License-Identifier: BSD-3-Clause */
/* What mediod says to systemd and gets from it. Without systemd nothing is said and nothing comes. */
#ifndef MEDIO_TOOLS_MEDIOD_SYSTEMD_H
#define MEDIO_TOOLS_MEDIOD_SYSTEMD_H

struct medio_error;

/* The control socket of mediod.socket: *fd, or -1: there is none. -EINVAL, with words: what came is
 * not one listening unix socket. Source: sd_listen_fds(3). */
int medio_systemd_socket(int *fd, struct medio_error **err);
/* Source: sd_notify(3). */
void medio_systemd_ready(const char *status);
void medio_systemd_reloading(void);
void medio_systemd_stopping(const char *status);

#endif
