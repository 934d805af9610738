/* SPDX-License-Identifier: BSD-3-Clause */
/* The device's side of a domain: translate, copy, iterate, pin. */
#include "iommu/iommu.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static int errno_of(enum medio_fault_reason reason)
{
	switch (reason) {
	case MEDIO_FAULT_PERMISSION:
		return -EACCES;
	case MEDIO_FAULT_REMOTE:
		return -EREMOTE;
	case MEDIO_FAULT_BUS_MASTER:
		return -ENODEV;
	default:
		return -EFAULT;
	}
}

/* domain->poisoned must be up to date. */
static bool gone(const struct medio_iommu *domain, struct medio_mappos pos)
{
	if (!domain->poisoned)
		return false;
	const struct medio_segment *seg = medio_mappos_backing(&domain->table, pos)->seg;
	return seg && medio_guard_poisoned(seg->guard);
}

/* The mapping that covers iova. */
static bool find(const struct medio_iommu *domain, uint64_t iova, struct medio_mappos *pos)
{
	return medio_maptable_floor(&domain->table, iova, pos) &&
	       medio_mappos_last(&domain->table, *pos) >= iova;
}

/* The same, of an iova that was just checked. */
static struct medio_mappos found(const struct medio_iommu *domain, uint64_t iova)
{
	struct medio_mappos pos = { 0, 0 };
	const bool there = find(domain, iova, &pos);
	assert(there);
	(void)there;
	return pos;
}

/* May len > 0 bytes at iova be reached with prot? 0, or why not and *at, where not. */
static int check(struct medio_iommu *domain, uint64_t iova, uint64_t len, unsigned prot,
	bool remote_ok, uint64_t *at)
{
	const struct medio_maptable *t = &domain->table;
	const uint64_t last = iova + (len - 1);
	struct medio_mappos pos;

	medio_iommu_poisoned(domain);
	*at = iova;
	if (last < iova || !find(domain, iova, &pos))
		return MEDIO_FAULT_NOT_MAPPED;
	for (;;) {
		const struct medio_mapping *m = medio_mappos_mapping(t, pos);
		const uint64_t m_last = medio_mappos_last(t, pos);
		if (prot & ~(unsigned)m->prot)
			return MEDIO_FAULT_PERMISSION;
		if (!m->hva && !remote_ok)
			return MEDIO_FAULT_REMOTE;
		if (gone(domain, pos))
			return MEDIO_FAULT_GONE;
		if (m_last >= last)
			return 0;
		*at = m_last + 1;
		pos = medio_mappos_next(t, pos);
		if (!medio_mappos_valid(t, pos) || medio_mappos_start(t, pos) != *at)
			return MEDIO_FAULT_NOT_MAPPED;
	}
}

static int fault(struct medio_iommu *domain, uint64_t iova, uint64_t len, uint64_t at,
	unsigned prot, enum medio_fault_reason reason)
{
	medio_faults_add(&domain->faults, iova, len, at, prot, reason);
	return errno_of(reason);
}

static inline __attribute__((always_inline)) void push_hit(
	struct medio_iommu *domain, uint64_t start, uint64_t size, char *hva, unsigned prot)
{
	for (unsigned i = MEDIO_IOMMU_HITS - 1; i; i--)
		domain->hits[i] = domain->hits[i - 1];
	domain->hits[0] = (struct medio_iommu_hit){ start, size, hva, prot };
}

/* While a dirty log runs, writes must not be granted without marking them. */
static void remember(
	struct medio_iommu *domain, uint64_t start, uint64_t size, char *hva, unsigned prot)
{
	if (domain->log.on)
		prot &= ~(unsigned)MEDIO_PROT_WRITE;
	push_hit(domain, start, size, hva, prot);
}

void medio_iommu_forget(struct medio_iommu *domain)
{
	memset(domain->hits, 0, sizeof(domain->hits));
	medio_iotlb_flush(&domain->tlb);
}

/* ---- Translate ------------------------------------------------------------------------------- */

static void *refuse(int *err, int value)
{
	if (err)
		*err = value;
	return NULL;
}

/* What is left when one mapping does not answer: several that lie side by side, errors, logging. */
static __attribute__((noinline, cold)) void *translate_hard(
	struct medio_iommu *domain, uint64_t iova, uint64_t len, unsigned prot, int *err)
{
	const struct medio_maptable *t = &domain->table;
	uint64_t at;
	if (!len)
		len = 1;
	const int reason = check(domain, iova, len, prot, false, &at);
	if (reason == MEDIO_FAULT_REMOTE)
		return refuse(err, -EREMOTE);
	if (reason)
		return refuse(err, fault(domain, iova, len, at, prot, reason));

