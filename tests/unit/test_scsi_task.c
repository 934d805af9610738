/* SPDX-License-Identifier: BSD-3-Clause */
/* Task management of virtio-scsi while requests are under way, its events, and units that come and go. */
#include <errno.h>

#include <time.h>

#include "test_scsi_device_bed.h"

enum { ABORT, ABORT_SET, CLEAR_ACA, CLEAR_SET, NEXUS, LUN_RESET, QUERY, QUERY_SET };
enum { COMPLETE = 0 };

#define TWO_DISKS PARAMS("lun0=mem:1M", "lun1=mem:2M")

/* ---- Abort and reset ----------------------------------------------------------------------------- */

/* One held request of unit 0 in each slot from `first` on. */
static void holds_requests(struct bed *bed, unsigned first, unsigned n)
{
	holds(bed, MIB, true);
	for (unsigned i = 0; i < n; i++)
		submits(bed, REQUESTS, first + i, 0, CDB(WRITE_10(i, 1)), 512, 0);
	waits_for_held(bed, MIB, first + n - 1);
}

static void an_abort_waits_for_its_request(void **state)
{
	struct bed *bed = *state;
	struct answer a;

	opens(bed, NULL, TWO_DISKS);
	holds_requests(bed, 1, 3);
	manages(bed, 10, ABORT, 0, 2);
	waits_for_tasks(bed, 1);
	assert_false(has_come(bed, CONTROL));
	releases(bed, MIB, 1);
	a = answered(bed, REQUESTS, 1);
	assert_int_equal(sense_of(&a), 0);
	assert_false(has_come(bed, CONTROL));
	releases(bed, MIB, 1);
	a = answered(bed, REQUESTS, 2);
	assert_int_equal(a.response, VIRTIO_SCSI_S_ABORTED);
	assert_int_equal(managed(bed, 10), COMPLETE);
	releases(bed, MIB, 1);
	a = answered(bed, REQUESTS, 3);
	assert_int_equal(sense_of(&a), 0);
	shows(bed, "scsi/cancelled", "1\n");
	/* No attention follows an abort of one's own. */
	holds(bed, MIB, false);
	assert_int_equal(tells(bed, 0, CDB(READY)), 0);
}

static void what_is_not_under_way_needs_no_abort(void **state)
{
	struct bed *bed = *state;

	opens(bed, NULL, TWO_DISKS);
	manages(bed, 10, ABORT, 0, 77);
	assert_int_equal(managed(bed, 10), COMPLETE);
	manages(bed, 10, ABORT_SET, 0, 0);
	assert_int_equal(managed(bed, 10), COMPLETE);
	/* Of the other unit it is not either. */
	holds_requests(bed, 1, 1);
	manages(bed, 10, ABORT, 1, 1);
	assert_int_equal(managed(bed, 10), COMPLETE);
	manages(bed, 10, ABORT_SET, 1, 1);
	assert_int_equal(managed(bed, 10), COMPLETE);
	releases(bed, MIB, 1);
	struct answer a = answered(bed, REQUESTS, 1);
	assert_int_equal(sense_of(&a), 0);
}

/* A request that stands in its queue, of which the device was not told, came before all the same. */
static void an_abort_finds_what_was_not_looked_at_yet(void **state)
{
	struct bed *bed = *state;
	struct virtq_seg segs[3];
	uint8_t *ptr;

	opens(bed, NULL, TWO_DISKS);
	ptr = slot_at(bed, 1);
	holds(bed, MIB, true);
	memset(ptr, 0, SLOT);
	memset(ptr + RESPONSE, 0xaa, SLOT - RESPONSE);
	puts_lun(bed, ptr, 0);
	ptr[8] = 1;
	memcpy(ptr + 19, CDB(WRITE_10(0, 1)), 16);
	segs[0] = at(bed, ptr, 51);
	segs[1] = at(bed, bed->buf, 512);
	segs[2] = at(bed, ptr + RESPONSE, 108);
	assert_int_equal(virtq_add(virtio_ring(bed->queues[REQUESTS]), segs, 2, 1, ptr), 0);
	virtq_publish(virtio_ring(bed->queues[REQUESTS]));
	manages(bed, 10, ABORT, 0, 1);
	waits_for_tasks(bed, 1);
	waits_for_held(bed, MIB, 1);
	assert_false(has_come(bed, CONTROL));
	releases(bed, MIB, 1);
	assert_int_equal(managed(bed, 10), COMPLETE);
	struct answer a = answered(bed, REQUESTS, 1);
	assert_int_equal(a.response, VIRTIO_SCSI_S_ABORTED);
}

