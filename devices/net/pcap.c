/* SPDX-License-Identifier: BSD-3-Clause */
#include "pcap.h"

#include <errno.h>

static int put(FILE *out, const void *data, size_t size)
{
	errno = 0;
	if (fwrite(data, 1, size, out) == size)
		return 0;
	return errno ? -errno : -EIO;
}

int medio_pcap_begin(FILE *out)
{
	const struct medio_pcap_header header = { .magic = MEDIO_PCAP_MAGIC_NANOSECONDS,
		.major = MEDIO_PCAP_MAJOR,
		.minor = MEDIO_PCAP_MINOR,
		.most = MEDIO_PCAP_FRAME,
		.link = MEDIO_PCAP_ETHERNET };

	return put(out, &header, sizeof(header));
}

int medio_pcap_write_iov(
	FILE *out, const struct timespec *when, const struct iovec *iov, unsigned niov, size_t len)
{
	const struct medio_pcap_record record = { .seconds = (uint32_t)when->tv_sec,
		.fraction = (uint32_t)when->tv_nsec,
		.length = (uint32_t)len,
		.original = (uint32_t)len };
	int ret = put(out, &record, sizeof(record));

	for (unsigned i = 0; i < niov && !ret; i++)
		ret = put(out, iov[i].iov_base, iov[i].iov_len);
	return ret;
}

int medio_pcap_write(FILE *out, const struct timespec *when, const void *frame, size_t len)
{
	const struct iovec iov = { (void *)frame, len };

	return medio_pcap_write_iov(out, when, &iov, 1, len);
}
