/* SPDX-License-Identifier: BSD-3-Clause */
/* What a check finds, and what it says to do. */
#include "test_host_root.h"

#include <errno.h>
#include <string.h>

#include "host/check.h"

#define NIC    "0000:01:00.0"
#define NIC2   "0000:01:00.1"
#define BRIDGE "0000:00:1c.0"

typedef void check_fn(const struct medio_host *host, struct medio_findings *findings);

/* Among the findings is one of topic and level whose text and advice have these words (NULL:
 * any). */
static bool has(const struct medio_findings *findings, enum medio_finding_level level,
	const char *topic, const char *text, const char *advice)
{
	for (unsigned i = 0; i < findings->count; i++) {
		const struct medio_finding *f = &findings->items[i];
		if (f->level == level && !strcmp(f->topic, topic) &&
			(!text || strstr(f->text, text)) &&
			(!advice || (f->advice && strstr(f->advice, advice))))
			return true;
	}
	return false;
}

/* Run a check and look for one finding. */
static void expect(struct machine *m, check_fn *check, enum medio_finding_level level,
	const char *topic, const char *text, const char *advice)
{
	struct medio_findings findings = { 0 };

	check(&m->host, &findings);
	assert_false(findings.failed);
	if (!has(&findings, level, topic, text, advice)) {
		for (unsigned i = 0; i < findings.count; i++)
			print_message("%s %s: %s\n  %s\n",
				medio_finding_level_name(findings.items[i].level),
				findings.items[i].topic, findings.items[i].text,
				findings.items[i].advice ? findings.items[i].advice : "-");
		fail_msg("not found: %s: %s", topic, text ? text : advice);
	}
	medio_findings_fini(&findings);
}

static void expect_not(
	struct machine *m, check_fn *check, enum medio_finding_level level, const char *topic)
{
	struct medio_findings findings = { 0 };

	check(&m->host, &findings);
	assert_false(has(&findings, level, topic, NULL, NULL));
	medio_findings_fini(&findings);
}

static void expect_none(struct machine *m, check_fn *check, const char *topic)
{
	struct medio_findings findings = { 0 };

	check(&m->host, &findings);
	for (unsigned i = 0; i < findings.count; i++)
		assert_string_not_equal(findings.items[i].topic, topic);
	medio_findings_fini(&findings);
}

static void check_nic(const struct medio_host *host, struct medio_findings *findings)
{
	medio_check_device(host, NIC, findings);
}

/* ---- The IOMMU --------------------------------------------------------------------------------- */

#define OK	MEDIO_FINDING_OK
#define WARNING MEDIO_FINDING_WARNING
#define PROBLEM MEDIO_FINDING_PROBLEM

static void an_iommu_that_the_kernel_leaves_off_says_which_word_to_add(void **state)
{
	struct machine *m = *state;

	machine_file(m, "vendor_id\t: GenuineIntel\nflags\t: fpu vmx\n", "/proc/cpuinfo");
	machine_file(m, "quiet ro\n", "/proc/cmdline");
	machine_file(m, "x", "/sys/firmware/acpi/tables/DMAR");
	expect(m, medio_check_iommu, PROBLEM, "iommu", "the kernel does not use it",
		"add intel_iommu=on");
	machine_file(m, "quiet iommu=off\n", "/proc/cmdline");
	expect(m, medio_check_iommu, PROBLEM, "iommu", "command line says iommu=off",
		"take iommu=off off");
}

static void an_iommu_that_the_firmware_hides_says_its_makers_name(void **state)
{
	struct machine *m = *state;

	machine_file(m, "vendor_id\t: GenuineIntel\nflags\t: fpu vmx\n", "/proc/cpuinfo");
	expect(m, medio_check_iommu, PROBLEM, "iommu", "firmware offers none", "turn on VT-d");
	machine_file(m, "vendor_id\t: AuthenticAMD\nflags\t: fpu svm\n", "/proc/cpuinfo");
	expect(m, medio_check_iommu, PROBLEM, "iommu", "firmware offers none", "turn on AMD-Vi");
	machine_file(m, "vendor_id\t: AuthenticAMD\nflags\t: fpu hypervisor\n", "/proc/cpuinfo");
	expect(m, medio_check_iommu, PROBLEM, "iommu", "firmware offers none", "virtual machine");
}

