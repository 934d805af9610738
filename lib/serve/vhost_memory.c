/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The front-end's memory, "Memory access": as one table (SET_MEM_TABLE, 8 regions at most), or slot by
 * slot. A region is mapped at its guest address; ring addresses come as the front-end's own.
 *
 * A table that replaces another leaves alone what is the same in both: queues go on meanwhile.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve/vhost_log.h"
#include "serve/vhost_session.h"

bool medio_vhost_translate(const struct medio_vhost_session *s, uint64_t user, uint64_t *guest)
{
	for (unsigned i = 0; i < s->num_regions; i++) {
		const struct medio_vhu_region *r = &s->regions[i].at;
		if (user - r->user < r->size) {
			*guest = r->guest + (user - r->user);
			return true;
		}
	}
	return false;
}

/* The same memory at the same place. */
static bool is_same(const struct medio_vhost_region *old, const struct medio_vhu_region *at, int fd)
{
	struct stat st;
	return !memcmp(&old->at, at, sizeof(*at)) && fstat(fd, &st) == 0 && st.st_dev == old->dev &&
	       st.st_ino == old->ino;
}

/*
 * A region may have any size (libblkio's rings are 15120 bytes of a file), a mapping has whole pages: what its
 * last page has after the end reads as zeroes. Nobody else can be there, as every region begins at a page.
 */
static uint64_t whole_pages(const struct medio_vhu_region *at)
{
	return (at->size + 0xfff) & ~UINT64_C(0xfff);
}

static int add(struct medio_vhost_session *s, const struct medio_vhu_message *msg,
	const struct medio_vhu_region *at, int fd)
{
	struct medio_error *err = NULL;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return medio_vhost_refuse(s, msg, -errno, "its file: %s", strerror(errno));
	if (!medio_vhost_log_covers(s->log, at->guest + at->size))
		return -EINVAL;
	int ret = medio_instance_dma_map(s->inst, at->guest, whole_pages(at),
		MEDIO_PROT_READ | MEDIO_PROT_WRITE, fd, at->offset, &err);
	if (ret) {
		medio_vhost_refuse(s, msg, ret, "region of 0x%llx bytes at 0x%llx: %s",
			(unsigned long long)at->size, (unsigned long long)at->guest,
			err ? medio_error_text(err) : strerror(-ret));
		medio_error_free(err);
		return ret;
	}
	s->regions[s->num_regions++] = (struct medio_vhost_region){ *at, st.st_dev, st.st_ino, 1 };
	return 0;
}

static void drop(struct medio_vhost_session *s, unsigned index)
{
	const struct medio_vhu_region at = s->regions[index].at;
	s->regions[index] = s->regions[--s->num_regions];
	/* Chains in it are given back before it goes. */
	medio_instance_dma_unmap(s->inst, at.guest, whole_pages(&at), false, NULL);
}

/* ---- A table ------------------------------------------------------------------------------------------- */

static void drop_others(
	struct medio_vhost_session *s, const struct medio_vhu_message *msg, bool *there)
{
	const struct medio_vhu_table *table = &msg->payload.table;
	for (unsigned i = s->num_regions; i-- > 0;) {
		bool keep = false;
		for (unsigned j = 0; j < table->num && !keep; j++) {
			keep = is_same(&s->regions[i], &table->regions[j], msg->fds[j]);
			there[j] |= keep;
		}
		if (!keep)
			drop(s, i);
	}
}

int medio_vhost_set_mem_table(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	const struct medio_vhu_table *table = &msg->payload.table;
	bool there[MEDIO_VHU_TABLE_REGIONS] = { false };
	char words[MEDIO_VHU_WORDS];
	int ret = medio_vhu_check_regions(table->regions, table->num, words);
	if (ret)
		return medio_vhost_refuse(s, msg, ret, "%s", words);
	medio_vhost_log_sync(s->log);
	drop_others(s, msg, there);
	for (unsigned i = 0; i < table->num && ret == 0; i++)
		if (!there[i])
			ret = add(s, msg, &table->regions[i], msg->fds[i]);
	medio_vhost_rings_moved(s);
	return ret;
}

/* ---- Slots ------------------------------------------------------------------------------------------------ */

int medio_vhost_get_max_slots(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	medio_vhost_answer_u64(s, msg, MEDIO_VHOST_MAX_REGIONS);
	return 0;
}

int medio_vhost_add_mem_reg(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	const struct medio_vhu_region *at = &msg->payload.single.region;
	struct medio_vhu_region pair[2] = { { 0 }, *at };
	char words[MEDIO_VHU_WORDS];
	if (s->num_regions == MEDIO_VHOST_MAX_REGIONS)
		return medio_vhost_refuse(s, msg, -ENOSPC,
			"%u regions are there, and no more can be", s->num_regions);
	int ret = medio_vhu_check_regions(at, 1, words);
	if (ret)
		return medio_vhost_refuse(s, msg, ret, "%s", words);
	for (unsigned i = 0; i < s->num_regions; i++) {
		/* A network card's pairs of queues are a device each to QEMU before 8.0: each of
		 * them adds, and removes, what all have. */
		if (is_same(&s->regions[i], at, msg->fds[0]) &&
			s->regions[i].times < MEDIO_VHOST_MAX_REGIONS) {
			s->regions[i].times++;
			return 0;
		}
		pair[0] = s->regions[i].at;
		if (medio_vhu_check_regions(pair, 2, words))
			return medio_vhost_refuse(s, msg, -EEXIST,
				"0x%llx bytes at user address 0x%llx share some with the region at "
				"0x%llx",
				(unsigned long long)at->size, (unsigned long long)at->user,
				(unsigned long long)pair[0].user);
	}
	ret = add(s, msg, at, msg->fds[0]);
	if (ret == 0)
		medio_vhost_rings_moved(s);
	return ret;
}

/* "Identified by its guest address, user address and size." */
int medio_vhost_rem_mem_reg(struct medio_vhost_session *s, struct medio_vhu_message *msg)
{
	const struct medio_vhu_region *at = &msg->payload.single.region;
	for (unsigned i = 0; i < s->num_regions; i++) {
		const struct medio_vhu_region *r = &s->regions[i].at;
		if (r->guest != at->guest || r->user != at->user || r->size != at->size)
			continue;
		if (--s->regions[i].times > 0)
			return 0;
		medio_vhost_log_sync(s->log);
		drop(s, i);
		medio_vhost_rings_moved(s);
		return 0;
	}
	return medio_vhost_refuse(s, msg, -ENOENT,
		"there is no region of 0x%llx bytes at guest address 0x%llx, user address 0x%llx",
		(unsigned long long)at->size, (unsigned long long)at->guest,
		(unsigned long long)at->user);
}
