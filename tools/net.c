/* SPDX-License-Identifier: BSD-3-Clause */
/* medio net: send, receive and record with a network card. */
#include "net.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "device.h"
#include "net-describe.h"
#include "net-frame.h"
#include "pcap.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "value.h"

struct options {
	bool receive, echo, json;
	const char *send, *generate, *exchange, *size;
	const char *to, *pcap, *time, *irq;
	uint64_t count;
};

static const struct medio_option options[] = {
	{ "receive", 'r', MEDIO_OPTION_FLAG, offsetof(struct options, receive), NULL,
		"Print a line for each frame that comes" },
	{ "send", 's', MEDIO_OPTION_STRING, offsetof(struct options, send), "FILE",
		"Send the frames of a pcap file; - is standard input" },
	{ "generate", 'g', MEDIO_OPTION_STRING, offsetof(struct options, generate), "BYTES",
		"Send a test frame of so many bytes, or several with --count or --time" },
	{ "echo", 'e', MEDIO_OPTION_FLAG, offsetof(struct options, echo), NULL,
		"Send each test frame, and each frame to the card's own address, back to where it "
		"came from" },
	{ "exchange", 'x', MEDIO_OPTION_STRING, offsetof(struct options, exchange), "BYTES",
		"Send so many bytes of test frames to a card where --echo runs, and check that "
		"each comes back whole" },
	{ "size", 0, MEDIO_OPTION_STRING, offsetof(struct options, size), "BYTES",
		"Exchange frames of so many bytes, 1500 if not said" },
	{ "to", 0, MEDIO_OPTION_STRING, offsetof(struct options, to), "MAC",
		"Address test frames to MAC, not to everybody" },
	{ "pcap", 'p', MEDIO_OPTION_STRING, offsetof(struct options, pcap), "FILE",
		"Record what is sent and received; - is standard output" },
	{ "count", 'c', MEDIO_OPTION_UINT, offsetof(struct options, count), "N",
		"End after N frames that were received, sent or sent back", 1, UINT64_MAX - 1 },
	{ "time", 't', MEDIO_OPTION_STRING, offsetof(struct options, time), "TIME",
		"End after so long; suffixes are ms and s" },
	{ "irq", 0, MEDIO_OPTION_STRING, offsetof(struct options, irq), "KIND",
		"Use msix or intx, or none and spin; the best there is if not said" },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print JSON: one object, or with --receive one a frame" },
	{ NULL },
};

struct numbers {
	uint64_t generate, exchange, size, time;
	uint8_t to[6];
};

/* ---- The command line -------------------------------------------------------------------------- */

/* One thing at a time, and each of these with what it belongs to. */
static int check(const struct medio_command *cmd, const struct options *opts)
{
	unsigned things = opts->receive + opts->echo + !!opts->send + !!opts->generate +
			  !!opts->exchange;
	bool standard = opts->pcap && !strcmp(opts->pcap, "-");

	if (things > 1)
		return medio_command_usage(cmd,
			"--receive, --send, --generate, --echo and --exchange exclude each other");
	if (!things && (opts->pcap || opts->count || opts->time))
		return medio_command_usage(cmd, "--pcap, --count and --time go with --receive, "
						"--send, --generate, --echo or --exchange");
	if (opts->exchange && opts->count)
		return medio_command_usage(
			cmd, "--exchange says how many bytes, --count does not go with it");
	if (opts->size && !opts->exchange)
		return medio_command_usage(cmd, "--size goes with --exchange");
	if (opts->to && !opts->generate && !opts->exchange)
		return medio_command_usage(cmd, "--to goes with --generate and --exchange");
	if (standard && opts->json)
		return medio_command_usage(cmd,
			"--pcap - has standard output for the frames, --json cannot have it "
			"too");
	if (standard && isatty(STDOUT_FILENO))
		return medio_command_usage(cmd,
			"--pcap - writes bytes that no terminal can show: to a pipe, as "
			"'| tcpdump -r -'");
	return 0;
}

static int parse_numbers(
	const struct medio_command *cmd, const struct options *opts, struct numbers *out)
{
	int ret = 0;

	memset(out->to, 0xff, sizeof(out->to));
	if (opts->generate)
		ret = medio_value_number(
			cmd, "generate", MEDIO_PARAM_SIZE, opts->generate, &out->generate);
	if (!ret && opts->exchange)
		ret = medio_value_number(
			cmd, "exchange", MEDIO_PARAM_SIZE, opts->exchange, &out->exchange);
	if (!ret && opts->exchange && !out->exchange)
		ret = medio_command_usage(cmd, "--exchange 0: say how many bytes");
	if (!ret && opts->size)
		ret = medio_value_number(cmd, "size", MEDIO_PARAM_SIZE, opts->size, &out->size);
	if (!ret && opts->time)
		ret = medio_value_number(cmd, "time", MEDIO_PARAM_TIME, opts->time, &out->time);
	if (!ret && opts->to && medio_net_mac_parse(opts->to, out->to))
		ret = medio_command_usage(
			cmd, "--to %s: an address is like 52:54:00:12:34:56", opts->to);
	return ret;
}

/* ---- Do it ------------------------------------------------------------------------------------- */

