/* SPDX-License-Identifier: BSD-3-Clause */
/* The card, opened; what it says that it is; and its files behind BARs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inside.h"
#include "view.h"

#define NS_PER_MS UINT64_C(1000000)

/* ---- Facts -------------------------------------------------------------------------------------- */

static int read_config(struct passthrough *p, struct passthrough_facts *facts)
{
	struct medio_card_region region;
	int ret = medio_card_get_region(p->card, MEDIO_CARD_CONFIG, &region);

	if (ret)
		return ret;
	facts->config_size = region.size < PASSTHROUGH_CONFIG ? (unsigned)region.size
							      : PASSTHROUGH_CONFIG;
	/* By words, as everybody reads it; a kernel gives less to who is not root. */
	for (unsigned at = 0; at + 4 <= facts->config_size; at += 4) {
		ret = medio_card_read(p->card, MEDIO_CARD_CONFIG, at, facts->config + at, 4);
		if (ret && at < 256)
			return ret;
		if (ret) {
			facts->config_size = 256;
			memset(facts->config + 256, 0, sizeof(facts->config) - 256);
			return 0;
		}
	}
	return 0;
}

static int read_bells(struct passthrough *p, unsigned n, struct passthrough_bar *bar)
{
	struct medio_card_doorbell bells[PASSTHROUGH_MAX_BELLS];
	int count = medio_card_doorbells(p->card, n, bells, PASSTHROUGH_MAX_BELLS);

	if (count < 0)
		return count;
	for (int i = 0; i < count && i < (int)PASSTHROUGH_MAX_BELLS; i++) {
		if (bells[i].size > 8)
			continue;
		bar->bells[bar->num_bells++] = (struct medio_doorbell){
			.offset = bells[i].offset,
			.size = (uint32_t)bells[i].size,
			.has_datamatch = bells[i].has_datamatch,
			.datamatch = bells[i].datamatch,
		};
	}
	return 0;
}

static int read_bar(struct passthrough *p, unsigned n, struct passthrough_bar *bar)
{
	struct medio_card_region region;
	int ret = medio_card_get_region(p->card, n, &region);

	if (ret)
		return ret;
	bar->size = region.readable || region.writable ? region.size : 0;
	for (unsigned i = 0; region.mappable && i < region.num_areas; i++) {
		if (bar->num_areas == PASSTHROUGH_MAX_AREAS)
			break;
		bar->areas[bar->num_areas++] = (struct medio_mmap_area){ region.areas[i].offset,
			region.areas[i].size };
	}
	return bar->size ? read_bells(p, n, bar) : 0;
}

static int read_facts(struct passthrough *p, struct passthrough_facts *facts)
{
	struct medio_card_info info;
	struct medio_card_irq irq;
	int ret = read_config(p, facts);

	for (unsigned n = 0; n < MEDIO_NUM_BARS && !ret; n++)
		ret = read_bar(p, n, &facts->bars[n]);
	medio_card_get_info(p->card, &info);
	for (unsigned i = 0; i < MEDIO_NUM_IRQS && i < info.num_irqs && !ret; i++) {
		ret = medio_card_get_irq(p->card, i, &irq);
		if (!ret)
			facts->irqs[i] = irq.count;
	}
	return ret;
}

/* ---- Opening ------------------------------------------------------------------------------------ */

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static int open_card(struct passthrough *p)
{
	struct medio_card_options opts = {
		.timeout_ms = (unsigned)((p->timeout + NS_PER_MS - 1) / NS_PER_MS),
		.vf_token = p->token,
	};
	struct medio_error *err = NULL;

	if (!p->uri)
		return medio_fail(p->dev, EINVAL,
			"passthrough needs device=URI: vfio:0000:01:00.0, iommufd:…, uio:…, "
			"vfio-user:/path");
	int ret = medio_card_open(p->uri, &opts, &p->card, &err);
	if (ret) {
		medio_fail(p->dev, -ret, "device=%s: %s", p->uri, medio_error_text(err));
		medio_error_free(err);
		return ret;
	}
	p->uio = begins(p->uri, "uio:");
	p->socket = !begins(p->uri, "local:");
	p->near = p->uio || begins(p->uri, "vfio:") || begins(p->uri, "iommufd:");
	p->socket = p->socket && !p->near;
	return 0;
}

/* The state after power-on, which the kernel gives a device of its own as far as it can. */
void passthrough_reset(struct passthrough *p)
{
	struct medio_card_info info;

	medio_card_get_info(p->card, &info);
	if (!p->reset || !info.can_reset)
		return;
	if (passthrough_result(p, medio_card_reset(p->card)))
		medio_log(p->dev, MEDIO_LOG_WARN, "%s: it cannot be reset: %s", p->uri,
			medio_card_last_error(p->card));
}