static void a_set_is_all_requests_of_a_unit(void **state)
{
	struct bed *bed = *state;
	struct answer a;

	for (unsigned subtype = ABORT_SET; subtype <= CLEAR_SET; subtype += CLEAR_SET - ABORT_SET) {
		opens(bed, NULL, TWO_DISKS);
		holds_requests(bed, 1, 5);
		holds(bed, 2 * MIB, true);
		submits(bed, REQUESTS, 7, 1, CDB(READ_10(0, 1)), 0, 512);
		waits_for_held(bed, 2 * MIB, 1);
		manages(bed, 10, subtype, 0, 0);
		waits_for_tasks(bed, 1);
		for (unsigned i = 1; i <= 5; i++) {
			assert_false(has_come(bed, CONTROL));
			releases(bed, MIB, 1);
			a = answered(bed, REQUESTS, i);
			assert_int_equal(a.response, VIRTIO_SCSI_S_ABORTED);
		}
		assert_int_equal(managed(bed, 10), COMPLETE);
		releases(bed, 2 * MIB, 1);
		a = answered(bed, REQUESTS, 7);
		assert_int_equal(sense_of(&a), 0);
		closes(bed);
	}
}

/* Switch the cache off, so that there is something to be reset. */
static void writes_through(struct bed *bed, unsigned lun)
{
	memset(bed->buf, 0, 24);
	bed->buf[4] = 0x08;
	bed->buf[5] = 18;
	struct answer a = asks(bed, lun, CDB(0x15, 0x10, 0, 0, 24), 24, 0);
	assert_int_equal(sense_of(&a), 0);
}

static void a_unit_is_reset(void **state)
{
	struct bed *bed = *state;
	struct answer a;

	opens(bed, NULL, TWO_DISKS);
	writes_through(bed, 0);
	writes_through(bed, 1);
	shows(bed, "scsi/luns",
		"lun0 mem:1M, 1048576 bytes in blocks of 512, a test's, write through");
	holds_requests(bed, 1, 2);
	manages(bed, 10, LUN_RESET, 0, 0);
	waits_for_tasks(bed, 1);
	assert_false(has_come(bed, CONTROL));
	releases(bed, MIB, 2);
	a = answered(bed, REQUESTS, 1);
	assert_int_equal(a.response, VIRTIO_SCSI_S_RESET);
	a = answered(bed, REQUESTS, 2);
	assert_int_equal(a.response, VIRTIO_SCSI_S_RESET);
	assert_int_equal(managed(bed, 10), COMPLETE);
	holds(bed, MIB, false);
	assert_int_equal(tells(bed, 0, CDB(READY)), SENSE_LUN_RESET);
	assert_int_equal(tells(bed, 0, CDB(READY)), 0);
	assert_int_equal(tells(bed, 1, CDB(READY)), 0);
	shows(bed, "scsi/luns",
		"lun0 mem:1M, 1048576 bytes in blocks of 512, a test's, write back");
	shows(bed, "scsi/luns",
		"lun1 mem:2M, 2097152 bytes in blocks of 512, a test's, write through");
}

