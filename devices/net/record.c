/* SPDX-License-Identifier: BSD-3-Clause */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pcap.h"

/* A frame is in the file after this time at the latest, and until then costs no system call. */
#define FLUSH_NS 200000000u
#define BUFFER	 65536u

struct net_pcap {
	struct medio_dev *dev;
	FILE *out; /* NULL: it has failed */
	struct medio_timer *flush;
	bool armed;
};

static void failed(struct net_pcap *pcap, int ret)
{
	medio_log(
		pcap->dev, MEDIO_LOG_WARN, "pcap: no more frames are recorded: %s", strerror(-ret));
	fclose(pcap->out);
	pcap->out = NULL;
}

static void on_flush(void *opaque)
{
	struct net_pcap *pcap = opaque;

	pcap->armed = false;
	errno = 0;
	if (pcap->out && fflush(pcap->out))
		failed(pcap, errno ? -errno : -EIO);
}

/* Anything else than a regular file can make us wait. */
static int open_file(struct medio_dev *dev, const char *path, FILE **out)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		int err = errno;

		if (fd >= 0)
			close(fd);
		return medio_fail(dev, err, "pcap: cannot write to '%s': %s", path, strerror(err));
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return medio_fail(
			dev, EINVAL, "pcap: '%s' is no regular file; name a new one", path);
	}
	if (ftruncate(fd, 0) < 0 || !(*out = fdopen(fd, "w"))) {
		int err = errno;

		close(fd);
		return medio_fail(dev, err, "pcap: cannot write to '%s': %s", path, strerror(err));
	}
	setvbuf(*out, NULL, _IOFBF, BUFFER);
	return 0;
}

int net_pcap_open(struct medio_dev *dev, const char *path, struct net_pcap **out)
{
	struct net_pcap *pcap = calloc(1, sizeof(*pcap));

	if (!pcap)
		return medio_fail(dev, ENOMEM, "pcap: no memory");
	pcap->dev = dev;
	int ret = open_file(dev, path, &pcap->out);
	if (!ret) {
		pcap->flush = medio_timer_new(dev, on_flush, pcap);
		ret = pcap->flush ? medio_pcap_begin(pcap->out) : -ENOMEM;
		if (!ret && fflush(pcap->out))
			ret = -errno;
		if (ret)
			medio_fail(
				dev, -ret, "pcap: cannot write to '%s': %s", path, strerror(-ret));
	}
	if (ret) {
		net_pcap_close(pcap);
		return ret;
	}
	*out = pcap;
	return 0;
}

void net_pcap_close(struct net_pcap *pcap)
{
	if (!pcap)
		return;
	medio_timer_free(pcap->flush);
	if (pcap->out && fclose(pcap->out))
		medio_log(pcap->dev, MEDIO_LOG_WARN, "pcap: the last frames are not in the file");
	free(pcap);
}

void net_pcap_record(struct net_pcap *pcap, const struct net_frame *frame)
{
	struct timespec now;

	if (!pcap->out)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	int ret = medio_pcap_write_iov(pcap->out, &now, frame->iov, frame->niov, frame->bytes);
	if (ret) {
		failed(pcap, ret);
		return;
	}
	if (!pcap->armed)
		medio_timer_arm(pcap->flush, FLUSH_NS);
	pcap->armed = true;
}
