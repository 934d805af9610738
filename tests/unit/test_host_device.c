/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices and drivers as sysfs shows them. */
#include "test_host_root.h"

#include <errno.h>
#include <string.h>

#include <medio/error.h>

#include "host/driver.h"

#define NIC "0000:01:00.0"

static void expect_words(struct medio_error **err, const char *words)
{
	assert_non_null(*err);
	if (!strstr(medio_error_text(*err), words))
		fail_msg("'%s' is not in: %s", words, medio_error_text(*err));
	medio_error_free(*err);
	*err = NULL;
}

static void a_device_is_found_by_either_form(void **state)
{
	struct machine *m = *state;
	char name[MEDIO_BDF_TEXT];

	machine_device(m, NIC, 0x020000, 7, "e1000e");
	assert_int_equal(medio_host_find(&m->host, "01:00.0", name, NULL), 0);
	assert_string_equal(name, NIC);
	assert_int_equal(medio_host_find(&m->host, NIC, name, NULL), 0);
}

static void a_wrong_address_gets_the_nearest_there_is(void **state)
{
	struct machine *m = *state;
	struct medio_error *err = NULL;
	char name[MEDIO_BDF_TEXT] = "untouched";

	machine_device(m, "0000:00:02.0", 0x030000, 1, "");
	machine_device(m, NIC, 0x020000, 7, "e1000e");
	assert_int_equal(medio_host_find(&m->host, "01:00.1", name, &err), -ENODEV);
	expect_words(&err, "no device 0000:01:00.1; did you mean 0000:01:00.0?");
	assert_int_equal(medio_host_find(&m->host, "1:0.0", name, &err), -EINVAL);
	expect_words(&err, "did you mean 0000:01:00.0?");
	assert_int_equal(medio_host_find(&m->host, "eth0", name, &err), -EINVAL);
	expect_words(&err, "there are 0000:00:02.0 to 0000:01:00.0");
	assert_string_equal(name, "untouched");
}

static void a_machine_without_pci_says_so(void **state)
{
	struct machine *m = *state;
	struct medio_error *err = NULL;
	char name[MEDIO_BDF_TEXT];

	assert_int_equal(medio_host_find(&m->host, "01:00.0", name, &err), -ENODEV);
	expect_words(&err, "no PCI devices");
}

static void a_device_is_read_with_all_its_fields(void **state)
{
	struct machine *m = *state;
	struct medio_host_device dev;

	machine_device(m, NIC, 0x020000, 7, "e1000e");
	machine_file(m, "vfio-pci\n", "/sys/bus/pci/devices/" NIC "/driver_override");
	assert_int_equal(medio_host_device_load(&m->host, NIC, &dev), 0);
	assert_string_equal(dev.driver, "e1000e");
	assert_string_equal(dev.override, "vfio-pci");
	assert_int_equal(dev.vendor, 0x8086);
	assert_int_equal(dev.device, 0x10c9);
	assert_int_equal(dev.class_code, 0x020000);
	assert_int_equal(dev.group, 7);
	assert_false(dev.is_virtual);
	assert_false(medio_host_device_is_bridge(&dev));
}

static void what_sysfs_lacks_is_no_error(void **state)
{
	struct machine *m = *state;
	struct medio_host_device dev;

	machine_file(m, "nonsense", "/sys/devices/" NIC "/vendor");
	machine_link(m, "../../../devices/" NIC, "/sys/bus/pci/devices/" NIC);
	machine_link(m, "a/b/12x", "/sys/devices/" NIC "/iommu_group");
	assert_int_equal(medio_host_device_load(&m->host, NIC, &dev), 0);
	assert_string_equal(dev.driver, "");
	assert_string_equal(dev.override, "");
	assert_int_equal(dev.vendor, 0);
	assert_int_equal(dev.group, -1);
	assert_int_equal(medio_host_device_load(&m->host, "0000:01:00.1", &dev), -ENODEV);
}

static void nodes_are_those_of_its_driver(void **state)
{
	struct machine *m = *state;
	struct medio_host_device dev;
	struct medio_strv nodes = { 0 };

	machine_device(m, NIC, 0x020000, 7, "e1000e");
	assert_int_equal(medio_host_device_load(&m->host, NIC, &dev), 0);
	assert_int_equal(medio_host_device_nodes(&m->host, &dev, &nodes), 0);
	assert_int_equal(nodes.count, 0);
	machine_bind(m, NIC, "vfio-pci");
	machine_file(m, "", "/sys/bus/pci/devices/" NIC "/vfio-dev/vfio3/dev");
	assert_int_equal(medio_host_device_load(&m->host, NIC, &dev), 0);
	assert_int_equal(medio_host_device_nodes(&m->host, &dev, &nodes), 0);
	assert_int_equal(nodes.count, 2);
	assert_string_equal(nodes.items[0], "/dev/vfio/7");
	assert_string_equal(nodes.items[1], "/dev/vfio/devices/vfio3");
	medio_strv_free(&nodes);
	machine_file(m, "vfio-noiommu\n", "/sys/kernel/iommu_groups/7/name");
	assert_int_equal(medio_host_device_nodes(&m->host, &dev, &nodes), 0);
	assert_string_equal(nodes.items[0], "/dev/vfio/noiommu-7");
	medio_strv_free(&nodes);
}

