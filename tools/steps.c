/* SPDX-License-Identifier: BSD-3-Clause */
/* medio steps: take a card as a driver does, step by step, and show the calls that it took. */
#include <errno.h>
#include <string.h>

#include <json-c/json.h>
#include <medio/driver.h>

#include "command.h"
#include "device.h"
#include "util/cleanup.h"

#define PAGE 4096

struct options {
	bool json;
};

static const struct medio_option options[] = {
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print one JSON object a call" },
	{ NULL },
};

/* What the steps share. */
struct walk {
	const struct medio_command *cmd;
	const char *device;
	struct medio_card *card;
	bool json;
	const char *step;
};

/* ---- What is shown ----------------------------------------------------------------------------- */

static void show_json(const struct walk *walk, const char *call, long ret)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "step", json_object_new_string(walk->step));
	json_object_object_add(object, "call", json_object_new_string(call));
	json_object_object_add(object, "ret", json_object_new_int64(ret));
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

static void on_call(void *arg, const char *call, long ret)
{
	const struct walk *walk = arg;

	if (walk->json)
		show_json(walk, call, ret);
	else if (ret < 0)
		printf("    %s: %s\n", call, strerror((int)-ret));
	else if (ret && !strncmp(call, "ioctl", 5))
		printf("    %s = %ld\n", call, ret);
	else
		printf("    %s\n", call);
}

static void begin(struct walk *walk, const char *step)
{
	walk->step = step;
	if (!walk->json)
		printf("%s%s%s\n", medio_bold(stdout), step, medio_plain(stdout));
}

/* A step that the card cannot do is told, and the next one taken. */
static void cannot(const struct walk *walk, const char *words)
{
	if (!walk->json)
		printf("    not here: %s\n", words);
}

/* ---- The steps --------------------------------------------------------------------------------- */

static int look(struct walk *walk, struct medio_card_region *regions, struct medio_card_irq *irqs)
{
	int ret = 0;

	begin(walk, "What it has: regions");
	for (unsigned i = 0; !ret && i <= MEDIO_CARD_CONFIG; i++)
		ret = medio_card_get_region(walk->card, i, &regions[i]);
	begin(walk, "What it has: interrupts");
	for (unsigned i = 0; !ret && i <= MEDIO_CARD_REQ; i++)
		ret = medio_card_get_irq(walk->card, i, &irqs[i]);
	if (ret)
		return ret;
	begin(walk, "Who it is: configuration space");
	uint32_t id;
	return medio_card_read32(walk->card, MEDIO_CARD_CONFIG, 0, &id);
}

/* Nothing is read or written through it: registers may do something when they are. */
static int map_registers(struct walk *walk, const struct medio_card_region *regions)
{
	begin(walk, "Registers without a call: map a BAR");
	for (unsigned i = 0; i <= MEDIO_CARD_BAR5; i++) {
		const struct medio_card_region *region = &regions[i];
		void *ptr;
		if (!region->mappable || !region->num_areas)
			continue;
		int ret = medio_card_mmap(walk->card, i, region->areas[0].offset, PAGE, &ptr);
		if (!ret)
			medio_card_munmap(ptr, PAGE);
		return ret;
	}
	cannot(walk, "no BAR can be mapped, each access is a call");
	return 0;
}

static void map_memory(struct walk *walk)
{
	uint64_t iova;
	void *ptr;

	begin(walk, "Memory that the device may reach");
	int ret = medio_card_dma_alloc_any(
		walk->card, PAGE, MEDIO_CARD_DMA_READ | MEDIO_CARD_DMA_WRITE, &iova, &ptr);
	if (ret) {
		cannot(walk, medio_card_last_error(walk->card));
		return;
	}
	begin(walk, "And no longer");
	if (medio_card_dma_unmap(walk->card, iova, PAGE))
		cannot(walk, medio_card_last_error(walk->card));
}

static void interrupts(struct walk *walk, const struct medio_card_irq *irqs)
{
	static const unsigned best[] = { MEDIO_CARD_MSIX, MEDIO_CARD_MSI, MEDIO_CARD_INTX };

	begin(walk, "An interrupt as a file to wait for");
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(best); i++) {
		if (!irqs[best[i]].count)
			continue;
		if (medio_card_irq_open(walk->card, best[i], 1)) {
			cannot(walk, medio_card_last_error(walk->card));
			return;
		}
		begin(walk, "And no longer");
		if (medio_card_irq_disable(walk->card, best[i]))
			cannot(walk, medio_card_last_error(walk->card));
		return;
	}
	cannot(walk, "the card has none");
}

static int take_steps(struct walk *walk)
{
	struct medio_card_region regions[MEDIO_CARD_CONFIG + 1];
	struct medio_card_irq irqs[MEDIO_CARD_REQ + 1];
	int ret = look(walk, regions, irqs);

	if (!ret)
		ret = map_registers(walk, regions);
	if (ret)
		return medio_command_fail(
			walk->cmd, "%s: %s", walk->device, medio_card_last_error(walk->card));
	map_memory(walk);
	interrupts(walk, irqs);
	return MEDIO_EXIT_OK;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct options *opts = options_;
	struct walk walk = { .cmd = cmd, .device = args->items[0], .json = opts->json };
	struct medio_error *err = NULL;

	medio_card_watch_calls(on_call, &walk);
	begin(&walk, "Open it");
	if (medio_tool_device_open(walk.device, NULL, &walk.card, &err)) {
		int ret = medio_command_fail(cmd, "%s", medio_error_text(err));
		medio_error_free(err);
		return ret;
	}
	int ret = take_steps(&walk);
	if (!ret)
		begin(&walk, "Give it back");
	medio_card_close(walk.card);
	medio_card_watch_calls(NULL, NULL);
	return ret;
}

const struct medio_command medio_command_steps = {
	.name = "steps",
	.summary = "Take a card as a driver does and show the calls that it takes",
	.arguments = "DEVICE",
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
