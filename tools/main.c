/* SPDX-License-Identifier: BSD-3-Clause */
/* The medio program: which command, and what there is. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "util/cleanup.h"
#include "util/nearest.h"

/* Every command, as --help lists them. */
static const struct medio_command *const commands[] = {
	&medio_command_serve,
	&medio_command_run_program,
	&medio_command_types,
	&medio_command_start,
	&medio_command_stop,
	&medio_command_list,
	&medio_command_set,
	&medio_command_define,
	&medio_command_modify,
	&medio_command_undefine,
	&medio_command_monitor,
	&medio_command_top,
	&medio_command_lspci,
	&medio_command_irq,
	&medio_command_console,
	&medio_command_io,
	&medio_command_net,
	&medio_command_virtio,
	&medio_command_steps,
	&medio_command_bench,
	&medio_command_new,
	&medio_command_replay,
	&medio_command_check,
	&medio_command_groups,
	&medio_command_bind,
	&medio_command_unbind,
	&medio_command_sriov,
};

static void help(FILE *out)
{
	fprintf(out,
		"Usage: %smedio%s COMMAND [OPTION…] [ARGUMENT…]\n"
		"Mediated device I/O in user space.\n\nCommands:\n",
		medio_bold(out), medio_plain(out));
	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-10s  %s\n", commands[i]->name, commands[i]->summary);
	fprintf(out, "\n'medio COMMAND --help' and medio-COMMAND(1) say more.\n"
		     "'medio --version' prints the version.\n");
}

static const struct medio_command *find(const char *name)
{
	const char *names[MEDIO_ARRAY_SIZE(commands)];

	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(commands); i++) {
		names[i] = commands[i]->name;
		if (!strcmp(names[i], name))
			return commands[i];
	}
	const char *near = medio_nearest(name, names, MEDIO_ARRAY_SIZE(names));
	fprintf(stderr, "medio: no %s %s%s%s%s\nTry 'medio --help'.\n",
		name[0] == '-' ? "option" : "command", name, near ? "; did you mean " : "",
		near ? near : "", near ? "?" : "");
	return NULL;
}

static int dump_man(const char *name)
{
	const struct medio_command *cmd = name ? find(name) : NULL;

	if (!cmd) {
		if (!name)
			fprintf(stderr, "medio: --dump-man needs COMMAND\n");
		return MEDIO_EXIT_USAGE;
	}
	medio_command_dump_man(cmd, stdout);
	return MEDIO_EXIT_OK;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		help(stderr);
		return MEDIO_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		help(stdout);
		return MEDIO_EXIT_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("medio %s\n", MEDIO_VERSION);
		return MEDIO_EXIT_OK;
	}
	if (!strcmp(argv[1], "--dump-man"))
		return dump_man(argv[2]);
	const struct medio_command *cmd = find(argv[1]);
	return cmd ? medio_command_run(cmd, argc - 1, argv + 1) : MEDIO_EXIT_USAGE;
}
