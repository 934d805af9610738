/* SPDX-License-Identifier: BSD-3-Clause */
#include "spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define KINDS	"file:PATH, mem:SIZE, null and nbd:URI"
#define OPTIONS "readonly, direct, aio, size (of null) and serial"

#define wrong(words_, ...) (snprintf(words_, SCSI_SPEC_WORDS, __VA_ARGS__), -EINVAL)

/* What is before the next single comma, double ones made single; *rest is behind it, NULL at the end. */
static char *next_item(char **rest)
{
	char *item = *rest, *from = item, *to = item;

	for (; *from; from++) {
		if (*from == ',') {
			if (from[1] != ',')
				break;
			from++;
		}
		*to++ = *from;
	}
	*rest = *from ? from + 1 : NULL;
	*to = '\0';
	return item;
}

/* Cut at the first `by`; gives what is behind it, or NULL. */
static char *cut(char *item, char by)
{
	char *at = strchr(item, by);

	if (at)
		*at++ = '\0';
	return at;
}

/* ---- Values ------------------------------------------------------------------------------------ */

static int take_size(const char *name, const char *value, uint64_t *out, char *words)
{
	static const char units[] = "KMGT";
	unsigned long long number;
	unsigned shift = 0;
	const char *at;
	char *end;

	errno = 0;
	number = value && *value >= '0' && *value <= '9' ? strtoull(value, &end, 0) : 0;
	if (!number)
		return wrong(words, "'%s' needs a size such as 64M (K, M, G, T), not '%.64s'", name,
			value ? value : "");
	if (*end && (at = strchr(units, *end & ~0x20))) {
		shift = 10 * (unsigned)(at - units + 1);
		end++;
	}
	if (*end || errno || number > UINT64_MAX >> 1 >> shift)
		return wrong(words, "'%s' needs a size such as 64M (K, M, G, T), not '%.64s'", name,
			value);
	*out = (uint64_t)number << shift;
	return 0;
}

static int take_bool(const char *name, const char *value, bool *out, char *words)
{
	if (!value || !strcasecmp(value, "on"))
		*out = true;
	else if (!strcasecmp(value, "off"))
		*out = false;
	else
		return wrong(words, "'%s' must be on or off, not '%.64s'", name, value);
	return 0;
}

static int take_choice(
	const char *name, const char *value, const char *const *names, int *out, char *words)
{
	size_t len;

	for (int i = 0; value && names[i]; i++) {
		if (!strcmp(value, names[i])) {
			*out = i;
			return 0;
		}
	}
	snprintf(words, SCSI_SPEC_WORDS, "'%s' must be one of", name);
	for (int i = 0; names[i]; i++) {
		len = strlen(words);
		snprintf(words + len, SCSI_SPEC_WORDS - len, "%s %s", i ? "," : "", names[i]);
	}
	len = strlen(words);
	snprintf(words + len, SCSI_SPEC_WORDS - len, "; not '%.64s'", value ? value : "");
	return -EINVAL;
}

/* Letters that stand well in a fixed field and in a link's name. */
static int take_serial(const char *value, char *out, char *words)
{
	size_t len = value ? strlen(value) : 0;

	if (!len || len > SCSI_SERIAL_BYTES)
		return wrong(words, "'serial' needs 1 to %u characters", SCSI_SERIAL_BYTES);
	for (size_t i = 0; i < len; i++) {
		if (value[i] <= ' ' || value[i] > '~')
			return wrong(words,
				"'serial' takes letters, digits and signs of ASCII, no spaces");
	}
	memcpy(out, value, len + 1);
	return 0;
}

/* ---- Items ------------------------------------------------------------------------------------- */

static int take_kind(struct scsi_spec *spec, char *item, char *words)
{
	struct disk_options *disk = &spec->disk;
	char *value = cut(item, ':');
	bool is_file = !strcmp(item, "file"), is_nbd = !strcmp(item, "nbd");

	if (!strcmp(item, "mem"))
		return take_size("mem:", value, &disk->mem, words);
	if (!strcmp(item, "null") && !value) {
		disk->null = true;
		return 0;
	}
	if ((is_file || is_nbd) && (!value || !*value))
		return wrong(words, is_file ? "'file:' needs a path behind it"
					    : "'nbd:' needs a URI behind it, such as "
					      "nbd+unix:///?socket=PATH");
	if (is_file)
		disk->file = value;
	else if (is_nbd)
		disk->nbd = value;
	else if (value || !*item)
		return wrong(words, "'%.64s%s%.64s' is not a kind of disk; write " KINDS, item,
			value ? ":" : "", value ? value : "");
	else
		return wrong(words,
			"'%.64s' is not a kind of disk; did you mean 'file:%.64s'? "
			"There are " KINDS,
			item, item);
	return 0;
}

static int take_option(struct scsi_spec *spec, char *item, char *words)
{
	struct disk_options *disk = &spec->disk;
	char *value = cut(item, '=');

	if (!strcmp(item, "readonly"))
		return take_bool(item, value, &disk->readonly, words);
	if (!strcmp(item, "direct"))
		return take_choice(
			item, value ? value : "on", disk_direct_names, &disk->direct, words);
	if (!strcmp(item, "aio"))
		return take_choice(item, value, disk_aio_names, &disk->aio, words);
	if (!strcmp(item, "serial"))
		return take_serial(value, spec->serial, words);
	if (!strcmp(item, "size") && disk->null)
		return take_size(item, value, &disk->size, words);
	if (!strcmp(item, "size"))
		return wrong(words, "'size' is for null; a file has its own, memory is mem:SIZE");
	return wrong(words,
		"unknown option '%.64s'; the known ones are " OPTIONS
		" (a comma in a path is written twice)",
		item);
}

int scsi_spec_parse(const char *text, struct scsi_spec *out, char *words)
{
	struct scsi_spec spec = { .disk.size = UINT64_C(1) << 40, .text = strdup(text) };
	char *rest = spec.text;

	if (!rest)
		return -ENOMEM;
	int ret = take_kind(&spec, next_item(&rest), words);
	while (!ret && rest)
		ret = take_option(&spec, next_item(&rest), words);
	if (ret) {
		free(spec.text);
		return ret;
	}
	*out = spec;
	return 0;
}

void scsi_spec_free(struct scsi_spec *spec)
{
	free(spec->text);
	*spec = (struct scsi_spec){ 0 };
}
