#include "fs/ltfs_xattr.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/xattr.h>
#include <time.h>

#include "fs/parking.h"

enum { MIB = 1 << 20 };

/* ---- times: 2026-01-02T03:04:05.000000000Z ---- */

static void add_time(struct rsm_text *text, const struct timespec *time)
{
	struct tm tm;

	gmtime_r(&time->tv_sec, &tm);
	rsm_text_printf(text, "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ", tm.tm_year + 1900,
			tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, time->tv_nsec);
}

static int parse_time(const struct rsmfs_call *call, struct timespec *ret_time, struct rsm_err *err)
{
	char text[31];
	struct tm tm = { 0 };
	long nanoseconds;
	int end = 0;

	if (call->size == sizeof(text) - 1) {
		memcpy(text, call->data, sizeof(text) - 1);
		text[sizeof(text) - 1] = '\0';
		if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%9ldZ%n", &tm.tm_year, &tm.tm_mon,
			   &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &nanoseconds,
			   &end) == 7 &&
		    end == (int)sizeof(text) - 1 && tm.tm_mon >= 1 && tm.tm_mon <= 12 &&
		    tm.tm_mday >= 1 && tm.tm_mday <= 31 && tm.tm_hour >= 0 && tm.tm_hour < 24 &&
		    tm.tm_min >= 0 && tm.tm_min < 60 && tm.tm_sec >= 0 && tm.tm_sec < 60 &&
		    tm.tm_year >= 0 && nanoseconds >= 0) {
			tm.tm_year -= 1900;
			tm.tm_mon -= 1;
			ret_time->tv_sec = timegm(&tm);
			ret_time->tv_nsec = nanoseconds;
			return 0;
		}
	}
	return rsm_err_set(err, EINVAL, "%s: a time as 2026-01-02T03:04:05.000000000Z is expected",
			   call->name);
}

static const struct {
	const char *key;
	size_t offset;
	unsigned what;
} times[] = {
	{ "ltfs.createTime", offsetof(struct rsm_node_times, created), RSM_SET_CREATED },
	{ "ltfs.modifyTime", offsetof(struct rsm_node_times, modified), RSM_SET_MODIFIED },
	{ "ltfs.accessTime", offsetof(struct rsm_node_times, accessed), RSM_SET_ACCESSED },
	{ "ltfs.changeTime", offsetof(struct rsm_node_times, changed), RSM_SET_CHANGED },
	{ "ltfs.backupTime", offsetof(struct rsm_node_times, backed_up), RSM_SET_BACKED_UP },
};

static struct timespec *time_field(struct rsm_node *node, size_t index)
{
	return (struct timespec *)(void *)((char *)&node->times + times[index].offset);
}

/* The index in `times`, or -1. */
static int find_time(const char *key)
{
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (strcmp(times[i].key, key) == 0)
			return (int)i;
	return -1;
}

/* ---- reading ---- */

static int get_of_node(const struct rsmfs_contents *at, uint64_t id, const char *key,
		       struct rsm_text *value, struct rsm_err *err)
{
	enum rsm_residency residency;
	struct rsm_extent first;
	struct rsm_node node;
	int r, time = find_time(key);

	if (time >= 0 || strcmp(key, "ltfs.fileUID") == 0) {
		r = rsmfs_contents_get(at, id, &node, err);
		if (r < 0)
			return r;
		if (time >= 0)
			add_time(value, time_field(&node, (size_t)time));
		else
			rsm_text_printf(value, "%" PRIu64, node.uid);
		return 0;
	}
	if (strcmp(key, "ltfs.partition") != 0 && strcmp(key, "ltfs.startblock") != 0)
		return 1;
	r = rsm_content_residency(at->content, id, &residency, &first, err);
	if (r || !first.partition)
		return r < 0 ? r : 1;
	if (key[5] == 'p')
		rsm_text_printf(value, "%c", first.partition);
	else
		rsm_text_printf(value, "%" PRIu64, first.start_block);
	return 0;
}

static void add_of_volume(const struct rsm_medium *medium, const char *key, struct rsm_text *value)
{
	if (strcmp(key, "ltfs.volumeUUID") == 0)
		rsm_text_add(value, medium->volume_uuid);
	else if (strcmp(key, "ltfs.volumeName") == 0)
		rsm_text_add(value, medium->name);
	else if (strcmp(key, "ltfs.mamBarcode") == 0 && medium->barcode[0])
		rsm_text_printf(value, "%-32s", medium->barcode);
	else if (strcmp(key, "ltfs.softwareVersion") == 0)
		rsm_text_add(value, RSM_VERSION);
	else if (strcmp(key, "ltfs.softwareFormatSpec") == 0)
		rsm_text_add(value, "2.4.0");
	else if (strcmp(key, "ltfs.softwareVendor") == 0 ||
		 strcmp(key, "ltfs.softwareProduct") == 0)
		rsm_text_add(value, "rsmfs");
}

static int add_of_root(const struct rsmfs_contents *at, const struct rsm_medium *medium,
		       const char *key, struct rsm_text *value, struct rsm_err *err)
{
	uint64_t total, left;
	int r;

	if (strcmp(key, "ltfs.indexGeneration") == 0) {
		rsm_text_printf(value, "%" PRIu64, medium->index_generation);
	} else if (strcmp(key, "ltfs.volumeSerial") == 0 && medium->barcode[0]) {
		rsm_text_printf(value, "%.6s", medium->barcode);
	} else if (strcmp(key, "ltfs.volumeBlocksize") == 0) {
		rsm_text_add(value, "524288");
	} else if (strcmp(key, "ltfs.partitionMap") == 0) {
		rsm_text_add(value, "I:a,D:b");
	} else if (strcmp(key, "ltfs.policyExists") == 0) {
		rsm_text_add(value, "false");
	} else if (strcmp(key, "ltfs.mediaLoads") == 0) {
		rsm_text_printf(value, "%" PRIu32, medium->mounts);
	} else if (strcmp(key, "ltfs.mediaDataPartitionTotalCapacity") == 0 ||
		   strcmp(key, "ltfs.mediaDataPartitionAvailableSpace") == 0) {
		r = rsm_manager_space(at->fs->manager, medium->id, &total, &left, err);
		if (r < 0)
			return r;
		rsm_text_printf(value, "%" PRIu64, (strstr(key, "Total") ? total : left) / MIB);
	}
	return 0;
}

