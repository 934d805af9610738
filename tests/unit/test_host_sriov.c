/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual functions: read, made, and why not. */
#include "test_host_root.h"

#include <errno.h>
#include <string.h>

#include <medio/error.h>

#include "host/sriov.h"

#define PF "0000:01:00.0"

static void pf(struct machine *m, const char *driver)
{
	machine_device(m, PF, 0x020000, 7, driver);
	machine_file(m, "7\n", "/sys/bus/pci/devices/" PF "/sriov_totalvfs");
	machine_file(m, "0\n", "/sys/bus/pci/devices/" PF "/sriov_numvfs");
	machine_file(m, "128\n", "/sys/bus/pci/devices/" PF "/sriov_offset");
	machine_file(m, "2\n", "/sys/bus/pci/devices/" PF "/sriov_stride");
	machine_file(m, "10ca\n", "/sys/bus/pci/devices/" PF "/sriov_vf_device");
	machine_file(m, "1\n", "/sys/bus/pci/devices/" PF "/sriov_drivers_autoprobe");
}

/* Ask for count VFs. */
static int set(struct machine *m, unsigned count, const char *words, bool restorable)
{
	struct medio_error *err = NULL;
	struct medio_sriov sriov;
	bool restored = !restorable;

	assert_int_equal(medio_sriov_load(&m->host, PF, &sriov, &err), 0);
	int ret = medio_sriov_set(&m->host, &sriov, count, &restored, &err);
	if (ret && !strstr(medio_error_text(err), words))
		fail_msg("'%s' is not in: %s", words, medio_error_text(err));
	assert_int_equal(restored, restorable);
	medio_error_free(err);
	medio_sriov_fini(&sriov);
	return ret;
}

static unsigned count_of(struct machine *m)
{
	struct medio_sriov sriov;

	assert_int_equal(medio_sriov_load(&m->host, PF, &sriov, NULL), 0);
	medio_sriov_fini(&sriov);
	return sriov.num;
}

static void functions_are_made_and_listed(void **state)
{
	struct machine *m = *state;
	struct medio_sriov sriov;

	pf(m, "igb");
	assert_int_equal(set(m, 3, "", true), 0);
	assert_int_equal(medio_sriov_load(&m->host, PF, &sriov, NULL), 0);
	assert_int_equal(sriov.total, 7);
	assert_int_equal(sriov.num, 3);
	assert_int_equal(sriov.offset, 128);
	assert_int_equal(sriov.stride, 2);
	assert_int_equal(sriov.vf_device, 0x10ca);
	assert_true(sriov.autoprobe);
	assert_int_equal(sriov.vfs.count, 3);
	assert_string_equal(sriov.vfs.items[2], "0000:02:10.2");
	medio_sriov_fini(&sriov);
}

static void the_same_number_writes_nothing(void **state)
{
	struct machine *m = *state;

	pf(m, "igb");
	assert_int_equal(set(m, 2, "", true), 0);
	m->writes = 0;
	assert_int_equal(set(m, 2, "", true), 0);
	assert_int_equal(m->writes, 0);
}

static void from_one_number_to_another_goes_through_none(void **state)
{
	struct machine *m = *state;

	pf(m, "igb");
	assert_int_equal(set(m, 2, "", true), 0);
	m->log[0] = 0;
	assert_int_equal(set(m, 4, "", true), 0);
	assert_string_equal(m->log, "/sys/bus/pci/devices/" PF "/sriov_numvfs=0\n"
				    "/sys/bus/pci/devices/" PF "/sriov_numvfs=4\n");
	assert_int_equal(count_of(m), 4);
}

static void too_many_are_refused_before_any_write(void **state)
{
	struct machine *m = *state;

	pf(m, "igb");
	assert_int_equal(set(m, 8, "allowed are 0 to 7", true), -ERANGE);
	assert_int_equal(m->writes, 0);
}

static void fewer_than_asked_for_is_a_failure_and_undone(void **state)
{
	struct machine *m = *state;

	pf(m, "igb");
	assert_int_equal(set(m, 1, "", true), 0);
	m->vfs_most = 2;
	assert_int_equal(set(m, 4, "made 2", true), -EIO);
	assert_int_equal(count_of(m), 1);
}

