/* SPDX-License-Identifier: BSD-3-Clause */
/* medio irq: which interrupts a card has, and when they come. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <medio/driver.h>

#include "command.h"
#include "device.h"
#include "ending.h"
#include "text.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "value.h"

#define COMMAND	       4 /* PCI's command register */
#define COMMAND_MASTER 4
/* A line that stays up, since nobody serves the device, is told of this often. */
#define LINE_S 0.1
/* How often somebody who wants the card back is looked for. */
#define LOOK_MS 200

struct options {
	const char *index, *time, *trigger;
	uint64_t vectors, count;
	bool watch, master, json;
};

static const struct medio_option options[] = {
	{ "watch", 'w', MEDIO_OPTION_FLAG, offsetof(struct options, watch), NULL,
		"Open them and print a line for each event" },
	{ "index", 'i', MEDIO_OPTION_STRING, offsetof(struct options, index), "KIND",
		"Watch intx, msi, msix, err or req; if not said the best of the first three that "
		"the card has" },
	{ "vectors", 0, MEDIO_OPTION_UINT, offsetof(struct options, vectors), "N",
		"Open the first N vectors; all if not said", 1, UINT32_MAX },
	{ "count", 'n', MEDIO_OPTION_UINT, offsetof(struct options, count), "N",
		"End after N events", 1, UINT64_MAX },
	{ "time", 't', MEDIO_OPTION_STRING, offsetof(struct options, time), "TIME",
		"End after this long; suffixes are ms and s. With --count it is a failure if fewer "
		"came" },
	{ "trigger", 0, MEDIO_OPTION_STRING, offsetof(struct options, trigger), "KIND:VECTOR",
		"Have the backend make this one happen, which shows that events arrive; without "
		"--watch end when it did" },
	{ "master", 0, MEDIO_OPTION_FLAG, offsetof(struct options, master), NULL,
		"Switch bus mastering on, without which a card sends no MSI and MSI-X" },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print one JSON object a line" },
	{ NULL },
};

static const char *const names[] = { "intx", "msi", "msix", "err", "req" };
#define NUM_NAMES MEDIO_ARRAY_SIZE(names)

/* What one run of the command holds. */
struct watch {
	const struct medio_command *cmd;
	const struct options *opts;
	const char *device;
	struct medio_card *card;
	struct medio_ending ending;
	int index; /* below 0: not chosen yet */
	uint32_t vector;
	uint64_t limit_ns;
	struct medio_card_irq irq;
	uint32_t vectors;
	bool mastered;	      /* bus mastering was off before */
	struct pollfd *fds;   /* of each vector, and the card's */
	uint64_t seen;	      /* events */
	double unmask, until; /* when; 0: not at all */
};

static int card_failed(const struct watch *watch)
{
	return medio_command_fail(
		watch->cmd, "%s: %s", watch->device, medio_card_last_error(watch->card));
}

/* ---- What there is ----------------------------------------------------------------------------- */

static void list_json(const char *name, const struct medio_card_irq *irq)
{
	printf("{\"index\":\"%s\",\"vectors\":%u,\"maskable\":%s,\"automasked\":%s,\"noresize\":%s}"
	       "\n",
		name, irq->count, irq->maskable ? "true" : "false",
		irq->automasked ? "true" : "false", irq->noresize ? "true" : "false");
}

static const char *masking(const struct medio_card_irq *irq)
{
	if (!irq->count)
		return "-";
	if (irq->automasked)
		return "masked by each event, until it is unmasked";
	return irq->maskable ? "can be masked" : "cannot be masked";
}

static void list_text(struct medio_table *table, const char *name, const struct medio_card_irq *irq)
{
	medio_table_add(table, name);
	medio_table_printf(table, "%u", irq->count);
	medio_table_add(table, masking(irq));
}

