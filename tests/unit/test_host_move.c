/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices go to another driver, wholly or not at all, whatever the kernel does. */
#include "test_host_root.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <medio/error.h>

#include "host/move.h"

#define NIC  "0000:01:00.0"
#define NIC2 "0000:01:00.1"
#define NET  0x020000

static void two_cards(struct machine *m)
{
	machine_device(m, NIC, NET, 7, "e1000e");
	machine_device(m, NIC2, NET, 7, "e1000e");
	machine_driver(m, "vfio-pci");
}

static struct medio_move move_to(struct machine *m, const char *name, const char *driver)
{
	struct medio_host_device dev;
	struct medio_move move;

	assert_int_equal(medio_host_device_load(&m->host, name, &dev), 0);
	medio_move_init(&move, &dev, driver);
	return move;
}

static void assert_on(struct machine *m, const char *name, const char *driver, const char *override)
{
	assert_string_equal(machine_driver_of(m, name), driver);
	assert_string_equal(machine_override_of(m, name), override);
}

/* Run one move: 0, or what it gives, with words that have `words`. */
static int run(struct machine *m, struct medio_move *moves, unsigned count, const char *words)
{
	struct medio_error *err = NULL;
	int ret = medio_moves_run(&m->host, moves, count, &err);

	if (ret == 0) {
		assert_null(err);
	} else {
		assert_non_null(err);
		assert_non_null(strstr(medio_error_text(err), words));
	}
	medio_error_free(err);
	return ret;
}

static void a_card_goes_to_vfio_by_override_unbind_and_probe(void **state)
{
	struct machine *m = *state;

	two_cards(m);
	struct medio_move move = move_to(m, NIC, "vfio-pci");
	assert_true(medio_move_needed(&move));
	assert_int_equal(run(m, &move, 1, ""), 0);
	assert_on(m, NIC, "vfio-pci", "vfio-pci");
	assert_string_equal(move.now, "vfio-pci");
	assert_string_equal(m->log, "/sys/bus/pci/devices/" NIC "/driver_override=vfio-pci\n"
				    "/sys/bus/pci/drivers/e1000e/unbind=" NIC "\n"
				    "/sys/bus/pci/drivers_probe=" NIC "\n");
	assert_on(m, NIC2, "e1000e", "");
}

static void the_writes_foretold_are_those_made(void **state)
{
	struct machine *m = *state;
	struct medio_move_write writes[MEDIO_MOVE_WRITES];
	char told[1024];
	size_t len = 0;

	two_cards(m);
	struct medio_move move = move_to(m, NIC, "vfio-pci");
	unsigned count = medio_move_writes(&move, writes);
	for (unsigned i = 0; i < count; i++)
		len += (size_t)snprintf(
			told + len, sizeof(told) - len, "%s=%s\n", writes[i].path, writes[i].text);
	assert_int_equal(run(m, &move, 1, ""), 0);
	assert_string_equal(m->log, told);
}

static void a_card_goes_back_to_the_kernel(void **state)
{
	struct machine *m = *state;

	two_cards(m);
	struct medio_move move = move_to(m, NIC, "vfio-pci");
	assert_int_equal(run(m, &move, 1, ""), 0);
	move = move_to(m, NIC, "");
	assert_int_equal(run(m, &move, 1, ""), 0);
	assert_on(m, NIC, "e1000e", "");
	assert_string_equal(move.now, "e1000e");
}

static void a_card_without_a_driver_of_its_own_stays_without(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC, NET, 7, "");
	machine_driver(m, "vfio-pci");
	struct medio_move move = move_to(m, NIC, "vfio-pci");
	assert_int_equal(run(m, &move, 1, ""), 0);
	move = move_to(m, NIC, "");
	assert_int_equal(run(m, &move, 1, ""), 0);
	assert_on(m, NIC, "", "");
	assert_string_equal(move.now, "");
}

