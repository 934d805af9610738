/* SPDX-License-Identifier: BSD-3-Clause */
#include "test_host_root.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Files ------------------------------------------------------------------------------------- */

/* Make the folders above a file. */
static void make_folders(char full[PATH_MAX], size_t root)
{
	for (char *slash = strchr(full + root + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(full, 0755);
		*slash = '/';
	}
}

void machine_file(struct machine *m, const char *text, const char *path, ...)
{
	char full[PATH_MAX];
	size_t root = (size_t)snprintf(full, sizeof(full), "%s", m->root);
	va_list ap;

	va_start(ap, path);
	vsnprintf(full + root, sizeof(full) - root, path, ap);
	va_end(ap);
	make_folders(full, root);
	FILE *file = fopen(full, "we");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

void machine_link(struct machine *m, const char *target, const char *path, ...)
{
	char full[PATH_MAX];
	size_t root = (size_t)snprintf(full, sizeof(full), "%s", m->root);
	va_list ap;

	va_start(ap, path);
	vsnprintf(full + root, sizeof(full) - root, path, ap);
	va_end(ap);
	make_folders(full, root);
	unlink(full);
	assert_int_equal(symlink(target, full), 0);
}

/* ---- Devices ----------------------------------------------------------------------------------- */

void machine_driver(struct machine *m, const char *driver)
{
	machine_file(m, "", "/sys/bus/pci/drivers/%s/bind", driver);
	machine_file(m, "", "/sys/bus/pci/drivers/%s/unbind", driver);
}

static void set_driver(struct machine *m, const char *name, const char *driver)
{
	char path[PATH_MAX], target[PATH_MAX];

	snprintf(path, sizeof(path), "%s/sys/devices/pci0000:00/%s/driver", m->root, name);
	unlink(path);
	if (!*driver)
		return;
	snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", driver);
	assert_int_equal(symlink(target, path), 0);
}

void machine_bind(struct machine *m, const char *name, const char *driver)
{
	machine_driver(m, driver);
	set_driver(m, name, driver);
}

void machine_device(
	struct machine *m, const char *name, unsigned class_code, int group, const char *driver)
{
	char text[PATH_MAX];

	machine_file(m, "0x8086\n", "/sys/devices/pci0000:00/%s/vendor", name);
	machine_file(m, "0x10c9\n", "/sys/devices/pci0000:00/%s/device", name);
	snprintf(text, sizeof(text), "0x%06x\n", class_code);
	machine_file(m, text, "/sys/devices/pci0000:00/%s/class", name);
	machine_file(m, "(null)\n", "/sys/devices/pci0000:00/%s/driver_override", name);
	machine_file(m, "", "/sys/devices/pci0000:00/%s/reset", name);
	machine_file(m, driver, "/native/%s", name);
	machine_file(m, "", "/sys/bus/pci/drivers_probe");
	snprintf(text, sizeof(text), "../../../devices/pci0000:00/%s", name);
	machine_link(m, text, "/sys/bus/pci/devices/%s", name);
	if (*driver)
		machine_driver(m, driver);
	set_driver(m, name, driver);
	if (group < 0)
		return;
	snprintf(text, sizeof(text), "../../../../devices/pci0000:00/%s", name);
	machine_link(m, text, "/sys/kernel/iommu_groups/%d/devices/%s", group, name);
	machine_file(m, "DMA-FQ\n", "/sys/kernel/iommu_groups/%d/type", group);
	snprintf(text, sizeof(text), "../../../kernel/iommu_groups/%d", group);
	machine_link(m, text, "/sys/devices/pci0000:00/%s/iommu_group", name);
}

/* Loads into one of two places, so that two answers can be compared. */
static const struct medio_host_device *load(struct machine *m, const char *name)
{
	static struct medio_host_device devices[2];
	static unsigned turn;
	struct medio_host_device *dev = &devices[turn++ % 2];

	assert_int_equal(medio_host_device_load(&m->host, name, dev), 0);
	return dev;
}

const char *machine_driver_of(struct machine *m, const char *name)
{
	return load(m, name)->driver;
}

const char *machine_override_of(struct machine *m, const char *name)
{
	return load(m, name)->override;
}

/* ---- Its kernel -------------------------------------------------------------------------------- */

static void native_of(struct machine *m, const char *name, char driver[64])
{
	if (medio_host_read(&m->host, driver, 64, "/native/%s", name))
		*driver = 0;
}

/* The override alone counts if there is one. */
static bool matches(struct machine *m, const char *name, const char *driver)
{
	char native[64];

	native_of(m, name, native);
	const char *override = machine_override_of(m, name);
	return !strcmp(*override ? override : native, driver);
}

static void probe(struct machine *m, const char *name, const char *driver)
{
	if (*driver && medio_host_exists(&m->host, "/sys/bus/pci/drivers/%s", driver) &&
		!(m->refusing && !strcmp(m->refusing, driver)))
		set_driver(m, name, driver);
}

static int write_driver(struct machine *m, const char *driver, const char *file, const char *name)
{
	bool bound = !strcmp(machine_driver_of(m, name), driver);

	if (!strcmp(file, "unbind")) {
		if (!bound)
			return -ENODEV;
		set_driver(m, name, "");
		return m->lets_go ? -ENODEV : 0;
	}
	if (bound || *machine_driver_of(m, name) || !matches(m, name, driver))
		return -ENODEV;
	probe(m, name, driver);
	return *machine_driver_of(m, name) ? 0 : -ENODEV;
}

static int write_probe(struct machine *m, const char *name)
{
	char native[64];

	native_of(m, name, native);
	const char *override = machine_override_of(m, name);
	if (!*machine_driver_of(m, name))
		probe(m, name, *override ? override : native);
	return 0;
}

/* VFs are 0000:02:10.N, in groups of their own from 20. */
static int write_numvfs(struct machine *m, const char *name, unsigned count)
{
	unsigned long long now = 0;
	char vf[32], text[80];

	medio_host_number(&m->host, &now, "/sys/bus/pci/devices/%s/sriov_numvfs", name);
	if (now && count)
		return -EBUSY;
	if (count > m->vfs_most)
		count = m->vfs_most;
	for (unsigned i = 0; i < count; i++) {
		snprintf(vf, sizeof(vf), "0000:02:10.%u", i);
		machine_device(m, vf, 0x020000, 20 + (int)i, "igbvf");
		snprintf(text, sizeof(text), "../%s", vf);
		machine_link(m, text, "/sys/devices/pci0000:00/%s/virtfn%u", name, i);
		snprintf(text, sizeof(text), "../%s", name);
		machine_link(m, text, "/sys/devices/pci0000:00/%s/physfn", vf);
	}
	snprintf(text, sizeof(text), "%u\n", count);
	machine_file(m, text, "/sys/devices/pci0000:00/%s/sriov_numvfs", name);
	return 0;
}

static int react(struct machine *m, const char *path, const char *text)
{
	char name[64], file[64];

	if (sscanf(path, "/sys/bus/pci/drivers/%63[^/]/%63s", name, file) == 2)
		return write_driver(m, name, file, text);
	if (!strcmp(path, "/sys/bus/pci/drivers_probe"))
		return write_probe(m, text);
	if (sscanf(path, "/sys/bus/pci/devices/%63[^/]/%63s", name, file) != 2)
		return -ENOENT;
	if (!strcmp(file, "driver_override"))
		machine_file(m, strcmp(text, "\n") != 0 ? text : "(null)\n",
			"/sys/devices/pci0000:00/%s/driver_override", name);
	else if (!strcmp(file, "sriov_numvfs"))
		return write_numvfs(m, name, (unsigned)atoi(text));
	else
		return -EACCES;
	return 0;
}

static int kernel_write(const struct medio_host *host, const char *path, const char *text)
{
	struct machine *m = host->opaque;
	size_t used = strlen(m->log);

	snprintf(m->log + used, sizeof(m->log) - used, "%s=%s%s", path, text,
		strcmp(text, "\n") != 0 ? "\n" : "");
	m->writes++;
	if (m->stop_at == m->writes)
		m->stop = 1;
	if (m->fail_at == m->writes || (m->fail_from && m->writes >= m->fail_from))
		return -m->fail_errno;
	return react(m, path, text);
}

static int kernel_access(const struct medio_host *host, const char *path)
{
	const struct machine *m = host->opaque;

	if (!medio_host_exists(host, "%s", path))
		return -ENOENT;
	return m->denied;
}

static bool kernel_claimed(const struct medio_host *host, const char *path)
{
	const struct machine *m = host->opaque;

	return m->claimed && !strcmp(m->claimed, path);
}

static bool kernel_has_address(const struct medio_host *host, const char *interface)
{
	const struct machine *m = host->opaque;

	return m->addressed && !strcmp(m->addressed, interface);
}

static const struct medio_host_kernel kernel = {
	.write = kernel_write,
	.access = kernel_access,
	.claimed = kernel_claimed,
	.has_address = kernel_has_address,
};

/* ---- Begin and end ----------------------------------------------------------------------------- */

int machine_setup(void **state)
{
	struct machine *m = calloc(1, sizeof(*m));

	if (!m)
		return -1;
	strcpy(m->root, "/tmp/medio-host-XXXXXX");
	if (!mkdtemp(m->root)) {
		free(m);
		return -1;
	}
	m->host = (struct medio_host){
		.root = m->root, .kernel = &kernel, .opaque = m, .stop = &m->stop
	};
	m->vfs_most = UINT_MAX;
	*state = m;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int machine_teardown(void **state)
{
	struct machine *m = *state;

	nftw(m->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(m);
	return 0;
}