static void interrupts_that_are_not_remapped_are_found(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC, 0x020000, 7, "e1000e");
	expect(m, medio_check_iommu, OK, "iommu", "is on: 1 group", NULL);
	expect_none(m, medio_check_iommu, "interrupts");
	machine_file(m, " 1:  9  IO-APIC   1-edge  i8042\n", "/proc/interrupts");
	expect(m, medio_check_iommu, PROBLEM, "interrupts", "EPERM", "allow_unsafe_interrupts");
	machine_file(m, "Y\n", "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
	expect(m, medio_check_iommu, WARNING, "interrupts", "allow_unsafe_interrupts is set", NULL);
	machine_file(m, " 1:  9  IR-IO-APIC   1-edge  i8042\n", "/proc/interrupts");
	expect(m, medio_check_iommu, OK, "interrupts", "remapped", NULL);
}

static void the_mode_without_iommu_is_warned_of(void **state)
{
	struct machine *m = *state;

	expect_none(m, medio_check_iommu, "noiommu");
	machine_file(m, "Y\n", "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
	expect(m, medio_check_iommu, WARNING, "noiommu", "all memory", NULL);
}

/* medio run: a machine that needs nothing of this one. */
static void what_medio_run_does_not_need_is_not_missed(void **state)
{
	struct machine *m = *state;

	machine_file(m, "vendor_id\t: GenuineIntel\nflags\t: fpu hypervisor\n", "/proc/cpuinfo");
	machine_file(m, " 1:  9  IO-APIC   1-edge  i8042\n", "/proc/interrupts");
	machine_file(m, "Y\n", "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
	machine_file(
		m, "Max locked memory         8388608    8388608   bytes\n", "/proc/self/limits");
	machine_file(m, "MemTotal:       16000000 kB\n", "/proc/meminfo");
	machine_device(m, NIC, 0x020000, -1, "uio_pci_generic");
	machine_file(m, "11\n", "/sys/bus/pci/devices/" NIC "/irq");
	expect(m, medio_check_machine, PROBLEM, "iommu", "firmware offers none", NULL);
	expect(m, medio_check_machine, WARNING, "driver", "is not loaded", NULL);
	expect(m, medio_check_machine, WARNING, "memlock", NULL, NULL);
	expect(m, medio_check_machine, WARNING, "group", "no-IOMMU", NULL);
	machine_file(m, "", "/dev/.medio/dev/vfio/vfio");
	expect(m, medio_check_machine, OK, "iommu", "medio run serves", NULL);
	expect_not(m, medio_check_machine, PROBLEM, "iommu");
	expect_none(m, medio_check_machine, "interrupts");
	expect_none(m, medio_check_machine, "memlock");
	expect_none(m, medio_check_machine, "group");
	expect_not(m, medio_check_machine, WARNING, "driver");
	expect(m, medio_check_machine, OK, "driver", "is on uio_pci_generic", NULL);
}

/* ---- Drivers and limits ------------------------------------------------------------------------ */

static void a_missing_vfio_is_told_by_what_the_kernel_has(void **state)
{
	struct machine *m = *state;

	expect(m, medio_check_drivers, WARNING, "driver", "is not loaded", "modprobe vfio-pci");
	machine_file(m, "6.1\n", "/proc/sys/kernel/osrelease");
	machine_file(m, "kernel/fs/ext4.ko:\n", "/lib/modules/6.1/modules.dep");
	expect(m, medio_check_drivers, WARNING, "driver", "no such module", "CONFIG_VFIO_PCI");
	machine_driver(m, "vfio-pci");
	expect(m, medio_check_drivers, OK, "driver", "is loaded", NULL);
	machine_file(m, "", "/sys/module/vfio/refcnt");
	expect(m, medio_check_drivers, WARNING, "driver", "no IOMMU to set",
		"modprobe vfio_iommu_type1");
}

static void a_file_that_may_not_be_opened_says_whose_it_is(void **state)
{
	struct machine *m = *state;

	expect_none(m, medio_check_drivers, "permission");
	machine_file(m, "", "/dev/vfio/vfio");
	expect(m, medio_check_drivers, OK, "permission", "can be opened", NULL);
	m->denied = -EACCES;
	expect(m, medio_check_drivers, PROBLEM, "permission", "mode 06",
		"chown USER /dev/vfio/vfio");
}

static void a_limit_on_locked_memory_is_compared_with_what_there_is(void **state)
{
	struct machine *m = *state;

	expect_none(m, medio_check_limits, "memlock");
	machine_file(m, "Max locked memory    8388608    8388608   bytes\n", "/proc/self/limits");
	machine_file(m, "MemTotal:  16777216 kB\n", "/proc/meminfo");
	machine_file(m, "CapEff:\t0000000000000000\n", "/proc/self/status");
	expect(m, medio_check_limits, WARNING, "memlock",
		"beyond 8 MiB (RLIMIT_MEMLOCK), of 16 GiB", "limits.d");
	machine_file(m, "CapEff:\t0000000000004000\n", "/proc/self/status");
	expect(m, medio_check_limits, OK, "memlock", "not limited", NULL);
	machine_file(m, "CapEff:\t0000000000000000\n", "/proc/self/status");
	machine_file(m, "MemTotal:  4096 kB\n", "/proc/meminfo");
	expect(m, medio_check_limits, OK, "memlock", "all memory", NULL);
}

static void a_kernel_that_is_locked_down_is_found(void **state)
{
	struct machine *m = *state;

	machine_file(m, "[none] integrity\n", "/sys/kernel/security/lockdown");
	expect_none(m, medio_check_limits, "lockdown");
	machine_file(m, "none [integrity]\n", "/sys/kernel/security/lockdown");
	expect(m, medio_check_limits, WARNING, "lockdown", "UIO does not work", NULL);
}

/* ---- Groups and devices ------------------------------------------------------------------------ */

static void a_mate_in_the_way_is_named_with_what_to_do(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC, 0x020000, 7, "vfio-pci");
	machine_device(m, NIC2, 0x020000, 7, "e1000e");
	expect(m, medio_check_machine, PROBLEM, "group", NIC2 " (e1000e) is the kernel's",
		"medio bind --group " NIC);
	expect(m, check_nic, PROBLEM, "group", NIC2 " (e1000e)", NULL);
}

static void a_group_nobody_wants_is_no_finding(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC, 0x020000, 7, "e1000e");
	machine_device(m, NIC2, 0x020000, 7, "e1000e");
	expect_none(m, medio_check_machine, "group");
	expect(m, check_nic, WARNING, "group", NIC " (e1000e), " NIC2 " (e1000e)", "--group");
}