static void what_is_there_already_is_left_alone(void **state)
{
	struct machine *m = *state;

	two_cards(m);
	struct medio_move back = move_to(m, NIC, "");
	assert_false(medio_move_needed(&back));
	assert_int_equal(run(m, &back, 1, ""), 0);
	struct medio_move there = move_to(m, NIC, "vfio-pci");
	assert_int_equal(run(m, &there, 1, ""), 0);
	there = move_to(m, NIC, "vfio-pci");
	assert_false(medio_move_needed(&there));
	unsigned writes = m->writes;
	assert_int_equal(run(m, &there, 1, ""), 0);
	assert_int_equal(m->writes, writes);
}

static void an_override_left_behind_is_cleared_without_touching_the_driver(void **state)
{
	struct machine *m = *state;

	two_cards(m);
	machine_file(m, "vfio-pci\n", "/sys/devices/pci0000:00/" NIC "/driver_override");
	struct medio_move back = move_to(m, NIC, "");
	assert_true(medio_move_needed(&back));
	assert_int_equal(run(m, &back, 1, ""), 0);
	assert_on(m, NIC, "e1000e", "");
	assert_int_equal(m->writes, 1);
}

static void a_success_that_bound_nothing_is_found_and_undone(void **state)
{
	struct machine *m = *state;

	two_cards(m);
	m->refusing = "vfio-pci";
	struct medio_move move = move_to(m, NIC, "vfio-pci");
	assert_int_equal(run(m, &move, 1, "no driver has the device instead of vfio-pci"), -ENXIO);
	assert_on(m, NIC, "e1000e", "");
	assert_false(move.stuck);
}

static void a_card_without_group_is_said_to_have_none(void **state)
{
	struct machine *m = *state;

	machine_device(m, NIC, NET, -1, "e1000e");
	machine_driver(m, "vfio-pci");
	m->refusing = "vfio-pci";
	struct medio_move move = move_to(m, NIC, "vfio-pci");
	assert_int_equal(run(m, &move, 1, "no IOMMU group"), -ENXIO);
	assert_on(m, NIC, "e1000e", "");
}

static void whichever_write_fails_all_is_as_before(void **state)
{
	struct machine *m = *state;
	struct medio_move moves[2];

	two_cards(m);
	m->fail_errno = EBUSY;
	/* Three writes for each of two cards. */
	for (unsigned at = 1; at <= 6; at++) {
		m->writes = 0;
		m->fail_at = at;
		moves[0] = move_to(m, NIC, "vfio-pci");
		moves[1] = move_to(m, NIC2, "vfio-pci");
		assert_int_equal(
			run(m, moves, 2, at <= 3 ? NIC ": writing" : NIC2 ": writing"), -EBUSY);
		assert_on(m, NIC, "e1000e", "");
		assert_on(m, NIC2, "e1000e", "");
		assert_false(moves[0].stuck || moves[1].stuck);
	}
	m->fail_at = 0;
	moves[0] = move_to(m, NIC, "vfio-pci");
	assert_int_equal(run(m, moves, 1, ""), 0);
}

static void whenever_somebody_interrupts_all_is_as_before(void **state)
{
	struct machine *m = *state;
	struct medio_move moves[2];

	two_cards(m);
	for (unsigned at = 1; at <= 6; at++) {
		m->writes = 0;
		m->stop_at = at;
		m->stop = 0;
		moves[0] = move_to(m, NIC, "vfio-pci");
		moves[1] = move_to(m, NIC2, "vfio-pci");
		assert_int_equal(run(m, moves, 2, "interrupted"), -EINTR);
		assert_on(m, NIC, "e1000e", "");
		assert_on(m, NIC2, "e1000e", "");
	}
	m->stop = 1;
	m->writes = 0;
	moves[0] = move_to(m, NIC, "vfio-pci");
	assert_int_equal(run(m, moves, 1, "interrupted"), -EINTR);
	assert_int_equal(m->writes, 0);
}

static void what_cannot_be_put_back_is_said(void **state)
{
	struct machine *m = *state;

	two_cards(m);
	m->fail_from = 3; /* probe, and all of the way back */
	m->fail_errno = EIO;
	struct medio_move move = move_to(m, NIC, "vfio-pci");
	assert_int_equal(run(m, &move, 1, "drivers_probe"), -EIO);
	assert_true(move.stuck);
	assert_string_equal(move.now, "");
}

