/* SPDX-License-Identifier: BSD-3-Clause */
#include "moves.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "host.h"
#include "host/driver.h"
#include "host/group.h"
#include "host/move.h"
#include "host/use.h"
#include "text.h"
#include "util/error.h"

/* One run of a command. */
struct job {
	const struct medio_command *cmd;
	const struct medio_moves_options *opts;
	struct medio_host host;
	struct medio_move *moves; /* count of them */
	unsigned count;
	struct json_object *refused, *hints; /* lists of {"bdf":…|null,"text"} */
	bool final;			     /* refused for a reason that --force does not help */
};

/* ---- Words ------------------------------------------------------------------------------------- */

/* Remember it for --json, or say it. name: a device, "": none. */
static void say(const struct job *job, struct json_object *list, const char *name, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));

static void say(
	const struct job *job, struct json_object *list, const char *name, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	struct json_object *entry = json_object_new_object();
	medio_tool_json_optional(entry, "bdf", name);
	medio_json_set(entry, "text", text);
	json_object_array_add(list, entry);
	if (job->opts->json)
		return;
	fprintf(stderr, "medio %s: %s%s", job->cmd->name, name, *name ? ": " : "");
	medio_text_print(text, stderr);
	fputc('\n', stderr);
}

/* ---- Which devices ----------------------------------------------------------------------------- */

static int add(struct job *job, const struct medio_host_device *dev, struct medio_error **err)
{
	for (unsigned i = 0; i < job->count; i++)
		if (!strcmp(job->moves[i].name, dev->name))
			return 0;
	struct medio_move *moves = realloc(job->moves, (job->count + 1) * sizeof(*moves));
	if (!moves)
		return medio_error_set(err, ENOMEM, "out of memory");
	job->moves = moves;
	medio_move_init(&moves[job->count++], dev, job->opts->driver);
	return 0;
}

static int add_group(struct job *job, int number, struct medio_error **err)
{
	struct medio_host_group group;
	int ret = medio_host_group_load(&job->host, number, &group);

	if (ret)
		return medio_error_set(err, -ret, "group %d: %s", number, strerror(-ret));
	for (unsigned i = 0; i < group.count && ret == 0; i++)
		if (group.devices[i].pci && !medio_host_device_is_bridge(&group.devices[i]))
			ret = add(job, &group.devices[i], err);
	medio_host_group_fini(&group);
	return ret;
}

static int collect(struct job *job, const struct medio_option_list *args, struct medio_error **err)
{
	struct medio_host_device dev;
	char name[MEDIO_BDF_TEXT];
	int ret = 0;

	for (unsigned i = 0; i < args->count && ret == 0; i++) {
		ret = medio_host_find(&job->host, args->items[i], name, err);
		if (ret == 0 && medio_host_device_load(&job->host, name, &dev))
			ret = medio_error_set(err, ENODEV, "%s has gone", name);
		if (ret == 0)
			ret = add(job, &dev, err);
		if (ret == 0 && job->opts->group && dev.group >= 0)
			ret = add_group(job, dev.group, err);
	}
	return ret;
}

/* ---- May they be moved ------------------------------------------------------------------------- */

