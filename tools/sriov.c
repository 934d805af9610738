/* SPDX-License-Identifier: BSD-3-Clause */
/* medio sriov: a device's virtual functions. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "host.h"
#include "host/sriov.h"
#include "host/use.h"
#include "sriov.h"
#include "text.h"
#include "util/cleanup.h"
#include "util/error.h"

struct options {
	const char *root;
	uint64_t vf;
	bool force, dry_run, json;
};

#define NO_VF UINT64_MAX
static const struct options defaults = { .vf = NO_VF };

static const struct medio_option options[] = {
	{ "force", 'f', MEDIO_OPTION_FLAG, offsetof(struct options, force), NULL,
		"Also if virtual functions are in use, or if another number of them must go first",
		0, 0 },
	{ "vf", 0, MEDIO_OPTION_UINT, offsetof(struct options, vf), "N",
		"Set how virtual function N of a card of mediod's is to be: mac=ADDRESS, vlan=0 to "
		"4094, rate=MBIT/S, spoofchk=on|off, trust=on|off, link=auto|on|off",
		0, 255 },
	{ "dry-run", 'n', MEDIO_OPTION_FLAG, offsetof(struct options, dry_run), NULL,
		"Change nothing: print each write, in order, as a shell would do it; for devices of "
		"this machine",
		0, 0 },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print one JSON object: the device and its virtual functions", 0, 0 },
	{ "root", 0, MEDIO_OPTION_STRING, offsetof(struct options, root), "FOLDER",
		MEDIO_OPTION_ROOT_HELP, 0, 0 },
	{ NULL },
};

/* One run of the command. */
struct job {
	const struct medio_command *cmd;
	const struct options *opts;
	struct medio_host host;
	char name[MEDIO_BDF_TEXT];
};

/* ---- Showing ----------------------------------------------------------------------------------- */

static int print_text(const struct job *job, const struct medio_sriov *sriov)
{
	static const char *const titles[] = { ">VF", "BDF", "DRIVER", ">GROUP" };
	struct medio_table table = { .titles = titles, .count = MEDIO_ARRAY_SIZE(titles) };
	struct medio_host_device dev = { 0 };

	medio_host_device_load(&job->host, sriov->name, &dev);
	printf("%s%s%s  %u of %u virtual functions, driver %s\n", medio_bold(stdout), sriov->name,
		medio_plain(stdout), sriov->num, sriov->total, *dev.driver ? dev.driver : "none");
	printf("offset %u, stride %u, device %04x; the kernel's drivers %s new ones\n",
		sriov->offset, sriov->stride, sriov->vf_device,
		sriov->autoprobe ? "take" : "leave alone");
	for (unsigned i = 0; i < sriov->vfs.count; i++) {
		struct medio_host_device vf = { .group = -1 };
		medio_host_device_load(&job->host, sriov->vfs.items[i], &vf);
		medio_table_printf(&table, "%u", i);
		medio_table_add(&table, sriov->vfs.items[i]);
		medio_table_add(&table, *vf.driver ? vf.driver : "-");
		if (vf.group < 0)
			medio_table_add(&table, "-");
		else
			medio_table_printf(&table, "%d", vf.group);
	}
	return sriov->vfs.count ? medio_table_print(&table, stdout) : 0;
}

static void add_number(struct json_object *object, const char *key, unsigned value)
{
	json_object_object_add(object, key, json_object_new_int64(value));
}

/* values: what would be written, count of them. */
static void print_json(const struct job *job, const struct medio_sriov *sriov,
	const unsigned *values, unsigned count)
{
	struct json_object *top = json_object_new_object();
	struct json_object *list = json_object_new_array();
	struct medio_pci_names *names = NULL;
	struct medio_host_device dev = { 0 };

	medio_pci_names_new(NULL, &names);
	medio_host_device_load(&job->host, sriov->name, &dev);
	medio_json_set(top, "bdf", sriov->name);
	medio_tool_json_optional(top, "driver", dev.driver);
	add_number(top, "totalvfs", sriov->total);
	add_number(top, "numvfs", sriov->num);
	add_number(top, "offset", sriov->offset);
	add_number(top, "stride", sriov->stride);
	json_object_object_add(top, "autoprobe", json_object_new_boolean(sriov->autoprobe));
	for (unsigned i = 0; i < sriov->vfs.count; i++) {
		struct medio_host_device vf;
		if (!medio_host_device_load(&job->host, sriov->vfs.items[i], &vf))
			json_object_array_add(list, medio_tool_host_json(names, &vf));
	}
	json_object_object_add(top, "vfs", list);
	list = json_object_new_array();
	for (unsigned i = 0; i < count; i++) {
		struct json_object *write = json_object_new_object();
		char text[128];
		snprintf(text, sizeof(text), MEDIO_SRIOV_NUMVFS, sriov->name);
		medio_json_set(write, "path", text);
		snprintf(text, sizeof(text), "%u", values[i]);
		medio_json_set(write, "text", text);
		json_object_array_add(list, write);
	}
	json_object_object_add(top, "writes", list);
	medio_json_print(top);
	json_object_put(top);
	medio_pci_names_free(names);
}