static void a_nexus_reset_is_for_all_units(void **state)
{
	struct bed *bed = *state;
	struct answer a;

	opens(bed, NULL, TWO_DISKS);
	holds_requests(bed, 1, 1);
	holds(bed, 2 * MIB, true);
	submits(bed, REQUESTS, 2, 1, CDB(READ_10(0, 1)), 0, 512);
	waits_for_held(bed, 2 * MIB, 1);
	/* Of a unit that is not there, too: it is the target that counts. */
	manages(bed, 10, NEXUS, 9, 0);
	waits_for_tasks(bed, 1);
	releases(bed, MIB, 1);
	a = answered(bed, REQUESTS, 1);
	assert_int_equal(a.response, VIRTIO_SCSI_S_RESET);
	assert_false(has_come(bed, CONTROL));
	releases(bed, 2 * MIB, 1);
	a = answered(bed, REQUESTS, 2);
	assert_int_equal(a.response, VIRTIO_SCSI_S_RESET);
	assert_int_equal(managed(bed, 10), COMPLETE);
	holds(bed, MIB, false);
	holds(bed, 2 * MIB, false);
	assert_int_equal(tells(bed, 0, CDB(READY)), SENSE_NEXUS_LOSS);
	assert_int_equal(tells(bed, 1, CDB(READY)), SENSE_NEXUS_LOSS);
}

static void queries_tell_what_is_under_way(void **state)
{
	struct bed *bed = *state;

	opens(bed, NULL, TWO_DISKS);
	manages(bed, 10, QUERY_SET, 0, 0);
	assert_int_equal(managed(bed, 10), COMPLETE);
	holds_requests(bed, 1, 1);
	manages(bed, 10, QUERY, 0, 1);
	assert_int_equal(managed(bed, 10), VIRTIO_SCSI_S_FUNCTION_SUCCEEDED);
	manages(bed, 10, QUERY, 0, 2);
	assert_int_equal(managed(bed, 10), COMPLETE);
	manages(bed, 10, QUERY_SET, 0, 0);
	assert_int_equal(managed(bed, 10), VIRTIO_SCSI_S_FUNCTION_SUCCEEDED);
	manages(bed, 10, QUERY_SET, 1, 0);
	assert_int_equal(managed(bed, 10), COMPLETE);
	releases(bed, MIB, 1);
	answered(bed, REQUESTS, 1);
}

static void functions_that_cannot_be_are_refused(void **state)
{
	struct bed *bed = *state;

	opens(bed, NULL, TWO_DISKS);
	manages(bed, 10, CLEAR_ACA, 0, 0);
	assert_int_equal(managed(bed, 10), VIRTIO_SCSI_S_FUNCTION_REJECTED);
	manages(bed, 10, 8, 0, 0);
	assert_int_equal(managed(bed, 10), VIRTIO_SCSI_S_FUNCTION_REJECTED);
	manages(bed, 10, UINT32_MAX, 0, 0);
	assert_int_equal(managed(bed, 10), VIRTIO_SCSI_S_FUNCTION_REJECTED);
	manages(bed, 10, ABORT, 2, 0);
	assert_int_equal(managed(bed, 10), VIRTIO_SCSI_S_INCORRECT_LUN);
	manages(bed, 10, LUN_RESET, 4000, 0);
	assert_int_equal(managed(bed, 10), VIRTIO_SCSI_S_INCORRECT_LUN);
	bed->target = 1;
	manages(bed, 10, LUN_RESET, 0, 0);
	assert_int_equal(managed(bed, 10), VIRTIO_SCSI_S_BAD_TARGET);
}

/* More than wait at a time, for the same request, and for each other's. */
static void functions_wait_together(void **state)
{
	enum { MANY = 45 };
	struct bed *bed = *state;
	struct answer a;

	opens(bed, NULL, TWO_DISKS);
	holds_requests(bed, 1, 2);
	for (unsigned i = 0; i < MANY; i++)
		manages(bed, 10 + i, i % 3 ? ABORT : LUN_RESET, 0, 1 + i % 2);
	waits_for_tasks(bed, 32);
	assert_false(has_come(bed, CONTROL));
	releases(bed, MIB, 1);
	a = answered(bed, REQUESTS, 1);
	assert_true(a.response == VIRTIO_SCSI_S_RESET || a.response == VIRTIO_SCSI_S_ABORTED);
	releases(bed, MIB, 1);
	answered(bed, REQUESTS, 2);
	uint64_t seen = 0;
	for (unsigned i = 0; i < MANY; i++) {
		struct virtq_done done;
		assert_int_equal(virtio_wait(bed->v, &bed->queues[CONTROL], 1, 120000), 1);
		assert_int_equal(virtq_take(virtio_ring(bed->queues[CONTROL]), &done), 1);
		assert_int_equal(((uint8_t *)done.tag)[RESPONSE], COMPLETE);
		seen |= UINT64_C(1) << ((uint8_t *)done.tag - bed->memory) / SLOT;
	}
	assert_int_equal(seen, ((UINT64_C(1) << MANY) - 1) << 10);
	shows(bed, "scsi/tasks", "45\n");
}