static void a_failure_in_the_middle_brings_the_old_number_back(void **state)
{
	struct machine *m = *state;

	pf(m, "igb");
	assert_int_equal(set(m, 2, "", true), 0);
	m->writes = 0;
	m->fail_at = 2;
	m->fail_errno = ENOMEM;
	assert_int_equal(set(m, 4, "bus numbers", true), -ENOMEM);
	assert_int_equal(count_of(m), 2);
	m->writes = 0;
	m->fail_at = 0;
	m->stop_at = 1;
	assert_int_equal(set(m, 4, "interrupted", true), -EINTR);
	assert_int_equal(count_of(m), 2);
}

static void what_cannot_be_brought_back_is_told(void **state)
{
	struct machine *m = *state;

	pf(m, "igb");
	assert_int_equal(set(m, 2, "", true), 0);
	m->writes = 0;
	m->fail_from = 2;
	m->fail_errno = EIO;
	assert_int_equal(set(m, 4, "dmesg", false), -EIO);
	assert_int_equal(count_of(m), 0);
}

static void each_errno_is_explained(void **state)
{
	struct machine *m = *state;

	pf(m, "igb");
	m->fail_from = 1;
	m->fail_errno = EPERM;
	assert_int_equal(set(m, 1, "in use by a guest", true), -EPERM);
	m->fail_errno = EACCES;
	assert_int_equal(set(m, 1, "it takes root", true), -EACCES);
	m->fail_errno = EBUSY;
	assert_int_equal(set(m, 1, "busy", true), -EBUSY);
	m->fail_errno = ENOENT;
	assert_int_equal(set(m, 1, "its driver igb cannot", true), -ENOENT);
}

static void a_driver_is_needed_that_makes_them(void **state)
{
	struct machine *m = *state;
	struct medio_error *err = NULL;
	struct medio_sriov sriov;

	pf(m, "");
	assert_int_equal(medio_sriov_load(&m->host, PF, &sriov, NULL), 0);
	assert_int_equal(medio_sriov_ready(&m->host, &sriov, &err), -ENOENT);
	assert_non_null(strstr(medio_error_text(err), "has no driver"));
	machine_bind(m, PF, "vfio-pci");
	machine_file(m, "N\n", "/sys/module/vfio_pci/parameters/enable_sriov");
	assert_int_equal(medio_sriov_ready(&m->host, &sriov, &err), -ENOENT);
	assert_non_null(strstr(medio_error_text(err), "enable_sriov=1"));
	machine_file(m, "Y\n", "/sys/module/vfio_pci/parameters/enable_sriov");
	assert_int_equal(medio_sriov_ready(&m->host, &sriov, NULL), 0);
	machine_bind(m, PF, "igb");
	assert_int_equal(medio_sriov_ready(&m->host, &sriov, NULL), 0);
	medio_error_free(err);
	medio_sriov_fini(&sriov);
}

static void a_device_without_says_why(void **state)
{
	struct machine *m = *state;
	struct medio_error *err = NULL;
	struct medio_sriov sriov;

	pf(m, "igb");
	assert_int_equal(set(m, 1, "", true), 0);
	assert_int_equal(medio_sriov_load(&m->host, "0000:02:10.0", &sriov, &err), -EOPNOTSUPP);
	assert_non_null(strstr(medio_error_text(err), "ask its physical function " PF));
	machine_device(m, "0000:03:00.0", 0x020000, 8, "e1000e");
	assert_int_equal(medio_sriov_load(&m->host, "0000:03:00.0", &sriov, &err), -EOPNOTSUPP);
	assert_non_null(strstr(medio_error_text(err), "no SR-IOV"));
	assert_int_equal(medio_sriov_load(&m->host, "0000:09:00.0", &sriov, &err), -ENODEV);
	medio_error_free(err);
}

#define MACHINE_TEST(test) cmocka_unit_test_setup_teardown(test, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(functions_are_made_and_listed),
		MACHINE_TEST(the_same_number_writes_nothing),
		MACHINE_TEST(from_one_number_to_another_goes_through_none),
		MACHINE_TEST(too_many_are_refused_before_any_write),
		MACHINE_TEST(fewer_than_asked_for_is_a_failure_and_undone),
		MACHINE_TEST(a_failure_in_the_middle_brings_the_old_number_back),
		MACHINE_TEST(what_cannot_be_brought_back_is_told),
		MACHINE_TEST(each_errno_is_explained),
		MACHINE_TEST(a_driver_is_needed_that_makes_them),
		MACHINE_TEST(a_device_without_says_why),
	};

	return cmocka_run_group_tests_name("host_sriov", tests, NULL, NULL);
}
