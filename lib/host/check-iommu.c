/* SPDX-License-Identifier: BSD-3-Clause */
/* The IOMMU: is it there, is it on, does it remap interrupts. */
#include <stdio.h>
#include <string.h>

#include "host/check.h"
#include "host/tables.h"
#include "util/cleanup.h"

#define TOPIC "iommu"

enum maker { OTHER, INTEL, AMD };

struct machine {
	char cmdline[4096]; /* of the kernel */
	enum maker maker;   /* of the processor */
	bool is_guest;	    /* a virtual machine */
	bool has_table;	    /* the firmware describes an IOMMU */
	bool has_driver;    /* an IOMMU is in class iommu */
};

static void look(const struct medio_host *host, struct machine *machine)
{
	_cleanup_free_ char *cpuinfo = NULL;
	struct medio_strv iommus = { 0 };
	char text[4096] = "";

	*machine = (struct machine){ .maker = OTHER };
	medio_host_read(host, machine->cmdline, sizeof(machine->cmdline), "/proc/cmdline");
	if (!medio_host_slurp(host, &cpuinfo, "/proc/cpuinfo")) {
		if (!medio_fields_get(cpuinfo, "vendor_id", text, sizeof(text)))
			machine->maker = !strcmp(text, "GenuineIntel")	 ? INTEL
					 : !strcmp(text, "AuthenticAMD") ? AMD
									 : OTHER;
		if (!medio_fields_get(cpuinfo, "flags", text, sizeof(text)))
			machine->is_guest = medio_words_have(text, "hypervisor");
	}
	machine->has_table = medio_host_exists(host, "/sys/firmware/acpi/tables/DMAR") ||
			     medio_host_exists(host, "/sys/firmware/acpi/tables/IVRS") ||
			     medio_host_exists(host, "/sys/firmware/acpi/tables/VIOT");
	medio_host_list(host, &iommus, "/sys/class/iommu");
	machine->has_driver = iommus.count > 0;
	medio_strv_free(&iommus);
}

/* The word on the kernel's command line that turned it off, or NULL. */
static const char *turned_off(const struct machine *machine)
{
	static const char *const words[] = { "iommu=off", "intel_iommu=off", "amd_iommu=off" };

	for (size_t i = 0; i < MEDIO_ARRAY_SIZE(words); i++)
		if (medio_words_have(machine->cmdline, words[i]))
			return words[i];
	return NULL;
}

/* ---- Off: why ---------------------------------------------------------------------------------- */

static void advise_kernel(const struct machine *machine, struct medio_findings *findings)
{
	static const char *const how[] = {
		[OTHER] = "add iommu.passthrough=0 to the kernel's command line, and see in dmesg "
			  "why its driver did not start",
		[INTEL] = "add intel_iommu=on to the kernel's command line (GRUB_CMDLINE_LINUX in "
			  "/etc/default/grub, then update-grub) and reboot",
		[AMD] = "take amd_iommu=off off the kernel's command line if it is there (on is the "
			"default), turn on IOMMU in the firmware, and reboot",
	};

	medio_findings_advise(findings, "%s", how[machine->maker]);
}

static void advise_firmware(const struct machine *machine, struct medio_findings *findings)
{
	static const char *const name[] = {
		[OTHER] = "its IOMMU (SMMU)", [INTEL] = "VT-d", [AMD] = "AMD-Vi (IOMMU)"
	};

	if (machine->is_guest)
		medio_findings_advise(findings,
			"this is a virtual machine: give it an IOMMU (QEMU: -machine "
			"q35,kernel-irqchip=split -device intel-iommu,intremap=on) and put "
			"intel_iommu=on on its kernel's command line; or use VFIO's no-IOMMU "
			"mode or uio_pci_generic, where a device can write anywhere in memory");
	else
		medio_findings_advise(findings,
			"turn on %s in the firmware's setup, where it also hides behind "
			"'virtualization', and reboot%s",
			name[machine->maker],
			machine->maker == INTEL
				? " with intel_iommu=on on the kernel's command line"
				: "");
}

