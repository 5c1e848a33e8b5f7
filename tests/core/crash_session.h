/* crash_session.h - sessions of a manager that are killed behind any of their commands.
 *
 * A session is a list of steps. It runs in a process of its own, which dies with the power of the
 * library; how far it came stands in memory that both share. What a medium may hold afterwards is
 * computed by doing the steps on plain memory: the state behind the last step that was done, or, if
 * catalogue and staging are lost, any state since the last that was synchronised.
 */
#ifndef RSM_TESTS_CORE_CRASH_SESSION_H
#define RSM_TESTS_CORE_CRASH_SESSION_H

#include <sys/mman.h>
#include <sys/wait.h>

#include "changer/emulator/emulator.h"
#include "core/manager_private.h"
#include "core/undelete.h"
#include "tests/core/manager_fixture.h"

enum { CRASH_FILES = 6, CRASH_STEPS = 40, OPCODE_ANY = 0xFFFF };
#define CRASH_FOREVER UINT64_MAX

enum crash_kind {
	CRASH_END,
	CRASH_ALLOCATE,	  /* Backup/monday */
	CRASH_TAKE_OVER,  /* from Import, as Backup/monday */
	CRASH_DEALLOCATE, /* with what it holds */
	CRASH_UNDELETE,	  /* what it held, before the deletions that led there */
	CRASH_FREE,	  /* rsm free */
	CRASH_WRITE,	  /* file a, anew */
	CRASH_REWRITE,	  /* `size` bytes of file a, from `offset` */
	CRASH_TRUNCATE,	  /* file a to `size` */
	CRASH_RENAME,	  /* file a to b */
	CRASH_DELETE,	  /* file a */
	CRASH_MODE,	  /* of file a becomes `size` */
	CRASH_HALVES,	  /* file a; half of it, a sync, the other half */
	CRASH_SYNC,
	CRASH_DISMOUNT,
	CRASH_MOUNT, /* only asks for it, which begins label work */
	CRASH_PAUSE, /* until `size` more commands have been executed, or a while has passed */
};

struct crash_step {
	enum crash_kind kind;
	unsigned a, b;
	size_t size, offset;
};

/* What both processes see. */
struct crash_progress {
	atomic_uint begun, done, synced; /* steps */
	atomic_int result[CRASH_STEPS];
	atomic_ullong commands;
	atomic_bool over;
};

struct crash_file {
	bool exists, uncertain; /* a step that was under way changed it */
	unsigned mode;
	size_t size;
	char *data;
};

struct crash_state {
	bool lives, removing; /* removing: the last changes were deletions */
	struct crash_file files[CRASH_FILES];
	struct crash_file former[CRASH_FILES]; /* for an undelete */
};

/* ---- steps in memory ---- */

static inline void crash_file_resize(struct crash_file *file, size_t size)
{
	file->data = realloc(file->data, size + 1);
	assert_non_null(file->data);
	if (size > file->size)
		memset(file->data + file->size, 0, size - file->size);
	file->size = size;
}

static inline void crash_file_drop(struct crash_file *file)
{
	free(file->data);
	*file = (struct crash_file){ 0 };
}

static inline void crash_files_drop(struct crash_file files[CRASH_FILES])
{
	for (unsigned i = 0; i < CRASH_FILES; i++)
		crash_file_drop(&files[i]);
}

static inline void crash_files_copy(struct crash_file to[CRASH_FILES],
				    const struct crash_file from[CRASH_FILES])
{
	crash_files_drop(to);
	for (unsigned i = 0; i < CRASH_FILES; i++) {
		if (!from[i].exists)
			continue;
		to[i] = (struct crash_file){ .exists = true, .mode = from[i].mode };
		crash_file_resize(&to[i], from[i].size);
		memcpy(to[i].data, from[i].data, from[i].size);
	}
}

static inline void crash_state_fini(struct crash_state *state)
{
	crash_files_drop(state->files);
	crash_files_drop(state->former);
	state->lives = state->removing = false;
}

/* A foreign volume holds f0 and f1 when it is taken over. */
static inline void crash_fill_foreign(struct crash_state *state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct crash_file *file = &state->files[i];

		file->exists = true; /* and has no mode that we know */
		crash_file_resize(file, 1000 + i * 600000);
		fill_pattern(file->data, file->size, 100 + i);
	}
}