static int look(struct passthrough *p, struct medio_type *type)
{
	struct passthrough_facts *facts = calloc(1, sizeof(*facts));
	char words[160] = "";

	p->shape = calloc(1, sizeof(*p->shape));
	if (!facts || !p->shape) {
		free(facts);
		return medio_fail(p->dev, ENOMEM, "out of memory");
	}
	int ret = read_facts(p, facts);
	if (ret)
		medio_fail(p->dev, -ret, "device=%s: %s", p->uri, medio_card_last_error(p->card));
	else
		ret = passthrough_shape_make(facts, p->shape, type, words, sizeof(words));
	p->config_size = facts->config_size;
	free(facts);
	if (ret && *words)
		return medio_fail(p->dev, -ret, "device=%s: %s", p->uri, words);
	return ret;
}

int passthrough_open(struct passthrough *p, struct medio_type *type)
{
	int ret = open_card(p);

	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++)
		p->files[n] = -1;
	if (ret)
		return ret;
	passthrough_reset(p);
	ret = look(p, type);
	if (ret) {
		passthrough_close(p);
		return ret;
	}
	if (p->uio)
		passthrough_view_guard(&p->shape->view);
	if (p->shape->notes[0])
		medio_log(p->dev, MEDIO_LOG_WARN, "%s: not passed on: %s", p->uri, p->shape->notes);
	return 0;
}

void passthrough_close(struct passthrough *p)
{
	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++) {
		if (p->files[n] >= 0)
			close(p->files[n]);
		p->files[n] = -1;
	}
	medio_card_close(p->card);
	p->card = NULL;
	free(p->shape);
	p->shape = NULL;
}

/* ---- Mapping through ---------------------------------------------------------------------------- */

static int share_bar(struct passthrough *p, unsigned n)
{
	int fd = -1;
	int ret = medio_card_region_file(p->card, n, &fd, &p->file_offsets[n]);

	/* What is promised and not there: the BAR is trapped. */
	if (ret || p->file_offsets[n] % 4096) {
		medio_log(p->dev, MEDIO_LOG_WARN, "%s: BAR %u cannot be mapped through: %s", p->uri,
			n, ret ? medio_card_last_error(p->card) : "it begins inside a page");
		return 0;
	}
	p->files[n] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (p->files[n] < 0)
		return medio_fail(p->dev, errno, "BAR %u: %s", n, strerror(errno));
	p->mapped = true;
	return medio_region_share_fd(p->dev, n, p->files[n], p->file_offsets[n]);
}

int passthrough_share(struct passthrough *p)
{
	const struct medio_type *type = medio_dev_type(p->dev);
	bool on = p->map == PASSTHROUGH_MAP_ON ||
		  (p->map == PASSTHROUGH_MAP_AUTO && !medio_region_watched(p->dev));
	int ret = 0;

	for (unsigned n = 0; n < MEDIO_NUM_BARS && on && !ret; n++)
		if (type->bars[n].areas)
			ret = share_bar(p, n);
	return ret;
}

void passthrough_share_again(struct passthrough *p)
{
	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++) {
		uint64_t offset = 0;
		int fd = -1;
		if (p->files[n] < 0)
			continue;
		/* In the old one's place, under the number that the library knows. */
		if (medio_card_region_file(p->card, n, &fd, &offset) ||
			offset != p->file_offsets[n] || dup3(fd, p->files[n], O_CLOEXEC) < 0)
			medio_log(p->dev, MEDIO_LOG_WARN,
				"%s: BAR %u is mapped as it was before: start again to have it as it is",
				p->uri, n);
	}
}

/* As long as one of its files is open the kernel does not get the card back. The library knows ours by number, so
 * an empty one takes the place. */
void passthrough_unshare(struct passthrough *p)
{
	int nothing = memfd_create("gone", MFD_CLOEXEC);

	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++)
		if (p->files[n] >= 0 && (nothing < 0 || dup3(nothing, p->files[n], O_CLOEXEC) < 0))
			medio_log(p->dev, MEDIO_LOG_ERROR, "%s: its file cannot be let go of: %s",
				p->uri, strerror(errno));
	if (nothing >= 0)
		close(nothing);
}

/* ---- Doorbells ------------------------------------------------------------------------------------ */

void passthrough_bells(struct passthrough *p)
{
	const struct medio_type *type = medio_dev_type(p->dev);
	struct medio_card_doorbell bells[PASSTHROUGH_MAX_BELLS];

	for (unsigned n = 0; n < MEDIO_NUM_BARS; n++) {
		const struct medio_bar *bar = &type->bars[n];
		int count = bar->num_doorbells
				    ? medio_card_doorbells(p->card, n, bells, PASSTHROUGH_MAX_BELLS)
				    : 0;
		for (unsigned i = 0; i < bar->num_doorbells; i++) {
			p->bells[n][i] = -1;
			for (int j = 0; j < count && j < (int)PASSTHROUGH_MAX_BELLS; j++)
				if (bells[j].offset == bar->doorbells[i].offset &&
					bells[j].size == bar->doorbells[i].size &&
					!bells[j].has_datamatch)
					p->bells[n][i] = bells[j].fd;
		}
	}
}