static void variants_of_vfio_are_known_by_their_name(void **state)
{
	(void)state;

	assert_int_equal(medio_driver_kind("mlx5_vfio_pci"), MEDIO_DRIVER_VFIO);
	assert_int_equal(medio_driver_kind("nvme"), MEDIO_DRIVER_KERNEL);
	assert_true(medio_driver_blocks_vfio("e1000e"));
	assert_true(medio_driver_blocks_vfio("uio_pci_generic"));
	assert_false(medio_driver_blocks_vfio("pcieport"));
	assert_false(medio_driver_blocks_vfio(""));
}

static void a_driver_that_is_not_loaded_says_how_to(void **state)
{
	struct machine *m = *state;
	struct medio_error *err = NULL;

	machine_driver(m, "vfio-pci");
	assert_int_equal(medio_driver_find(&m->host, "vfio-pci", &err), 0);
	assert_int_equal(medio_driver_find(&m->host, "uio_pci_generic", &err), -ENOENT);
	expect_words(&err, "'modprobe uio_pci_generic'");
	machine_file(m, "6.1.0\n", "/proc/sys/kernel/osrelease");
	machine_file(m, "kernel/drivers/vfio/pci/mlx5/mlx5-vfio-pci.ko.xz: kernel/x.ko\n",
		"/lib/modules/6.1.0/modules.dep");
	assert_int_equal(medio_driver_find(&m->host, "uio_pci_generic", &err), -ENOENT);
	expect_words(&err, "this kernel has no module");
	assert_int_equal(medio_driver_find(&m->host, "mlx5_vfio_pci", &err), -ENOENT);
	expect_words(&err, "'modprobe mlx5_vfio_pci'");
	assert_int_equal(medio_driver_find(&m->host, "vfio_pci", &err), -ENOENT);
	expect_words(&err, "did you mean vfio-pci?");
	assert_int_equal(medio_driver_find(&m->host, "../../x", &err), -EINVAL);
	expect_words(&err, "no name of a driver");
	assert_int_equal(medio_driver_find(&m->host, "", &err), -EINVAL);
	expect_words(&err, "no name of a driver");
}

static void the_module_for_a_device_is_found_by_its_alias(void **state)
{
	struct machine *m = *state;
	char module[64];

	machine_device(m, NIC, 0x020000, 7, "");
	machine_file(m, "pci:v00008086d000010C9sv00008086sd00000001bc02sc00i00\n",
		"/sys/bus/pci/devices/" NIC "/modalias");
	machine_file(m, "6.1.0\n", "/proc/sys/kernel/osrelease");
	assert_int_equal(medio_module_for(&m->host, NIC, module, sizeof(module)), -ENOENT);
	machine_file(m,
		"# Aliases\n"
		"alias pci:v*d*sv*sd*bc*sc*i* vfio_pci\n"
		"alias pci:v00008086d000010CAsv*sd*bc*sc*i* igbvf\n"
		"alias pci:v00008086d000010C9sv*sd*bc*sc*i* igb\n",
		"/lib/modules/6.1.0/modules.alias");
	assert_int_equal(medio_module_for(&m->host, NIC, module, sizeof(module)), 0);
	assert_string_equal(module, "igb");
}

#define MACHINE_TEST(test) cmocka_unit_test_setup_teardown(test, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(a_device_is_found_by_either_form),
		MACHINE_TEST(a_wrong_address_gets_the_nearest_there_is),
		MACHINE_TEST(a_machine_without_pci_says_so),
		MACHINE_TEST(a_device_is_read_with_all_its_fields),
		MACHINE_TEST(what_sysfs_lacks_is_no_error),
		MACHINE_TEST(nodes_are_those_of_its_driver),
		cmocka_unit_test(variants_of_vfio_are_known_by_their_name),
		MACHINE_TEST(a_driver_that_is_not_loaded_says_how_to),
		MACHINE_TEST(the_module_for_a_device_is_found_by_its_alias),
	};

	return cmocka_run_group_tests_name("host_device", tests, NULL, NULL);
}
