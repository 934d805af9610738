/* SPDX-License-Identifier: BSD-3-Clause */
/* Drivers that give devices to programs, and the files by which. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "host/check.h"
#include "host/driver.h"

/* ---- Files ------------------------------------------------------------------------------------- */

/* "root:vfio, mode 0660", of a file below the root. */
static void owner_of(const struct medio_host *host, const char *path, char *buf, size_t size)
{
	char full[512], user[32], group[32];
	struct stat st;

	buf[0] = 0;
	snprintf(full, sizeof(full), "%s%s", host->root ? host->root : "", path);
	if (stat(full, &st))
		return;
	const struct passwd *pw = getpwuid(st.st_uid);
	snprintf(user, sizeof(user), pw ? "%s" : "%s%u", pw ? pw->pw_name : "", st.st_uid);
	const struct group *gr = getgrgid(st.st_gid);
	snprintf(group, sizeof(group), gr ? "%s" : "%s%u", gr ? gr->gr_name : "", st.st_gid);
	snprintf(buf, size, "; it belongs to %s:%s, mode %04o", user, group, st.st_mode & 07777u);
}

void medio_check_node(const struct medio_host *host, const char *path, bool must_exist,
	struct medio_findings *findings)
{
	int ret = medio_host_access(host, "%s", path);
	char owner[128];

	if (ret == 0) {
		medio_findings_add(findings, MEDIO_FINDING_OK, "permission", path, "can be opened");
	} else if (ret == -ENOENT || ret == -ENOTDIR) {
		if (!must_exist)
			return;
		medio_findings_add(findings, MEDIO_FINDING_PROBLEM, "permission", path,
			"does not exist, and its driver has the device");
		medio_findings_advise(findings,
			"in a container: pass the file in (--device %s); elsewhere look whether "
			"devtmpfs is mounted on /dev",
			path);
	} else {
		owner_of(host, path, owner, sizeof(owner));
		medio_findings_add(findings, MEDIO_FINDING_PROBLEM, "permission", path,
			"this user may not open it: %s%s", strerror(-ret), owner);
		medio_findings_advise(findings,
			"as root: chown USER %s; or for good a file in /etc/udev/rules.d: "
			"SUBSYSTEM==\"vfio\", GROUP=\"vfio\", MODE=\"0660\", and that user in "
			"group vfio",
			path);
	}
}

/* ---- Drivers ----------------------------------------------------------------------------------- */

static void check_vfio_pci(const struct medio_host *host, struct medio_findings *findings)
{
	if (medio_host_exists(host, MEDIO_PCI_DRIVERS "/vfio-pci")) {
		medio_findings_add(findings, MEDIO_FINDING_OK, "driver", "vfio-pci", "is loaded");
		return;
	}
	int available = medio_module_available(host, "vfio-pci");
	medio_findings_add(findings, MEDIO_FINDING_WARNING, "driver", "vfio-pci", "is not loaded%s",
		available ? "" : ", and this kernel has no such module");
	medio_findings_advise(findings, "%s",
		available ? "modprobe vfio-pci; at every start: echo vfio-pci > "
			    "/etc/modules-load.d/vfio.conf"
			  : "use a kernel with CONFIG_VFIO_PCI");
}

/* The group interface needs a backend for its containers. */
static void check_type1(const struct medio_host *host, struct medio_findings *findings)
{
	if (!medio_host_exists(host, "/sys/module/vfio") ||
		medio_host_exists(host, "/sys/module/vfio_iommu_type1") ||
		medio_host_exists(host, "/sys/module/vfio_iommu_spapr_tce") ||
		medio_host_exists(host, "/dev/iommu"))
		return;
	medio_findings_add(findings, MEDIO_FINDING_WARNING, "driver", "vfio_iommu_type1",
		"is not loaded: a container has no IOMMU to set");
	medio_findings_advise(findings, "modprobe vfio_iommu_type1");
}

void medio_check_drivers(const struct medio_host *host, struct medio_findings *findings)
{
	if (!medio_check_is_run(host))
		check_vfio_pci(host, findings);
	check_type1(host, findings);
	medio_check_node(host, "/dev/vfio/vfio", false, findings);
	medio_check_node(host, "/dev/iommu", false, findings);
}
