/* manager_fixture.h - a manager over a virtual library of its own, with short delays. */
#ifndef RSM_TESTS_CORE_MANAGER_FIXTURE_H
#define RSM_TESTS_CORE_MANAGER_FIXTURE_H

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "changer/emulator/library_folder.h"
#include "core/manager.h"
#include "tests/base/test.h"

struct world {
	char folder[64];
	const char *libraries[2];
	size_t library_count; /* 0: one */
	bool autoclean;
	struct rsm_manager *manager;
	struct rsm_err err;
	unsigned dismount_delay_s, migrate_delay_ms;	  /* 0, and 20 */
	uint64_t staging_limit, stream_size, index_bytes; /* 0: the default */
	unsigned label_page;				  /* 0: the default */
	enum rsm_digest_kind hash;
	atomic_uint rooms; /* how often there was room again */
};

static inline void world_room(void *context)
{
	struct world *world = context;

	atomic_fetch_add(&world->rooms, 1);
}

static inline void world_start(struct world *world)
{
	struct rsm_manager_options options = {
		.libraries = world->libraries,
		.library_count = world->library_count ? world->library_count : 1,
		.dismount_delay_s = world->dismount_delay_s,
		.migrate_delay_ms = world->migrate_delay_ms ? world->migrate_delay_ms : 20,
		.label_delay_ms = 600000,
		.label_page = world->label_page,
		.index_interval_s = 300,
		.staging_limit = world->staging_limit,
		.stream_size = world->stream_size,
		.index_bytes = world->index_bytes,
		.hash = world->hash,
		.autoclean = world->autoclean,
		.trace_scsi = getenv("RSM_TRACE") != NULL,
		.callbacks = { .staging_room = world_room, .context = world },
	};

	if (options.trace_scsi)
		rsm_log_set_rooms(RSM_ROOM_SCSI);
	assert_done(rsm_manager_new(&options, &world->manager, &world->err), &world->err);
}

static inline void world_stop(struct world *world)
{
	static const atomic_bool no_hurry;
	uint64_t files;
	unsigned media;

	rsm_manager_stop(world->manager, &no_hurry, NULL, NULL, &files, &media);
	rsm_manager_free(world->manager);
	world->manager = NULL;
}

static inline int world_make(void **state, const struct rsm_library_shape *shape)
{
	struct world *world = calloc(1, sizeof *world);

	if (!world)
		return -1;
	strcpy(world->folder, "/tmp/rsm-test-world-XXXXXX");
	if (!mkdtemp(world->folder))
		return -1;
	world->libraries[0] = world->folder;
	if (rsm_library_folder_create(world->folder, shape, &world->err) < 0) {
		fprintf(stderr, "%s\n", world->err.msg);
		return -1;
	}
	world_start(world);
	*state = world;
	return 0;
}

static inline int world_new(void **state)
{
	static const struct rsm_library_shape shape = {
		.media_type = "LTO-8",
		.drives = 2,
		.slots = 8,
		.ports = 2,
		.cartridges = 4,
		.capacity_bytes = (uint64_t)1 << 30,
	};

	return world_make(state, &shape);
}

/* The process dies: nothing more is written. The devices take no more commands, or had better not.
 */
static inline void world_crash_begin(struct world *world)
{
	static const atomic_bool hurry = true;
	uint64_t files;
	unsigned media;

	rsm_manager_stop(world->manager, &hurry, NULL, NULL, &files, &media);
}

/* Who waited has been told and is gone. */
static inline void world_crash_end(struct world *world)
{
	rsm_manager_free(world->manager);
	world->manager = NULL;
}

static inline void world_crash(struct world *world)
{
	world_crash_begin(world);
	world_crash_end(world);
}

static inline int world_free(void **state)
{
	struct world *world = *state;

	if (world->manager)
		world_stop(world);
	if (!getenv("RSM_KEEP"))
		assert_done(rsm_file_remove_tree(world->folder, &world->err), &world->err);
	free(world);
	return 0;
}

/* What is not on a medium, of a world that is stopped: its "catalog" or "staging". */
static inline void lose_state(struct world *world, const char *part)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", world->folder, part);
	assert_done(rsm_file_remove_tree(path, &world->err), &world->err);
}

/* Only what is on the media counts from here on. */
static inline void lose_all(struct world *world)
{
	world_stop(world);
	lose_state(world, "catalog");
	lose_state(world, "staging");
	world_start(world);
}

static inline struct rsm_catalog *catalog_of(struct world *world)
{
	return rsm_manager_catalog(world->manager);
}

/* ---- media ---- */

static inline struct rsm_medium medium_of(struct world *world, int64_t id)
{
	struct rsm_medium medium = { 0 };

	assert_done(rsm_medium_get(catalog_of(world), id, &medium, &world->err), &world->err);
	return medium;
}

static inline struct rsm_medium barcode_of(struct world *world, const char *barcode)
{
	struct rsm_medium medium = { 0 };

	assert_done(rsm_medium_find_barcode(catalog_of(world), barcode, &medium, &world->err),
		    &world->err);
	return medium;
}

static inline struct rsm_medium_use use_of(struct world *world, int64_t medium)
{
	struct rsm_medium_use use;

	assert_done(rsm_manager_medium_use(world->manager, medium, &use, &world->err), &world->err);
	return use;
}