/* What is under way ends first, functions too; only then the status reads 0 (2.4). */
static void a_reset_of_the_device_waits_for_all(void **state)
{
	const unsigned reg = MEDIO_VIRTIO_COMMON + 0x14;
	struct bed *bed = *state;
	uint8_t status;

	opens(bed, NULL, TWO_DISKS);
	holds_requests(bed, 1, 4);
	manages(bed, 10, ABORT_SET, 0, 0);
	waits_for_tasks(bed, 1);
	assert_int_equal(medio_card_write8(bed->card, MEDIO_VIRTIO_BAR, reg, 0), 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(medio_card_read8(bed->card, MEDIO_VIRTIO_BAR, reg, &status), 0);
		assert_int_not_equal(status, 0);
		releases(bed, MIB, 1);
	}
	for (unsigned i = 0; i < 100000 && status; i++) {
		medio_card_process(bed->card);
		assert_int_equal(medio_card_read8(bed->card, MEDIO_VIRTIO_BAR, reg, &status), 0);
	}
	assert_int_equal(status, 0);
	virtio_close(bed->v);
	if (virtio_open(bed->card, ID, NULL, &bed->v, bed->words, sizeof(bed->words)))
		fail_msg("%s", bed->words);
	brings_up(bed, 0, 1);
	holds(bed, MIB, false);
	assert_int_equal(tells(bed, 0, CDB(READY)), SENSE_POWER_ON);
	assert_int_equal(tells(bed, 0, CDB(READY)), 0);
	manages(bed, 10, ABORT_SET, 0, 0);
	assert_int_equal(managed(bed, 10), COMPLETE);
}

/* ---- Other requests of the control queue --------------------------------------------------------- */

static void sends_control(struct bed *bed, uint32_t type, unsigned out, unsigned in)
{
	uint8_t *ptr = slot_at(bed, 20);
	struct virtq_seg segs[2] = { at(bed, ptr, out), at(bed, ptr + RESPONSE, in ? in : 1) };

	memset(ptr, 0, SLOT);
	memset(ptr + RESPONSE, 0xaa, SLOT - RESPONSE);
	medio_put_le(ptr, 4, type);
	puts_lun(bed, ptr + 4, 0);
	medio_put_le(ptr + 12, 4, 0x3f);
	sends(bed, CONTROL, segs, 1, in ? 1 : 0, ptr);
}

static void there_are_no_notifications(void **state)
{
	struct bed *bed = *state;
	uint8_t *resp;

	opens(bed, NULL, TWO_DISKS);
	resp = slot_at(bed, 20) + RESPONSE;
	for (uint32_t type = 1; type <= 2; type++) {
		sends_control(bed, type, 16, 5);
		assert_int_equal(comes(bed, CONTROL, slot_at(bed, 20)), 5);
		assert_int_equal(medio_get_le(resp, 4), 0);
		assert_int_equal(resp[4], VIRTIO_SCSI_S_OK);
		assert_int_equal(resp[5], 0xaa);
	}
}

static void control_requests_without_form_break_it(void **state)
{
	static const unsigned wrong[][3] = { { 3, 24, 1 }, { 0xffffffff, 24, 1 }, { 0, 23, 1 },
		{ 0, 24, 0 }, { 1, 15, 5 }, { 2, 16, 4 }, { 0, 3, 1 } };
	struct bed *bed = *state;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		opens(bed, NULL, TWO_DISKS);
		sends_control(bed, wrong[i][0], wrong[i][1], wrong[i][2]);
		breaks(bed);
		closes(bed);
	}
}

/* ---- Events ---------------------------------------------------------------------------------------- */

