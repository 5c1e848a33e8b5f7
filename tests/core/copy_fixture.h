/* copy_fixture.h - a cartridge and its copy, in step and carried about. */
#ifndef RSM_TESTS_CORE_COPY_FIXTURE_H
#define RSM_TESTS_CORE_COPY_FIXTURE_H

#include <sys/stat.h>

#include "core/copy.h"
#include "tests/core/manager_fixture.h"

static inline int64_t given_doubled_pool(struct world *world, const char *name)
{
	int64_t pool = given_pool(world, name);

	assert_done(rsm_pool_set_copies(catalog_of(world), pool, 2, &world->err), &world->err);
	return pool;
}

static inline const char *state_of(struct world *world, int64_t id, struct rsm_copy *ret_pair)
{
	struct rsm_medium medium = medium_of(world, id);
	struct rsm_copy pair;
	const char *state = "";

	assert_done(rsm_copy_state(world->manager, &medium, &state, &pair, &world->err),
		    &world->err);
	if (ret_pair)
		*ret_pair = pair;
	return state;
}

/* Both media have it all. Returns the copy. */
static inline int64_t await_step(struct world *world, int64_t first)
{
	struct rsm_copy pair = { 0 };

	for (int i = 0; i < 1000; i++) {
		const char *state = state_of(world, first, &pair);

		if (strcmp(state, "in step") == 0)
			return pair.copy;
		if (pair.copy && pair.seen == pair.done)
			assert_done(rsm_manager_sync_wait(world->manager, pair.copy, NULL, NULL,
							  NULL, &world->err),
				    &world->err);
		usleep(10000);
	}
	fail_msg("it is %s", state_of(world, first, NULL));
	return 0;
}

static inline struct rsm_content *content_of(struct world *world, int64_t medium)
{
	struct rsm_content *content = NULL;

	assert_done(rsm_manager_content(world->manager, medium, &content, &world->err),
		    &world->err);
	return content;
}

/* In a folder of the medium's root ("" none). */
static inline struct rsm_node node_of(struct world *world, int64_t medium, const char *folder,
				      const char *name)
{
	struct rsm_content *content = content_of(world, medium);
	struct rsm_node node = { .id = RSM_NODE_ROOT };
	int r = 0;

	if (*folder)
		r = rsm_content_lookup(content, node.id, folder, &node, &world->err);
	if (r == 0)
		r = rsm_content_lookup(content, node.id, name, &node, &world->err);
	rsm_manager_content_unref(world->manager, content);
	if (r != 0)
		node.id = node.size = 0;
	return node;
}

static inline void sync_all(struct world *world)
{
	assert_done(rsm_manager_sync_wait(world->manager, 0, NULL, NULL, NULL, &world->err),
		    &world->err);
}

static inline void go_home(struct world *world, int64_t medium)
{
	int r = rsm_manager_dismount_wait(world->manager, medium, false, NULL, &world->err);

	if (r != -EINVAL) /* it is there */
		assert_done(r, &world->err);
}

static inline void carry_away(struct world *world, int64_t id)
{
	struct rsm_medium medium = medium_of(world, id);
	char from[256], to[256];

	snprintf(from, sizeof from, "%s/slots/%u/%s", world->folder, medium.element,
		 medium.barcode);
	snprintf(to, sizeof to, "%s/shelf", world->folder);
	mkdir(to, 0700);
	snprintf(to, sizeof to, "%s/shelf/%s", world->folder, medium.barcode);
	assert_int_equal(rename(from, to), 0);
	for (int i = 0; i < 500 && medium_of(world, id).location != RSM_AT_OFFLINE; i++)
		usleep(10000);
	assert_int_equal(medium_of(world, id).location, RSM_AT_OFFLINE);
}

#endif
