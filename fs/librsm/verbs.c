/* The functions that stand for a verb each. Words of a call are put together here: options first,
 * "--", operands, so that a name with a dash is no option.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "fs/librsm/private.h"

enum { OPTION_SIZE = 96 };

static unsigned seconds_of(unsigned timeout_ms)
{
	return timeout_ms / 1000 + (timeout_ms % 1000 != 0);
}

static int bad(struct rsm_error *error, const char *what)
{
	struct rsm_err err;
	int r = rsm_err_set(&err, EINVAL, "%s", what);

	return librsm_fail(error, r, &err);
}

static int no_memory(struct rsm_error *error)
{
	struct rsm_err err;
	int r = rsm_err_oom(&err);

	return librsm_fail(error, r, &err);
}

/* "VERB -- OPERAND...", NULL behind the last. */
static int call_plain(struct rsm_session *session, struct rsm_error *error, const char *verb, ...)
	__attribute__((sentinel));
static int call_plain(struct rsm_session *session, struct rsm_error *error, const char *verb, ...)
{
	const char *words[8] = { verb, "--" };
	size_t count = 2;
	va_list args;

	va_start(args, verb);
	while (count < 7 && (words[count] = va_arg(args, const char *)))
		count++;
	va_end(args);
	words[count] = NULL;
	return rsm_call(session, words, NULL, NULL, error);
}

/* ---- pools ---- */

RSM_API int rsm_pool_open(struct rsm_session *session, const char *pool, enum rsm_open how,
			  const char *media_type, struct rsm_error *error)
{
	const char *words[8] = { "createpool" };
	size_t count = 1;

	if (how == RSM_OPEN_EXISTING)
		words[count++] = "--existing";
	else if (how == RSM_OPEN_ALWAYS)
		words[count++] = "--always";
	else if (how != RSM_CREATE_NEW)
		return bad(error, "how a pool is opened is one of three");
	if (media_type) {
		words[count++] = "--type";
		words[count++] = media_type;
	}
	words[count++] = "--";
	words[count++] = pool;
	return rsm_call(session, words, NULL, NULL, error);
}

RSM_API int rsm_pool_delete(struct rsm_session *session, const char *pool, struct rsm_error *error)
{
	return call_plain(session, error, "deletepool", pool, NULL);
}

/* ---- allocation ---- */

static const char *value_of(const char *key, size_t count, const char *const *keys,
			    const char *const *values)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(keys[i], key))
			return values[i];
	return NULL;
}

static int take_allocated(void *context, const char *table, size_t count, const char *const *keys,
			  const char *const *values)
{
	const char *path = value_of("path", count, keys, values);
	const char *lmid = value_of("lmid", count, keys, values);
	const char *barcode = value_of("barcode", count, keys, values);
	struct rsm_allocated *allocated = context;

	(void)table;
	if (!path || !lmid || !barcode)
		return -EBADMSG;
	rsm_allocated_fini(allocated);
	allocated->path = strdup(path);
	snprintf(allocated->lmid, sizeof(allocated->lmid), "%s", lmid);
	snprintf(allocated->barcode, sizeof(allocated->barcode), "%s", barcode);
	return allocated->path ? 0 : -ENOMEM;
}

RSM_API int rsm_allocate(struct rsm_session *session, const char *pool, const char *name,
			 const char *medium, unsigned flags, unsigned timeout_ms,
			 struct rsm_allocated *ret_allocated, struct rsm_error *error)
{
	const char *words[9] = { "allocate" };
	struct rsm_allocated allocated = { 0 };
	RSM_FREE char *target = NULL;
	char wait[OPTION_SIZE];
	size_t count = 1;
	int r;

	if (flags &
	    ~(unsigned)(RSM_ALLOCATE_ERROR_IF_UNAVAILABLE | RSM_ALLOCATE_NEW | RSM_ALLOCATE_NEXT))
		return bad(error, "allocate: unknown flags");
	if (flags & RSM_ALLOCATE_NEXT && (!medium || flags & RSM_ALLOCATE_NEW))
		return bad(error,
			   "allocate: NEXT needs the medium whose other side it is, not NEW");
	if (asprintf(&target, "%s%s%s", pool, name ? "/" : "", name ? name : "") < 0) {
		target = NULL;
		return no_memory(error);
	}
	if (!(flags & RSM_ALLOCATE_ERROR_IF_UNAVAILABLE) && timeout_ms) {
		snprintf(wait, sizeof(wait), "--wait=%u", seconds_of(timeout_ms));
		words[count++] = wait;
	} else if (!(flags & RSM_ALLOCATE_ERROR_IF_UNAVAILABLE)) {
		words[count++] = "--wait";
	}
	if (flags & RSM_ALLOCATE_NEW)
		words[count++] = "--new";
	if (medium) {
		words[count++] = flags & RSM_ALLOCATE_NEXT ? "--next" : "--medium";
		words[count++] = medium;
	}
	words[count++] = "--";
	words[count++] = target;
	r = rsm_call(session, words, take_allocated, &allocated, error);
	if (r == 0 && !allocated.path)
		return bad(error, "allocate: the daemon's reply is garbled");
	if (r < 0) {
		rsm_allocated_fini(&allocated);
		return r;
	}
	*ret_allocated = allocated;
	return 0;
}