static inline void dismount(struct world *world, int64_t medium)
{
	assert_done(rsm_manager_dismount_wait(world->manager, medium, false, NULL, &world->err),
		    &world->err);
}

static inline void await_location(struct world *world, int64_t id, enum rsm_location_kind location)
{
	for (int i = 0; i < 500; i++) {
		if (medium_of(world, id).location == location)
			return;
		usleep(10000);
	}
	fail_msg("it is at %d, not %d", (int)medium_of(world, id).location, (int)location);
}

/* An application pool at the top. */
static inline int64_t given_pool(struct world *world, const char *name)
{
	struct rsm_pool pool = { .parent = RSM_POOL_TOP,
				 .holds = RSM_POOL_HOLDS_MEDIA,
				 .draw_from_free = true,
				 .return_to_free = true,
				 .mode = 0755 };

	snprintf(pool.name, sizeof pool.name, "%s", name);
	assert_done(rsm_pool_create(rsm_manager_catalog(world->manager), &pool, &world->err),
		    &world->err);
	return pool.id;
}

static inline int64_t given_cartridge(struct world *world, int64_t pool, const char *name)
{
	struct rsm_allocation allocation = { .pool = pool, .name = name, .mode = 0755 };
	struct rsm_medium medium;

	assert_done(rsm_manager_allocate(world->manager, &allocation, &medium, &world->err),
		    &world->err);
	return medium.id;
}

/* `size` bytes that depend on `seed`. */
static inline void fill_pattern(char *data, size_t size, unsigned seed)
{
	for (size_t i = 0; i < size; i++) {
		seed = seed * 1103515245 + 12345;
		data[i] = (char)(seed >> 16);
	}
}

struct read_wait {
	struct rsm_content_read request;
	atomic_int ended;
	int result;
	size_t got;
	char *data;
	char msg[RSM_ERR_MSG_SIZE];
};

static inline void read_done(struct rsm_content_read *request, int r, const struct iovec *iov,
			     int iov_count, const struct rsm_err *err)
{
	struct read_wait *wait = request->context;

	wait->result = r;
	if (r < 0)
		snprintf(wait->msg, sizeof wait->msg, "%s", err->msg);
	for (int i = 0; r == 0 && i < iov_count; i++) {
		memcpy(wait->data + wait->got, iov[i].iov_base, iov[i].iov_len);
		wait->got += iov[i].iov_len;
	}
	atomic_store(&wait->ended, 1);
}

/* As expect_file, for threads: a result instead of a failed assertion. */
static inline int try_read(struct rsm_manager *manager, int64_t medium, const char *name,
			   size_t size, unsigned seed, struct rsm_err *err)
{
	char *expected = malloc(size + 1);
	struct read_wait wait = { .data = malloc(size + 1) };
	struct rsm_content *content = NULL;
	struct rsm_open_file *file;
	struct rsm_node node;
	bool keep;
	int r = rsm_manager_content(manager, medium, &content, err);

	fill_pattern(expected, size, seed);
	if (r == 0)
		r = rsm_content_lookup(content, RSM_NODE_ROOT, name, &node, err);
	if (r == 0)
		r = rsm_content_open(content, node.id, O_RDONLY, &file, &keep, err);
	if (r > 0)
		r = rsm_err_set(err, ENOENT, "%s is missing", name);
	if (r == 0) {
		wait.request = (struct rsm_content_read){
			.offset = 0, .size = size + 1, .done = read_done, .context = &wait
		};
		rsm_content_read_file(file, &wait.request);
		while (!atomic_load(&wait.ended))
			usleep(500);
		r = wait.result;
		if (r < 0)
			rsm_err_set(err, -r, "%s", wait.msg);
		else if (wait.got != size || memcmp(wait.data, expected, size) != 0)
			r = rsm_err_set(err, EIO, "%s has other contents", name);
		rsm_content_release(file);
	}
	if (content)
		rsm_manager_content_unref(manager, content);
	free(wait.data);
	free(expected);
	return r;
}

static inline int try_write(struct rsm_manager *manager, int64_t medium, const char *name,
			    size_t size, unsigned seed, struct rsm_err *err)
{
	struct rsm_node node = { .kind = RSM_NODE_FILE, .mode = 0644, .flags = RSM_NODE_HAS_UNIX };
	struct rsm_content *content = NULL;
	struct rsm_open_file *file;
	char *data = malloc(size + 1);
	int r = rsm_manager_content(manager, medium, &content, err);

	fill_pattern(data, size, seed);
	if (r == 0)
		r = rsm_content_create(content, RSM_NODE_ROOT, name, &node, O_RDWR, &file, err);
	if (r == 0) {
		int flushed;

		r = rsm_content_write_file(file, data, size, 0, err);
		flushed = rsm_content_flush_file(file, r ? NULL : err);
		r = r ? r : flushed;
		rsm_content_release(file);
	}
	if (content)
		rsm_manager_content_unref(manager, content);
	free(data);
	return r;
}

static inline void write_file(struct world *world, int64_t medium, const char *name, size_t size,
			      unsigned seed)
{
	assert_done(try_write(world->manager, medium, name, size, seed, &world->err), &world->err);
}

static inline void expect_file(struct world *world, int64_t medium, const char *name, size_t size,
			       unsigned seed)
{
	assert_done(try_read(world->manager, medium, name, size, seed, &world->err), &world->err);
}

#endif
