/* SPDX-License-Identifier: BSD-3-Clause */
/* medio check: what stands between a program and this machine's devices. */
#include <errno.h>
#include <string.h>

#include "client.h"
#include "host.h"

struct options {
	const char *root;
	bool quiet, json;
};

static const struct medio_option options[] = {
	{ "quiet", 'q', MEDIO_OPTION_FLAG, offsetof(struct options, quiet), NULL,
		"Leave out what is in order", 0, 0 },
	{ "json", 0, MEDIO_OPTION_FLAG, offsetof(struct options, json), NULL,
		"Print one JSON object: the worst level, and the findings", 0, 0 },
	{ "root", 0, MEDIO_OPTION_STRING, offsetof(struct options, root), "FOLDER",
		MEDIO_OPTION_ROOT_HELP, 0, 0 },
	{ NULL },
};

static void print_text(const struct options *opts, const struct medio_findings *findings)
{
	bool printed = false;

	for (unsigned i = 0; i < findings->count; i++) {
		const struct medio_finding *finding = &findings->items[i];
		bool loud = finding->level != MEDIO_FINDING_OK;
		if (opts->quiet && !loud)
			continue;
		printf("%s%-8s%s  ", loud ? medio_bold(stdout) : "",
			medio_finding_level_name(finding->level), loud ? medio_plain(stdout) : "");
		medio_tool_finding_print(finding, 10, stdout);
		printed = true;
	}
	if (!printed && !opts->quiet)
		printf("nothing to say\n");
}

static void print_json(const struct options *opts, const struct medio_findings *findings)
{
	struct json_object *top = json_object_new_object();
	struct json_object *list = medio_tool_findings_json(findings);

	for (size_t i = json_object_array_length(list); opts->quiet && i--;)
		if (findings->items[i].level == MEDIO_FINDING_OK)
			json_object_array_del_idx(list, i, 1);
	medio_json_set(top, "worst", medio_finding_level_name(medio_findings_worst(findings)));
	json_object_object_add(top, "findings", list);
	medio_json_print(top);
	json_object_put(top);
}

static int look(const struct medio_host *host, const struct medio_option_list *args,
	struct medio_findings *findings, struct medio_error **err)
{
	char name[MEDIO_BDF_TEXT];

	if (!args->count) {
		medio_check_machine(host, findings);
		return 0;
	}
	for (unsigned i = 0; i < args->count; i++) {
		int ret = medio_host_find(host, args->items[i], name, err);
		if (ret)
			return ret;
		if (!i) {
			medio_check_iommu(host, findings);
			medio_check_drivers(host, findings);
			medio_check_limits(host, findings);
		}
		medio_check_device(host, name, findings);
	}
	return 0;
}

static int run(
	const struct medio_command *cmd, void *options_, const struct medio_option_list *args)
{
	const struct options *opts = options_;
	struct medio_host host = { .root = opts->root };
	struct medio_findings findings = { 0 };
	struct medio_error *err = NULL;
	int code = MEDIO_EXIT_OK;

	int ret = look(&host, args, &findings, &err);
	if (ret) {
		code = medio_tool_host_fail(cmd, ret, err);
	} else if (findings.failed) {
		code = medio_command_fail(cmd, "out of memory");
	} else {
		if (opts->json)
			print_json(opts, &findings);
		else
			print_text(opts, &findings);
		if (medio_findings_worst(&findings) == MEDIO_FINDING_PROBLEM)
			code = MEDIO_EXIT_FAILURE;
	}
	medio_findings_fini(&findings);
	return code;
}

const struct medio_command medio_command_check = {
	.name = "check",
	.summary = "Say what stands between a program and this machine's devices",
	.arguments = "[BDF…]",
	.max_args = 1000,
	.options = options,
	.options_size = sizeof(struct options),
	.run = run,
};