/* What a frame that is made up may have, on this card. */
static int check_size(const struct medio_net *net, const char *option, uint64_t size)
{
	uint64_t most = net->info.mtu + 14;

	most = most < UINT16_MAX ? most : UINT16_MAX;
	if (size >= MEDIO_NET_TEST_LEAST && size <= most)
		return 0;
	return medio_command_usage(net->cmd,
		"--%s is %llu, on this card possible are %u to %llu bytes", option,
		(unsigned long long)size, MEDIO_NET_TEST_LEAST, (unsigned long long)most);
}

static int exchange(struct medio_net *net, const struct options *opts, struct numbers *numbers)
{
	uint64_t most = net->info.mtu + 14;

	if (!opts->size)
		numbers->size = most < 1500 ? most : 1500;
	int ret = check_size(net, "size", numbers->size);
	return ret ? ret : medio_net_exchange(net, numbers->exchange, numbers->size);
}

static int act(struct medio_net *net, const struct options *opts, struct numbers *numbers)
{
	int ret = opts->generate ? check_size(net, "generate", numbers->generate) : 0;

	if (ret)
		return ret;
	if (opts->receive)
		return medio_net_receive(net);
	if (opts->echo)
		return medio_net_echo(net);
	if (opts->send)
		return medio_net_send(net, opts->send);
	if (opts->generate)
		return medio_net_generate(net, numbers->generate);
	return opts->exchange ? exchange(net, opts, numbers) : medio_net_show(net);
}

/* A card that says none has an address of its own choice, that nobody has been given. */
static int choose_address(struct medio_net *net)
{
	if (net->info.has_mac) {
		memcpy(net->mac, net->info.mac, sizeof(net->mac));
		return 0;
	}
	if (getrandom(net->mac, sizeof(net->mac), 0) != sizeof(net->mac))
		return medio_command_fail(net->cmd, "random numbers: %s", strerror(errno));
	net->mac[0] = (uint8_t)((net->mac[0] & ~1u) | 2u);
	return 0;
}

static int begin_pcap(struct medio_net *net, const char *path)
{
	bool standard = !strcmp(path, "-");
	int ret;

	net->pcap_name = standard ? "standard output" : path;
	net->pcap = standard ? stdout : fopen(path, "we");
	net->quiet = standard;
	if (!net->pcap)
		return medio_command_fail(net->cmd, "%s: %s", path, strerror(errno));
	ret = medio_pcap_begin(net->pcap);
	return ret ? medio_command_fail(net->cmd, "%s: %s", net->pcap_name, strerror(-ret)) : 0;
}

/* What has not been written by now may not be. */
static int end_pcap(struct medio_net *net, int ret)
{
	if (!net->pcap || net->pcap == stdout)
		return ret;
	if (fclose(net->pcap) && !ret)
		ret = medio_command_fail(net->cmd, "%s: %s", net->pcap_name, strerror(errno));
	return ret;
}

static int with_card(struct medio_net *net, const struct options *opts, struct numbers *numbers)
{
	int ret = choose_address(net);

	if (!ret && getrandom(&net->run, sizeof(net->run), 0) != sizeof(net->run))
		ret = medio_command_fail(net->cmd, "random numbers: %s", strerror(errno));
	if (!ret && opts->pcap)
		ret = begin_pcap(net, opts->pcap);
	net->start = medio_ending_now();
	net->end = opts->time ? net->start + (double)numbers->time * 1e-9 : 0;
	if (!ret)
		ret = act(net, opts, numbers);
	return end_pcap(net, ret);
}

static int open_net(
	struct medio_net *net, const struct options *opts, struct numbers *numbers, int irq)
{
	const struct virtio_options virtio_opts = { .irq = irq };
	char words[VIRTIO_WORDS];
	int ret;

	if (virtio_net_open(net->card, &virtio_opts, &net->net, words, sizeof(words)))
		return medio_command_fail(net->cmd, "%s: %s", net->device, words);
	medio_ending_begin(&net->ending, net->cmd, net->device, net->card);
	if (virtio_net_get_info(net->net, &net->info))
		ret = medio_net_fail(net);
	else
		ret = with_card(net, opts, numbers);
	virtio_net_close(net->net);
	return ret;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct options *opts = options_;
	struct numbers numbers = { 0 };
	struct medio_error *err = NULL;
	int irq, ret = check(cmd, opts);

	if (!ret)
		ret = medio_value_irq(cmd, opts->irq, &irq);
	if (!ret)
		ret = parse_numbers(cmd, opts, &numbers);
	if (ret)
		return ret;
	/* It has room for the largest of frames. */
	_cleanup_free_ struct medio_net *net = calloc(1, sizeof(*net));
	if (!net)
		return medio_command_fail(cmd, "out of memory");
	net->cmd = cmd;
	net->device = args->items[0];
	net->json = opts->json;
	net->count = opts->count ? opts->count : UINT64_MAX;
	net->terminal = isatty(STDERR_FILENO) && !opts->json;
	memcpy(net->to, numbers.to, sizeof(net->to));
	medio_ending_catch();
	if (medio_tool_device_open(net->device, NULL, &net->card, &err)) {
		ret = medio_command_fail(cmd, "%s", medio_error_text(err));
		medio_error_free(err);
		return ret;
	}
	ret = open_net(net, opts, &numbers, irq);
	medio_card_close(net->card);
	medio_ending_die();
	return ret;
}

const struct medio_command medio_command_net = {
	.name = "net",
	.summary = "Send, receive and record frames with a network card",
	.arguments = "DEVICE",
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