/* VFIO without an IOMMU: its probe would fail. A virtio-iommu makes the group only then. */
static bool has_no_iommu(const struct job *job, const struct medio_host_device *dev)
{
	struct medio_strv iommus = { 0 };
	char mode[8];

	if (dev->group >= 0 || medio_driver_kind(job->opts->driver) != MEDIO_DRIVER_VFIO)
		return false;
	medio_host_list(&job->host, &iommus, "/sys/class/iommu");
	bool none = !iommus.count;
	medio_strv_free(&iommus);
	medio_host_read(&job->host, mode, sizeof(mode),
		"/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
	return none && *mode != 'Y';
}

static int check(struct job *job, const struct medio_move *move, struct medio_error **err)
{
	struct medio_host_device dev;
	struct medio_strv uses = { 0 };

	if (!medio_move_needed(move))
		return 0;
	if (medio_host_device_load(&job->host, move->name, &dev))
		return medio_error_set(err, ENODEV, "%s has gone", move->name);
	if (medio_host_device_is_bridge(&dev) && *job->opts->driver) {
		say(job, job->refused, dev.name,
			"is a bridge: the kernel keeps those; a program needs what is behind it");
		job->final = true;
		return 0;
	}
	if (has_no_iommu(job, &dev)) {
		say(job, job->refused, dev.name,
			"there is no IOMMU, and %s does not work without: 'medio check' says what "
			"to do; uio_pci_generic needs none",
			job->opts->driver);
		job->final = true;
		return 0;
	}
	int ret = medio_host_uses(&job->host, move->name, &uses);
	for (unsigned i = 0; i < uses.count && !job->opts->force; i++)
		say(job, job->refused, move->name, "is in use: %s", uses.items[i]);
	medio_strv_free(&uses);
	return ret ? medio_error_set(err, ENOMEM, "out of memory") : 0;
}

/* MEDIO_EXIT_OK: they may. */
static int check_all(struct job *job)
{
	struct medio_error *err = NULL;
	int ret = 0;

	if (*job->opts->driver)
		ret = medio_driver_find(&job->host, job->opts->driver, &err);
	if (ret == -ENOENT) {
		say(job, job->refused, "", "%s", medio_error_text(err));
		medio_error_free(err);
		return MEDIO_EXIT_REFUSED;
	}
	for (unsigned i = 0; i < job->count && ret == 0; i++)
		ret = check(job, &job->moves[i], &err);
	if (ret)
		return medio_tool_host_fail(job->cmd, ret, err);
	if (!json_object_array_length(job->refused))
		return MEDIO_EXIT_OK;
	if (!job->opts->json)
		fprintf(stderr, "medio %s: refused, nothing was changed%s\n", job->cmd->name,
			job->final ? "" : "; --force does it all the same");
	return MEDIO_EXIT_REFUSED;
}

/* ---- What was done, and is left to do ---------------------------------------------------------- */

static void print_writes(const struct medio_move *move)
{
	struct medio_move_write writes[MEDIO_MOVE_WRITES];
	unsigned count = medio_move_needed(move) ? medio_move_writes(move, writes) : 0;

	for (unsigned i = 0; i < count; i++)
		printf("echo %s%s> %s\n", writes[i].text, *writes[i].text ? " " : "",
			writes[i].path);
	if (!count)
		printf("# %s: nothing to do\n", move->name);
}

static void print_moved(const struct medio_move *move)
{
	if (!medio_move_needed(move))
		printf("%s: on %s already\n", move->name, *move->now ? move->now : "no driver");
	else
		printf("%s: %s -> %s\n", move->name, *move->from ? move->from : "no driver",
			*move->now ? move->now : "no driver");
}

static void hint_module(struct job *job, const struct medio_move *move)
{
	char module[64];

	if (*job->opts->driver || *move->now)
		return;
	if (medio_module_for(&job->host, move->name, module, sizeof(module)))
		say(job, job->hints, move->name,
			"no driver of the kernel took it, and no module says that it drives it");
	else
		say(job, job->hints, move->name,
			"no driver of the kernel took it: 'modprobe %s' may help; if that is "
			"loaded, dmesg says why it did not",
			module);
}

/* What would still keep a program away. */
static void hint_group(struct job *job, const struct medio_move *move)
{
	struct medio_findings findings = { 0 };
	struct medio_host_group group;
	struct medio_host_device dev;

	if (medio_driver_kind(move->now) != MEDIO_DRIVER_VFIO &&
		medio_driver_kind(move->now) != MEDIO_DRIVER_UIO)
		return;
	if (medio_host_device_load(&job->host, move->name, &dev) || dev.group < 0 ||
		medio_host_group_load(&job->host, dev.group, &group))
		return;
	if (medio_driver_kind(move->now) == MEDIO_DRIVER_VFIO)
		medio_check_group(&job->host, &group, false, &findings);
	else if (medio_host_group_translates(&group))
		say(job, job->hints, move->name,
			"its DMA goes astray: the IOMMU translates for group %d, and UIO maps "
			"nothing there; use vfio-pci",
			group.number);
	for (unsigned i = 0; i < findings.count; i++) {
		const struct medio_finding *finding = &findings.items[i];
		if (finding->level != MEDIO_FINDING_OK)
			say(job, job->hints, move->name, "%s: %s%s%s", finding->subject,
				finding->text, finding->advice ? "; " : "",
				finding->advice ? finding->advice : "");
	}
	medio_findings_fini(&findings);
	medio_host_group_fini(&group);
}

static void hint_all(struct job *job)
{
	for (unsigned i = 0; i < job->count; i++) {
		hint_module(job, &job->moves[i]);
		hint_group(job, &job->moves[i]);
	}
}

static struct json_object *move_json(const struct job *job, const struct medio_move *move)
{
	struct medio_move_write writes[MEDIO_MOVE_WRITES];
	unsigned count = medio_move_needed(move) ? medio_move_writes(move, writes) : 0;
	struct json_object *object = json_object_new_object();
	struct json_object *list = json_object_new_array();
	struct medio_host_device dev = { .group = -1 };

	medio_host_device_load(&job->host, move->name, &dev);
	medio_json_set(object, "bdf", move->name);
	medio_tool_json_optional(object, "from", move->from);
	medio_tool_json_optional(object, "driver", move->now);
	json_object_object_add(
		object, "group", dev.group < 0 ? NULL : json_object_new_int(dev.group));
	json_object_object_add(object, "stuck", json_object_new_boolean(move->stuck));
	for (unsigned i = 0; i < count; i++) {
		struct json_object *write = json_object_new_object();
		medio_json_set(write, "path", writes[i].path);
		medio_json_set(write, "text", writes[i].text);
		json_object_array_add(list, write);
	}
	json_object_object_add(object, "writes", list);
	return object;
}

/* error: why not, NULL. */
static void print_json(const struct job *job, bool done, const char *error)
{
	struct json_object *top = json_object_new_object();
	struct json_object *devices = json_object_new_array();

	for (unsigned i = 0; i < job->count; i++)
		json_object_array_add(devices, move_json(job, &job->moves[i]));
	json_object_object_add(top, "done", json_object_new_boolean(done));
	json_object_object_add(top, "dry_run", json_object_new_boolean(job->opts->dry_run));
	json_object_object_add(top, "devices", devices);
	json_object_object_add(top, "refused", json_object_get(job->refused));
	json_object_object_add(top, "hints", json_object_get(job->hints));
	medio_tool_json_optional(top, "error", error);
	medio_json_print(top);
	json_object_put(top);
}

/* ---- The command ------------------------------------------------------------------------------- */

static int failed(const struct job *job, struct medio_error *err)
{
	int code = MEDIO_EXIT_FAILURE;

	medio_command_fail(job->cmd, "%s", medio_error_text(err));
	for (unsigned i = 0; i < job->count; i++) {
		const struct medio_move *move = &job->moves[i];
		if (!move->stuck)
			continue;
		code = MEDIO_EXIT_STUCK;
		medio_command_fail(job->cmd,
			"%s could not be put back: it was on %s, and is on %s now; its "
			"driver_override was %s",
			move->name, *move->from ? move->from : "no driver",
			*move->now ? move->now : "no driver",
			*move->override ? move->override : "none");
	}
	if (code == MEDIO_EXIT_FAILURE)
		fprintf(stderr, "medio %s: all is as it was before\n", job->cmd->name);
	if (job->opts->json)
		print_json(job, false, medio_error_text(err));
	medio_error_free(err);
	return code;
}

static int go(struct job *job)
{
	struct medio_error *err = NULL;

	if (job->opts->dry_run) {
		for (unsigned i = 0; i < job->count && !job->opts->json; i++)
			print_writes(&job->moves[i]);
		if (job->opts->json)
			print_json(job, false, NULL);
		return MEDIO_EXIT_OK;
	}
	medio_tool_host_catch(&job->host);
	if (medio_moves_run(&job->host, job->moves, job->count, &err))
		return failed(job, err);
	for (unsigned i = 0; i < job->count && !job->opts->json; i++)
		print_moved(&job->moves[i]);
	hint_all(job);
	if (job->opts->json)
		print_json(job, true, NULL);
	return MEDIO_EXIT_OK;
}

int medio_tool_moves_run(const struct medio_command *cmd, const struct medio_moves_options *opts,
	const struct medio_option_list *args)
{
	struct job job = { .cmd = cmd, .opts = opts, .host = { .root = opts->root } };
	struct medio_error *err = NULL;
	int code;

	job.refused = json_object_new_array();
	job.hints = json_object_new_array();
	int ret = collect(&job, args, &err);
	if (ret) {
		code = medio_tool_host_fail(cmd, ret, err);
	} else {
		code = check_all(&job);
		if (code == MEDIO_EXIT_OK)
			code = go(&job);
		else if (code == MEDIO_EXIT_REFUSED && opts->json)
			print_json(&job, false, NULL);
	}
	json_object_put(job.refused);
	json_object_put(job.hints);
	free(job.moves);
	return code;
}
