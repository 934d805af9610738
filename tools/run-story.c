/* SPDX-License-Identifier: BSD-3-Clause */
/* The story that medio run --trace tells, line by line: for people, or as JSON. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "compat/ktrace.h"
#include "run.h"
#include "util/error.h"

static void as_json(FILE *out, pid_t tid, const char *what, const char *words, int64_t ret)
{
	struct json_object *line = json_object_new_object();

	if (tid)
		json_object_object_add(line, "thread", json_object_new_int64(tid));
	if (*what) {
		json_object_object_add(line, "call", json_object_new_string(what));
		json_object_object_add(line, "ret", json_object_new_int64(ret));
	}
	json_object_object_add(line, "words", json_object_new_string(words));
	fputs(json_object_to_json_string_ext(line, JSON_C_TO_STRING_NOSLASHESCAPE), out);
	fputc('\n', out);
	json_object_put(line);
}

static void on_line(void *opaque, pid_t tid, const char *what, const char *words, int64_t ret)
{
	const struct medio_run *run = opaque;

	if (run->opts->json)
		as_json(run->story, tid, what, words, ret);
	else if (*what && ret < 0)
		fprintf(run->story, "[%d] %s: %s: %s\n", (int)tid, what, words,
			strerror((int)-ret));
	else if (*what)
		fprintf(run->story, "[%d] %s: %s\n", (int)tid, what, words);
	else
		fprintf(run->story, "%s\n", words);
	fflush(run->story);
}

int medio_run_story_open(struct medio_run *run, struct medio_error **err)
{
	if (!run->opts->trace)
		return 0;
	run->story = run->opts->output ? fopen(run->opts->output, "we") : stderr;
	if (!run->story)
		return medio_error_set(err, errno, "cannot write the story to %s: %s",
			run->opts->output, strerror(errno));
	if (run->compat)
		medio_story_to(run->compat, on_line, run);
	return 0;
}

void medio_run_story_close(struct medio_run *run)
{
	if (run->story && run->story != stderr)
		fclose(run->story);
	run->story = NULL;
}

int medio_run_kernel(struct medio_run *run, char *const *argv, struct medio_error **err)
{
	return medio_ktrace(argv, on_line, run, &run->status, err);
}