static void gives_buffers(struct bed *bed, unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++) {
		struct virtq_seg seg = at(bed, slot_at(bed, i), 16);
		memset(slot_at(bed, i), 0xee, 16);
		sends(bed, EVENTS, &seg, 0, 1, slot_at(bed, i));
	}
}

static void event_is(struct bed *bed, unsigned slot, uint32_t event, unsigned lun, uint32_t reason)
{
	/* As REPORT LUNS tells it, since Linux knows the unit by these bytes. */
	const uint8_t address[8] = { 1, 0, 0, (uint8_t)lun };
	uint8_t *ptr = slot_at(bed, slot);

	assert_int_equal(comes(bed, EVENTS, ptr), 16);
	assert_int_equal(medio_get_le(ptr, 4), event);
	assert_memory_equal(ptr + 4, address, 8);
	assert_int_equal(medio_get_le(ptr + 12, 4), reason);
}

static void another_size_is_told(void **state)
{
	struct bed *bed = *state;
	struct answer a;

	opens(bed, NULL, TWO_DISKS);
	gives_buffers(bed, 30, 2);
	assert_false(has_come(bed, EVENTS));
	resizes(bed, 2 * MIB, 3 * MIB);
	assert_int_equal(stores(bed, "scsi/rescan", "1\n"), 0);
	event_is(bed, 30, VIRTIO_SCSI_T_PARAM_CHANGE, 1, 0x092a);
	assert_int_equal(tells(bed, 0, CDB(READY)), 0);
	assert_int_equal(tells(bed, 1, CDB(READY)), SENSE_CAPACITY_CHANGED);
	a = asks(bed, 1, CDB(0x25), 0, 8);
	assert_int_equal(sense_of(&a), 0);
	assert_int_equal(scsi_get_be(bed->buf, 4), 3 * MIB / 512 - 1);
	/* As large as before: nothing to tell. */
	assert_int_equal(stores(bed, "scsi/rescan", "1"), 0);
	assert_false(has_come(bed, EVENTS));
	assert_int_equal(stores(bed, "scsi/rescan", "2"), -EINVAL);
}

static void an_event_waits_for_a_buffer(void **state)
{
	struct bed *bed = *state;

	opens(bed, NULL, TWO_DISKS);
	resizes(bed, 2 * MIB, 3 * MIB);
	resizes(bed, MIB, 2 * MIB);
	stores(bed, "scsi/rescan", "1");
	resizes(bed, MIB, 3 * MIB);
	stores(bed, "scsi/rescan", "1");
	gives_buffers(bed, 30, 3);
	event_is(bed, 30, VIRTIO_SCSI_T_PARAM_CHANGE, 0, 0x092a);
	event_is(bed, 31, VIRTIO_SCSI_T_PARAM_CHANGE, 1, 0x092a);
	assert_false(has_come(bed, EVENTS));
	shows(bed, "scsi/events", "2\n");
}

static void events_are_for_those_who_want_them(void **state)
{
	struct bed *bed = *state;

	plugs(bed, NULL, TWO_DISKS);
	brings_up(bed, 0, 1);
	assert_int_equal(tells(bed, 0, CDB(READY)), SENSE_POWER_ON);
	gives_buffers(bed, 30, 2);
	resizes(bed, MIB, 2 * MIB);
	assert_int_equal(stores(bed, "scsi/rescan", "1"), 0);
	assert_int_equal(stores(bed, "scsi/plug", "lun2=mem:3M"), 0);
	assert_int_equal(tells(bed, 0, CDB(READY)), SENSE_CAPACITY_CHANGED);
	assert_int_equal(tells(bed, 0, CDB(READY)), SENSE_LUNS_CHANGED);
	assert_false(has_come(bed, EVENTS));
}

static void a_buffer_too_small_for_an_event_breaks_it(void **state)
{
	struct bed *bed = *state;
	struct virtq_seg seg;

	opens(bed, NULL, TWO_DISKS);
	seg = at(bed, bed->buf, 15);
	sends(bed, EVENTS, &seg, 0, 1, bed);
	resizes(bed, MIB, 2 * MIB);
	stores(bed, "scsi/rescan", "1");
	breaks(bed);
}

/* ---- Units that come and go -------------------------------------------------------------------------- */

