/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel lets this process have: memory that stays, registers through sysfs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/check.h"
#include "host/tables.h"
#include "util/cleanup.h"

#define CAP_IPC_LOCK 14

/* A number that stands in a file of fields, 0: not there. */
static uint64_t field(const struct medio_host *host, const char *file, const char *name, int base)
{
	_cleanup_free_ char *text = NULL;
	char value[64];

	if (medio_host_slurp(host, &text, "%s", file) ||
		medio_fields_get(text, name, value, sizeof(value)))
		return 0;
	return strtoull(value, NULL, base);
}

/* "8 MiB", "15.6 GiB" */
static void size_words(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes / 1024;
	unsigned n = 0;

	while (value >= 1024 && n + 1 < MEDIO_ARRAY_SIZE(units)) {
		value /= 1024;
		n++;
	}
	snprintf(buf, size, value < 10 && value != (double)(unsigned)value ? "%.1f %s" : "%.0f %s",
		value, units[n]);
}

static void check_memlock(const struct medio_host *host, struct medio_findings *findings)
{
	_cleanup_free_ char *text = NULL;
	char limit_words[32], memory_words[32];
	uint64_t limit;

	if (medio_host_slurp(host, &text, "/proc/self/limits") ||
		medio_limits_memlock(text, &limit))
		return;
	uint64_t memory = field(host, "/proc/meminfo", "MemTotal", 10) * 1024;
	if (limit == UINT64_MAX ||
		field(host, "/proc/self/status", "CapEff", 16) >> CAP_IPC_LOCK & 1) {
		medio_findings_add(findings, MEDIO_FINDING_OK, "memlock", "",
			"memory for DMA is not limited (RLIMIT_MEMLOCK)");
		return;
	}
	size_words(limit, limit_words, sizeof(limit_words));
	size_words(memory, memory_words, sizeof(memory_words));
	if (limit >= memory && memory) {
		medio_findings_add(findings, MEDIO_FINDING_OK, "memlock", "",
			"all memory may be used for DMA (RLIMIT_MEMLOCK is %s)", limit_words);
		return;
	}
	medio_findings_add(findings, MEDIO_FINDING_WARNING, "memlock", "",
		"DMA maps end with ENOMEM beyond %s (RLIMIT_MEMLOCK), of %s that the machine has",
		limit_words, memory_words);
	medio_findings_advise(findings,
		"raise it: 'USER hard memlock unlimited' and 'USER soft memlock unlimited' in "
		"/etc/security/limits.d/vfio.conf and log in again, or LimitMEMLOCK=infinity in a "
		"service; a virtual machine needs all its memory and some 64 MiB");
}

static void check_lockdown(const struct medio_host *host, struct medio_findings *findings)
{
	char text[64];

	/* "none [integrity] confidentiality" */
	medio_host_read(host, text, sizeof(text), "/sys/kernel/security/lockdown");
	if (!strchr(text, '[') || strstr(text, "[none]"))
		return;
	medio_findings_add(findings, MEDIO_FINDING_WARNING, "lockdown", "",
		"the kernel is locked down: programs cannot map registers of a device through "
		"sysfs, so UIO does not work; VFIO does, except in its no-IOMMU mode");
	medio_findings_advise(findings,
		"use vfio-pci; the lockdown comes from Secure Boot or lockdown= on the kernel's "
		"command line");
}

void medio_check_limits(const struct medio_host *host, struct medio_findings *findings)
{
	/* What it maps is not locked, and what is mapped of UIO it serves. */
	if (medio_check_is_run(host))
		return;
	check_memlock(host, findings);
	check_lockdown(host, findings);
}
