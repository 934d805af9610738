/* SPDX-License-Identifier: BSD-3-Clause */
/* What is known of a served device, and to whom it is told: a terminal, a program, a command's environment. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "serve.h"
#include "text.h"

void medio_serve_know(struct medio_serve *serve, const char *name, const char *value)
{
	if (!serve->facts)
		serve->facts = json_object_new_object();
	if (serve->facts)
		medio_json_set(serve->facts, name, value);
}

void medio_serve_know_number(struct medio_serve *serve, const char *name, unsigned value)
{
	if (!serve->facts)
		serve->facts = json_object_new_object();
	if (serve->facts)
		json_object_object_add(serve->facts, name, json_object_new_int64(value));
}

const char *medio_serve_fact(const struct medio_serve *serve, const char *name)
{
	return medio_json_string(serve->facts, name);
}

void medio_serve_queues(const struct medio_serve *serve, unsigned *count, unsigned *size)
{
	static char text[262144];
	ssize_t len = medio_instance_attr_show(
		medio_mdev_local_instance(serve->mdev), "virtio/state", text, sizeof(text) - 1);

	text[len > 0 ? len : 0] = 0;
	struct json_object *state = json_tokener_parse(text);
	struct json_object *queues = medio_json_get(state, "queues");
	*count = queues ? (unsigned)json_object_array_length(queues) : 0;
	*size = *count ? (unsigned)medio_json_int(json_object_array_get_idx(queues, 0), "max_size")
		       : 0;
	json_object_put(state);
}

static const char *word_at(const struct json_object *words, size_t i)
{
	return json_object_get_string(json_object_array_get_idx(words, i));
}

void medio_serve_know_qemu(struct medio_serve *serve, struct json_object *words)
{
	size_t count = words ? json_object_array_length(words) : 0, size = 1, at = 0;

	json_object_put(serve->qemu);
	serve->qemu = words;
	for (size_t i = 0; i < count; i++)
		size += strlen(word_at(words, i)) + 1;
	char *text = count ? malloc(size) : NULL;
	if (!text)
		return;
	for (size_t i = 0; i < count; i++)
		at += (size_t)snprintf(
			text + at, size - at, "%s%s", i ? " " : "", word_at(words, i));
	medio_serve_know(serve, "qemu_device", text);
	free(text);
}

void medio_serve_tell_qemu(const struct medio_serve *serve)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-_./,=:+@%";
	size_t count = serve->qemu ? json_object_array_length(serve->qemu) : 0;

	if (!count)
		return;
	fprintf(stderr, "medio: for QEMU:");
	for (size_t i = 0; i < count; i++) {
		const char *word = word_at(serve->qemu, i);
		fputc(' ', stderr);
		if (word[strspn(word, plain)])
			medio_text_quote(word, stderr);
		else
			fputs(word, stderr);
	}
	fputc('\n', stderr);
}

void medio_serve_tell(const struct medio_serve *serve)
{
	const struct medio_type *type = medio_mdev_type(serve->mdev);

	if (serve->opts->json) {
		puts(json_object_to_json_string_ext(
			serve->facts, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		fflush(stdout);
	} else if (!serve->opts->quiet && !serve->opts->run) {
		bool terminal = isatty(STDERR_FILENO);
		fprintf(stderr, "medio: %s (%s) %s is ready %s %s\n", type->name, type->summary,
			medio_serve_fact(serve, "uuid"),
			serve->opts->connect ? "and connects to" : "at",
			medio_serve_fact(serve, serve->as->place));
		if (terminal || serve->as->must_advise)
			serve->as->advise(serve);
		if (terminal)
			fprintf(stderr, "medio: Ctrl-C ends it\n");
	}
}

/* ---- For a command ------------------------------------------------------------------------------- */

char **medio_serve_env(const struct medio_serve *serve)
{
	size_t at = 0, count = serve->facts ? (size_t)json_object_object_length(serve->facts) : 0;
	char **env = calloc(count + 1, sizeof(*env));

	if (!env || !count)
		return env;
	json_object_object_foreach(serve->facts, name, value)
	{
		if (asprintf(&env[at], "%s=%s", name, json_object_get_string(value)) < 0) {
			env[at] = NULL;
			medio_serve_env_free(env);
			return NULL;
		}
		at++;
	}
	return env;
}

void medio_serve_env_free(char **env)
{
	for (char **at = env; at && *at; at++)
		free(*at);
	free(env);
}
