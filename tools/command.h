/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands of the medio program, and mediod, which is one by itself. A command is one table: its
 * options are parsed, shown by --help, completed into the manual page and checked from it. To add
 * one, write tools/NAME.c with a `const struct medio_command medio_command_NAME`, declare it below
 * and list it in tools/main.c.
 */
#ifndef MEDIO_TOOLS_COMMAND_H
#define MEDIO_TOOLS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What a command returns, and the program exits with. */
enum { MEDIO_EXIT_OK = 0, MEDIO_EXIT_FAILURE = 1, MEDIO_EXIT_USAGE = 2 };

enum medio_option_kind {
	MEDIO_OPTION_FLAG,   /* bool: --json */
	MEDIO_OPTION_COUNT,  /* unsigned: -vvv */
	MEDIO_OPTION_STRING, /* const char *: --socket PATH; the last one counts */
	MEDIO_OPTION_UINT,   /* uint64_t, min to max, decimal or 0x…: --port N */
	MEDIO_OPTION_LIST,   /* struct medio_option_list: --filter F --filter G, in order */
};

/* The values of a LIST option, or the free arguments. Strings are argv's. */
struct medio_option_list {
	const char **items;
	unsigned count;
};

struct medio_option {
	const char *name; /* without dashes; NULL ends a table */
	char letter;	  /* short form, 0: none */
	enum medio_option_kind kind;
	size_t offset;	   /* in the command's struct of options */
	const char *arg;   /* placeholder: "PATH"; NULL for FLAG and COUNT */
	const char *help;  /* one or two sentences without full stop at the end */
	uint64_t min, max; /* UINT */
};

struct medio_command {
	const char *name;
	bool program;	       /* a program of its own: "mediod", not "medio mediod" */
	const char *summary;   /* one line, no full stop */
	const char *arguments; /* "DEVICE", "TYPE [NAME=VALUE…]"; "" for none */
	unsigned min_args, max_args;
	bool rest; /* behind the first free argument all are: another program's */
	const struct medio_option *options; /* ends with name NULL; NULL: none */
	size_t options_size;		    /* bytes of the struct, zeroed before parsing */
	const void *defaults;		    /* options_size bytes to begin with; NULL: zeros */
	/* args: the free arguments. Returns MEDIO_EXIT_*. */
	int (*run)(const struct medio_command *cmd, void *options,
		const struct medio_option_list *args);
};

extern const struct medio_command medio_command_bench;
extern const struct medio_command medio_command_bind;
extern const struct medio_command medio_command_check;
extern const struct medio_command medio_command_console;
extern const struct medio_command medio_command_define;
extern const struct medio_command medio_command_groups;
extern const struct medio_command medio_command_io;
extern const struct medio_command medio_command_irq;
extern const struct medio_command medio_command_list;
extern const struct medio_command medio_command_lspci;
extern const struct medio_command medio_command_modify;
extern const struct medio_command medio_command_monitor;
extern const struct medio_command medio_command_net;
extern const struct medio_command medio_command_new;
extern const struct medio_command medio_command_replay;
extern const struct medio_command medio_command_run_program;
extern const struct medio_command medio_command_serve;
extern const struct medio_command medio_command_set;
extern const struct medio_command medio_command_sriov;
extern const struct medio_command medio_command_start;
extern const struct medio_command medio_command_steps;
extern const struct medio_command medio_command_stop;
extern const struct medio_command medio_command_top;
extern const struct medio_command medio_command_virtio;
extern const struct medio_command medio_command_types;
extern const struct medio_command medio_command_unbind;
extern const struct medio_command medio_command_undefine;

/* Parse argv[1…] and run; argv[0] is the command's name. Returns what to exit with. */
int medio_command_run(const struct medio_command *cmd, int argc, char **argv);
/* --help. */
void medio_command_help(const struct medio_command *cmd, FILE *out);
/* The OPTIONS section of the manual page, in scdoc's language. */
void medio_command_dump_man(const struct medio_command *cmd, FILE *out);

/* "medio NAME: words" on standard error; gives MEDIO_EXIT_FAILURE. */
int medio_command_fail(const struct medio_command *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The same with "try --help" below; gives MEDIO_EXIT_USAGE. */
int medio_command_usage(const struct medio_command *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Escape sequence for bold and back, or "" where out is no terminal or NO_COLOR is set. */
const char *medio_bold(FILE *out);
const char *medio_plain(FILE *out);

#endif
