/* list.h - intrusive doubly linked lists. A node is in at most one list; the list owns nothing. */
#ifndef RSM_BASE_LIST_H
#define RSM_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct rsm_list {
	struct rsm_list *next, *prev;
};

#define RSM_CONTAINER_OF(pointer, type, member)                                                    \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void rsm_list_init(struct rsm_list *list)
{
	list->next = list->prev = list;
}

static inline bool rsm_list_is_empty(const struct rsm_list *list)
{
	return list->next == list;
}

static inline void rsm_list_insert_before(struct rsm_list *position, struct rsm_list *node)
{
	node->prev = position->prev;
	node->next = position;
	position->prev->next = node;
	position->prev = node;
}

static inline void rsm_list_append(struct rsm_list *list, struct rsm_list *node)
{
	rsm_list_insert_before(list, node);
}

/* Takes the node out; it is then an empty list of its own, so taking it out twice is harmless. */
static inline void rsm_list_remove(struct rsm_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	rsm_list_init(node);
}

#define RSM_LIST_FOR_EACH(item, list)                                                              \
	for (struct rsm_list *item = (list)->next; item != (list); item = item->next)

#define RSM_LIST_FOR_EACH_SAFE(item, list)                                                         \
	for (struct rsm_list *item = (list)->next, *item##_next = item->next; item != (list);      \
	     item = item##_next, item##_next = item->next)

#endif
