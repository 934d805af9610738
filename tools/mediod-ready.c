/* SPDX-License-Identifier: BSD-3-Clause */
/* The line that says mediod is ready, for people or for programs. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "manage/describe.h"
#include "mediod.h"
#include "util/cleanup.h"

/* {"runtime","tree":PATH|null,"control","metrics":WHERE|null,"pid","parents":[{…}]} */
static void say_json(const struct medio_daemon *d)
{
	struct json_object *object = json_object_new_object();
	struct json_object *parents = json_object_new_array();
	_cleanup_free_ char *control = NULL;

	if (asprintf(&control, "%s/control", d->runtime) < 0)
		control = NULL;
	json_object_object_add(object, "runtime", json_object_new_string(d->runtime));
	json_object_object_add(
		object, "tree", d->tree ? json_object_new_string(d->tree_dir) : NULL);
	json_object_object_add(object, "control", control ? json_object_new_string(control) : NULL);
	json_object_object_add(
		object, "metrics", d->metrics ? json_object_new_string(d->config.metrics) : NULL);
	json_object_object_add(object, "pid", json_object_new_int(getpid()));
	for (struct medio_parent *p = NULL; (p = medio_bus_next_parent(d->manager.bus, p));)
		json_object_array_add(parents, medio_describe_parent(p));
	json_object_object_add(object, "parents", parents);
	printf("%s\n", json_object_to_json_string_ext(
			       object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	fflush(stdout);
	json_object_put(object);
}

/* "mtty (mtty-1, mtty-2)" for each, with commas between. */
static char *print_parents(const struct medio_daemon *d)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool first = true;

	if (!out)
		return NULL;
	for (struct medio_parent *p = NULL; (p = medio_bus_next_parent(d->manager.bus, p));) {
		const struct medio_parent_desc *desc = medio_parent_desc(p);
		fprintf(out, "%s%s (", first ? "" : ", ", desc->name);
		for (unsigned i = 0; desc->types[i]; i++)
			fprintf(out, "%s%s", i ? ", " : "", desc->types[i]->name);
		fprintf(out, ")");
		first = false;
	}
	fclose(out);
	return text;
}

/* Something to type, with what is really there. */
static void say_next(const struct medio_daemon *d)
{
	struct medio_parent *parent = medio_bus_next_parent(d->manager.bus, NULL);
	const struct medio_parent_desc *desc = parent ? medio_parent_desc(parent) : NULL;

	if (desc && d->tree)
		fprintf(stderr,
			"mediod: try: uuidgen > %s/class/mdev_bus/%s/mdev_supported_types/%s/create; "
			"medio list\n",
			d->tree_dir, desc->name, desc->types[0]->name);
	else if (desc)
		fprintf(stderr, "mediod: try: medio start %s; medio list\n", desc->types[0]->name);
	fprintf(stderr, "mediod: Ctrl-C ends it and every instance\n");
}

void medio_daemon_say_ready(const struct medio_daemon *d)
{
	_cleanup_free_ char *parents = print_parents(d);

	if (d->opts->json)
		say_json(d);
	if (d->opts->quiet)
		return;
	fprintf(stderr, "%sready: %s%s%scontrol socket %s/control; parents: %s\n",
		d->log.journal ? "<6>" : "mediod: ", d->tree ? "tree " : "",
		d->tree ? d->tree_dir : "", d->tree ? ", " : "", d->runtime,
		parents && *parents ? parents : "none");
	if (isatty(STDERR_FILENO))
		say_next(d);
}
