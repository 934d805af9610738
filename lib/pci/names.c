/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci/names.h"

#include <errno.h>
#include <pci/pci.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct medio_pci_names {
	struct pci_access *access;
};

/*
 * libpci reports a database it cannot parse, and exhausted memory, by a callback that must not
 * return. It carries no user pointer, so the way back stands here, for the length of one call.
 */
static _Thread_local jmp_buf *way_back;

__attribute__((noreturn)) static void on_error(char *fmt, ...)
{
	(void)fmt;
	if (way_back)
		longjmp(*way_back, 1);
	abort();
}

static void on_message(char *fmt, ...)
{
	(void)fmt;
}

int medio_pci_names_new(const char *path, struct medio_pci_names **out)
{
	struct medio_pci_names *names = calloc(1, sizeof(*names));
	jmp_buf here;

	if (!names)
		return -ENOMEM;
	/* pci_init() is not called: it looks for hardware, and names need none. */
	names->access = pci_alloc();
	names->access->error = on_error;
	names->access->warning = on_message;
	names->access->debug = on_message;
	/* The database only: no cache of network answers in the user's home, and not udev's copy of
	 * the same database, of which libpci 3.9 leaks a handle at each name it does not find. */
	names->access->id_lookup_mode = PCI_LOOKUP_NO_HWDB;
	way_back = &here;
	if (!setjmp(here)) {
		char *copy = path ? strdup(path) : NULL;
		if (copy)
			pci_set_name_list_path(names->access, copy, 1);
		pci_load_name_list(names->access);
	}
	way_back = NULL;
	*out = names;
	return 0;
}

void medio_pci_names_free(struct medio_pci_names *names)
{
	if (!names)
		return;
	pci_cleanup(names->access);
	free(names);
}

/*
 * One look-up; a..d are the ids flags asks for. Returns false, with nothing in buf, if there is no
 * database object, if libpci failed, or if PCI_LOOKUP_NO_NUMBERS found no name.
 */
static bool lookup(struct medio_pci_names *names, enum medio_pci_numeric numeric, char *buf,
	size_t size, int flags, int a, int b, int c, int d)
{
	const char *volatile text = NULL;
	jmp_buf here;

	buf[0] = '\0';
	if (!names)
		return false;
	names->access->numeric_ids = (int)numeric;
	way_back = &here;
	if (!setjmp(here))
		text = pci_lookup_name(names->access, buf, (int)size, flags, a, b, c, d);
	way_back = NULL;
	return text == buf;
}

static void put_numbers(enum medio_pci_numeric numeric, const char *word, const char *numbers,
	char *buf, size_t size)
{
	if (numeric == MEDIO_PCI_NUMBERS_ONLY)
		snprintf(buf, size, "%s", numbers);
	else
		snprintf(buf, size, numeric == MEDIO_PCI_BOTH ? "%s [%s]" : "%s %s", word, numbers);
}

void medio_pci_names_class(struct medio_pci_names *names, enum medio_pci_numeric numeric,
	uint16_t class_code, char *buf, size_t size)
{
	char numbers[8];

	if (lookup(names, numeric, buf, size, PCI_LOOKUP_CLASS, class_code, 0, 0, 0))
		return;
	snprintf(numbers, sizeof(numbers), "%04x", class_code);
	put_numbers(numeric, "Class", numbers, buf, size);
}

static void put_pair(
	enum medio_pci_numeric numeric, uint16_t vendor, uint16_t device, char *buf, size_t size)
{
	char numbers[16];

	snprintf(numbers, sizeof(numbers), "%04x:%04x", vendor, device);
	put_numbers(numeric, "Device", numbers, buf, size);
}

void medio_pci_names_device(struct medio_pci_names *names, enum medio_pci_numeric numeric,
	uint16_t vendor, uint16_t device, char *buf, size_t size)
{
	if (!lookup(names, numeric, buf, size, PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE, vendor,
		    device, 0, 0))
		put_pair(numeric, vendor, device, buf, size);
}

void medio_pci_names_subsystem(struct medio_pci_names *names, enum medio_pci_numeric numeric,
	uint16_t vendor, uint16_t device, uint16_t subsystem_vendor, uint16_t subsystem_device,
	char *buf, size_t size)
{
	if (!lookup(names, numeric, buf, size,
		    PCI_LOOKUP_SUBSYSTEM | PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE, vendor, device,
		    subsystem_vendor, subsystem_device))
		put_pair(numeric, subsystem_vendor, subsystem_device, buf, size);
}

void medio_pci_names_prog_if(
	struct medio_pci_names *names, uint16_t class_code, uint8_t prog_if, char *buf, size_t size)
{
	lookup(names, MEDIO_PCI_NAMES_ONLY, buf, size, PCI_LOOKUP_PROGIF | PCI_LOOKUP_NO_NUMBERS,
		class_code, prog_if, 0, 0);
}
