/* fake_index_loader.h - a volume index loader that only remembers what an index reader gave it, so
 * that tests of the reader need no database. Included by one test program each.
 */
#ifndef RSM_TESTS_CORE_FAKE_INDEX_LOADER_H
#define RSM_TESTS_CORE_FAKE_INDEX_LOADER_H

#include <stdio.h>

#include "core/volume_index.h"
#include "tests/base/test.h"

struct fake_node {
	struct rsm_node node;
	char name[RSM_NODE_NAME_MAX + 1];
	char *target, *unknown;
	struct rsm_extent *extents;
	size_t extent_count;
};

struct fake_xattr {
	uint64_t id;
	char *key;
	void *value;
	size_t length;
};

struct rsm_index_loader {
	struct fake_node nodes[512];
	size_t node_count;
	struct fake_xattr xattrs[1024];
	size_t xattr_count;
	struct {
		char *key, *value;
	} facts[32];
	size_t fact_count;
	size_t updates;
};

static inline void fake_reset(struct rsm_index_loader *loader)
{
	for (size_t i = 0; i < loader->node_count; i++) {
		free(loader->nodes[i].target);
		free(loader->nodes[i].unknown);
		free(loader->nodes[i].extents);
	}
	for (size_t i = 0; i < loader->xattr_count; i++) {
		free(loader->xattrs[i].key);
		free(loader->xattrs[i].value);
	}
	for (size_t i = 0; i < loader->fact_count; i++) {
		free(loader->facts[i].key);
		free(loader->facts[i].value);
	}
	loader->node_count = loader->xattr_count = loader->fact_count = loader->updates = 0;
}

int rsm_index_loader_node(struct rsm_index_loader *loader, uint64_t parent, const char *name,
			  struct rsm_node *node, const char *link_target,
			  const struct rsm_extent *extents, size_t extent_count,
			  struct rsm_err *err)
{
	struct fake_node *entry = &loader->nodes[loader->node_count];

	(void)err;
	assert_true(loader->node_count < 512);
	assert_true(strlen(name) <= RSM_NODE_NAME_MAX);
	assert_true(parent <= loader->node_count);
	node->id = ++loader->node_count;
	if (!node->uid)
		node->uid = 1000 + node->id;
	*entry = (struct fake_node){ .node = *node, .extent_count = extent_count };
	entry->node.parent = parent;
	snprintf(entry->name, sizeof entry->name, "%s", name);
	if (link_target)
		entry->target = strdup(link_target);
	if (extent_count) {
		entry->extents = calloc(extent_count, sizeof *extents);
		memcpy(entry->extents, extents, extent_count * sizeof *extents);
	}
	return 0;
}

int rsm_index_loader_update(struct rsm_index_loader *loader, const struct rsm_node *node,
			    const char *name, struct rsm_err *err)
{
	struct fake_node *entry = &loader->nodes[node->id - 1];

	(void)err;
	entry->node = *node;
	snprintf(entry->name, sizeof entry->name, "%s", name);
	loader->updates++;
	return 0;
}

int rsm_index_loader_xattr(struct rsm_index_loader *loader, uint64_t id, const char *key,
			   const void *value, size_t length, struct rsm_err *err)
{
	struct fake_xattr *entry = &loader->xattrs[loader->xattr_count++];

	(void)err;
	assert_true(loader->xattr_count < 1024);
	*entry = (struct fake_xattr){ id, strdup(key), malloc(length + 1), length };
	memcpy(entry->value, value, length);
	((char *)entry->value)[length] = '\0';
	return 0;
}

int rsm_index_loader_unknown(struct rsm_index_loader *loader, uint64_t id, const char *xml,
			     struct rsm_err *err)
{
	(void)err;
	assert_null(loader->nodes[id - 1].unknown);
	loader->nodes[id - 1].unknown = strdup(xml);
	return 0;
}

int rsm_index_loader_set_fact(struct rsm_index_loader *loader, const char *key, const char *value,
			      struct rsm_err *err)
{
	(void)err;
	assert_true(loader->fact_count < 32);
	loader->facts[loader->fact_count].key = strdup(key);
	loader->facts[loader->fact_count++].value = strdup(value);
	return 0;
}

/* What an incremental index changes is not for this loader, but the linker asks for it. */

int rsm_index_loader_find(struct rsm_index_loader *loader, uint64_t parent, const char *name,
			  struct rsm_node *ret_node, bool *ret_placed, struct rsm_err *err)
{
	(void)loader, (void)parent, (void)name, (void)ret_node, (void)ret_placed;
	return rsm_err_set(err, ENOSYS, "a loader that only remembers");
}

int rsm_index_loader_find_uid(struct rsm_index_loader *loader, uint64_t uid,
			      struct rsm_node *ret_node, bool *ret_placed, struct rsm_err *err)
{
	(void)loader, (void)uid, (void)ret_node, (void)ret_placed;
	return rsm_err_set(err, ENOSYS, "a loader that only remembers");
}

int rsm_index_loader_place(struct rsm_index_loader *loader, uint64_t id, struct rsm_err *err)
{
	(void)loader, (void)id;
	return rsm_err_set(err, ENOSYS, "a loader that only remembers");
}

int rsm_index_loader_remove(struct rsm_index_loader *loader, uint64_t id, struct rsm_err *err)
{
	(void)loader, (void)id;
	return rsm_err_set(err, ENOSYS, "a loader that only remembers");
}

int rsm_index_loader_change(struct rsm_index_loader *loader, const struct rsm_node *node,
			    const char *name, struct rsm_err *err)
{
	(void)loader, (void)node, (void)name;
	return rsm_err_set(err, ENOSYS, "a loader that only remembers");
}

int rsm_index_loader_set_extents(struct rsm_index_loader *loader, uint64_t id,
				 const struct rsm_extent *extents, size_t count,
				 struct rsm_err *err)
{
	(void)loader, (void)id, (void)extents, (void)count;
	return rsm_err_set(err, ENOSYS, "a loader that only remembers");
}

int rsm_index_loader_set_target(struct rsm_index_loader *loader, uint64_t id, const char *target,
				struct rsm_err *err)
{
	(void)loader, (void)id, (void)target;
	return rsm_err_set(err, ENOSYS, "a loader that only remembers");
}

int rsm_index_loader_clear_xattrs(struct rsm_index_loader *loader, uint64_t id, struct rsm_err *err)
{
	(void)loader, (void)id;
	return rsm_err_set(err, ENOSYS, "a loader that only remembers");
}

static inline const char *fake_fact(const struct rsm_index_loader *loader, const char *key)
{
	for (size_t i = 0; i < loader->fact_count; i++) {
		if (!strcmp(loader->facts[i].key, key))
			return loader->facts[i].value;
	}
	return NULL;
}

static inline const struct fake_node *fake_find(const struct rsm_index_loader *loader,
						uint64_t parent, const char *name)
{
	for (size_t i = 0; i < loader->node_count; i++) {
		if (loader->nodes[i].node.parent == parent && !strcmp(loader->nodes[i].name, name))
			return &loader->nodes[i];
	}
	return NULL;
}

static inline const struct fake_xattr *fake_xattr(const struct rsm_index_loader *loader,
						  uint64_t id, const char *key)
{
	for (size_t i = 0; i < loader->xattr_count; i++) {
		if (loader->xattrs[i].id == id && !strcmp(loader->xattrs[i].key, key))
			return &loader->xattrs[i];
	}
	return NULL;
}

#endif