static void not_being_root_is_said(void **state)
{
	struct machine *m = *state;

	two_cards(m);
	m->fail_from = 1;
	m->fail_errno = EACCES;
	struct medio_move move = move_to(m, NIC, "vfio-pci");
	assert_int_equal(run(m, &move, 1, "it takes root"), -EACCES);
	assert_false(move.stuck);
}

static void a_vfio_that_takes_the_card_again_is_found(void **state)
{
	struct machine *m = *state;

	two_cards(m);
	/* new_id: it is what the kernel itself would choose. */
	machine_file(m, "vfio-pci", "/native/" NIC);
	machine_bind(m, NIC, "vfio-pci");
	struct medio_move move = move_to(m, NIC, "");
	assert_int_equal(
		run(m, &move, 1, "echo 8086 10c9 > /sys/bus/pci/drivers/vfio-pci/remove_id"),
		-ENXIO);
	assert_on(m, NIC, "vfio-pci", "");
	assert_false(move.stuck);
}

/* An asynchronous probe that fails looks like a driver until it does. */
static void a_driver_that_has_let_go_already_is_no_failure(void **state)
{
	struct machine *m = *state;

	two_cards(m);
	m->lets_go = true;
	struct medio_move move = move_to(m, NIC, "vfio-pci");
	assert_int_equal(run(m, &move, 1, ""), 0);
	assert_on(m, NIC, "vfio-pci", "vfio-pci");
	/* Nor has it anything to come back to. */
	struct medio_move moves[2] = { move_to(m, NIC2, "vfio-pci"), move_to(m, NIC, "") };
	m->writes = 0;
	m->fail_at = 4;
	m->fail_errno = EBUSY;
	assert_int_equal(run(m, moves, 2, "driver_override"), -EBUSY);
	assert_on(m, NIC2, "", "");
	assert_false(moves[0].stuck);
}

static void undoing_brings_an_earlier_override_back(void **state)
{
	struct machine *m = *state;

	two_cards(m);
	struct medio_move move = move_to(m, NIC, "vfio-pci");
	assert_int_equal(run(m, &move, 1, ""), 0);
	machine_driver(m, "uio_pci_generic");
	m->refusing = "uio_pci_generic";
	move = move_to(m, NIC, "uio_pci_generic");
	assert_int_equal(run(m, &move, 1, "instead of uio_pci_generic"), -ENXIO);
	assert_on(m, NIC, "vfio-pci", "vfio-pci");
	assert_false(move.stuck);
}

#define MACHINE_TEST(test) cmocka_unit_test_setup_teardown(test, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(a_card_goes_to_vfio_by_override_unbind_and_probe),
		MACHINE_TEST(the_writes_foretold_are_those_made),
		MACHINE_TEST(a_card_goes_back_to_the_kernel),
		MACHINE_TEST(a_card_without_a_driver_of_its_own_stays_without),
		MACHINE_TEST(what_is_there_already_is_left_alone),
		MACHINE_TEST(an_override_left_behind_is_cleared_without_touching_the_driver),
		MACHINE_TEST(a_success_that_bound_nothing_is_found_and_undone),
		MACHINE_TEST(a_card_without_group_is_said_to_have_none),
		MACHINE_TEST(whichever_write_fails_all_is_as_before),
		MACHINE_TEST(whenever_somebody_interrupts_all_is_as_before),
		MACHINE_TEST(what_cannot_be_put_back_is_said),
		MACHINE_TEST(not_being_root_is_said),
		MACHINE_TEST(a_vfio_that_takes_the_card_again_is_found),
		MACHINE_TEST(a_driver_that_has_let_go_already_is_no_failure),
		MACHINE_TEST(undoing_brings_an_earlier_override_back),
	};

	return cmocka_run_group_tests_name("host_move", tests, NULL, NULL);
}
