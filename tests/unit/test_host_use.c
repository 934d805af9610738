/* SPDX-License-Identifier: BSD-3-Clause */
/* Who would miss a device. */
#include "test_host_root.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/use.h"

#define DISK "0000:05:00.0"
#define NIC  "0000:01:00.0"

/* The uses of name are exactly these; the list ends with NULL. */
static void expect(struct machine *m, const char *name, ...)
{
	struct medio_strv uses = { 0 };
	unsigned count = 0;
	va_list ap;

	assert_int_equal(medio_host_uses(&m->host, name, &uses), 0);
	va_start(ap, name);
	for (const char *use; (use = va_arg(ap, const char *)); count++) {
		if (count >= uses.count)
			fail_msg("missing: %s", use);
		assert_string_equal(uses.items[count], use);
	}
	va_end(ap);
	if (uses.count > count)
		fail_msg("not expected: %s", uses.items[count]);
	medio_strv_free(&uses);
}

/* A disk vda with a partition vda1 below a card. */
static void disk(struct machine *m)
{
	machine_device(m, DISK, 0x010000, 3, "virtio-pci");
	machine_device(m, "0000:06:00.0", 0x010000, 4, "virtio-pci");
	machine_file(m, "254:0\n", "/sys/devices/pci0000:00/" DISK "/virtio0/block/vda/dev");
	machine_file(m, "254:1\n", "/sys/devices/pci0000:00/" DISK "/virtio0/block/vda/vda1/dev");
	machine_link(
		m, "../../devices/pci0000:00/" DISK "/virtio0/block/vda", "/sys/class/block/vda");
	machine_link(m, "../../devices/pci0000:00/" DISK "/virtio0/block/vda/vda1",
		"/sys/class/block/vda1");
}

static void an_idle_disk_is_free(void **state)
{
	struct machine *m = *state;

	disk(m);
	machine_file(m, "1 1 254:2 / / rw - ext4 /dev/vdb rw\n", "/proc/self/mountinfo");
	expect(m, DISK, NULL);
}

static void a_mounted_partition_is_in_use_by_its_number(void **state)
{
	struct machine *m = *state;

	disk(m);
	machine_file(m, "1 1 254:1 / /srv rw - ext4 /dev/root rw\n", "/proc/self/mountinfo");
	expect(m, DISK, "block device vda1 is mounted on /srv", NULL);
	expect(m, "0000:06:00.0", NULL);
}

static void a_mount_that_only_the_first_process_sees_counts(void **state)
{
	struct machine *m = *state;

	disk(m);
	machine_file(m, "1 1 254:9 / / rw - ext4 /dev/other rw\n", "/proc/self/mountinfo");
	machine_file(m, "1 1 254:0 / /far rw - ext4 /dev/vda rw\n", "/proc/1/mountinfo");
	expect(m, DISK, "block device vda is mounted on /far", NULL);
}

static void a_btrfs_is_known_by_its_source_and_its_members(void **state)
{
	struct machine *m = *state;

	disk(m);
	machine_file(m, "1 1 0:33 / /data rw - btrfs /dev/vda rw\n", "/proc/self/mountinfo");
	machine_file(m, "", "/sys/fs/btrfs/1234/devices/vda1/x");
	expect(m, DISK, "block device vda is mounted on /data",
		"block device vda1 is part of the mounted btrfs 1234", NULL);
}

static void swap_is_in_use(void **state)
{
	struct machine *m = *state;

	disk(m);
	machine_file(m, "Filename Type Size\n/dev/vda1 partition 1 0 -2\n", "/proc/swaps");
	expect(m, DISK, "block device vda1 is swap space", NULL);
}

static void a_part_of_an_array_or_a_volume_is_held(void **state)
{
	struct machine *m = *state;

	disk(m);
	machine_file(m, "root-fs\n", "/sys/devices/virtual/block/dm-0/dm/name");
	machine_link(m, "../../devices/virtual/block/dm-0", "/sys/class/block/dm-0");
	machine_file(m, "", "/sys/devices/pci0000:00/" DISK "/virtio0/block/vda/holders/md0");
	machine_file(m, "", "/sys/devices/pci0000:00/" DISK "/virtio0/block/vda/vda1/holders/dm-0");
	expect(m, DISK, "block device vda is part of md0",
		"block device vda1 is part of dm-0 (root-fs)", NULL);
}

