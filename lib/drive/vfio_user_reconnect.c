/* SPDX-License-Identifier: BSD-3-Clause */
/* A new connection for a card whose server went away and came back. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "drive/vfio_user_backend.h"
#include "drive/vfio_user_socket.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/loop.h"

#define FIRST_PAUSE_MS 5 /* between tries, doubled each time */
#define LAST_PAUSE_MS  100

/* Nobody is there yet, or who is there is still busy with what was before: it may pass. */
static bool may_pass(int ret)
{
	switch (-ret) {
	case ENOENT:
	case ECONNREFUSED:
	case ECONNRESET:
	case ETIMEDOUT:
	case EBUSY:
		return true;
	default:
		return false;
	}
}

/* Over the new connection: the hello, then what the card had before. */
static int come_back(struct medio_card *card)
{
	struct medio_vu_session *session = card->backend_state;
	struct medio_card_info before = card->info;
	struct medio_vu_caps caps = session->caps;
	struct medio_error *err = NULL;
	int ret = medio_vu_session_hello(card, &err);

	if (ret) {
		medio_card_say(card, -ret, "%s", medio_error_text(err));
		medio_error_free(err);
	} else {
		ret = medio_card_restore(card, &before);
	}
	if (ret) {
		card->info = before;
		session->caps = caps;
	}
	return ret;
}

/* until: of medio_now_ns(). Words are said. */
static int try_once(struct medio_card *card, uint64_t until)
{
	struct medio_vu_session *session = card->backend_state;
	struct medio_vu_client_options opts = session->opts;
	struct medio_vu_client *dead = session->client, *client = NULL;
	struct medio_error *err = NULL;

	opts.until = until;
	int ret = medio_vu_client_connect(session->path, &opts, &client, &err);
	if (ret) {
		medio_card_say(card, -ret, "%s", medio_error_text(err));
		medio_error_free(err);
		return ret;
	}
	medio_vu_client_handler(client, medio_vu_dma_answer, card);
	session->client = client;
	ret = come_back(card);
	if (ret) {
		session->client = dead;
		medio_vu_client_free(client);
		return ret;
	}
	medio_vu_client_until(client, 0);
	medio_vu_client_free(dead);
	return 0;
}

/* At a time beyond which is nothing. */
static uint64_t later(uint64_t now, uint64_t ms)
{
	return now + ms * NS_PER_MS;
}

static int out_of_time(struct medio_card *card, int timeout_ms)
{
	char last[sizeof(card->words)];

	snprintf(last, sizeof(last), "%s", card->words);
	if (!timeout_ms)
		return medio_card_say(card, ETIMEDOUT, "the server is not back: %s", last);
	return medio_card_say(
		card, ETIMEDOUT, "the server did not come back within %d ms: %s", timeout_ms, last);
}

static int try_on(struct medio_card *card, int timeout_ms)
{
	struct medio_vu_session *session = card->backend_state;
	uint64_t now = medio_now_ns(), end = later(now, timeout_ms > 0 ? (uint64_t)timeout_ms : 0);

	for (int pause = FIRST_PAUSE_MS;; pause = pause < LAST_PAUSE_MS ? 2 * pause : pause) {
		/* A try without an end of ours takes no longer than one call may. */
		int ret = try_once(card,
			timeout_ms > 0 ? end : later(medio_now_ns(), session->opts.timeout_ms));
		if (!ret || !may_pass(ret))
			return ret;
		now = medio_now_ns();
		if (timeout_ms >= 0 && now + NS_PER_MS >= end)
			return out_of_time(card, timeout_ms);
		if (timeout_ms > 0 && later(now, (uint64_t)pause) > end)
			pause = (int)((end - now) / NS_PER_MS);
		if (poll(NULL, 0, pause) < 0 && errno == EINTR)
			return medio_card_say(
				card, EINTR, "%s: a signal came before the server", session->path);
	}
}

int medio_vu_backend_reconnect(struct medio_card *card, int timeout_ms)
{
	struct medio_vu_session *session = card->backend_state;

	/* It may have died without our having noticed. */
	if (!medio_vu_client_dead(session->client) && medio_vu_client_process(session->client) >= 0)
		return medio_card_say(card, EALREADY, "the card is not dead");
	if (!session->path)
		return medio_card_say(card, ENOTSUP,
			"the card was opened on a connected socket: connect another and open a card on "
			"that");
	return try_on(card, timeout_ms);
}
