/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine in a temporary folder: PCI devices, drivers and IOMMU groups as sysfs has them, and a
 * kernel that reacts to writes, also in the ways that hurt.
 */
#ifndef TEST_HOST_ROOT_H
#define TEST_HOST_ROOT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/device.h"
#include "host/host.h"

struct machine {
	struct medio_host host;
	char root[64];
	char log[4096]; /* each write that came: "PATH=TEXT\n" */
	unsigned writes;

	/* How the kernel behaves. */
	unsigned fail_at;   /* this write (from 1) gives fail_errno and does nothing; 0: none */
	unsigned fail_from; /* this one and all after it */
	int fail_errno;
	const char *refusing; /* a driver whose probe fails: the write succeeds, nothing is bound */
	bool lets_go;	      /* its driver leaves a device just before it is to: -ENODEV */
	unsigned stop_at;     /* during this write somebody asks to stop */
	volatile sig_atomic_t stop;
	int denied;	       /* what access() gives */
	const char *claimed;   /* a path that somebody holds */
	const char *addressed; /* an interface that has an address */
	unsigned vfs_most;     /* the driver makes at most so many VFs */
};

/* cmocka's setup and teardown: *state is a machine without devices. */
int machine_setup(void **state);
int machine_teardown(void **state);

/* Make a file with text, and the folders above it. */
void machine_file(struct machine *m, const char *text, const char *path, ...)
	__attribute__((format(printf, 3, 4)));
/* Make a symbolic link. */
void machine_link(struct machine *m, const char *target, const char *path, ...)
	__attribute__((format(printf, 3, 4)));
void machine_driver(struct machine *m, const char *driver);
/*
 * Add a device. group: -1 none. driver: it has and would get without an override; "": none. Loads
 * the driver.
 */
void machine_device(
	struct machine *m, const char *name, unsigned class_code, int group, const char *driver);
/* The driver and override it has now, "": none. */
const char *machine_driver_of(struct machine *m, const char *name);
const char *machine_override_of(struct machine *m, const char *name);
/* Put a device on a driver, by whatever means. */
void machine_bind(struct machine *m, const char *name, const char *driver);

#endif