static int show(const struct job *job)
{
	struct medio_error *err = NULL;
	struct medio_sriov sriov;
	int ret = medio_sriov_load(&job->host, job->name, &sriov, &err);

	if (ret == -EOPNOTSUPP) {
		medio_tool_host_fail(job->cmd, ret, err);
		return MEDIO_EXIT_REFUSED;
	}
	if (ret)
		return medio_tool_host_fail(job->cmd, ret, err);
	if (job->opts->json)
		print_json(job, &sriov, NULL, 0);
	else
		ret = print_text(job, &sriov);
	medio_sriov_fini(&sriov);
	return ret ? medio_command_fail(job->cmd, "out of memory") : MEDIO_EXIT_OK;
}

/* ---- Setting ----------------------------------------------------------------------------------- */

static int refuse(const struct job *job, const char *words)
{
	fprintf(stderr, "medio %s: ", job->cmd->name);
	medio_text_print(words, stderr);
	fputc('\n', stderr);
	return MEDIO_EXIT_REFUSED;
}

/* Those there are would go: may they? */
static int check_vfs(const struct job *job, const struct medio_sriov *sriov, unsigned count)
{
	int code = MEDIO_EXIT_OK;
	char words[512];

	if (!sriov->num || count == sriov->num || job->opts->force)
		return MEDIO_EXIT_OK;
	for (unsigned i = 0; i < sriov->vfs.count; i++) {
		struct medio_strv uses = { 0 };
		if (medio_host_uses(&job->host, sriov->vfs.items[i], &uses))
			code = MEDIO_EXIT_FAILURE;
		for (unsigned u = 0; u < uses.count; u++) {
			snprintf(words, sizeof(words), "%s is in use: %s", sriov->vfs.items[i],
				uses.items[u]);
			code = refuse(job, words);
		}
		medio_strv_free(&uses);
	}
	if (count) {
		snprintf(words, sizeof(words),
			"%s has %u virtual functions: the kernel goes to %u only through 0, which "
			"ends them",
			sriov->name, sriov->num, count);
		code = refuse(job, words);
	}
	if (code == MEDIO_EXIT_REFUSED)
		refuse(job, "refused, nothing was changed; --force does it all the same");
	return code;
}

static int check(const struct job *job, const struct medio_sriov *sriov, unsigned count)
{
	struct medio_error *err = NULL;

	if (count > sriov->total) {
		medio_command_fail(job->cmd, "%s: %u virtual functions, allowed are 0 to %u",
			sriov->name, count, sriov->total);
		return MEDIO_EXIT_REFUSED;
	}
	if (count != sriov->num && medio_sriov_ready(&job->host, sriov, &err)) {
		medio_tool_host_fail(job->cmd, -ENOENT, err);
		return MEDIO_EXIT_REFUSED;
	}
	return check_vfs(job, sriov, count);
}

