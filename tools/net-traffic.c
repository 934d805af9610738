/* SPDX-License-Identifier: BSD-3-Clause */
/* medio net: frames that come, and frames that go. */
#include <errno.h>
#include <string.h>

#include "net-describe.h"
#include "net-frame.h"
#include "net.h"
#include "pcap.h"
#include "util/error.h"

/* What the frames of a run came to. */
struct tally {
	const char *verb; /* "received" */
	uint64_t frames, bytes;
};

static void summary(struct medio_net *net, const struct tally *tally)
{
	double seconds = medio_ending_now() - net->start;
	uint64_t interrupts = medio_net_interrupts(net);

	medio_net_progress(net, tally->frames, 0, true);
	if (!net->json) {
		fprintf(stderr, "%llu frames, %llu bytes %s in %.2f s, %llu interrupts\n",
			(unsigned long long)tally->frames, (unsigned long long)tally->bytes,
			tally->verb, seconds, (unsigned long long)interrupts);
		return;
	}
	struct json_object *object = json_object_new_object();
	json_object_object_add(object, "frames", json_object_new_uint64(tally->frames));
	json_object_object_add(object, "bytes", json_object_new_uint64(tally->bytes));
	json_object_object_add(object, "seconds", json_object_new_double(seconds));
	json_object_object_add(object, "interrupts", json_object_new_uint64(interrupts));
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

/* A run that somebody ended is no success, but for its signal, of which the program dies. */
static int finish(struct medio_net *net, const struct tally *tally, int ret)
{
	if (!ret)
		summary(net, tally);
	return ret ? ret : net->stopped ? MEDIO_EXIT_FAILURE : MEDIO_EXIT_OK;
}

/* ---- Receive ----------------------------------------------------------------------------------- */

static void print_json(const struct medio_net *net, size_t len)
{
	struct json_object *object = json_object_new_object();
	struct medio_net_words words;
	char at[32];

	medio_net_describe(net->frame, len, &words);
	snprintf(at, sizeof(at), "%lld.%06ld", (long long)net->at.tv_sec, net->at.tv_nsec / 1000);
	json_object_object_add(object, "time",
		json_object_new_double_s(
			(double)net->at.tv_sec + (double)net->at.tv_nsec * 1e-9, at));
	json_object_object_add(object, "source", json_object_new_string(words.source));
	json_object_object_add(object, "destination", json_object_new_string(words.destination));
	json_object_object_add(object, "kind", json_object_new_string(words.kind));
	json_object_object_add(object, "length", json_object_new_int64((int64_t)len));
	json_object_object_add(object, "detail", json_object_new_string(words.detail));
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

static void print(const struct medio_net *net, size_t len)
{
	char line[MEDIO_NET_WORDS + 96], when[16] = "";
	struct tm tm;

	if (net->json) {
		print_json(net, len);
		return;
	}
	if (localtime_r(&net->at.tv_sec, &tm))
		strftime(when, sizeof(when), "%H:%M:%S", &tm);
	medio_net_line(net->frame, len, line, sizeof(line));
	printf("%s.%06ld %s\n", when, net->at.tv_nsec / 1000, line);
}

int medio_net_receive(struct medio_net *net)
{
	struct tally tally = { .verb = "received" };

	while (tally.frames < net->count && !medio_net_over(net)) {
		int len = medio_net_get(net, true);
		if (len < 0)
			return MEDIO_EXIT_FAILURE;
		if (!len)
			continue;
		tally.frames++;
		tally.bytes += (unsigned)len;
		if (!net->quiet)
			print(net, (size_t)len);
		/* Nobody may read what we print. */
		if (ferror(stdout))
			break;
	}
	if (net->json)
		return net->stopped ? MEDIO_EXIT_FAILURE : MEDIO_EXIT_OK;
	return finish(net, &tally, 0);
}

int medio_net_echo(struct medio_net *net)
{
	struct tally tally = { .verb = "sent back" };
	int ret = 0;

	while (!ret && tally.frames < net->count && !medio_net_over(net)) {
		int len = medio_net_get(net, true);
		if (len < 0)
			return MEDIO_EXIT_FAILURE;
		if (!len || !medio_net_answer(net->frame, (size_t)len, net->mac))
			continue;
		ret = medio_net_put(net, net->frame, (size_t)len);
		tally.frames++;
		tally.bytes += (unsigned)len;
		medio_net_progress(net, tally.frames, 0, false);
	}
	if (!ret)
		ret = medio_net_drain(net);
	return finish(net, &tally, ret);
}

/* ---- Send -------------------------------------------------------------------------------------- */

/* The next frame of the file into net->frame: 1; 0: there is none; -1: it is of no use, which has been
 * said. */
static int next_frame(struct medio_net *net, struct medio_pcap *pcap, const char *name,
	struct medio_pcap_frame *frame)
{
	struct medio_error *err = NULL;
	int ret = medio_pcap_read(pcap, frame, net->frame, sizeof(net->frame), &err);

	if (ret > 0 && frame->length < frame->original)
		ret = medio_error_set(&err, EINVAL, "frame %llu was cut: of %u bytes there are %u",
			(unsigned long long)pcap->count, frame->original, frame->length);
	/* A signal ends a read too. */
	if (ret < 0 && medio_ending_signalled())
		ret = 0;
	if (ret < 0)
		medio_command_fail(net->cmd, "%s: %s; what stood before it was sent", name,
			medio_error_text(err));
	medio_error_free(err);
	return ret < 0 ? -1 : ret;
}

static int send_all(
	struct medio_net *net, struct medio_pcap *pcap, const char *name, struct tally *tally)
{
	struct medio_pcap_frame frame;

	while (tally->frames < net->count && !medio_net_over(net)) {
		int ret = next_frame(net, pcap, name, &frame);
		if (ret <= 0)
			return ret ? MEDIO_EXIT_FAILURE : MEDIO_EXIT_OK;
		if (medio_net_put(net, net->frame, frame.length))
			return MEDIO_EXIT_FAILURE;
		tally->frames++;
		tally->bytes += frame.length;
		medio_net_progress(net, tally->frames, 0, false);
	}
	return MEDIO_EXIT_OK;
}

int medio_net_send(struct medio_net *net, const char *path)
{
	bool standard = !strcmp(path, "-");
	const char *name = standard ? "standard input" : path;
	FILE *in = standard ? stdin : fopen(path, "re");
	struct tally tally = { .verb = "sent" };
	struct medio_error *err = NULL;
	struct medio_pcap pcap;
	int ret = 0;

	if (!in)
		return medio_command_fail(net->cmd, "%s: %s", path, strerror(errno));
	if (medio_pcap_open(in, &pcap, &err))
		ret = medio_command_fail(net->cmd, "%s: %s", name, medio_error_text(err));
	medio_error_free(err);
	if (!ret) {
		ret = send_all(net, &pcap, name, &tally);
		/* Also what was sent before it failed. */
		ret = medio_net_drain(net) ? MEDIO_EXIT_FAILURE : ret;
	}
	if (!standard)
		fclose(in);
	return finish(net, &tally, ret);
}

int medio_net_generate(struct medio_net *net, uint64_t size)
{
	struct medio_net_test test = { .run = net->run };
	struct tally tally = { .verb = "sent" };
	uint64_t most = net->count;
	int ret = 0;

	/* One, unless a number or a time is said: nobody floods a network by mistake. */
	if (most == UINT64_MAX && !(net->end > 0))
		most = 1;
	while (!ret && tally.frames < most && !medio_net_over(net)) {
		medio_net_test_make(net->frame, (size_t)size, net->to, net->mac, &test);
		ret = medio_net_put(net, net->frame, (size_t)size);
		test.sequence++;
		tally.frames++;
		tally.bytes += size;
		medio_net_progress(net, tally.frames, most == UINT64_MAX ? 0 : most, false);
	}
	if (!ret)
		ret = medio_net_drain(net);
	return finish(net, &tally, ret);
}