static inline bool crash_changes_bytes(enum crash_kind kind)
{
	return kind == CRASH_WRITE || kind == CRASH_REWRITE || kind == CRASH_TRUNCATE ||
	       kind == CRASH_HALVES;
}

/* `number` of the step is its seed. */
static inline void crash_do_in_memory(struct crash_state *state, const struct crash_step *step,
				      unsigned number)
{
	struct crash_file *file = &state->files[step->a], *other = &state->files[step->b];

	if (crash_changes_bytes(step->kind) || step->kind == CRASH_RENAME)
		state->removing = false;
	switch (step->kind) {
	case CRASH_ALLOCATE:
	case CRASH_TAKE_OVER:
		crash_state_fini(state);
		state->lives = true;
		if (step->kind == CRASH_TAKE_OVER)
			crash_fill_foreign(state);
		break;
	case CRASH_DEALLOCATE:
		if (!state->removing)
			crash_files_copy(state->former, state->files);
		crash_files_drop(state->files);
		state->lives = state->removing = false;
		break;
	case CRASH_UNDELETE:
		crash_files_copy(state->files, state->former);
		state->lives = true;
		break;
	case CRASH_WRITE:
	case CRASH_HALVES:
		if (!file->exists)
			file->mode = 0644;
		file->exists = true;
		crash_file_resize(file, step->size);
		fill_pattern(file->data, step->size, number);
		break;
	case CRASH_REWRITE:
		if (file->size < step->offset + step->size)
			crash_file_resize(file, step->offset + step->size);
		fill_pattern(file->data + step->offset, step->size, number);
		break;
	case CRASH_TRUNCATE: crash_file_resize(file, step->size); break;
	case CRASH_RENAME:
		crash_file_drop(other);
		*other = *file;
		*file = (struct crash_file){ 0 };
		break;
	case CRASH_DELETE:
		if (!state->removing)
			crash_files_copy(state->former, state->files);
		state->removing = true;
		crash_file_drop(file);
		break;
	case CRASH_MODE: file->mode = (unsigned)step->size; break;
	default: break;
	}
}

/* Behind the first `count` steps. */
static inline void crash_state_at(const struct crash_step *steps, unsigned count,
				  const struct crash_progress *progress, struct crash_state *state)
{
	crash_state_fini(state);
	for (unsigned i = 0; i < count; i++)
		if (atomic_load(&progress->result[i]) >= 0)
			crash_do_in_memory(state, &steps[i], i);
}

/* ---- steps on a manager ---- */

static inline int crash_open(struct rsm_manager *manager, int64_t medium, const char *name,
			     int flags, struct rsm_content **ret_content,
			     struct rsm_open_file **ret_file, struct rsm_err *err)
{
	struct rsm_node node = { .kind = RSM_NODE_FILE, .mode = 0644, .flags = RSM_NODE_HAS_UNIX };
	bool keep;
	int r = rsm_manager_content(manager, medium, ret_content, err);

	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "no contents");
	r = rsm_content_lookup(*ret_content, RSM_NODE_ROOT, name, &node, err);
	if (r == RSM_NODE_ABSENT)
		r = rsm_content_create(*ret_content, RSM_NODE_ROOT, name, &node, O_RDWR, ret_file,
				       err);
	else if (r == 0)
		r = rsm_content_open(*ret_content, node.id, flags, ret_file, &keep, err);
	if (r < 0)
		rsm_manager_content_unref(manager, *ret_content);
	return r;
}

static inline int crash_write(struct rsm_manager *manager, int64_t medium,
			      const struct crash_step *step, unsigned number, struct rsm_err *err)
{
	bool halves = step->kind == CRASH_HALVES;
	size_t first = halves ? step->size / 2 : step->size;
	char *data = malloc(step->size + 1), name[16];
	struct rsm_content *content;
	struct rsm_open_file *file;
	int r, flushed;

	snprintf(name, sizeof name, "f%u", step->a);
	fill_pattern(data, step->size, number);
	r = crash_open(manager, medium, name, O_RDWR | (step->kind == CRASH_REWRITE ? 0 : O_TRUNC),
		       &content, &file, err);
	if (r == 0) {
		r = rsm_content_write_file(file, data, first, step->offset, err);
		if (r == 0 && halves)
			r = rsm_manager_sync_wait(manager, medium, NULL, NULL, NULL, err);
		if (r == 0 && halves)
			r = rsm_content_write_file(file, data + first, step->size - first, first,
						   err);
		flushed = rsm_content_flush_file(file, r ? NULL : err);
		r = r ? r : flushed;
		rsm_content_release(file);
		/* what did not fit is given up, as a program would */
		if (r == -ENOSPC &&
		    rsm_content_remove(content, RSM_NODE_ROOT, name, false, NULL) < 0)
			r = -EIO;
		rsm_manager_content_unref(manager, content);
	}
	free(data);
	return r;
}

