/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a pcap file, and whatever frames it has in words: what is read can be written and read again
 * to the same, and words are printable. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <medio/error.h>

#include "tools/net-describe.h"
#include "tools/net-frame.h"
#include "tools/pcap.h"

#define ROOM 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool cond)
{
	if (!cond)
		abort();
}

static void check_words(const uint8_t *frame, size_t len)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
	char line[MEDIO_NET_WORDS + 96];
	/* Just as long as it is, for the sanitizer. */
	uint8_t *copy = malloc(len + !len);

	must(copy);
	memcpy(copy, frame, len);
	medio_net_line(copy, len, line, sizeof(line));
	for (const char *c = line; *c; c++)
		must(*c >= 0x20 && *c < 0x7f);
	medio_net_answer(copy, len, mac);
	free(copy);
}

static void check_again(const struct medio_pcap_frame *frame, const uint8_t *bytes)
{
	static uint8_t file[ROOM + 64], again[ROOM];
	struct medio_pcap_frame got;
	struct medio_pcap pcap;
	FILE *out = fmemopen(file, sizeof(file), "w");

	must(out);
	must(!medio_pcap_begin(out) && !medio_pcap_write(out, &frame->when, bytes, frame->length));
	must(!fclose(out));
	FILE *in = fmemopen(file, 24 + 16 + frame->length, "r");
	must(in);
	must(!medio_pcap_open(in, &pcap, NULL));
	must(medio_pcap_read(&pcap, &got, again, sizeof(again), NULL) == 1);
	must(got.length == frame->length && !memcmp(again, bytes, got.length));
	must(got.when.tv_sec == frame->when.tv_sec);
	fclose(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t frame[ROOM];
	struct medio_pcap_frame got;
	struct medio_error *err = NULL;
	struct medio_pcap pcap;
	FILE *in = size ? fmemopen((void *)data, size, "r") : NULL;

	if (!in)
		return 0;
	int ret = medio_pcap_open(in, &pcap, &err);
	while (!ret && (ret = medio_pcap_read(&pcap, &got, frame, sizeof(frame), &err)) > 0) {
		check_words(frame, got.length);
		check_again(&got, frame);
		ret = 0;
	}
	/* Every refusal has words. */
	must(ret >= 0 || (err && *medio_error_text(err)));
	medio_error_free(err);
	fclose(in);
	return 0;
}
