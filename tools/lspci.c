/* SPDX-License-Identifier: BSD-3-Clause */
/* medio lspci: what a card says about itself. */
#include <errno.h>
#include <string.h>

#include <medio/driver.h>

#include "command.h"
#include "device.h"
#include "pci/decode.h"
#include "util/cleanup.h"

#define CONFIG_MAX 4096

struct options {
	unsigned verbose, hex, numeric;
	bool json;
};

static const struct medio_option options[] = {
	{ "verbose", 'v', MEDIO_OPTION_COUNT, offsetof(struct options, verbose), NULL,
		"Say more: once for resources and capabilities, up to three times for all of their "
		"fields" },
	{ "hex", 'x', MEDIO_OPTION_COUNT, offsetof(struct options, hex), NULL,
		"Also dump configuration space in hexadecimal: once for the first 64 bytes, three "
		"times for 256, four times for 4096" },
	{ "numeric", 'n', MEDIO_OPTION_COUNT, offsetof(struct options, numeric), NULL,
		"Show vendors and devices as numbers; twice for numbers and names" },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print one JSON object" },
	{ NULL },
};

static int read_card(struct medio_card *card, uint8_t *bytes, size_t *count, uint64_t *sizes)
{
	struct medio_card_region region;
	int ret;

	for (unsigned bar = 0; bar <= MEDIO_CARD_BAR5; bar++) {
		ret = medio_card_get_region(card, bar, &region);
		if (ret)
			return ret;
		sizes[bar] = region.size;
	}
	ret = medio_card_get_region(card, MEDIO_CARD_CONFIG, &region);
	if (ret)
		return ret;
	*count = region.size < CONFIG_MAX ? region.size : CONFIG_MAX;
	return medio_card_read(card, MEDIO_CARD_CONFIG, 0, bytes, *count);
}

static int print(const struct options *opts, struct medio_pci_decode *decode)
{
	static const enum medio_pci_numeric numeric[] = { MEDIO_PCI_NAMES_ONLY,
		MEDIO_PCI_NUMBERS_ONLY, MEDIO_PCI_BOTH };
	unsigned n = opts->numeric < 2 ? opts->numeric : 2;

	decode->numeric = numeric[n];
	decode->verbose = opts->verbose < 3 ? opts->verbose : 3;
	/* lspci has no -xx of its own: it shows what -x does. */
	decode->hex = opts->hex < 3 ? opts->hex != 0 : opts->hex;
	if (!opts->json)
		return medio_pci_decode_text(decode, stdout);
	int ret = medio_pci_decode_json(decode, stdout);
	putchar('\n');
	return ret;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	struct options *opts = options_;
	struct medio_error *err = NULL;
	struct medio_card *card;
	uint8_t bytes[CONFIG_MAX];
	uint64_t sizes[MEDIO_CARD_BAR5 + 1];
	struct medio_pci_decode decode = { .slot = args->items[0], .bytes = bytes, .sizes = sizes };

	if (medio_tool_device_open(args->items[0], NULL, &card, &err)) {
		medio_command_fail(cmd, "%s", medio_error_text(err));
		medio_error_free(err);
		return MEDIO_EXIT_FAILURE;
	}
	int ret = read_card(card, bytes, &decode.count, sizes);
	if (ret)
		ret = medio_command_fail(
			cmd, "%s: %s", args->items[0], medio_card_last_error(card));
	medio_card_close(card);
	if (ret)
		return ret;
	/* Without memory for names, numbers do. */
	medio_pci_names_new(NULL, &decode.names);
	ret = print(opts, &decode);
	medio_pci_names_free(decode.names);
	if (ret == -EINVAL)
		return medio_command_fail(cmd, "%s: configuration space has only %zu bytes",
			args->items[0], decode.count);
	return ret ? medio_command_fail(cmd, "standard output: %s", strerror(-ret)) : MEDIO_EXIT_OK;
}

const struct medio_command medio_command_lspci = {
	.name = "lspci",
	.summary = "Show a card's configuration space as lspci does",
	.arguments = "DEVICE",
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