RSM_API void rsm_allocated_fini(struct rsm_allocated *allocated)
{
	free(allocated->path);
	*allocated = (struct rsm_allocated){ 0 };
}

RSM_API int rsm_deallocate(struct rsm_session *session, const char *object, int force,
			   struct rsm_error *error)
{
	const char *words[] = { "deallocate", force ? "--force" : "--", force ? "--" : object,
				force ? object : NULL, NULL };

	return rsm_call(session, words, NULL, NULL, error);
}

/* ---- mounts ---- */

/* The operands behind the options that are there; `words` has room for them. */
static int call_objects(struct rsm_session *session, const char **words, size_t count,
			const char *const *objects, size_t object_count, struct rsm_error *error)
{
	words[count++] = "--";
	memcpy(words + count, objects, object_count * sizeof(*words));
	words[count + object_count] = NULL;
	return rsm_call(session, words, NULL, NULL, error);
}

RSM_API int rsm_mount(struct rsm_session *session, const char *const *objects, size_t count,
		      unsigned flags, unsigned drive, int priority, unsigned timeout_ms,
		      struct rsm_error *error)
{
	RSM_FREE const char **words = calloc(count + 12, sizeof(*words));
	char drive_word[OPTION_SIZE], priority_word[OPTION_SIZE], timeout_word[OPTION_SIZE];
	size_t used = 0;

	if (!words)
		return no_memory(error);
	if (flags & ~(unsigned)(RSM_MOUNT_READ | RSM_MOUNT_WRITE | RSM_MOUNT_ERROR_IF_UNAVAILABLE |
				RSM_MOUNT_ERROR_IF_OFFLINE | RSM_MOUNT_SPECIFIC_DRIVE))
		return bad(error, "mount: unknown flags");
	words[used++] = "mount";
	if (flags & RSM_MOUNT_WRITE) /* which is reading, too */
		words[used++] = "--write";
	if (flags & RSM_MOUNT_ERROR_IF_UNAVAILABLE)
		words[used++] = "--nowait";
	if (flags & RSM_MOUNT_ERROR_IF_OFFLINE)
		words[used++] = "--online";
	if (flags & RSM_MOUNT_SPECIFIC_DRIVE) {
		snprintf(drive_word, sizeof(drive_word), "--drive=%u", drive);
		words[used++] = drive_word;
	}
	if (priority) {
		snprintf(priority_word, sizeof(priority_word), "--priority=%d", priority);
		words[used++] = priority_word;
	}
	if (timeout_ms) {
		snprintf(timeout_word, sizeof(timeout_word), "--timeout=%u",
			 seconds_of(timeout_ms));
		words[used++] = timeout_word;
	}
	return call_objects(session, words, used, objects, count, error);
}

RSM_API int rsm_dismount(struct rsm_session *session, const char *const *objects, size_t count,
			 int deferred, struct rsm_error *error)
{
	RSM_FREE const char **words = calloc(count + 4, sizeof(*words));
	size_t used = 0;

	if (!words)
		return no_memory(error);
	words[used++] = "dismount";
	if (deferred)
		words[used++] = "--deferred";
	return call_objects(session, words, used, objects, count, error);
}

RSM_API int rsm_sync(struct rsm_session *session, const char *object, struct rsm_error *error)
{
	return call_plain(session, error, "sync", object, NULL);
}

/* ---- what becomes of media ---- */

RSM_API int rsm_swap(struct rsm_session *session, const char *one, const char *other,
		     struct rsm_error *error)
{
	return call_plain(session, error, "swap", one, other, NULL);
}

RSM_API int rsm_complete(struct rsm_session *session, const char *object, struct rsm_error *error)
{
	return call_plain(session, error, "complete", object, NULL);
}

