/* SPDX-License-Identifier: BSD-3-Clause */
#include "host.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include <medio/error.h>

#include "client.h"
#include "text.h"

#define COLUMNS 100

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	stop = number;
}

void medio_tool_host_catch(struct medio_host *host)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	/* No SA_RESTART: what waits must end. */
	struct sigaction action = { .sa_handler = on_signal }, old;

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		sigaction(numbers[i], NULL, &old);
		/* What nohup and a shell's & leave alone. */
		if (old.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
	}
	host->stop = &stop;
}

int medio_tool_host_fail(const struct medio_command *cmd, int ret, struct medio_error *err)
{
	int code = MEDIO_EXIT_FAILURE;

	if (ret == -EINVAL)
		code = medio_command_usage(cmd, "%s", medio_error_text(err));
	else
		medio_command_fail(cmd, "%s", medio_error_text(err));
	medio_error_free(err);
	return code;
}

/* ---- Devices ----------------------------------------------------------------------------------- */

void medio_tool_host_describe(
	struct medio_pci_names *names, const struct medio_host_device *dev, char *buf, size_t size)
{
	char class_name[128], device[256];

	if (!dev->pci) {
		snprintf(buf, size, "not a PCI device");
		return;
	}
	medio_pci_names_class(names, MEDIO_PCI_NAMES_ONLY, (uint16_t)(dev->class_code >> 8),
		class_name, sizeof(class_name));
	medio_pci_names_device(
		names, MEDIO_PCI_NAMES_ONLY, dev->vendor, dev->device, device, sizeof(device));
	snprintf(buf, size, "%s: %s", class_name, device);
}

void medio_tool_json_optional(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, text && *text ? json_object_new_string(text) : NULL);
}

static void add_hex(struct json_object *object, const char *key, unsigned digits, unsigned value)
{
	char text[16];

	snprintf(text, sizeof(text), "%0*x", (int)digits, value);
	medio_json_set(object, key, text);
}

struct json_object *medio_tool_host_json(
	struct medio_pci_names *names, const struct medio_host_device *dev)
{
	struct json_object *object = json_object_new_object();
	char name[400];

	medio_tool_json_optional(object, "bdf", dev->pci ? dev->name : NULL);
	medio_tool_json_optional(object, "driver", dev->driver);
	json_object_object_add(
		object, "group", dev->group < 0 ? NULL : json_object_new_int(dev->group));
	if (dev->pci) {
		add_hex(object, "vendor", 4, dev->vendor);
		add_hex(object, "device", 4, dev->device);
		add_hex(object, "class", 6, dev->class_code);
	}
	medio_tool_host_describe(names, dev, name, sizeof(name));
	medio_json_set(object, "name", dev->pci ? name : dev->name);
	return object;
}

/* ---- Findings ---------------------------------------------------------------------------------- */

static unsigned columns(const char *text, size_t len)
{
	unsigned n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

/* The first line begins at column. */
static void wrap(const char *text, unsigned column, unsigned indent, FILE *out)
{
	bool first = true;
	char word[256];

	for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
		size_t len = strcspn(text, " ");
		unsigned wide = columns(text, len);
		if (!first && column + 1 + wide > COLUMNS) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (!first) {
			fputc(' ', out);
			column++;
		}
		first = false;
		column += wide;
		/* A word that is longer goes out in pieces. */
		for (size_t n; len; text += n, len -= n) {
			n = len < sizeof(word) ? len : sizeof(word) - 1;
			memcpy(word, text, n);
			word[n] = 0;
			medio_text_print(word, out);
		}
	}
	fputc('\n', out);
}

struct json_object *medio_tool_findings_json(const struct medio_findings *findings)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < findings->count; i++) {
		const struct medio_finding *finding = &findings->items[i];
		struct json_object *object = json_object_new_object();
		medio_json_set(object, "level", medio_finding_level_name(finding->level));
		medio_json_set(object, "topic", finding->topic);
		medio_tool_json_optional(object, "subject", finding->subject);
		medio_json_set(object, "text", finding->text);
		medio_tool_json_optional(object, "advice", finding->advice);
		json_object_array_add(list, object);
	}
	return list;
}

void medio_tool_finding_print(const struct medio_finding *finding, unsigned indent, FILE *out)
{
	unsigned column = indent;

	if (*finding->subject) {
		medio_text_print(finding->subject, out);
		fputs(": ", out);
		column += columns(finding->subject, strlen(finding->subject)) + 2;
	}
	wrap(finding->text, column, indent, out);
	if (!finding->advice)
		return;
	fprintf(out, "%*s", (int)indent, "");
	wrap(finding->advice, indent, indent, out);
}
