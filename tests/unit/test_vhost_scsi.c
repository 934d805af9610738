/* SPDX-License-Identifier: BSD-3-Clause */
/* SCSI disks over vhost-user, in every shape of a session: commands, data both ways, events. */
#include "vhost_shape.h"

#include "../../devices/virtio-scsi/virtio-scsi.h"
#include "test_bytes.h"

enum { CONTROL, EVENTS, REQUESTS, RINGS };
enum { HEADER = 51, RESPONSE = 108 };
#define REQUEST_AT  VF_HIGH_GPA
#define RESPONSE_AT (VF_HIGH_GPA + 512)
#define DATA_AT	    (VF_HIGH_GPA + 4096)

/* To disk 0 of target 0 (5.6.6.1): the status, after the response's own (5.6.6.1.1). */
static unsigned asks(struct vhost_bed *bed, const uint8_t cdb[10], uint32_t out, uint32_t in)
{
	uint8_t *header = vhost_front_at(&bed->front, REQUEST_AT);
	uint8_t *response = vhost_front_at(&bed->front, RESPONSE_AT);
	struct virtq_seg segs[3] = { { REQUEST_AT, HEADER } };
	unsigned n = 1;

	memset(header, 0, HEADER);
	header[0] = 1;
	header[2] = 0x40;
	header[8] = 77;
	memcpy(header + 19, cdb, 10);
	memset(response, 0xaa, RESPONSE);
	if (out)
		segs[n++] = (struct virtq_seg){ DATA_AT, out };
	segs[n++] = (struct virtq_seg){ RESPONSE_AT, RESPONSE };
	if (in)
		segs[n++] = (struct virtq_seg){ DATA_AT, in };
	vhost_exchange(bed, REQUESTS, segs, out ? 2 : 1, in ? 2 : 1);
	assert_int_equal(response[11], 0);
	return response[10];
}

static void goes_past_power_on(struct vhost_bed *bed)
{
	static const uint8_t ready[10] = { 0 };

	for (unsigned i = 0; i < 5 && asks(bed, ready, 0, 0); i++)
		;
	assert_int_equal(asks(bed, ready, 0, 0), 0);
}

static void data_go_and_come_in_every_shape(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VHOST_SHAPES; i++) {
		struct vhost_bed bed;
		vhost_shape_open(&bed, &vhost_shapes[i], &medio_virtio_scsi, PARAMS("lun0=mem:1M"),
			0, RINGS);
		uint8_t *data = vhost_front_at(&bed.front, DATA_AT);
		static const uint8_t inquiry[10] = { 0x12, 0, 0, 0, 36 };
		goes_past_power_on(&bed);
		assert_int_equal(asks(&bed, inquiry, 0, 36), 0);
		assert_int_equal(data[0], 0);
		for (unsigned n = 0; n < 100; n++) {
			const uint8_t write[10] = { 0x2a, 0, 0, 0, 0, (uint8_t)n, 0, 0, 4 };
			const uint8_t read[10] = { 0x28, 0, 0, 0, 0, (uint8_t)n, 0, 0, 4 };
			scramble(data, 2048, n);
			const uint64_t sum = checksum(data, 2048);
			assert_int_equal(asks(&bed, write, 2048, 0), 0);
			memset(data, 0, 2048);
			assert_int_equal(asks(&bed, read, 0, 2048), 0);
			assert_int_equal(checksum(data, 2048), sum);
		}
		vhost_bed_close(&bed);
	}
}

static void removes(void *arg)
{
	vhost_bed_there(medio_instance_attr_store(arg, "scsi/unplug", "lun1", 4) >= 0);
}

/* A disk goes while it runs: an event that the driver hears without being asked. */
static void events_come(void **state)
{
	struct vhost_bed bed;
	const struct virtq_seg seg = { DATA_AT, 16 };

	(void)state;
	vhost_shape_open(&bed, &vhost_shapes[1], &medio_virtio_scsi,
		PARAMS("lun0=mem:1M", "lun1=mem:2M"), UINT64_C(2), RINGS);
	uint8_t *event = vhost_front_at(&bed.front, DATA_AT);
	goes_past_power_on(&bed);
	vhost_submit(&bed, EVENTS, &seg, 0, 1, &bed);
	vhost_bed_on_device(&bed, removes, vhost_bed_instance(&bed));
	assert_int_equal(vhost_complete(&bed, EVENTS, NULL), 16);
	assert_int_equal(event[0], 1); /* TRANSPORT_RESET (5.6.6.3) */
	vhost_bed_close(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_go_and_come_in_every_shape),
		cmocka_unit_test(events_come),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