RSM_API int rsm_decommission(struct rsm_session *session, const char *object,
			     struct rsm_error *error)
{
	return call_plain(session, error, "decommission", object, NULL);
}

RSM_API int rsm_move(struct rsm_session *session, const char *object, const char *pool,
		     struct rsm_error *error)
{
	return call_plain(session, error, "move", object, pool, NULL);
}

RSM_API int rsm_eject(struct rsm_session *session, const char *object, struct rsm_error *error)
{
	return call_plain(session, error, "eject", object, NULL);
}

/* ---- information ---- */

struct wanted {
	const char *key;
	char *value; /* the first row's */
	bool seen;
};

static int take_value(void *context, const char *table, size_t count, const char *const *keys,
		      const char *const *values)
{
	struct wanted *wanted = context;
	const char *value = value_of(wanted->key, count, keys, values);

	(void)table;
	if (wanted->seen)
		return 0;
	wanted->seen = true;
	if (!value)
		return 0;
	wanted->value = strdup(value);
	return wanted->value ? 0 : -ENOMEM;
}

RSM_API int rsm_get(struct rsm_session *session, const char *object, const char *key,
		    char **ret_value, struct rsm_error *error)
{
	const char *words[] = { "view", "--", "media", object, NULL };
	struct wanted wanted = { .key = key };
	struct rsm_err err;
	int r = rsm_call(session, words, take_value, &wanted, error);

	if (r < 0) {
		free(wanted.value);
		return r;
	}
	if (!wanted.value) {
		r = rsm_err_set(&err, ENODATA, "%s: has no '%s'", object, key);
		return librsm_fail(error, r, &err);
	}
	*ret_value = wanted.value;
	return 0;
}

RSM_API int rsm_path(struct rsm_session *session, const char *object, char **ret_path,
		     struct rsm_error *error)
{
	RSM_FREE char *path = NULL;
	struct rsm_err err;
	int r = rsm_get(session, object, "path", &path, error);

	if (r < 0)
		return r;
	if (!*path) {
		r = rsm_err_set(&err, ENOENT, "%s: has no place in the tree", object);
		return librsm_fail(error, r, &err);
	}
	if (asprintf(ret_path, "%s/%s", session->mountpoint, path) < 0)
		return no_memory(error);
	return 0;
}

RSM_API int rsm_set(struct rsm_session *session, const char *object, const char *key,
		    const char *value, struct rsm_error *error)
{
	RSM_FREE char *assignment = NULL;

	if (asprintf(&assignment, "%s=%s", key, value) < 0) {
		assignment = NULL;
		return no_memory(error);
	}
	return call_plain(session, error, "set", object, assignment, NULL);
}

/* ---- operator requests ---- */

RSM_API int rsm_request_submit(struct rsm_session *session, const char *text, int64_t *ret_request,
			       struct rsm_error *error)
{
	const char *words[] = { "requests", "--", "ask", text, NULL };
	struct wanted wanted = { .key = "id" };
	int r = rsm_call(session, words, take_value, &wanted, error);

	if (r == 0 && !wanted.value)
		r = bad(error, "requests: the daemon's reply is garbled");
	if (r == 0)
		*ret_request = strtoll(wanted.value, NULL, 10);
	free(wanted.value);
	return r;
}

static int answer(struct rsm_session *session, const char *how, int64_t request,
		  unsigned timeout_ms, struct rsm_error *error)
{
	char number[24], timeout[OPTION_SIZE];
	const char *words[6] = { "requests" };
	size_t count = 1;

	snprintf(number, sizeof(number), "%" PRId64, request);
	if (timeout_ms) {
		snprintf(timeout, sizeof(timeout), "--timeout=%u", seconds_of(timeout_ms));
		words[count++] = timeout;
	}
	words[count++] = "--";
	words[count++] = how;
	words[count++] = number;
	return rsm_call(session, words, NULL, NULL, error);
}

RSM_API int rsm_request_wait(struct rsm_session *session, int64_t request, unsigned timeout_ms,
			     struct rsm_error *error)
{
	return answer(session, "wait", request, timeout_ms, error);
}

RSM_API int rsm_request_satisfy(struct rsm_session *session, int64_t request,
				struct rsm_error *error)
{
	return answer(session, "satisfy", request, 0, error);
}

RSM_API int rsm_request_refuse(struct rsm_session *session, int64_t request,
			       struct rsm_error *error)
{
	return answer(session, "refuse", request, 0, error);
}
