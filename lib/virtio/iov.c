/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes in pieces. What is asked for is mostly in the first of them, and that is quick. */
#include <string.h>

#include <medio/virtio.h>

#define SLOW __attribute__((noinline))

/* Are bytes [from, from + len) of n pieces all in the first? */
static inline bool in_first(const struct iovec *iov, unsigned n, size_t from, size_t len)
{
	return n && from <= iov->iov_len && len <= iov->iov_len - from;
}

static SLOW size_t gather(
	const struct iovec *iov, unsigned count, size_t from, char *buf, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < count && done < len; i++) {
		const struct iovec *v = &iov[i];
		if (from >= v->iov_len) {
			from -= v->iov_len;
			continue;
		}
		size_t n = v->iov_len - from < len - done ? v->iov_len - from : len - done;
		memcpy(buf + done, (const char *)v->iov_base + from, n);
		done += n;
		from = 0;
	}
	return done;
}

size_t medio_virtq_read(const struct medio_virtq_chain *chain, size_t from, void *buf, size_t len)
{
	if (!in_first(chain->out, chain->num_out, from, len))
		return gather(chain->out, chain->num_out, from, buf, len);
	memcpy(buf, (const char *)chain->out->iov_base + from, len);
	return len;
}

static SLOW size_t scatter(
	const struct iovec *iov, unsigned count, size_t from, const char *buf, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0; i < count && done < len; i++) {
		const struct iovec *v = &iov[i];
		if (from >= v->iov_len) {
			from -= v->iov_len;
			continue;
		}
		size_t n = v->iov_len - from < len - done ? v->iov_len - from : len - done;
		memcpy((char *)v->iov_base + from, buf + done, n);
		done += n;
		from = 0;
	}
	return done;
}

size_t medio_virtq_write(
	const struct medio_virtq_chain *chain, size_t from, const void *buf, size_t len)
{
	if (!in_first(chain->in, chain->num_in, from, len))
		return scatter(chain->in, chain->num_in, from, buf, len);
	memcpy((char *)chain->in->iov_base + from, buf, len);
	return len;
}

static SLOW unsigned slice(const struct iovec *iov, unsigned n, size_t from, size_t len,
	struct iovec *out, unsigned max)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n && len; i++) {
		if (from >= iov[i].iov_len) {
			from -= iov[i].iov_len;
			continue;
		}
		if (count == max)
			return 0;
		size_t part = iov[i].iov_len - from < len ? iov[i].iov_len - from : len;
		out[count++] = (struct iovec){ (char *)iov[i].iov_base + from, part };
		len -= part;
		from = 0;
	}
	return len ? 0 : count;
}

unsigned medio_iov_slice(const struct iovec *iov, unsigned n, size_t from, size_t len,
	struct iovec *out, unsigned max)
{
	if (!len || !max || !in_first(iov, n, from, len))
		return slice(iov, n, from, len, out, max);
	out[0] = (struct iovec){ (char *)iov->iov_base + from, len };
	return 1;
}
