/* SPDX-License-Identifier: BSD-3-Clause */
/* medio net: frames out and in, recorded where that is wanted. */
#include <errno.h>
#include <string.h>

#include "net.h"
#include "pcap.h"
#include "text.h"

#define WAIT_MS	   200
#define PROGRESS_S 0.2

int medio_net_fail(struct medio_net *net)
{
	return medio_command_fail(net->cmd, "%s: %s", net->device, virtio_net_words(net->net));
}

bool medio_net_over(struct medio_net *net)
{
	net->stopped = net->stopped || medio_ending_due(&net->ending);
	return net->stopped || (net->end > 0 && medio_ending_now() >= net->end);
}

/* Not past the end of the time; who waits after it waits for something else. */
static int wait_ms(const struct medio_net *net)
{
	double left = (net->end - medio_ending_now()) * 1e3;

	return left > 0 && left < WAIT_MS ? (int)left + 1 : WAIT_MS;
}

static int record(
	struct medio_net *net, const struct timespec *when, const uint8_t *frame, size_t len)
{
	int ret = net->pcap ? medio_pcap_write(net->pcap, when, frame, len) : 0;

	/* That somebody reads no more (SIGPIPE), or Ctrl-C, needs no words. */
	if (!ret || medio_ending_signalled())
		return 0;
	return medio_command_fail(net->cmd, "%s: %s", net->pcap_name, strerror(-ret));
}

/* ---- Out --------------------------------------------------------------------------------------- */

int medio_net_put(struct medio_net *net, const uint8_t *frame, size_t len)
{
	struct timespec now;
	int ret = virtio_net_send(net->net, frame, len, 0);

	while ((ret == -EAGAIN || ret == -EINTR) && !medio_net_over(net))
		ret = virtio_net_send(net->net, frame, len, wait_ms(net));
	if (ret == -EAGAIN || ret == -EINTR)
		return MEDIO_EXIT_OK;
	if (ret)
		return medio_net_fail(net);
	if (!net->pcap)
		return MEDIO_EXIT_OK;
	clock_gettime(CLOCK_REALTIME, &now);
	return record(net, &now, frame, len);
}

int medio_net_drain(struct medio_net *net)
{
	int ret = virtio_net_drain(net->net, 0);

	while ((ret == -EAGAIN || ret == -EINTR) && !medio_net_over(net))
		ret = virtio_net_drain(net->net, wait_ms(net));
	return ret && ret != -EAGAIN && ret != -EINTR ? medio_net_fail(net) : MEDIO_EXIT_OK;
}

/* ---- In ---------------------------------------------------------------------------------------- */

/* Say so when the link goes or comes. */
static int watch_link(struct medio_net *net)
{
	int link = virtio_net_link(net->net);

	if (link < 0)
		return link;
	if (net->down != !link) {
		net->down = !link;
		fprintf(stderr, "medio net: %s: the link is %s\n", net->device,
			link ? "up" : "down: no frames come or go");
	}
	return 0;
}

static int wait_for_frame(struct medio_net *net)
{
	int ret = watch_link(net);

	if (ret)
		return ret;
	/* Who reads a pipe of ours wants to see what there is so far. */
	if (net->pcap)
		fflush(net->pcap);
	fflush(stdout);
	return virtio_net_receive(net->net, net->frame, sizeof(net->frame), wait_ms(net));
}

int medio_net_get(struct medio_net *net, bool wait)
{
	int len = virtio_net_receive(net->net, net->frame, sizeof(net->frame), 0);

	if (!len && wait)
		len = wait_for_frame(net);
	if (!len || len == -EINTR)
		return 0;
	if (len < 0) {
		medio_net_fail(net);
		return -1;
	}
	clock_gettime(CLOCK_REALTIME, &net->at);
	return record(net, &net->at, net->frame, (size_t)len) ? -1 : len;
}

/* ---- Words ------------------------------------------------------------------------------------- */

void medio_net_progress(struct medio_net *net, uint64_t frames, uint64_t of, bool last)
{
	double now = medio_ending_now();
	char rate[16];

	if (!net->terminal || (!last && now - net->shown < PROGRESS_S))
		return;
	net->shown = now;
	medio_text_count((double)frames / (now - net->start + 1e-9), rate, sizeof(rate));
	if (last)
		fputs("\r\033[K", stderr);
	else if (of)
		fprintf(stderr, "\r%3.0f%% %llu frames, %s/s\033[K",
			100.0 * (double)frames / (double)of, (unsigned long long)frames, rate);
	else
		fprintf(stderr, "\r%llu frames, %s/s\033[K", (unsigned long long)frames, rate);
}

uint64_t medio_net_interrupts(struct medio_net *net)
{
	struct virtio_net_info info;

	/* A card that has died has no more than it had. */
	if (virtio_net_get_info(net->net, &info))
		return 0;
	return info.virtio.interrupts - net->info.virtio.interrupts;
}