static void a_bridge_in_the_way_is_told_apart(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC, 0x020000, 7, "vfio-pci");
	machine_device(m, BRIDGE, 0x060400, 7, "shpchp");
	expect(m, medio_check_machine, PROBLEM, "group", BRIDGE " (shpchp)", "only be on pcieport");
}

static void slots_that_share_a_group_point_at_acs(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC, 0x020000, 7, "vfio-pci");
	machine_device(m, "0000:02:00.0", 0x010802, 7, "nvme");
	expect(m, medio_check_machine, WARNING, "group", "no ACS", "turn on ACS");
}

static void a_viable_group_is_looked_at_for_its_file(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC, 0x020000, 7, "vfio-pci");
	expect(m, medio_check_machine, OK, "group", "viable", NULL);
	expect(m, medio_check_machine, PROBLEM, "permission", "does not exist",
		"--device /dev/vfio/7");
	machine_file(m, "", "/dev/vfio/7");
	expect(m, medio_check_machine, OK, "permission", "can be opened", NULL);
}

static void a_kernel_without_groups_has_a_file_of_the_device(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC, 0x020000, 7, "vfio-pci");
	machine_file(m, "", "/sys/bus/pci/devices/" NIC "/vfio-dev/vfio0/dev");
	machine_file(m, "", "/dev/vfio/devices/vfio0");
	expect(m, medio_check_machine, OK, "permission", "can be opened", NULL);
	expect_not(m, medio_check_machine, PROBLEM, "permission");
	m->denied = -EACCES;
	expect(m, medio_check_machine, PROBLEM, "permission", "may not open", "devices/vfio0");
}