	struct medio_mappos pos = found(domain, iova);
	const uint64_t start = medio_mappos_start(t, pos);
	char *hva = medio_mappos_mapping(t, pos)->hva;
	unsigned both = medio_mappos_mapping(t, pos)->prot;
	uint64_t last = medio_mappos_last(t, pos);
	while (last < iova + (len - 1)) {
		pos = medio_mappos_next(t, pos);
		const struct medio_mapping *m = medio_mappos_mapping(t, pos);
		if (m->hva != hva + (last - start) + 1)
			return refuse(err, -EFAULT);
		both &= m->prot;
		last = medio_mappos_last(t, pos);
	}
	remember(domain, start, last - start + 1, hva, both);
	if (prot & MEDIO_PROT_WRITE)
		medio_iommu_dirty(domain, iova, len);
	return hva + (iova - start);
}

/* Without a call: translate_hard() looks more closely. */
static bool unsure(const struct medio_iommu *domain)
{
	return domain->poisoned ||
	       atomic_load_explicit(&medio_guard_hits, memory_order_relaxed) != domain->guard_seen;
}

/* Does next lie behind pos, in both worlds, and permit the same? */
static inline bool goes_on(
	const struct medio_maptable *t, struct medio_mappos pos, struct medio_mappos next)
{
	const struct medio_mapping *m = medio_mappos_mapping(t, pos),
				   *n = medio_mappos_mapping(t, next);

	/* Remote memory has none. */
	return m->hva && n->hva && n->hva == m->hva + medio_mapping_size(m) && n->prot == m->prot &&
	       medio_mappos_last(t, pos) + 1 == medio_mappos_start(t, next);
}

/* A hit of a local mapping, with those on both sides that go on there. */
static __attribute__((noinline)) void push_wide(struct medio_iommu *domain, struct medio_mappos pos)
{
	const struct medio_maptable *t = &domain->table;
	struct medio_mappos first = pos, last = pos, side;
	unsigned before = 0, behind = 0;

	for (; behind < domain->reach; behind++, last = side) {
		side = medio_mappos_next(t, last);
		if (!medio_mappos_valid(t, side) || !goes_on(t, last, side))
			break;
	}
	for (; before < domain->reach && medio_mappos_prev(t, first, &side); before++, first = side)
		if (!goes_on(t, side, first))
			break;
	if ((before == domain->reach || behind == domain->reach) &&
		domain->reach < MEDIO_IOMMU_MAX_MAPPINGS)
		domain->reach *= 2;

	const struct medio_mapping *m = medio_mappos_mapping(t, first);
	const uint64_t start = medio_mappos_start(t, first);
	push_hit(domain, start, medio_mappos_last(t, last) - start + 1, m->hva, m->prot);
}

/* The usual case: len bytes in one local mapping, and nothing else to look after. NULL: look more
 * closely. Inlined, for a random translation is little more than this. */
static inline __attribute__((always_inline)) char *translate_simple(
	struct medio_iommu *domain, uint64_t iova, size_t len, unsigned prot)
{
	const uint64_t page = iova >> MEDIO_IOMMU_PAGE_SHIFT;
	const size_t in_page = iova & (MEDIO_IOMMU_PAGE - 1);
	struct medio_mappos pos;
	if (__builtin_expect(unsure(domain), 0))
		return NULL;
	if (__builtin_expect(len <= MEDIO_IOMMU_PAGE - in_page, 1)) {
		char *hva = medio_iotlb_find(&domain->tlb, page, prot);
		if (hva)
			return hva + in_page;
	}
	if (!medio_maptable_floor(&domain->table, iova, &pos))
		return NULL;

	const struct medio_mapping *m = medio_mappos_mapping(&domain->table, pos);
	const uint64_t start = medio_mappos_start(&domain->table, pos), off = iova - start;
	const uint64_t size = medio_mapping_size(m);
	/* While a dirty log runs nothing is cached: each write must come by and be marked. */
	if (off >= size || len > size - off || prot & ~(unsigned)m->prot || !m->hva ||
		domain->log.on)
		return NULL;
	push_wide(domain, pos);
	medio_iotlb_fill(&domain->tlb, page, m->prot, m->hva + (off - in_page));
	return m->hva + off;
}

