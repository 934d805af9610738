/* SPDX-License-Identifier: BSD-3-Clause */
#include "pcap.h"

#include <byteswap.h>
#include <errno.h>
#include <string.h>

#include "util/error.h"

/* pcapng, the same in both orders. */
#define MAGIC_NEW 0x0a0d0d0au

/* How many of size bytes there were; -errno. */
static ssize_t get(FILE *in, void *buf, size_t size)
{
	errno = 0;
	size_t got = fread(buf, 1, size, in);

	if (got < size && ferror(in))
		return errno ? -errno : -EIO;
	return (ssize_t)got;
}

static uint32_t number(const struct medio_pcap *pcap, uint32_t value)
{
	return pcap->swapped ? bswap_32(value) : value;
}

static int bad_stream(struct medio_error **err, ssize_t ret)
{
	return medio_error_set(err, (int)-ret, "%s", strerror((int)-ret));
}

static int find_order(struct medio_pcap *pcap, uint32_t magic, struct medio_error **err)
{
	for (unsigned i = 0; i < 2; i++, magic = bswap_32(magic)) {
		if (magic != MEDIO_PCAP_MAGIC && magic != MEDIO_PCAP_MAGIC_NANOSECONDS)
			continue;
		pcap->swapped = i;
		pcap->nanoseconds = magic == MEDIO_PCAP_MAGIC_NANOSECONDS;
		return 0;
	}
	if (magic == MAGIC_NEW)
		return medio_error_set(
			err, EINVAL, "this is pcapng; 'editcap -F pcap OLD NEW' makes pcap of it");
	return medio_error_set(err, EINVAL, "this is no pcap file");
}

int medio_pcap_open(FILE *in, struct medio_pcap *out, struct medio_error **err)
{
	struct medio_pcap pcap = { .in = in };
	struct medio_pcap_header header;
	ssize_t got = get(in, &header, sizeof(header));

	if (got < 0)
		return bad_stream(err, got);
	if ((size_t)got < sizeof(header.magic))
		return medio_error_set(err, EINVAL, "this is no pcap file: it has %zd bytes", got);
	int ret = find_order(&pcap, header.magic, err);
	if (ret)
		return ret;
	if ((size_t)got < sizeof(header))
		return medio_error_set(err, EINVAL, "this pcap file ends after %zd bytes", got);
	unsigned major = pcap.swapped ? bswap_16(header.major) : header.major;
	unsigned link = number(&pcap, header.link) & 0xffff;
	if (major != MEDIO_PCAP_MAJOR)
		return medio_error_set(err, EINVAL,
			"this is version %u of pcap, version %u can be read", major,
			MEDIO_PCAP_MAJOR);
	if (link != MEDIO_PCAP_ETHERNET)
		return medio_error_set(err, EINVAL,
			"frames of kind %u are in this file, needed are those of Ethernet, %u",
			link, MEDIO_PCAP_ETHERNET);
	*out = pcap;
	return 0;
}

static int check(const struct medio_pcap *pcap, const struct medio_pcap_record *record, size_t size,
	struct medio_error **err)
{
	unsigned long long n = pcap->count + 1;
	uint32_t length = number(pcap, record->length), original = number(pcap, record->original);

	if (length > MEDIO_PCAP_FRAME || length > original)
		return medio_error_set(err, EINVAL,
			"frame %llu says it has %u bytes of %u, which cannot be", n, length,
			original);
	if (number(pcap, record->fraction) >= (pcap->nanoseconds ? 1000000000 : 1000000))
		return medio_error_set(err, EINVAL, "frame %llu is of a time that there is not", n);
	if (length > size)
		return medio_error_set(err, EMSGSIZE,
			"frame %llu has %u bytes, there is room for %zu", n, length, size);
	return 0;
}

int medio_pcap_read(struct medio_pcap *pcap, struct medio_pcap_frame *out, void *buf, size_t size,
	struct medio_error **err)
{
	struct medio_pcap_record record;
	ssize_t got = get(pcap->in, &record, sizeof(record));

	if (got <= 0)
		return got ? bad_stream(err, got) : 0;
	if ((size_t)got < sizeof(record))
		return medio_error_set(err, EINVAL, "the file ends %zd bytes into frame %llu", got,
			(unsigned long long)pcap->count + 1);
	int ret = check(pcap, &record, size, err);
	if (ret)
		return ret;
	const struct medio_pcap_frame frame = {
		.when = { .tv_sec = number(pcap, record.seconds),
			.tv_nsec = (long)number(pcap, record.fraction) *
				   (pcap->nanoseconds ? 1 : 1000) },
		.length = number(pcap, record.length),
		.original = number(pcap, record.original),
	};
	got = get(pcap->in, buf, frame.length);
	if (got < 0)
		return bad_stream(err, got);
	if ((size_t)got < frame.length)
		return medio_error_set(err, EINVAL, "the file ends in the middle of frame %llu",
			(unsigned long long)pcap->count + 1);
	pcap->count++;
	*out = frame;
	return 1;
}
