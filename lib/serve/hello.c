/* SPDX-License-Identifier: BSD-3-Clause */
/* VERSION: agreeing on what both sides can do (document, "VFIO_USER_VERSION"). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <medio/serve.h>
#include "device/stats.h"
#include "serve/session.h"

/* QEMU takes no reply longer than its own request; a client that says less than this gets all. */
#define SHORT_JSON 100u
#define MAX_JSON   512u

static struct medio_vu_caps our_caps(const struct medio_session *s)
{
	struct medio_vu_caps caps;
	medio_vu_caps_default(&caps);
	caps.max_msg_fds = MEDIO_INBOX_MAX_FDS;
	caps.max_data_xfer_size = s->max_xfer;
	/* The document wants a subset of what was proposed. */
	caps.write_multiple = s->client.write_multiple;
	caps.observer = s->client.observer;
	return caps;
}

/* As short as was asked, if that can be. */
static int print_caps(const struct medio_vu_caps *caps, char *json, size_t asked)
{
	int size = -ENOSPC;
	if (asked >= SHORT_JSON)
		size = medio_vu_caps_print(caps, json, asked < MAX_JSON ? asked : MAX_JSON);
	return size < 0 ? medio_vu_caps_print(caps, json, MAX_JSON) : size;
}

static int send_reply(struct medio_session *s, const struct medio_request *req,
	const struct medio_vu_caps *caps, size_t asked, const int *twin)
{
	char json[MAX_JSON];
	struct medio_vu_version version = { MEDIO_VU_MAJOR, MEDIO_VU_MINOR };
	int size = print_caps(caps, json, asked);
	if (size < 0)
		return size;
	uint8_t *at = medio_session_reply(s, req, sizeof(version) + (size_t)size);
	if (!at)
		return -ENOMEM;
	memcpy(at, &version, sizeof(version));
	memcpy(at + sizeof(version), json, (size_t)size);
	int ret = twin ? medio_conn_attach_fds(s->conn, twin, 1) : 0;
	if (ret == 0)
		medio_session_send(s, req, sizeof(version) + (size_t)size);
	return ret;
}

static int reply(struct medio_session *s, const struct medio_request *req, size_t asked)
{
	struct medio_vu_caps caps = our_caps(s);
	bool wanted = s->client.twin_socket && !s->observer &&
		      !(req->hdr.flags & MEDIO_VU_NO_REPLY);
	int twin = wanted ? medio_twin_open(s) : -1; /* failing that, one socket does it all */
	caps.twin_socket = twin >= 0;
	caps.twin_fd_index = twin >= 0 ? 0 : -1;
	int ret = send_reply(s, req, &caps, asked, twin >= 0 ? &twin : NULL);
	if (twin >= 0) {
		medio_conn_flush(s->conn); /* the first thing sent, so nothing is in its way */
		close(twin);
	}
	return ret;
}

/* The error reply goes out before the connection closes, so the client can say why. */
static int refuse(struct medio_session *s, const struct medio_request *req, int err)
{
	medio_session_reply_header(s, req, err);
	return MEDIO_SESSION_CLOSE;
}

int medio_handle_version(struct medio_session *s, struct medio_request *req)
{
	struct medio_vu_version version;
	struct medio_error *err = NULL;
	if (s->negotiated)
		return -EINVAL;
	if (!medio_request_take(req, &version, sizeof(version))) {
		medio_session_broken(
			s, "its VERSION is %zu bytes short", sizeof(version) - req->size);
		return refuse(s, req, EINVAL);
	}
	if (version.major != MEDIO_VU_MAJOR) {
		medio_session_broken(s, "it speaks vfio-user %u.%u, this is %u.%u", version.major,
			version.minor, MEDIO_VU_MAJOR, MEDIO_VU_MINOR);
		return refuse(s, req, EINVAL);
	}
	size_t json = req->size - sizeof(version);
	if (medio_vu_caps_parse(
		    (const char *)req->payload + sizeof(version), json, &s->client, &err)) {
		medio_session_broken(s, "its VERSION cannot be read: %s", medio_error_text(err));
		medio_error_free(err);
		return refuse(s, req, EINVAL);
	}
	if (s->client.observer) {
		medio_session_stand_aside(s);
		s->negotiated = true;
		return reply(s, req, json);
	}
	if (s->refused) {
		medio_session_broken(
			s, "another client has the device (EBUSY); it may try again later");
		return refuse(s, req, EBUSY);
	}
	s->negotiated = true;
	struct medio_stats *stats = medio_instance_counters(s->inst);
	medio_stat_add(&stats->clients, 1);
	medio_stat_set(&stats->connected, 1);
	return reply(s, req, json);
}