static void print_writes(const struct job *job, const struct medio_sriov *sriov, unsigned count)
{
	unsigned values[2], n = medio_sriov_writes(sriov, count, values);

	if (job->opts->json) {
		print_json(job, sriov, values, n);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		printf("echo %u > " MEDIO_SRIOV_NUMVFS "\n", values[i], sriov->name);
	if (!n)
		printf("# %s: nothing to do\n", sriov->name);
}

static int failed(const struct job *job, const struct medio_sriov *sriov, bool restored,
	struct medio_error *err)
{
	unsigned long long left = 0;

	medio_tool_host_fail(job->cmd, -EIO, err);
	if (!restored) {
		medio_host_number(&job->host, &left, MEDIO_SRIOV_NUMVFS, sriov->name);
		medio_command_fail(job->cmd,
			"%s had %u virtual functions, has %llu now, and they could not be brought "
			"back",
			sriov->name, sriov->num, left);
		return MEDIO_EXIT_STUCK;
	}
	fprintf(stderr, "medio %s: %s has %u virtual functions, as before\n", job->cmd->name,
		sriov->name, sriov->num);
	return MEDIO_EXIT_FAILURE;
}

static int set(struct job *job, unsigned count)
{
	struct medio_error *err = NULL;
	struct medio_sriov sriov;
	bool restored;
	int ret = medio_sriov_load(&job->host, job->name, &sriov, &err);

	if (ret) {
		int code = medio_tool_host_fail(job->cmd, ret, err);
		return ret == -EOPNOTSUPP ? MEDIO_EXIT_REFUSED : code;
	}
	int code = check(job, &sriov, count);
	if (code == MEDIO_EXIT_OK && !job->opts->dry_run) {
		medio_tool_host_catch(&job->host);
		if (medio_sriov_set(&job->host, &sriov, count, &restored, &err))
			code = failed(job, &sriov, restored, err);
		else
			code = show(job);
	} else if (code == MEDIO_EXIT_OK) {
		print_writes(job, &sriov, count);
	}
	medio_sriov_fini(&sriov);
	return code;
}

static bool is_number(const char *text)
{
	return *text && strlen(text) <= 6 && !text[strspn(text, "0123456789")];
}

/* ---- The command ------------------------------------------------------------------------------- */

/* One that mediod runs: settings of a virtual function, how many there are, or nothing but a look. */
static int run_card(const struct medio_command *cmd, const struct options *opts,
	const struct medio_option_list *args)
{
	const char *text = args->count > 1 ? args->items[1] : NULL;
	struct medio_sriov_job job = {
		.cmd = cmd,
		.name = args->items[0],
		.number = -1,
		.force = opts->force,
		.json = opts->json,
	};
	struct medio_error *err = NULL;

	if (opts->dry_run || opts->root)
		return medio_command_usage(
			cmd, "--dry-run and --root go with the address of a device");
	if (opts->vf == NO_VF && text && !is_number(text))
		return medio_command_usage(cmd,
			"'%.40s' is no number of virtual functions; settings of one go with --vf N",
			text);
	if (opts->vf == NO_VF) {
		job.number = text ? (int)strtoul(text, NULL, 10) : -1;
		return args->count > 2 ? medio_command_usage(cmd, "one number is enough")
				       : medio_sriov_card(&job);
	}
	if (!text)
		return medio_command_usage(cmd,
			"say what virtual function %u is to have, as vlan=5", (unsigned)opts->vf);
	for (unsigned i = 1; i < args->count; i++) {
		if (medio_sriov_check_setting(args->items[i], &err)) {
			int code = medio_command_usage(cmd, "%s", medio_error_text(err));
			medio_error_free(err);
			return code;
		}
	}
	job.vf = (int)opts->vf;
	job.settings = args->items + 1;
	job.nsettings = args->count - 1;
	return medio_sriov_card(&job);
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	struct job job = { .cmd = cmd, .opts = options_ };
	const char *text = args->count > 1 ? args->items[1] : NULL;
	struct medio_error *err = NULL;

	job.host.root = job.opts->root;
	if (medio_sriov_is_card(args->items[0]))
		return run_card(cmd, job.opts, args);
	if (job.opts->vf != NO_VF || args->count > 2)
		return medio_command_usage(cmd,
			"settings are for virtual functions of mediod's cards; those of this "
			"machine's are set with ip(8)");
	if (text && !is_number(text))
		return medio_command_usage(cmd, "'%.40s' is no number of virtual functions", text);
	if (!text && (job.opts->dry_run || job.opts->force))
		return medio_command_usage(cmd, "--dry-run and --force go with a number");
	int ret = medio_host_find(&job.host, args->items[0], job.name, &err);
	if (ret)
		return medio_tool_host_fail(cmd, ret, err);
	return text ? set(&job, (unsigned)strtoul(text, NULL, 10)) : show(&job);
}

const struct medio_command medio_command_sriov = {
	.name = "sriov",
	.summary = "Show or set the virtual functions of a card: this machine's or mediod's",
	.arguments = "BDF|CARD [N | --vf N WORD=VALUE…]",
	.min_args = 1,
	.max_args = 16,
	.options = options,
	.options_size = sizeof(struct options),
	.defaults = &defaults,
	.run = run,
};