static void uio_under_a_translating_iommu_is_a_problem(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC, 0x020000, 7, "uio_pci_generic");
	machine_file(m, "0\n", "/sys/bus/pci/devices/" NIC "/irq");
	expect(m, medio_check_machine, PROBLEM, "uio", "DMA goes astray", "use vfio-pci");
	expect(m, medio_check_machine, WARNING, "uio", "can only be polled", NULL);
	machine_file(m, "identity\n", "/sys/kernel/iommu_groups/7/type");
	machine_file(m, "16\n", "/sys/bus/pci/devices/" NIC "/irq");
	expect_none(m, medio_check_machine, "uio");
}

static void an_override_left_behind_is_found(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC, 0x020000, 7, "e1000e");
	expect_none(m, medio_check_machine, "override");
	machine_file(m, "vfio-pci\n", "/sys/bus/pci/devices/" NIC "/driver_override");
	expect(m, medio_check_machine, WARNING, "override", "says vfio-pci, and it is on e1000e",
		"medio unbind " NIC);
	machine_bind(m, NIC, "vfio-pci");
	expect_none(m, medio_check_machine, "override");
}

static void a_function_of_a_device_on_vfio_wants_a_token(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC2, 0x020000, 8, "igb");
	machine_device(m, NIC, 0x020000, 7, "vfio-pci");
	machine_link(m, "../" NIC2, "/sys/devices/pci0000:00/" NIC "/physfn");
	expect_none(m, check_nic, "token");
	machine_bind(m, NIC2, "vfio-pci");
	expect(m, check_nic, WARNING, "token", "EACCES", NIC2);
}

#define MACHINE_TEST(test) cmocka_unit_test_setup_teardown(test, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(an_iommu_that_the_kernel_leaves_off_says_which_word_to_add),
		MACHINE_TEST(an_iommu_that_the_firmware_hides_says_its_makers_name),
		MACHINE_TEST(interrupts_that_are_not_remapped_are_found),
		MACHINE_TEST(the_mode_without_iommu_is_warned_of),
		MACHINE_TEST(what_medio_run_does_not_need_is_not_missed),
		MACHINE_TEST(a_missing_vfio_is_told_by_what_the_kernel_has),
		MACHINE_TEST(a_file_that_may_not_be_opened_says_whose_it_is),
		MACHINE_TEST(a_limit_on_locked_memory_is_compared_with_what_there_is),
		MACHINE_TEST(a_kernel_that_is_locked_down_is_found),
		MACHINE_TEST(a_mate_in_the_way_is_named_with_what_to_do),
		MACHINE_TEST(a_group_nobody_wants_is_no_finding),
		MACHINE_TEST(a_bridge_in_the_way_is_told_apart),
		MACHINE_TEST(slots_that_share_a_group_point_at_acs),
		MACHINE_TEST(a_viable_group_is_looked_at_for_its_file),
		MACHINE_TEST(a_kernel_without_groups_has_a_file_of_the_device),
		MACHINE_TEST(uio_under_a_translating_iommu_is_a_problem),
		MACHINE_TEST(an_override_left_behind_is_found),
		MACHINE_TEST(a_function_of_a_device_on_vfio_wants_a_token),
	};

	return cmocka_run_group_tests_name("host_check", tests, NULL, NULL);
}
