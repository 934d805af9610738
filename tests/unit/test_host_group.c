/* SPDX-License-Identifier: BSD-3-Clause */
/* Groups: who is in them, and whether VFIO can have them. */
#include "test_host_root.h"

#include <errno.h>
#include <string.h>

#include "host/group.h"

#define NIC    "0000:01:00.0"
#define NIC2   "0000:01:00.1"
#define BRIDGE "0000:00:1c.0"

static enum medio_group_state state_of(struct machine *m, int number)
{
	struct medio_host_group group;

	assert_int_equal(medio_host_group_load(&m->host, number, &group), 0);
	enum medio_group_state group_state = medio_host_group_state(&group);
	medio_host_group_fini(&group);
	return group_state;
}

static void a_group_is_the_kernels_until_a_device_is_on_vfio(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC, 0x020000, 7, "e1000e");
	machine_device(m, NIC2, 0x020000, 7, "e1000e");
	assert_int_equal(state_of(m, 7), MEDIO_GROUP_KERNEL);
	machine_bind(m, NIC, "vfio-pci");
	assert_int_equal(state_of(m, 7), MEDIO_GROUP_NOT_VIABLE);
	machine_bind(m, NIC2, "mlx5_vfio_pci");
	assert_int_equal(state_of(m, 7), MEDIO_GROUP_VIABLE);
}

static void bridges_stubs_and_free_devices_do_no_harm(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC, 0x020000, 7, "vfio-pci");
	machine_device(m, NIC2, 0x020000, 7, "");
	machine_device(m, "0000:01:00.2", 0x020000, 7, "pci-stub");
	machine_device(m, BRIDGE, 0x060400, 7, "pcieport");
	assert_int_equal(state_of(m, 7), MEDIO_GROUP_VIABLE);
	machine_bind(m, BRIDGE, "shpchp");
	assert_int_equal(state_of(m, 7), MEDIO_GROUP_NOT_VIABLE);
}

static void uio_in_a_group_is_in_the_way(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC, 0x020000, 7, "vfio-pci");
	machine_device(m, NIC2, 0x020000, 7, "uio_pci_generic");
	assert_int_equal(state_of(m, 7), MEDIO_GROUP_NOT_VIABLE);
}

static void functions_of_one_slot_are_not_several(void **state)
{
	struct machine *m = *state;
	struct medio_host_group group;

	machine_device(m, BRIDGE, 0x060400, 7, "pcieport");
	machine_device(m, NIC, 0x020000, 7, "e1000e");
	machine_device(m, NIC2, 0x020000, 7, "e1000e");
	assert_int_equal(medio_host_group_load(&m->host, 7, &group), 0);
	assert_int_equal(group.count, 3);
	assert_false(medio_host_group_spans_slots(&group));
	assert_true(medio_host_group_translates(&group));
	medio_host_group_fini(&group);
	machine_device(m, "0000:01:01.0", 0x010802, 7, "nvme");
	machine_file(m, "identity\n", "/sys/kernel/iommu_groups/7/type");
	assert_int_equal(medio_host_group_load(&m->host, 7, &group), 0);
	assert_true(medio_host_group_spans_slots(&group));
	assert_false(medio_host_group_translates(&group));
	medio_host_group_fini(&group);
}

static void a_device_of_another_bus_is_a_member_too(void **state)
{
	struct machine *m = *state;
	struct medio_host_group group;

	machine_device(m, NIC, 0x020000, 7, "vfio-pci");
	machine_file(m, "", "/sys/devices/platform/a0000000.dma/uevent");
	machine_link(m, "../../../bus/platform/drivers/dma",
		"/sys/devices/platform/a0000000.dma/driver");
	machine_link(m, "../../../../devices/platform/a0000000.dma",
		"/sys/kernel/iommu_groups/7/devices/a0000000.dma");
	assert_int_equal(medio_host_group_load(&m->host, 7, &group), 0);
	assert_int_equal(group.count, 2);
	assert_string_equal(group.devices[1].name, "a0000000.dma");
	assert_string_equal(group.devices[1].driver, "dma");
	assert_false(group.devices[1].pci);
	assert_int_equal(medio_host_group_state(&group), MEDIO_GROUP_NOT_VIABLE);
	medio_host_group_fini(&group);
}

static void only_a_device_without_an_iommu_makes_a_group_a_no_iommu_one(void **state)
{
	static const char *const names[] = { "0000:01:00.0",
		"83b8f4f2-509f-382f-3c1e-e6bfe0fa1001" };
	struct machine *m = *state;
	struct medio_host_group group;

	for (int i = 0; i < 2; i++) {
		machine_file(m, "vfio-noiommu\n", "/sys/kernel/iommu_groups/%d/name", i);
		machine_link(m, "../../../../devices/any", "/sys/kernel/iommu_groups/%d/devices/%s",
			i, names[i]);
		assert_int_equal(medio_host_group_load(&m->host, i, &group), 0);
		assert_int_equal(group.noiommu, i == 0);
		medio_host_group_fini(&group);
	}
}

static void groups_come_in_the_order_of_their_numbers(void **state)
{
	struct machine *m = *state;
	struct medio_strv numbers = { 0 };
	struct medio_host_group group;

	assert_int_equal(medio_host_groups(&m->host, &numbers), -ENOENT);
	machine_file(m, "", "/sys/kernel/iommu_groups/.hidden");
	assert_int_equal(medio_host_groups(&m->host, &numbers), -ENOENT);
	machine_device(m, NIC, 0x020000, 10, "");
	machine_device(m, NIC2, 0x020000, 9, "");
	assert_int_equal(medio_host_groups(&m->host, &numbers), 0);
	assert_int_equal(numbers.count, 2);
	assert_string_equal(numbers.items[0], "9");
	assert_string_equal(numbers.items[1], "10");
	medio_strv_free(&numbers);
	assert_int_equal(medio_host_group_load(&m->host, 11, &group), -ENOENT);
}

#define MACHINE_TEST(test) cmocka_unit_test_setup_teardown(test, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(a_group_is_the_kernels_until_a_device_is_on_vfio),
		MACHINE_TEST(bridges_stubs_and_free_devices_do_no_harm),
		MACHINE_TEST(uio_in_a_group_is_in_the_way),
		MACHINE_TEST(functions_of_one_slot_are_not_several),
		MACHINE_TEST(a_device_of_another_bus_is_a_member_too),
		MACHINE_TEST(only_a_device_without_an_iommu_makes_a_group_a_no_iommu_one),
		MACHINE_TEST(groups_come_in_the_order_of_their_numbers),
	};

	return cmocka_run_group_tests_name("host_group", tests, NULL, NULL);
}