static void units_come_and_go(void **state)
{
	struct bed *bed = *state;
	struct answer a;

	opens(bed, NULL, TWO_DISKS);
	gives_buffers(bed, 30, 4);
	assert_int_equal(tells(bed, 7, CDB(READY)), SENSE_NO_LUN);
	assert_int_equal(stores(bed, "scsi/plug", "lun7=mem:4M,readonly\n"), 0);
	event_is(bed, 30, VIRTIO_SCSI_T_TRANSPORT_RESET, 7, VIRTIO_SCSI_EVT_RESET_RESCAN);
	assert_int_equal(tells(bed, 7, CDB(READY)), SENSE_POWER_ON);
	assert_int_equal(tells(bed, 7, CDB(READY)), 0);
	a = asks(bed, 7, CDB(WRITE_10(0, 1)), 512, 0);
	assert_int_equal(sense_of(&a), SENSE_WRITE_PROTECTED);
	/* The others tell that the list is another. Asking for it is to know. */
	assert_int_equal(tells(bed, 0, CDB(READY)), SENSE_LUNS_CHANGED);
	a = asks(bed, 0, CDB(0xa0, 0, 0, 0, 0, 0, BE32(64)), 0, 64);
	assert_int_equal(scsi_get_be(bed->buf, 4), 24);
	assert_int_equal(tells(bed, 1, CDB(READY)), 0);
	assert_int_equal(stores(bed, "scsi/unplug", "lun7"), 0);
	event_is(bed, 31, VIRTIO_SCSI_T_TRANSPORT_RESET, 7, VIRTIO_SCSI_EVT_RESET_REMOVED);
	assert_int_equal(tells(bed, 7, CDB(READY)), SENSE_NO_LUN);
	assert_int_equal(tells(bed, 0, CDB(READY)), SENSE_LUNS_CHANGED);
	/* The first one, too. */
	assert_int_equal(stores(bed, "scsi/unplug", "lun0"), 0);
	event_is(bed, 32, VIRTIO_SCSI_T_TRANSPORT_RESET, 0, VIRTIO_SCSI_EVT_RESET_REMOVED);
	assert_int_equal(tells(bed, 0, CDB(READY)), SENSE_NO_LUN);
}

static void a_unit_ends_its_requests_before_it_goes(void **state)
{
	struct bed *bed = *state;
	struct answer a;

	opens(bed, NULL, TWO_DISKS);
	holds_requests(bed, 1, 2);
	manages(bed, 10, ABORT, 0, 2);
	waits_for_tasks(bed, 1);
	assert_false(has_come(bed, CONTROL));
	assert_int_equal(stores(bed, "scsi/unplug", "lun0"), 0);
	a = answered(bed, REQUESTS, 1);
	assert_int_equal(sense_of(&a), 0);
	a = answered(bed, REQUESTS, 2);
	assert_int_equal(a.response, VIRTIO_SCSI_S_ABORTED);
	assert_int_equal(managed(bed, 10), COMPLETE);
	/* One that comes back before this was told is told of as both. */
	assert_int_equal(stores(bed, "scsi/plug", "lun0=mem:1M"), 0);
	gives_buffers(bed, 30, 3);
	event_is(bed, 30, VIRTIO_SCSI_T_TRANSPORT_RESET, 0, VIRTIO_SCSI_EVT_RESET_REMOVED);
	event_is(bed, 31, VIRTIO_SCSI_T_TRANSPORT_RESET, 0, VIRTIO_SCSI_EVT_RESET_RESCAN);
	assert_false(has_come(bed, EVENTS));
}