static void say_off(const struct machine *machine, struct medio_findings *findings)
{
	const char *word = turned_off(machine);

	if (word) {
		medio_findings_add(findings, MEDIO_FINDING_PROBLEM, TOPIC, "",
			"the IOMMU is off: the kernel's command line says %s", word);
		medio_findings_advise(findings,
			"take %s off the kernel's command line%s and reboot", word,
			machine->maker == INTEL ? ", put intel_iommu=on on it" : "");
	} else if (machine->has_driver) {
		medio_findings_add(findings, MEDIO_FINDING_PROBLEM, TOPIC, "",
			"there is an IOMMU, but no device is in a group of it");
		medio_findings_advise(findings,
			"see which devices it serves: /sys/class/iommu/*/devices; with a "
			"virtio-iommu groups come when a driver binds");
	} else if (machine->has_table) {
		medio_findings_add(findings, MEDIO_FINDING_PROBLEM, TOPIC, "",
			"the IOMMU is off: the firmware offers one, the kernel does not use it");
		advise_kernel(machine, findings);
	} else {
		medio_findings_add(findings, MEDIO_FINDING_PROBLEM, TOPIC, "",
			"no IOMMU: the firmware offers none");
		advise_firmware(machine, findings);
	}
}

/* ---- Interrupts -------------------------------------------------------------------------------- */

/* 1 they are remapped, 0 not, -1 nobody can tell. */
static int remaps_interrupts(const struct medio_host *host)
{
	_cleanup_free_ char *text = NULL;

	/* x86 puts "IR-" before the name of an interrupt controller behind the remapping. */
	if (medio_host_slurp(host, &text, "/proc/interrupts"))
		return -1;
	if (strstr(text, " IR-"))
		return 1;
	return strstr(text, "IO-APIC") || strstr(text, " PCI-MSI") ? 0 : -1;
}

static bool is_yes(const struct medio_host *host, const char *module, const char *parameter)
{
	char text[8];

	medio_host_read(
		host, text, sizeof(text), "/sys/module/%s/parameters/%s", module, parameter);
	return *text == 'Y' || *text == '1';
}

static void check_remapping(const struct medio_host *host, struct medio_findings *findings)
{
	int remaps = remaps_interrupts(host);

	if (remaps < 0)
		return;
	if (remaps) {
		medio_findings_add(findings, MEDIO_FINDING_OK, "interrupts", "",
			"interrupts are remapped: a device cannot forge them");
	} else if (is_yes(host, "vfio_iommu_type1", "allow_unsafe_interrupts")) {
		medio_findings_add(findings, MEDIO_FINDING_WARNING, "interrupts", "",
			"no interrupt remapping, and allow_unsafe_interrupts is set: a device "
			"given to a program or guest can forge interrupts of the host");
	} else {
		medio_findings_add(findings, MEDIO_FINDING_PROBLEM, "interrupts", "",
			"no interrupt remapping: VFIO refuses with EPERM when it sets the IOMMU "
			"or binds to iommufd");
		medio_findings_advise(findings,
			"turn on x2APIC and interrupt remapping in the firmware (QEMU: -machine "
			"kernel-irqchip=split -device intel-iommu,intremap=on; take intremap=off "
			"and nointremap off the kernel's command line); or, where every program "
			"is trusted: echo 1 > "
			"/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
	}
}

/* ---- All --------------------------------------------------------------------------------------- */

static void check_noiommu(const struct medio_host *host, bool off, struct medio_findings *findings)
{
	if (is_yes(host, "vfio", "enable_unsafe_noiommu_mode")) {
		medio_findings_add(findings, MEDIO_FINDING_WARNING, "noiommu", "",
			"VFIO's no-IOMMU mode is on: whoever drives a device with it can read "
			"and write all memory, and the kernel is tainted");
		if (!off)
			medio_findings_advise(findings,
				"there is an IOMMU: echo 0 > "
				"/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
	}
}

void medio_check_iommu(const struct medio_host *host, struct medio_findings *findings)
{
	struct medio_strv groups = { 0 };
	struct machine machine;

	if (medio_check_is_run(host)) {
		medio_findings_add(findings, MEDIO_FINDING_OK, TOPIC, "",
			"medio run serves the devices of this program: this machine's IOMMU, drivers "
			"and limits are of no matter to them");
		return;
	}
	bool on = !medio_host_groups(host, &groups);

	look(host, &machine);
	if (on) {
		medio_findings_add(findings, MEDIO_FINDING_OK, TOPIC, "",
			"the IOMMU is on: %u group%s", groups.count, groups.count == 1 ? "" : "s");
		check_remapping(host, findings);
	} else {
		say_off(&machine, findings);
	}
	check_noiommu(host, !on, findings);
	medio_strv_free(&groups);
}
