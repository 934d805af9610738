/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of passthrough share. The device's own threads: the loop's. Calls of the other card wait for its
 * answer, at most `timeout`, and hold the loop up meanwhile: nothing else of it goes on, which in mediod is a
 * worker of its own.
 *
 * passthrough.c  type, parameters, accesses
 * open.c	  what the card is: facts for shape.c; BARs shared
 * irq.c	  its interrupts, watched and handed up
 * memory.c	  the client's memory, mapped for it
 * life.c	  its end, its coming back
 */
#ifndef MEDIO_PASSTHROUGH_INSIDE_H
#define MEDIO_PASSTHROUGH_INSIDE_H

#include <medio/device.h>
#include <medio/driver.h>

#include "shape.h"

enum passthrough_map { PASSTHROUGH_MAP_AUTO, PASSTHROUGH_MAP_ON, PASSTHROUGH_MAP_OFF };

struct passthrough;

/* An eventfd of the card's interrupts. */
struct passthrough_vector {
	struct passthrough *p;
	struct medio_watch *watch;
	int fd;
	unsigned number;
};

struct passthrough {
	/* Parameters. */
	char *uri, *token;
	uint64_t timeout;
	int map;
	bool reset, post, reconnect;

	struct medio_dev *dev;
	struct medio_card *card; /* NULL: given back, or never opened */
	struct passthrough_shape *shape;
	bool near;    /* vfio, iommufd, uio: a device of this machine */
	bool socket;  /* a vfio-user server's */
	bool uio;     /* nobody stands between us and its config space */
	bool dead;    /* reads as ones until it is back */
	bool wanted;  /* who has it asked for it (REQ) */
	bool present; /* there is a client */
	bool mapped;  /* some BAR may be mapped by clients */
	unsigned config_size, comebacks;
	int files[MEDIO_NUM_BARS]; /* behind mapped BARs, ours; -1 */
	uint64_t file_offsets[MEDIO_NUM_BARS];

	int bells[MEDIO_NUM_BARS]
		 [PASSTHROUGH_MAX_BELLS]; /* eventfds of the card's, -1; as the type's */

	struct medio_watch *asks; /* medio_card_fd() */
	int asks_fd;
	struct medio_timer *turn; /* the end of this turn of the loop: see passthrough_result() */
	bool turning;		  /* it is armed */
	struct medio_timer *back;
	uint64_t pause; /* until the next try to take it up again */

	/* What the client takes, and what is enabled on the card for it. */
	int kind;
	unsigned vectors, room;
	struct passthrough_vector **vector;
	struct passthrough_vector notices[2]; /* ERR, REQ */
};

/* ---- open.c ---------------------------------------------------------------------------------------- */

/* Open the card and learn what it is. On failure nothing stays. */
int passthrough_open(struct passthrough *p, struct medio_type *type);
/* Its files behind BARs, for clients to map. */
int passthrough_share(struct passthrough *p);
/* The same after it has come back: the files that clients will be given are the new ones. */
void passthrough_share_again(struct passthrough *p);
/* It is given back: none of its files stays open here. */
void passthrough_unshare(struct passthrough *p);
void passthrough_close(struct passthrough *p);
/* To the state after power-on, if that is wanted and the card can. */
void passthrough_reset(struct passthrough *p);
/* The other side's eventfds behind doorbells, after the shape is there and when it has come back. */
void passthrough_bells(struct passthrough *p);

/* ---- irq.c ------------------------------------------------------------------------------------------- */

int passthrough_irqs(struct medio_dev *dev, int kind, unsigned vectors);
void passthrough_intx_unmasked(struct medio_dev *dev);
/* The card has come back, or was reset: as the client has it, and nothing lost. */
int passthrough_irqs_again(struct passthrough *p);
/* Hear of errors, and of its being wanted back. */
int passthrough_notices(struct passthrough *p);
/* The card has gone: the line falls. */
void passthrough_irqs_drop(struct passthrough *p);
void passthrough_irqs_fini(struct passthrough *p);

/* ---- memory.c ------------------------------------------------------------------------------------------ */

int passthrough_dma_map(struct medio_dev *dev, uint64_t iova, uint64_t size, unsigned prot);
void passthrough_dma_unmap(struct medio_dev *dev, uint64_t iova, uint64_t size);

/* ---- life.c ---------------------------------------------------------------------------------------------- */

/* Is the card there to be asked? */
bool passthrough_alive(const struct passthrough *p);
/*
 * After each call of the card: what it gave is given back; if it shows that the card has gone, that is said
 * and done. What was posted goes out, and what the other side asks meanwhile is answered, at the end of
 * this turn of the loop.
 */
int passthrough_result(struct passthrough *p, int ret);
/* Give the card back for good. */
void passthrough_release(struct passthrough *p, const char *why);
int passthrough_life_init(struct passthrough *p);
void passthrough_life_fini(struct passthrough *p);

#endif
