/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/sriov.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/driver.h"
#include "util/error.h"

/* ---- Reading ----------------------------------------------------------------------------------- */

static unsigned number(const struct medio_host *host, const char *name, const char *file)
{
	unsigned long long value = 0;

	medio_host_number(host, &value, MEDIO_PCI_DEVICES "/%s/%s", name, file);
	return (unsigned)value;
}

static int load_vfs(const struct medio_host *host, struct medio_sriov *sriov)
{
	char vf[MEDIO_BDF_TEXT];
	int ret = 0;

	for (unsigned i = 0; i < sriov->num && ret == 0; i++)
		if (!medio_host_link(
			    host, vf, sizeof(vf), MEDIO_PCI_DEVICES "/%s/virtfn%u", sriov->name, i))
			ret = medio_strv_add(&sriov->vfs, vf);
	return ret;
}

static int refuse_device(const struct medio_host *host, const char *name, struct medio_error **err)
{
	struct medio_host_device dev;

	if (medio_host_device_load(host, name, &dev))
		return medio_error_set(err, ENODEV, "no device %s", name);
	if (dev.is_virtual)
		return medio_error_set(err, EOPNOTSUPP,
			"%s is a virtual function itself: ask its physical function %s", name,
			dev.physfn);
	return medio_error_set(err, EOPNOTSUPP,
		"%s has no SR-IOV: the device lacks the capability, or the firmware has it turned "
		"off",
		name);
}

int medio_sriov_load(const struct medio_host *host, const char *name, struct medio_sriov *out,
	struct medio_error **err)
{
	struct medio_sriov sriov = { 0 };

	if (!medio_host_exists(host, MEDIO_PCI_DEVICES "/%s/sriov_totalvfs", name))
		return refuse_device(host, name, err);
	snprintf(sriov.name, sizeof(sriov.name), "%s", name);
	sriov.total = number(host, name, "sriov_totalvfs");
	sriov.num = number(host, name, "sriov_numvfs");
	sriov.offset = number(host, name, "sriov_offset");
	sriov.stride = number(host, name, "sriov_stride");
	sriov.autoprobe = number(host, name, "sriov_drivers_autoprobe") != 0;
	char text[16];
	/* Without 0x before it. */
	medio_host_read(host, text, sizeof(text), MEDIO_PCI_DEVICES "/%s/sriov_vf_device", name);
	sriov.vf_device = (uint16_t)strtoul(text, NULL, 16);
	if (load_vfs(host, &sriov)) {
		medio_sriov_fini(&sriov);
		return medio_error_set(err, ENOMEM, "out of memory");
	}
	*out = sriov;
	return 0;
}

void medio_sriov_fini(struct medio_sriov *sriov)
{
	medio_strv_free(&sriov->vfs);
}

/* ---- Setting ----------------------------------------------------------------------------------- */

unsigned medio_sriov_writes(const struct medio_sriov *sriov, unsigned count, unsigned values[2])
{
	unsigned n = 0;

	if (count == sriov->num)
		return 0;
	/* The kernel goes from one number to another through none. */
	if (sriov->num)
		values[n++] = 0;
	if (count)
		values[n++] = count;
	return n;
}

static int write_count(const struct medio_host *host, const char *name, unsigned count)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", count);
	return medio_host_write(host, text, MEDIO_SRIOV_NUMVFS, name);
}

static int explain_missing(
	const struct medio_host *host, const struct medio_sriov *sriov, struct medio_error **err)
{
	struct medio_host_device dev = { 0 };

	medio_host_device_load(host, sriov->name, &dev);
	if (!*dev.driver)
		return medio_error_set(err, ENOENT,
			"%s has no driver, and it is the driver that makes VFs: 'medio unbind %s' "
			"asks for the kernel's",
			sriov->name, sriov->name);
	if (medio_driver_kind(dev.driver) == MEDIO_DRIVER_VFIO)
		return medio_error_set(err, ENOENT,
			"%s is on %s, which makes VFs only when loaded with enable_sriov=1 ('echo "
			"1 > /sys/module/vfio_pci/parameters/enable_sriov'); or 'medio unbind %s' "
			"gives it back to its own driver",
			sriov->name, dev.driver, sriov->name);
	return medio_error_set(
		err, ENOENT, "%s: its driver %s cannot make VFs", sriov->name, dev.driver);
}