static void a_disk_claimed_by_whomever_is_in_use(void **state)
{
	struct machine *m = *state;

	disk(m);
	m->claimed = "/dev/vda1";
	expect(m, DISK,
		"block device vda1 is held by somebody: mounted in another namespace, or part of "
		"something",
		NULL);
}

static void an_nvme_behind_a_multipath_subsystem_is_found(void **state)
{
	struct machine *m = *state;

	machine_device(m, DISK, 0x010802, 3, "nvme");
	machine_device(m, "0000:06:00.0", 0x010802, 4, "nvme");
	machine_file(m, "259:0\n", "/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/dev");
	machine_link(m, "../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1",
		"/sys/class/block/nvme0n1");
	machine_link(m, "../../devices/virtual/nvme-subsystem/nvme-subsys0",
		"/sys/class/nvme-subsystem/nvme-subsys0");
	machine_link(m, "../../../pci0000:00/" DISK "/nvme/nvme0",
		"/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0");
	machine_link(m, "../../devices/pci0000:00/" DISK "/nvme/nvme0", "/sys/class/nvme/nvme0");
	machine_file(m, "1 1 259:0 / / rw - xfs /dev/nvme0n1 rw\n", "/proc/self/mountinfo");
	expect(m, DISK, "block device nvme0n1 is mounted on /", NULL);
	expect(m, "0000:06:00.0", NULL);
}

static void nic(struct machine *m, const char *flags)
{
	machine_device(m, NIC, 0x020000, 7, "e1000e");
	machine_file(m, flags, "/sys/devices/pci0000:00/" NIC "/net/eth0/flags");
	machine_link(m, "../../devices/pci0000:00/" NIC "/net/eth0", "/sys/class/net/eth0");
}

#define ROUTE_TITLE "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"

static void the_default_route_is_in_use(void **state)
{
	struct machine *m = *state;

	nic(m, "0x1003\n");
	machine_file(m,
		ROUTE_TITLE "eth1 00000000 00000000 0003 0 0 0 00000000 0 0 0\n"
			    "eth0 00000000 0100000A 0003 0 0 0 00000000 0 0 0\n",
		"/proc/net/route");
	expect(m, NIC, "network interface eth0 carries the default route", NULL);
}

static void an_address_counts_only_while_the_interface_is_up(void **state)
{
	struct machine *m = *state;

	nic(m, "0x1003\n");
	expect(m, NIC, NULL);
	machine_file(m, ROUTE_TITLE "eth0 0000000A 00000000 0001 0 0 0 00FFFFFF 0 0 0\n",
		"/proc/net/route");
	expect(m, NIC, "network interface eth0 is up and has an address", NULL);
	machine_file(m, "0x1002\n", "/sys/class/net/eth0/flags");
	expect(m, NIC, NULL);
}

static void an_ipv6_address_and_one_without_route_count(void **state)
{
	struct machine *m = *state;

	nic(m, "0x1003\n");
	machine_file(
		m, "fe800000000000000000000000000001 02 40 20 80 eth0\n", "/proc/net/if_inet6");
	expect(m, NIC, NULL);
	machine_file(
		m, "fd000000000000000000000000000001 02 40 00 80 eth0\n", "/proc/net/if_inet6");
	expect(m, NIC, "network interface eth0 is up and has an address", NULL);
	machine_file(m, "", "/proc/net/if_inet6");
	m->addressed = "eth0";
	expect(m, NIC, "network interface eth0 is up and has an address", NULL);
}

