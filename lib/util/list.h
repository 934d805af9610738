/* SPDX-License-Identifier: BSD-3-Clause */
/* An intrusive doubly linked list. An initialised head points at itself. */
#ifndef MEDIO_UTIL_LIST_H
#define MEDIO_UTIL_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct medio_list {
	struct medio_list *prev, *next;
};

static inline void medio_list_init(struct medio_list *head)
{
	head->prev = head->next = head;
}

static inline bool medio_list_empty(const struct medio_list *head)
{
	return head->next == head;
}

/* Insert item before head: at the end of head's list. */
static inline void medio_list_append(struct medio_list *head, struct medio_list *item)
{
	item->prev = head->prev;
	item->next = head;
	head->prev->next = item;
	head->prev = item;
}

/* Unlink; item is initialised again, so unlinking twice is harmless. */
static inline void medio_list_remove(struct medio_list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	medio_list_init(item);
}

#define medio_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* The current item may be removed in the body. */
#define medio_list_for_each(item, head) \
	for (struct medio_list *item = (head)->next, *item##_next = item->next; item != (head); \
		item = item##_next, item##_next = item->next)

#endif