int medio_sriov_ready(
	const struct medio_host *host, const struct medio_sriov *sriov, struct medio_error **err)
{
	char driver[MEDIO_DRIVER_TEXT], enabled[8];

	medio_host_device_driver(host, sriov->name, driver);
	medio_host_read(
		host, enabled, sizeof(enabled), "/sys/module/vfio_pci/parameters/enable_sriov");
	/* A variant of vfio-pci has its own ways. */
	if (!*driver || (!strcmp(driver, "vfio-pci") && *enabled != 'Y'))
		return explain_missing(host, sriov, err);
	return 0;
}

static int explain(const struct medio_host *host, const struct medio_sriov *sriov, unsigned count,
	int ret, struct medio_error **err)
{
	const char *name = sriov->name;

	switch (ret) {
	case -ENOENT:
		return explain_missing(host, sriov, err);
	case -ERANGE:
		return medio_error_set(
			err, ERANGE, "%s: %u VFs, allowed are 0 to %u", name, count, sriov->total);
	case -EBUSY:
		return medio_error_set(err, EBUSY,
			"%s: busy: it has another number of VFs meanwhile, or there are no bus "
			"numbers or registers for them",
			name);
	case -EPERM:
		return medio_error_set(err, EPERM,
			"%s: not permitted: a VF is in use by a guest or a program; or it takes "
			"root",
			name);
	case -EACCES:
	case -EROFS:
		return medio_error_set(err, -ret,
			"%s: %s: it takes root, and a /sys that is not mounted read-only", name,
			strerror(-ret));
	case -ENOMEM:
		return medio_error_set(err, ENOMEM,
			"%s: no room for %u VFs: the firmware left too few bus numbers or too "
			"little memory space below this port ('pci=realloc,assign-busses' on the "
			"kernel's command line may help)",
			name, count);
	default:
		return medio_error_set(err, -ret, "%s: setting %u VFs: %s; dmesg may say why", name,
			count, strerror(-ret));
	}
}

static bool has_count(
	const struct medio_host *host, const struct medio_sriov *sriov, unsigned count)
{
	return number(host, sriov->name, "sriov_numvfs") == count;
}

static bool restore(const struct medio_host *host, const struct medio_sriov *sriov)
{
	if (!has_count(host, sriov, sriov->num) && !has_count(host, sriov, 0))
		write_count(host, sriov->name, 0);
	if (!has_count(host, sriov, sriov->num))
		write_count(host, sriov->name, sriov->num);
	return has_count(host, sriov, sriov->num);
}

static int write_all(const struct medio_host *host, const struct medio_sriov *sriov, unsigned count,
	struct medio_error **err)
{
	unsigned values[2], n = medio_sriov_writes(sriov, count, values);

	for (unsigned i = 0; i < n; i++) {
		if (medio_host_stopped(host))
			return medio_error_set(err, EINTR, "%s: interrupted", sriov->name);
		int ret = write_count(host, sriov->name, values[i]);
		if (ret)
			return explain(host, sriov, count, ret, err);
		/* A driver may make fewer, and the write succeeds. */
		if (!has_count(host, sriov, values[i]))
			return medio_error_set(err, EIO, "%s: asked for %u VFs, its driver made %u",
				sriov->name, values[i], number(host, sriov->name, "sriov_numvfs"));
	}
	if (n && medio_host_stopped(host))
		return medio_error_set(err, EINTR, "%s: interrupted", sriov->name);
	return 0;
}

int medio_sriov_set(const struct medio_host *host, const struct medio_sriov *sriov, unsigned count,
	bool *restored, struct medio_error **err)
{
	*restored = true;
	if (count > sriov->total)
		return explain(host, sriov, count, -ERANGE, err);
	int ret = write_all(host, sriov, count, err);
	if (ret)
		*restored = restore(host, sriov);
	return ret;
}