static void plugging_refuses_nonsense(void **state)
{
	struct bed *bed = *state;

	opens(bed, NULL, TWO_DISKS);
	assert_int_equal(stores(bed, "scsi/plug", "lun0=mem:3M"), -EBUSY);
	assert_int_equal(stores(bed, "scsi/plug", "lun16=mem:3M"), -EINVAL);
	assert_int_equal(stores(bed, "scsi/plug", "lun-1=mem:3M"), -EINVAL);
	assert_int_equal(stores(bed, "scsi/plug", "lun2"), -EINVAL);
	assert_int_equal(stores(bed, "scsi/plug", "2=mem:3M"), -EINVAL);
	assert_int_equal(stores(bed, "scsi/plug", ""), -EINVAL);
	assert_int_equal(stores(bed, "scsi/plug", "lun2=men:3M"), -EINVAL);
	assert_int_equal(stores(bed, "scsi/plug", "lun2=file:/a"), -ENOENT);
	assert_int_equal(stores(bed, "scsi/unplug", "lun2"), -ENODEV);
	assert_int_equal(stores(bed, "scsi/unplug", "lun1=mem:3M"), -EINVAL);
	assert_int_equal(stores(bed, "scsi/unplug", "lun99999999999999999999"), -EINVAL);
	assert_int_equal(tells(bed, 0, CDB(READY)), 0);
}

/* ---- State ------------------------------------------------------------------------------------------- */

struct saved {
	struct bed *bed;
	uint8_t bytes[65536];
	ssize_t size;
};

static void save_there(void *arg)
{
	struct saved *s = arg;

	s->size = medio_instance_save(s->bed->bed.inst, s->bytes, sizeof(s->bytes));
}

/* It is given its own bytes when there is memory again, that its rings can be in. */
static void what_units_remember_moves_along(void **state)
{
	static const char *const params[] = { "lun0=mem:4M", "lun1=mem:5M" };
	struct medio_instance_options opts = { .params = params, .nparams = 2 };
	static struct saved s;
	struct bed *bed = *state;
	struct medio_instance *inst;
	struct medio_loop *loop;
	struct medio_card *card;
	char text[512] = "";
	void *ptr;

	opens(bed, NULL, TWO_DISKS);
	writes_through(bed, 0);
	assert_int_equal(tells(bed, 1, CDB(0x1b)), 0);
	s.bed = bed;
	card_bed_on_device(&bed->bed, save_there, &s);
	assert_true(s.size > 0);
	assert_int_equal(medio_loop_new(&loop), 0);
	assert_int_equal(medio_instance_new(loop, &medio_virtio_scsi, &opts, &inst, NULL), 0);
	assert_int_equal(medio_instance_load(inst, s.bytes, (size_t)s.size), 0);
	assert_int_equal(medio_card_open_instance(inst, &card, NULL), 0);
	uint64_t around = 16 << 20, from = bed->iova > around ? bed->iova - around : 0;
	assert_int_equal(medio_card_dma_alloc(card, from, 2 * around, RW, &ptr), 0);
	time_t until = time(NULL) + 20;
	while (!strstr(text, "stopped") && time(NULL) < until) {
		medio_card_process(card);
		ssize_t len = medio_instance_attr_show(inst, "scsi/luns", text, sizeof(text) - 1);
		assert_true(len > 0);
		text[len] = '\0';
	}
	if (!strstr(text, "write through\nlun1") || !strstr(text, "write back, stopped\n"))
		fail_msg("after it moved: %s", text);
	medio_card_close(card);
	medio_instance_free(inst);
	medio_loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_abort_waits_for_its_request),
		TEST(what_is_not_under_way_needs_no_abort),
		TEST(an_abort_finds_what_was_not_looked_at_yet),
		TEST(a_set_is_all_requests_of_a_unit),
		TEST(a_unit_is_reset),
		TEST(a_nexus_reset_is_for_all_units),
		TEST(queries_tell_what_is_under_way),
		TEST(functions_that_cannot_be_are_refused),
		TEST(functions_wait_together),
		TEST(a_reset_of_the_device_waits_for_all),
		TEST(there_are_no_notifications),
		TEST(control_requests_without_form_break_it),
		TEST(another_size_is_told),
		TEST(an_event_waits_for_a_buffer),
		TEST(events_are_for_those_who_want_them),
		TEST(a_buffer_too_small_for_an_event_breaks_it),
		TEST(units_come_and_go),
		TEST(a_unit_ends_its_requests_before_it_goes),
		TEST(plugging_refuses_nonsense),
		TEST(what_units_remember_moves_along),
	};

	return cmocka_run_group_tests_name("scsi_task", tests, NULL, NULL);
}