void *medio_iommu_translate_simple(
	struct medio_iommu *domain, uint64_t iova, size_t len, unsigned prot)
{
	return translate_simple(domain, iova, len, prot);
}

void *medio_iommu_translate_slow(
	struct medio_iommu *domain, uint64_t iova, size_t len, unsigned prot, int *err)
{
	char *hva = translate_simple(domain, iova, len, prot);
	return hva ? hva : translate_hard(domain, iova, len, prot, err);
}

/* ---- Copy ------------------------------------------------------------------------------------ */

static void move(char *hva, char *buf, size_t len, unsigned prot)
{
	if (prot & MEDIO_PROT_WRITE)
		memcpy(hva, buf, len);
	else
		memcpy(buf, hva, len);
}

/* Copy a range that has been checked. */
static void copy_checked(
	struct medio_iommu *domain, uint64_t iova, char *buf, size_t len, unsigned prot)
{
	const struct medio_maptable *t = &domain->table;
	struct medio_mappos pos = found(domain, iova);
	for (;; pos = medio_mappos_next(t, pos)) {
		const struct medio_mapping *m = medio_mappos_mapping(t, pos);
		const uint64_t start = medio_mappos_start(t, pos), off = iova - start;
		const uint64_t size = medio_mapping_size(m);
		const size_t n = len < size - off ? len : size - off;
		move(m->hva + off, buf, n, prot);
		remember(domain, start, size, m->hva, m->prot);
		if (!(len -= n))
			return;
		iova += n;
		buf += n;
	}
}

static int copy(struct medio_iommu *domain, uint64_t iova, char *buf, size_t len, unsigned prot)
{
	uint64_t at;
	int reason;
	if (!len)
		return 0;
	char *hva = medio_iommu_hit_find(&domain->hits[0], iova, len, prot);
	if (!hva)
		hva = translate_simple(domain, iova, len, prot);
	if (hva) {
		move(hva, buf, len, prot);
	} else {
		reason = check(domain, iova, len, prot, false, &at);
		if (reason)
			return fault(domain, iova, len, at, prot, reason);
		copy_checked(domain, iova, buf, len, prot);
		if (prot & MEDIO_PROT_WRITE)
			medio_iommu_dirty(domain, iova, len);
	}
	/* Did memory vanish under the copy? The signal handler counted it on this thread, but the
	 * compiler must not look before it copies. */
	atomic_signal_fence(memory_order_seq_cst);
	if (medio_iommu_poisoned(domain)) {
		reason = check(domain, iova, len, prot, false, &at);
		if (reason)
			return fault(domain, iova, len, at, prot, reason);
	}
	return 0;
}

int medio_iommu_read(struct medio_iommu *domain, uint64_t iova, void *buf, size_t len)
{
	return copy(domain, iova, buf, len, MEDIO_PROT_READ);
}

int medio_iommu_write(struct medio_iommu *domain, uint64_t iova, const void *buf, size_t len)
{
	/* move() reads from buf when prot has WRITE. */
	return copy(domain, iova, (char *)buf, len, MEDIO_PROT_WRITE);
}

bool medio_iommu_poisoned_slow(struct medio_iommu *domain)
{
	/* Read the count first: a hit during the search is then seen next time. */
	domain->guard_seen = atomic_load_explicit(&medio_guard_hits, memory_order_acquire);
	domain->poisoned = medio_segtable_poisoned(&domain->segments);
	if (domain->poisoned)
		medio_iommu_forget(domain);
	return domain->poisoned;
}

/* ---- Iterate --------------------------------------------------------------------------------- */

int medio_iommu_iter_init(struct medio_iommu_iter *iter, struct medio_iommu *domain, uint64_t iova,
	uint64_t len, unsigned prot)
{
	uint64_t at;
	const int reason = len ? check(domain, iova, len, prot, true, &at) : 0;
	if (reason)
		return fault(domain, iova, len, at, prot, reason);
	*iter = (struct medio_iommu_iter){ domain, iova, len, prot };
	return 0;
}