int rsmfs_ltfs_get(const struct rsmfs_contents *at, uint64_t node, const char *key,
		   struct rsm_text *ret_value, struct rsm_err *err)
{
	struct rsm_medium medium;
	int r = get_of_node(at, node, key, ret_value, err);

	if (r == 1) {
		r = rsmfs_get_medium(at->fs, at->medium, &medium, err);
		if (r < 0)
			return r;
		add_of_volume(&medium, key, ret_value);
		if (!ret_value->length && node == RSM_NODE_ROOT)
			r = add_of_root(at, &medium, key, ret_value, err);
		if (r == 0 && !ret_value->length)
			r = 1;
	}
	return r == 0 && ret_value->failed ? rsm_err_oom(err) : r;
}

/* ---- writing ---- */

bool rsmfs_ltfs_is_hidden(const char *key)
{
	return strncasecmp(key, "ltfs.vendor.rsmfs.", 18) == 0 ||
	       strcmp(key, "ltfs.vendor.IBM.prefixLength") == 0;
}

/* Those of the format's that users may store. */
static bool may_store(const char *key, bool is_root)
{
	static const char *const prefixes[] = { "ltfs.hash.", "ltfs.permissions.",
						"ltfs.spannedFileOffset" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(key, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return is_root &&
	       (strncmp(key, "ltfs.mediaPool.", 15) == 0 || strcmp(key, "ltfs.commitMessage") == 0);
}

/* A copy may carry a checksum along that was right for what its source once held. One that was
 * computed while the file was written to the medium is not replaced by it; it can be removed.
 */
static bool is_measured(const struct rsmfs_contents *at, const struct rsmfs_call *call,
			const char *key)
{
	enum rsm_digest_kind kind = at->fs->options->hash;
	RSM_TEXT struct rsm_text value = { 0 };
	enum rsm_residency residency;
	struct rsm_extent first;

	return call->data && kind != RSM_DIGEST_NONE && strcmp(key, rsm_digest_key(kind)) == 0 &&
	       !(call->flags & XATTR_CREATE) &&
	       rsm_content_residency(at->content, call->place.node, &residency, &first, NULL) ==
		       0 &&
	       first.partition &&
	       rsm_content_get_xattr(at->content, call->place.node, key, &value, NULL) == 0;
}

int rsmfs_ltfs_set(const struct rsmfs_contents *at, struct rsmfs_call *call, const char *key,
		   struct rsm_err *err)
{
	int time = find_time(key), r;
	struct rsm_node values = { .id = call->place.node };

	if (is_measured(at, call, key))
		return 0;
	if (may_store(key, call->place.node == RSM_NODE_ROOT))
		return 1;
	if (time < 0 || !call->data)
		return rsm_err_set(err, EACCES, "%s is reserved", call->name);
	r = parse_time(call, time_field(&values, (size_t)time), err);
	if (r < 0)
		return r;
	r = rsm_content_set_attributes(at->content, call->place.node, times[time].what, &values,
				       &values, err);
	return r > 0 ? rsm_err_set(err, ESTALE, "the file is gone") : r;
}

/* ---- sync: the one that takes a while ---- */

struct sync_request {
	struct rsmfs_pending pending;
	int64_t medium;
	atomic_bool cancel;
};

static void interrupt_sync(struct rsmfs_pending *pending)
{
	atomic_store(&RSM_CONTAINER_OF(pending, struct sync_request, pending)->cancel, true);
}

static void destroy_sync(struct rsmfs_pending *pending)
{
	free(RSM_CONTAINER_OF(pending, struct sync_request, pending));
}

static void *sync_medium(void *argument)
{
	struct sync_request *sync = argument;
	fuse_req_t req = sync->pending.req;
	struct rsm_err err;
	int r = rsm_manager_sync_wait(sync->pending.fs->manager, sync->medium, NULL, NULL,
				      &sync->cancel, &err);

	rsmfs_pending_answer(&sync->pending);
	rsmfs_reply_result(req, r, &err);
	rsmfs_pending_unref(&sync->pending);
	return NULL;
}

bool rsmfs_ltfs_is_sync(const struct rsmfs_call *call)
{
	return call->data && call->place.node == RSM_NODE_ROOT &&
	       strcmp(call->name, "user.ltfs.sync") == 0;
}

void rsmfs_ltfs_sync(struct rsmfs *fs, struct rsmfs_call *call)
{
	struct sync_request *sync = calloc(1, sizeof(*sync));
	pthread_t thread;

	if (!sync) {
		fuse_reply_err(call->req, ENOMEM);
		return;
	}
	sync->medium = call->place.id;
	rsmfs_pending_init(&sync->pending, fs, call->req, interrupt_sync, destroy_sync);
	if (pthread_create(&thread, NULL, sync_medium, sync) != 0) {
		rsmfs_pending_answer(&sync->pending);
		fuse_reply_err(call->req, EAGAIN);
		rsmfs_pending_unref(&sync->pending);
	} else {
		/* its end is seen by the pending request's */
		pthread_detach(thread);
		rsmfs_pending_watch(&sync->pending);
	}
	rsmfs_pending_unref(&sync->pending);
}