static inline int crash_change(struct rsm_manager *manager, int64_t medium,
			       const struct crash_step *step, struct rsm_err *err)
{
	struct rsm_node node, values = { .size = step->size, .mode = (uint32_t)step->size };
	struct rsm_content *content;
	char name[16], other[16];
	int r = rsm_manager_content(manager, medium, &content, err);

	snprintf(name, sizeof name, "f%u", step->a);
	snprintf(other, sizeof other, "f%u", step->b);
	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, ENOENT, "no contents");
	if (step->kind == CRASH_RENAME)
		r = rsm_content_rename(content, RSM_NODE_ROOT, name, RSM_NODE_ROOT, other, 0, err);
	else if (step->kind == CRASH_DELETE)
		r = rsm_content_remove(content, RSM_NODE_ROOT, name, false, err);
	else
		r = rsm_content_lookup(content, RSM_NODE_ROOT, name, &node, err);
	if (r == 0 && step->kind == CRASH_TRUNCATE)
		r = rsm_content_set_attributes(content, node.id, RSM_SET_SIZE, &values, &node, err);
	if (r == 0 && step->kind == CRASH_MODE)
		r = rsm_content_set_attributes(content, node.id,
					       RSM_SET_MODE | RSM_SET_OWNER | RSM_SET_GROUP,
					       &values, &node, err);
	rsm_manager_content_unref(manager, content);
	return r > 0 ? rsm_err_set(err, ENOENT, "%s is missing", name) : r;
}

static inline struct rsm_emulator *crash_emulator(struct world *world)
{
	return world->manager->libraries[0].hardware->emulator;
}

static inline void crash_mounted(struct rsm_mount_request *request, int r,
				 const struct rsm_err *err)
{
	(void)request;
	(void)r;
	(void)err;
}

static inline void crash_pause(struct world *world, uint64_t commands)
{
	uint64_t until = rsm_emulator_command_count(crash_emulator(world)) + commands;

	for (int i = 0; i < 1500; i++) {
		if (rsm_emulator_command_count(crash_emulator(world)) >= until)
			return;
		usleep(200);
	}
}

static inline int crash_do(struct world *world, int64_t *medium, const struct crash_step *step,
			   unsigned number, struct rsm_err *err)
{
	static struct rsm_mount_request request;
	struct rsm_manager *manager = world->manager;
	struct rsm_catalog *catalog = rsm_manager_catalog(manager);
	struct rsm_allocation allocation = { .name = "monday", .mode = 0755 };
	struct rsm_medium m;
	struct rsm_pool pool;
	int r;

	switch (step->kind) {
	case CRASH_ALLOCATE:
	case CRASH_TAKE_OVER:
		if (rsm_pool_find_path(catalog, "Backup", &pool, err) == 0)
			allocation.pool = pool.id;
		else
			allocation.pool = given_pool(world, "Backup");
		if (step->kind == CRASH_TAKE_OVER) {
			r = rsm_medium_find_barcode(catalog, "A00001L8", &m, err);
			if (r != 0)
				return r;
			allocation.medium = m.id;
		}
		r = rsm_manager_allocate(manager, &allocation, &m, err);
		if (r == 0)
			*medium = m.id;
		return r;
	case CRASH_DEALLOCATE:
		do /* as rmdir does, while it is being fetched */
			r = rsm_manager_deallocate(manager, *medium, true, err);
		while (r == -EBUSY && usleep(500) == 0);
		return r;
	case CRASH_UNDELETE:
		if (rsm_pool_find_path(catalog, "Backup", &pool, err) != 0)
			return -ENOENT;
		allocation.pool = pool.id;
		allocation.medium = *medium;
		return rsm_manager_undelete_wait(manager, &allocation, 0, NULL, NULL, NULL, &m,
						 err);
	case CRASH_FREE: return rsm_manager_free_medium(manager, *medium, err);
	case CRASH_WRITE:
	case CRASH_HALVES:
	case CRASH_REWRITE: return crash_write(manager, *medium, step, number, err);
	case CRASH_SYNC: return rsm_manager_sync_wait(manager, *medium, NULL, NULL, NULL, err);
	case CRASH_DISMOUNT:
		r = rsm_manager_dismount_wait(manager, *medium, false, NULL, err);
		return r == -EINVAL ? 1 : r; /* home already: what was renamed since is to come */
	case CRASH_MOUNT:
		request = (struct rsm_mount_request){ .medium = *medium,
						      .flags = RSM_MOUNT_WRITE,
						      .done = crash_mounted };
		rsm_manager_mount(manager, &request);
		return 0;
	case CRASH_PAUSE: crash_pause(world, step->size); return 0;
	default: return crash_change(manager, *medium, step, err);
	}
}

