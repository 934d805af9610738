/* SPDX-License-Identifier: BSD-3-Clause */
/* medio groups: this machine's IOMMU groups, and whether VFIO can open them. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "client.h"
#include "host.h"
#include "util/error.h"

struct options {
	const char *root;
	bool json;
};

static const struct medio_option options[] = {
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print one JSON object: groups with their devices and findings, and findings of "
		"the machine",
		0, 0 },
	{ "root", 0, MEDIO_OPTION_STRING, offsetof(struct options, root), "FOLDER",
		MEDIO_OPTION_ROOT_HELP, 0, 0 },
	{ NULL },
};

/* What one run of the command holds. */
struct groups {
	const struct options *opts;
	struct medio_host host;
	struct medio_pci_names *names;
	struct json_object *list; /* with --json */
	bool asked;		  /* for some of them */
	bool not_viable;	  /* one that was asked for */
};

/* ---- One group --------------------------------------------------------------------------------- */

static void print_group(const struct groups *groups, const struct medio_host_group *group,
	const struct medio_findings *findings)
{
	char text[384];

	printf("%sgroup %d%s  %s%s%s\n", medio_bold(stdout), group->number, medio_plain(stdout),
		medio_group_state_name(medio_host_group_state(group)), *group->type ? ", " : "",
		group->type);
	for (unsigned i = 0; i < group->count; i++) {
		const struct medio_host_device *dev = &group->devices[i];
		medio_tool_host_describe(groups->names, dev, text, sizeof(text));
		printf("  %-12s  %-12s  %s\n", dev->name, *dev->driver ? dev->driver : "-", text);
	}
	for (unsigned i = 0; i < findings->count; i++) {
		if (findings->items[i].level == MEDIO_FINDING_OK)
			continue;
		printf("  %-8s  ", medio_finding_level_name(findings->items[i].level));
		medio_tool_finding_print(&findings->items[i], 12, stdout);
	}
}

static void add_json(const struct groups *groups, const struct medio_host_group *group,
	const struct medio_findings *findings)
{
	enum medio_group_state state = medio_host_group_state(group);
	struct json_object *object = json_object_new_object();
	struct json_object *devices = json_object_new_array();

	json_object_object_add(object, "group", json_object_new_int(group->number));
	medio_tool_json_optional(object, "type", group->type);
	medio_json_set(object, "state", medio_group_state_name(state));
	json_object_object_add(
		object, "viable", json_object_new_boolean(state == MEDIO_GROUP_VIABLE));
	json_object_object_add(object, "noiommu", json_object_new_boolean(group->noiommu));
	for (unsigned i = 0; i < group->count; i++)
		json_object_array_add(
			devices, medio_tool_host_json(groups->names, &group->devices[i]));
	json_object_object_add(object, "devices", devices);
	json_object_object_add(object, "findings", medio_tool_findings_json(findings));
	json_object_array_add(groups->list, object);
}

static int show(struct groups *groups, int number, struct medio_error **err)
{
	struct medio_findings findings = { 0 };
	struct medio_host_group group;
	int ret = medio_host_group_load(&groups->host, number, &group);

	if (ret == -ENOENT)
		return medio_error_set(
			err, ENOENT, "no group %d; 'medio groups' lists them", number);
	if (ret)
		return medio_error_set(err, -ret, "group %d: %s", number, strerror(-ret));
	medio_check_group(&groups->host, &group, groups->asked, &findings);
	if (groups->opts->json)
		add_json(groups, &group, &findings);
	else
		print_group(groups, &group, &findings);
	groups->not_viable |= groups->asked && medio_host_group_state(&group) != MEDIO_GROUP_VIABLE;
	ret = findings.failed ? medio_error_set(err, ENOMEM, "out of memory") : 0;
	medio_findings_fini(&findings);
	medio_host_group_fini(&group);
	return ret;
}

/* ---- Which ------------------------------------------------------------------------------------- */

/* -ENXIO: it has none. */
static int group_of(const struct groups *groups, const char *text, struct medio_error **err)
{
	struct medio_host_device dev;
	char name[MEDIO_BDF_TEXT];

	size_t digits = strspn(text, "0123456789");
	if (digits && !text[digits] && digits < 10)
		return atoi(text);
	int ret = medio_host_find(&groups->host, text, name, err);
	if (ret)
		return ret;
	if (medio_host_device_load(&groups->host, name, &dev))
		return medio_error_set(err, ENODEV, "%s has gone", name);
	if (dev.group >= 0)
		return dev.group;
	return medio_error_set(
		err, ENXIO, "%s is in no IOMMU group; 'medio check %s' says why", name, name);
}

static int show_asked(
	struct groups *groups, const struct medio_option_list *args, struct medio_error **err)
{
	int ret = 0;

	groups->asked = true;
	for (unsigned i = 0; i < args->count && ret >= 0; i++) {
		ret = group_of(groups, args->items[i], err);
		if (ret >= 0)
			ret = show(groups, ret, err);
	}
	return ret;
}

static int show_all(struct groups *groups, struct medio_error **err)
{
	struct medio_strv numbers = { 0 };
	int ret = medio_host_groups(&groups->host, &numbers);

	/* None: the findings say why. */
	if (ret == -ENOENT)
		ret = 0;
	else if (ret)
		ret = medio_error_set(err, -ret, "/sys/kernel/iommu_groups: %s", strerror(-ret));
	for (unsigned i = 0; i < numbers.count && ret == 0; i++)
		ret = show(groups, atoi(numbers.items[i]), err);
	medio_strv_free(&numbers);
	return ret;
}

/* ---- The command ------------------------------------------------------------------------------- */

/* Why groups cannot be opened that look as if. */
static void end(const struct groups *groups)
{
	struct medio_findings findings = { 0 };

	medio_check_iommu(&groups->host, &findings);
	if (groups->opts->json) {
		struct json_object *top = json_object_new_object();
		json_object_object_add(top, "groups", json_object_get(groups->list));
		json_object_object_add(top, "findings", medio_tool_findings_json(&findings));
		medio_json_print(top);
		json_object_put(top);
	}
	for (unsigned i = 0; i < findings.count && !groups->opts->json; i++) {
		if (findings.items[i].level == MEDIO_FINDING_OK)
			continue;
		printf("%-8s  ", medio_finding_level_name(findings.items[i].level));
		medio_tool_finding_print(&findings.items[i], 10, stdout);
	}
	medio_findings_fini(&findings);
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	struct groups groups = { .opts = options_ };
	struct medio_error *err = NULL;

	groups.host.root = groups.opts->root;
	if (groups.opts->json)
		groups.list = json_object_new_array();
	/* Without memory for names, numbers do. */
	medio_pci_names_new(NULL, &groups.names);
	int ret = args->count ? show_asked(&groups, args, &err) : show_all(&groups, &err);
	if (ret == 0)
		end(&groups);
	medio_pci_names_free(groups.names);
	json_object_put(groups.list);
	if (ret == 0)
		return groups.not_viable ? MEDIO_EXIT_REFUSED : MEDIO_EXIT_OK;
	int code = medio_tool_host_fail(cmd, ret, err);
	return ret == -ENXIO ? MEDIO_EXIT_REFUSED : code;
}

const struct medio_command medio_command_groups = {
	.name = "groups",
	.summary = "List this machine's IOMMU groups, and whether VFIO can open them",
	.arguments = "[GROUP|BDF…]",
	.max_args = 1000,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