static int list(struct watch *watch)
{
	static const char *const titles[] = { "KIND", ">VECTORS", "MASKING" };
	struct medio_table table = { .titles = titles, .count = 3 };
	struct medio_card_info info;

	medio_card_get_info(watch->card, &info);
	for (unsigned i = 0; i < NUM_NAMES && i < info.num_irqs; i++) {
		struct medio_card_irq irq;
		if (medio_card_get_irq(watch->card, i, &irq))
			return card_failed(watch);
		if (watch->opts->json)
			list_json(names[i], &irq);
		else
			list_text(&table, names[i], &irq);
	}
	if (!watch->opts->json && medio_table_print(&table, stdout))
		return medio_command_fail(watch->cmd, "out of memory");
	return MEDIO_EXIT_OK;
}

/* ---- The command line -------------------------------------------------------------------------- */

static int parse_kind(struct watch *watch, const char *option, const char *text, size_t len)
{
	for (size_t i = 0; i < NUM_NAMES; i++)
		if (strlen(names[i]) == len && !memcmp(names[i], text, len)) {
			watch->index = (int)i;
			return 0;
		}
	return medio_command_usage(
		watch->cmd, "--%s %s: there are intx, msi, msix, err and req", option, text);
}

static int parse_trigger(struct watch *watch)
{
	const char *text = watch->opts->trigger, *colon = strchr(text, ':');
	size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
	int before = watch->index;

	if (!digits || digits > 9 || colon[1 + digits])
		return medio_command_usage(watch->cmd,
			"--trigger %s: it takes a kind and a vector, as in msix:0", text);
	int ret = parse_kind(watch, "trigger", text, (size_t)(colon - text));
	if (!ret && before >= 0 && before != watch->index)
		return medio_command_usage(
			watch->cmd, "--trigger %s is none of --index %s", text, watch->opts->index);
	watch->vector = (uint32_t)strtoul(colon + 1, NULL, 10);
	return ret;
}

static int parse(struct watch *watch)
{
	const struct options *opts = watch->opts;
	int ret = 0;

	watch->index = -1;
	if (!opts->watch && !opts->trigger &&
		(opts->index || opts->vectors || opts->count || opts->time || opts->master))
		return medio_command_usage(watch->cmd,
			"--index, --vectors, --count, --time and --master go with --watch or --trigger");
	if (opts->index)
		ret = parse_kind(watch, "index", opts->index, strlen(opts->index));
	if (!ret && opts->trigger)
		ret = parse_trigger(watch);
	if (!ret && opts->time)
		ret = medio_value_number(
			watch->cmd, "time", MEDIO_PARAM_TIME, opts->time, &watch->limit_ns);
	return ret;
}

/* ---- Open -------------------------------------------------------------------------------------- */

static int choose(struct watch *watch)
{
	static const int best[] = { MEDIO_CARD_MSIX, MEDIO_CARD_MSI, MEDIO_CARD_INTX };

	for (size_t i = 0; watch->index < 0 && i < MEDIO_ARRAY_SIZE(best); i++)
		if (!medio_card_get_irq(watch->card, (unsigned)best[i], &watch->irq) &&
			watch->irq.count)
			watch->index = best[i];
	if (watch->index < 0)
		return medio_command_fail(watch->cmd,
			"%s: the card has neither INTx nor MSI nor MSI-X", watch->device);
	if (medio_card_get_irq(watch->card, (unsigned)watch->index, &watch->irq))
		return card_failed(watch);
	if (!watch->irq.count)
		return medio_command_fail(watch->cmd,
			"%s: the card has no %s; 'medio irq %s' lists what it has", watch->device,
			names[watch->index], watch->device);
	watch->vectors = watch->opts->vectors ? (uint32_t)watch->opts->vectors : watch->irq.count;
	if (watch->vectors > watch->irq.count)
		return medio_command_fail(watch->cmd, "%s: %s has %u vector%s, not %u",
			watch->device, names[watch->index], watch->irq.count,
			watch->irq.count == 1 ? "" : "s", watch->vectors);
	if (watch->vector >= watch->vectors)
		return medio_command_fail(watch->cmd,
			"%s: %s vector %u is not opened; the last is %u", watch->device,
			names[watch->index], watch->vector, watch->vectors - 1);
	return 0;
}