static void what_is_built_on_an_interface_is_named_once(void **state)
{
	struct machine *m = *state;

	nic(m, "0x1003\n");
	machine_link(m, "../../../../virtual/net/br0", "/sys/class/net/eth0/master");
	machine_link(m, "../../../../virtual/net/br0", "/sys/class/net/eth0/upper_br0");
	machine_file(m, "", "/sys/class/net/eth0/brport/state");
	machine_link(m, "../../../../virtual/net/eth0.5", "/sys/class/net/eth0/upper_eth0.5");
	expect(m, NIC, "network interface eth0 is a port of bridge br0",
		"network interface eth0.5 is built on eth0", NULL);
}

static void a_display_that_is_on_is_in_use(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC, 0x030000, 7, "i915");
	machine_file(
		m, "enabled\n", "/sys/devices/pci0000:00/" NIC "/drm/card0/card0-DP-1/enabled");
	machine_file(
		m, "disabled\n", "/sys/devices/pci0000:00/" NIC "/drm/card0/card0-DP-2/enabled");
	machine_link(m, "../../devices/pci0000:00/" NIC "/drm/card0/card0-DP-1",
		"/sys/class/drm/card0-DP-1");
	machine_link(m, "../../devices/pci0000:00/" NIC "/drm/card0/card0-DP-2",
		"/sys/class/drm/card0-DP-2");
	expect(m, NIC, "display card0-DP-1 is on", NULL);
}

static void virtual_functions_would_go(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC, 0x020000, 7, "igb");
	machine_file(m, "0\n", "/sys/bus/pci/devices/" NIC "/sriov_numvfs");
	expect(m, NIC, NULL);
	machine_file(m, "2\n", "/sys/bus/pci/devices/" NIC "/sriov_numvfs");
	expect(m, NIC,
		"it has 2 virtual functions, which would go with its driver ('medio sriov " NIC
		" 0' ends them)",
		NULL);
}

static void a_program_that_drives_it_is_named(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC, 0x020000, 7, "vfio-pci");
	machine_file(m, "qemu-system-x86\n", "/proc/1234/comm");
	machine_link(m, "/dev/null", "/proc/1234/fd/0");
	machine_link(m, "/dev/vfio/77", "/proc/1234/fd/1");
	expect(m, NIC, NULL);
	machine_link(m, "/dev/vfio/7", "/proc/1234/fd/22");
	expect(m, NIC, "/dev/vfio/7 is open in process 1234 (qemu-system-x86)", NULL);
	machine_file(m, "ovs-vswitchd\n", "/proc/1235/comm");
	machine_link(m, "/dev/vfio/7 (deleted)", "/proc/1235/fd/3");
	expect(m, NIC, "/dev/vfio/7 is open in process 1234 (qemu-system-x86)",
		"/dev/vfio/7 is open in process 1235 (ovs-vswitchd)", NULL);
	/* The same file is nothing to a device on another driver. */
	machine_bind(m, NIC, "e1000e");
	expect(m, NIC, NULL);
}

#define MACHINE_TEST(test) cmocka_unit_test_setup_teardown(test, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(an_idle_disk_is_free),
		MACHINE_TEST(a_mounted_partition_is_in_use_by_its_number),
		MACHINE_TEST(a_mount_that_only_the_first_process_sees_counts),
		MACHINE_TEST(a_btrfs_is_known_by_its_source_and_its_members),
		MACHINE_TEST(swap_is_in_use),
		MACHINE_TEST(a_part_of_an_array_or_a_volume_is_held),
		MACHINE_TEST(a_disk_claimed_by_whomever_is_in_use),
		MACHINE_TEST(an_nvme_behind_a_multipath_subsystem_is_found),
		MACHINE_TEST(the_default_route_is_in_use),
		MACHINE_TEST(an_address_counts_only_while_the_interface_is_up),
		MACHINE_TEST(an_ipv6_address_and_one_without_route_count),
		MACHINE_TEST(what_is_built_on_an_interface_is_named_once),
		MACHINE_TEST(a_display_that_is_on_is_in_use),
		MACHINE_TEST(virtual_functions_would_go),
		MACHINE_TEST(a_program_that_drives_it_is_named),
	};

	return cmocka_run_group_tests_name("host_use", tests, NULL, NULL);
}