/* ---- the process that dies ---- */

static inline void crash_die(void *context)
{
	(void)context;
	raise(SIGKILL);
}

/* A full cartridge goes home with some of its files staged. */
static inline bool crash_is_synced(struct world *world, int64_t medium, enum crash_kind kind, int r)
{
	struct rsm_medium_use use;

	return r == 0 && (kind == CRASH_SYNC || kind == CRASH_DISMOUNT) &&
	       rsm_manager_medium_use(world->manager, medium, &use, NULL) == 0 &&
	       use.staged_files == 0;
}

static inline void crash_child(struct world *world, const struct crash_step *steps, uint64_t cut,
			       unsigned loss, struct crash_progress *progress)
{
	const struct rsm_emulator_fault fault = { .opcode = OPCODE_ANY,
						  .skip = (unsigned)cut,
						  .times = 1,
						  .key = 0x0F,
						  .asc = loss < 256,
						  .ascq = (uint8_t)loss };
	struct rsm_err err;
	int64_t medium = 0;
	uint64_t before;
	char path[128];

	snprintf(path, sizeof path, "%s/session.log", world->folder);
	if (!freopen(path, "a", stderr) || !freopen("/dev/null", "w", stdout))
		_exit(1);
	world_start(world);
	rsm_emulator_on_power_cut(crash_emulator(world), crash_die, NULL);
	before = rsm_emulator_command_count(crash_emulator(world));
	if (cut != CRASH_FOREVER)
		assert_done(rsm_emulator_inject(crash_emulator(world), &fault, &err), &err);
	for (unsigned i = 0; steps[i].kind != CRASH_END; i++) {
		int r;

		atomic_store(&progress->begun, i + 1);
		rsm_log_info("step %u", i);
		r = crash_do(world, &medium, &steps[i], i, &err);
		atomic_store(&progress->result[i], r);
		/* the drive died, and the process is about to */
		if (r < 0 && r != -ENOSPC) {
			fprintf(stderr, "step %u: %s\n", i, err.msg);
			fflush(stderr);
			usleep(200000);
			_exit(2);
		}
		atomic_store(&progress->done, i + 1);
		if (crash_is_synced(world, medium, steps[i].kind, r))
			atomic_store(&progress->synced, i + 1);
	}
	atomic_store(&progress->commands,
		     rsm_emulator_command_count(crash_emulator(world)) - before);
	atomic_store(&progress->over, true);
	_exit(0);
}

/* Runs a session in the world's folder, whose power goes behind `cut` commands of it; of what the
 * drive has in its buffer then `loss` 256ths get onto the tape (256: all).
 */
static inline void crash_run(struct world *world, const struct crash_step *steps, uint64_t cut,
			     unsigned loss, struct crash_progress *progress)
{
	pid_t child;
	int status;

	memset(progress, 0, sizeof *progress);
	fflush(NULL);
	child = fork();
	assert_int_not_equal(child, -1);
	if (child == 0)
		crash_child(world, steps, cut, loss, progress);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
		fail_msg("the session could not begin");
}

static inline struct crash_progress *crash_progress_new(void)
{
	void *memory = mmap(NULL, sizeof(struct crash_progress), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

#endif