/* Messages are writes of the card's to memory. */
static int check_master(struct watch *watch)
{
	uint16_t command = 0;

	if (watch->index != MEDIO_CARD_MSI && watch->index != MEDIO_CARD_MSIX)
		return 0;
	if (medio_card_read16(watch->card, MEDIO_CARD_CONFIG, COMMAND, &command))
		return card_failed(watch);
	if (command & COMMAND_MASTER)
		return 0;
	if (!watch->opts->master) {
		fprintf(stderr,
			"medio irq: %s: bus mastering is off, so the card itself sends no %s; --master "
			"switches it on\n",
			watch->device, names[watch->index]);
		return 0;
	}
	watch->mastered = true;
	return medio_card_write16(watch->card, MEDIO_CARD_CONFIG, COMMAND, command | COMMAND_MASTER)
		       ? card_failed(watch)
		       : 0;
}

static void restore_master(struct watch *watch)
{
	uint16_t command = 0;

	if (watch->mastered &&
		!medio_card_read16(watch->card, MEDIO_CARD_CONFIG, COMMAND, &command))
		medio_card_write16(
			watch->card, MEDIO_CARD_CONFIG, COMMAND, command & ~COMMAND_MASTER);
}

static int open_vectors(struct watch *watch)
{
	unsigned index = (unsigned)watch->index;

	watch->fds = calloc((size_t)watch->vectors + 1, sizeof(*watch->fds));
	if (!watch->fds)
		return medio_command_fail(watch->cmd, "out of memory");
	if (medio_card_irq_open(watch->card, index, watch->vectors))
		return card_failed(watch);
	for (uint32_t v = 0; v < watch->vectors; v++)
		watch->fds[v] = (struct pollfd){ .fd = medio_card_irq_fd(watch->card, index, v),
			.events = POLLIN };
	watch->fds[watch->vectors] = (struct pollfd){ .fd = medio_card_fd(watch->card),
		.events = POLLIN };
	return 0;
}

/* ---- Watch ------------------------------------------------------------------------------------- */

static void print_event(const struct watch *watch, uint32_t vector, uint64_t events)
{
	const char *name = names[watch->index];
	struct timespec now;
	char clock[32];

	clock_gettime(CLOCK_REALTIME, &now);
	if (watch->opts->json) {
		printf("{\"time\":%lld.%06ld,\"index\":\"%s\",\"vector\":%u,\"events\":%llu}\n",
			(long long)now.tv_sec, now.tv_nsec / 1000, name, vector,
			(unsigned long long)events);
	} else {
		medio_text_clock(
			(double)now.tv_sec + (double)now.tv_nsec * 1e-9, clock, sizeof(clock));
		printf("%s  %s %u  %llu event%s\n", clock, name, vector, (unsigned long long)events,
			events == 1 ? "" : "s");
	}
	fflush(stdout);
}

static int take(struct watch *watch, uint32_t vector)
{
	uint64_t events = 0;
	int ret = medio_card_irq_wait(watch->card, (unsigned)watch->index, vector, 0, &events);

	if (ret == -ETIMEDOUT)
		return 0;
	if (ret)
		return card_failed(watch);
	watch->seen += events;
	print_event(watch, vector, events);
	/* Nobody reads: a signal says so too, and ends it. */
	if (ferror(stdout) && !medio_ending_signalled())
		return medio_command_fail(watch->cmd, "standard output: %s", strerror(errno));
	if (watch->irq.automasked)
		watch->unmask = medio_ending_now() + LINE_S;
	return 0;
}

static int unmask(struct watch *watch)
{
	if (!watch->unmask || medio_ending_now() < watch->unmask)
		return 0;
	watch->unmask = 0;
	return medio_card_irq_unmask(watch->card, (unsigned)watch->index, 0, 1) ? card_failed(watch)
										: 0;
}