int medio_iommu_iter_next(struct medio_iommu_iter *iter, uint64_t max, struct medio_iommu_run *run)
{
	struct medio_iommu *domain = iter->domain;
	const struct medio_maptable *t = &domain->table;
	uint64_t at;
	if (!iter->left)
		return 0;
	const int reason = check(domain, iter->iova, 1, iter->prot, true, &at);
	if (reason)
		return fault(domain, iter->iova, iter->left, at, iter->prot, reason);

	const uint64_t want = max && max < iter->left ? max : iter->left;
	struct medio_mappos pos = found(domain, iter->iova);
	const struct medio_mapping *m = medio_mappos_mapping(t, pos);
	char *const hva = m->hva ? m->hva + (iter->iova - medio_mappos_start(t, pos)) : NULL;
	uint64_t len = medio_mappos_last(t, pos) - iter->iova + 1;
	/* Neighbours of the same kind, side by side here too, are one run. */
	while (len < want) {
		pos = medio_mappos_next(t, pos);
		if (!medio_mappos_valid(t, pos) || medio_mappos_start(t, pos) != iter->iova + len)
			break;
		m = medio_mappos_mapping(t, pos);
		if (iter->prot & ~(unsigned)m->prot || gone(domain, pos) ||
			m->hva != (hva ? hva + len : NULL))
			break;
		len += medio_mapping_size(m);
	}
	*run = (struct medio_iommu_run){ iter->iova, len < want ? len : want, hva };
	if (iter->prot & MEDIO_PROT_WRITE)
		medio_iommu_dirty(domain, run->iova, run->len);
	iter->iova += run->len;
	iter->left -= run->len;
	return 1;
}

/* ---- Pin ------------------------------------------------------------------------------------- */

static int pin_error(int reason)
{
	switch (reason) {
	case MEDIO_FAULT_NOT_MAPPED:
		return -EINVAL;
	case MEDIO_FAULT_PERMISSION:
		return -EPERM;
	default:
		return errno_of(reason);
	}
}

/* Make sure that pinning the pages cannot fail any more. */
static int pin_room(struct medio_iommu *domain, uint64_t page, unsigned npage)
{
	unsigned fresh = 0;
	for (unsigned i = 0; i < npage; i++) {
		const struct medio_pin *pin = medio_pintable_find(&domain->pins, page + i);
		if (pin && pin->count == UINT32_MAX)
			return -EOVERFLOW;
		fresh += !pin;
	}
	if (fresh && (domain->pins.count > domain->pin_limit ||
			     fresh > domain->pin_limit - domain->pins.count))
		return -ENOMEM;
	return medio_pintable_reserve(&domain->pins, fresh);
}

int medio_iommu_pin(
	struct medio_iommu *domain, uint64_t iova, unsigned npage, unsigned prot, void **pages)
{
	const struct medio_maptable *t = &domain->table;
	if (!domain->notify || !npage || iova % MEDIO_IOMMU_PAGE)
		return -EINVAL;
	if (npage > MEDIO_IOMMU_MAX_PIN)
		return -E2BIG;
	uint64_t at;
	const int reason = check(
		domain, iova, (uint64_t)npage * MEDIO_IOMMU_PAGE, prot, false, &at);
	if (reason)
		return pin_error(reason);
	const int ret = pin_room(domain, iova / MEDIO_IOMMU_PAGE, npage);
	if (ret < 0)
		return ret;

	const bool write = prot & MEDIO_PROT_WRITE;
	struct medio_mappos pos = found(domain, iova);
	for (unsigned i = 0; i < npage; i++) {
		const uint64_t at_page = iova + (uint64_t)i * MEDIO_IOMMU_PAGE;
		if (at_page > medio_mappos_last(t, pos))
			pos = medio_mappos_next(t, pos);
		pages[i] = medio_mappos_mapping(t, pos)->hva +
			   (at_page - medio_mappos_start(t, pos));
		medio_pintable_add(&domain->pins, at_page / MEDIO_IOMMU_PAGE, write);
	}
	if (write)
		medio_iommu_dirty(domain, iova, (uint64_t)npage * MEDIO_IOMMU_PAGE);
	return (int)npage;
}

void medio_iommu_unpin(struct medio_iommu *domain, uint64_t iova, unsigned npage)
{
	if (iova % MEDIO_IOMMU_PAGE)
		return;
	const uint64_t page = iova / MEDIO_IOMMU_PAGE;
	for (unsigned i = 0; i < npage && domain->pins.count; i++) {
		const struct medio_pin *pin = medio_pintable_find(&domain->pins, page + i);
		/* The device could write until now. */
		if (pin && pin->write)
			medio_iommu_dirty(domain, (page + i) * MEDIO_IOMMU_PAGE, MEDIO_IOMMU_PAGE);
		medio_pintable_drop(&domain->pins, page + i, false);
	}
}