/* Until something comes or is due. */
static int wait(struct watch *watch)
{
	double now = medio_ending_now(), end = now + LOOK_MS / 1000.0;

	if (watch->unmask && watch->unmask < end)
		end = watch->unmask;
	if (watch->until && watch->until < end)
		end = watch->until;
	int ms = end > now ? (int)((end - now) * 1000) + 1 : 0;
	/* What came with an earlier answer is not in the card's fd. */
	if (medio_card_process(watch->card) < 0)
		return card_failed(watch);
	if (poll(watch->fds, watch->vectors + 1, ms) < 0 && errno != EINTR)
		return medio_command_fail(watch->cmd, "poll: %s", strerror(errno));
	return 0;
}

static bool is_done(const struct watch *watch)
{
	if (watch->until && medio_ending_now() >= watch->until)
		return true;
	if (watch->opts->trigger && !watch->opts->watch)
		return watch->seen;
	return watch->opts->count && watch->seen >= watch->opts->count;
}

static int loop(struct watch *watch)
{
	int ret = 0;

	while (!ret && !is_done(watch)) {
		if (medio_ending_due(&watch->ending))
			return MEDIO_EXIT_FAILURE;
		ret = wait(watch);
		for (uint32_t v = 0; !ret && v < watch->vectors; v++)
			if (watch->fds[v].revents)
				ret = take(watch, v);
		if (!ret)
			ret = unmask(watch);
	}
	return ret;
}

/* Fewer than were asked for? */
static int judge(const struct watch *watch)
{
	const struct options *opts = watch->opts;
	uint64_t wanted = opts->count ? opts->count : opts->trigger ? 1 : 0;

	if (watch->seen >= wanted)
		return MEDIO_EXIT_OK;
	return medio_command_fail(watch->cmd, "%s: %llu of %llu events of %s came within %s",
		watch->device, (unsigned long long)watch->seen, (unsigned long long)wanted,
		names[watch->index], opts->time ? opts->time : "a second");
}

static int run_watch(struct watch *watch)
{
	const struct options *opts = watch->opts;
	int ret = choose(watch);

	if (!ret)
		ret = check_master(watch);
	if (!ret)
		ret = open_vectors(watch);
	if (ret)
		return ret;
	/* Who watches REQ is told of it as an event. */
	if (watch->index == MEDIO_CARD_REQ)
		watch->ending = (struct medio_ending){ .cmd = watch->cmd };
	else
		medio_ending_begin(&watch->ending, watch->cmd, watch->device, watch->card);
	if (opts->time)
		watch->until = medio_ending_now() + (double)watch->limit_ns * 1e-9;
	else if (opts->trigger && !opts->watch)
		watch->until = medio_ending_now() + 1;
	if (opts->trigger &&
		medio_card_irq_trigger(watch->card, (unsigned)watch->index, watch->vector, 1))
		return card_failed(watch);
	ret = loop(watch);
	return ret ? ret : judge(watch);
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	struct watch watch = { .cmd = cmd, .opts = options_, .device = args->items[0] };
	struct medio_error *err = NULL;
	int ret = parse(&watch);

	if (ret)
		return ret;
	medio_ending_catch();
	if (medio_tool_device_open(watch.device, NULL, &watch.card, &err)) {
		ret = medio_command_fail(cmd, "%s", medio_error_text(err));
		medio_error_free(err);
		return ret;
	}
	ret = watch.opts->watch || watch.opts->trigger ? run_watch(&watch) : list(&watch);
	restore_master(&watch);
	/* Closing gives the interrupts back. */
	medio_card_close(watch.card);
	free(watch.fds);
	medio_ending_die();
	return ret;
}

const struct medio_command medio_command_irq = {
	.name = "irq",
	.summary = "Show which interrupts a card has, and watch them come",
	.arguments = "DEVICE",
	.min_args = 1,
	.max_args = 1,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
