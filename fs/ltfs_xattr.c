#include "fs/ltfs_xattr.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/xattr.h>
#include <time.h>

#include "core/ltfs/ltfs_volume.h"
#include "core/ltfs/name.h"
#include "fs/parking.h"

enum { MIB = 1 << 20, COMMENT_MAX = 65536, BARCODE_MAX = 32 };

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

/* The text after <name> in a placement policy (an element of an index, kept as it came). */
static void add_element(const char *xml, const char *name, struct rsm_text *value)
{
	const char *at = strstr(xml, name);

	if (at)
		rsm_text_append(value, at + strlen(name), strspn(at + strlen(name), "0123456789"));
}

/* Facts of the volume index (ltfs_facts.c), shown as they are; `otherwise`: while the volume has
 * not been made, or seen, yet. NULL: there is no such attribute then.
 */
static const struct {
	const char *key, *fact, *otherwise;
	bool everywhere; /* not on the root only */
} facts[] = {
	{ "ltfs.volumeUUID", "uuid", NULL, true },
	{ "ltfs.volumeName", "volume_name", NULL, true },
	{ "ltfs.volumeLockState", "lock_state", "0x00000000", true },
	{ "ltfs.mamBarcode", "mam_barcode", NULL, true },
	{ "ltfs.mamApplicationVendor", "mam_vendor", NULL, true },
	{ "ltfs.mamApplicationVersion", "mam_version", NULL, true },
	{ "ltfs.mamApplicationFormatVersion", "mam_format_version", NULL, true },
	/* as the reference: what was set here, not what the index of another session said */
	{ "ltfs.commitMessage", "commit_message", "", false },
	{ "ltfs.indexGeneration", "generation", NULL, false },
	{ "ltfs.indexTime", "update_time", NULL, false },
	{ "ltfs.indexCreator", "index_creator", NULL, false },
	{ "ltfs.indexVersion", "index_version", NULL, false },
	{ "ltfs.indexLocation", "index_location", NULL, false },
	{ "ltfs.indexPrevious", "index_previous", NULL, false },
	{ "ltfs.labelCreator", "label_creator", NULL, false },
	{ "ltfs.labelVersion", "label_version", NULL, false },
	{ "ltfs.volumeFormatTime", "format_time", NULL, false },
	{ "ltfs.volumeSerial", "label_serial", NULL, false },
	{ "ltfs.volumeBlocksize", "block_size", "524288", false },
	{ "ltfs.volumeCompression", "compression", "true", false },
	{ "ltfs.partitionMap", "partition_map", "I:a,D:b", false },
	{ "ltfs.policyAllowUpdate", "allow_policy_update", "true", false },
	{ "ltfs.vendor.IBM.totalBlocks", "data_end", NULL, false },
};

static int get_fact(const struct rsmfs_contents *at, bool is_root, const char *key,
		    struct rsm_text *value, struct rsm_err *err)
{
	RSM_FREE char *text = NULL;
	size_t i = 0;
	int r;

	while (i < sizeof(facts) / sizeof(facts[0]) && strcmp(facts[i].key, key) != 0)
		i++;
	if (i == sizeof(facts) / sizeof(facts[0]) || (!is_root && !facts[i].everywhere))
		return 1;
	r = rsm_volume_index_get_fact(rsm_content_index(at->content), facts[i].fact, &text, err);
	if (r < 0)
		return r;
	if (!text && !facts[i].otherwise)
		return 1;
	rsm_text_add(value, text ? text : facts[i].otherwise);
	return 0;
}

static const struct {
	const char *key, *value;
} constants[] = {
	{ "ltfs.softwareVersion", RSM_VERSION },
	{ "ltfs.softwareFormatSpec", "2.4.0" },
	{ "ltfs.softwareVendor", "rsmfs" },
	/* the reference's ordered copy takes a destination for LTFS by how this begins */
	{ "ltfs.softwareProduct", "LTFS rsmfs" },
	/* of the root */
	{ "ltfs.mediaRecoveredWriteErrors", "-1" },
	{ "ltfs.mediaPermanentWriteErrors", "-1" },
	{ "ltfs.mediaRecoveredReadErrors", "-1" },
	{ "ltfs.mediaPermanentReadErrors", "-1" },
	{ "ltfs.mediaPreviousPermanentWriteErrors", "-1" },
	{ "ltfs.mediaPreviousPermanentReadErrors", "-1" },
	{ "ltfs.mediaBeginningMediumPasses", "-1" },
	{ "ltfs.mediaMiddleMediumPasses", "-1" },
	{ "ltfs.mediaEfficiency", "-1" },
	{ "ltfs.mediaDatasetsWritten", "-1" },
	{ "ltfs.mediaDatasetsRead", "-1" },
	{ "ltfs.mediaMBWritten", "-1" },
	{ "ltfs.mediaMBRead", "-1" },
	{ "ltfs.mediaStorageAlert", "0x0000000000000000" },
	{ "ltfs.mediaEncrypted", "false" },
	{ "ltfs.driveEncryptionState", "off" },
	{ "ltfs.driveEncryptionMethod", "No Method" },
};
enum { CONSTANTS_EVERYWHERE = 4 };

static int get_constant(bool is_root, const char *key, struct rsm_text *value)
{
	size_t count = is_root ? sizeof(constants) / sizeof(constants[0]) : CONSTANTS_EVERYWHERE;

	for (size_t i = 0; i < count; i++)
		if (strcmp(constants[i].key, key) == 0) {
			rsm_text_add(value, constants[i].value);
			return 0;
		}
	return 1;
}

/* What the catalogue knows while the facts do not. */
static int get_of_medium(const struct rsm_medium *medium, bool is_root, const char *key,
			 struct rsm_text *value)
{
	if (strcmp(key, "ltfs.volumeUUID") == 0)
		rsm_text_add(value, medium->volume_uuid);
	else if (strcmp(key, "ltfs.volumeName") == 0)
		rsm_text_add(value, medium->name);
	else if (strcmp(key, "ltfs.mamBarcode") == 0 && medium->barcode[0])
		rsm_text_printf(value, "%-32s", medium->barcode);
	else if (is_root && strcmp(key, "ltfs.indexGeneration") == 0)
		rsm_text_printf(value, "%" PRIu64, medium->index_generation);
	else if (is_root && strcmp(key, "ltfs.volumeSerial") == 0 && medium->barcode[0])
		rsm_text_printf(value, "%.6s", medium->barcode);
	else if (is_root && strcmp(key, "ltfs.mediaLoads") == 0)
		rsm_text_printf(value, "%" PRIu32, medium->mounts);
	else
		return 1;
	return 0;
}

static int get_policy(const struct rsmfs_contents *at, const char *key, struct rsm_text *value,
		      struct rsm_err *err)
{
	RSM_FREE char *policy = NULL;
	bool exists = strcmp(key, "ltfs.policyExists") == 0;
	int r;

	if (!exists && strcmp(key, "ltfs.policyMaxFileSize") != 0)
		return 1;
	r = rsm_volume_index_get_fact(rsm_content_index(at->content), "policy", &policy, err);
	if (r < 0 || (!exists && !policy))
		return r < 0 ? r : 1;
	if (exists)
		rsm_text_add(value, policy ? "true" : "false");
	else
		add_element(policy, "<size>", value);
	return 0;
}

static int get_space(const struct rsmfs_contents *at, const char *key, struct rsm_text *value,
		     struct rsm_err *err)
{
	bool is_total = strstr(key, "TotalCapacity") != NULL;
	uint64_t total, left;
	int r;

	if (strcmp(key, "ltfs.mediaDataPartitionTotalCapacity") == 0 ||
	    strcmp(key, "ltfs.mediaDataPartitionAvailableSpace") == 0) {
		r = rsm_manager_space(at->fs->manager, at->cartridge, &total, &left, err);
	} else if (strcmp(key, "ltfs.mediaIndexPartitionTotalCapacity") == 0 ||
		   strcmp(key, "ltfs.mediaIndexPartitionAvailableSpace") == 0) {
		r = rsm_volume_index_get_number(rsm_content_index(at->content),
						is_total ? "index_capacity" : "index_remaining",
						&total, 0, err);
		left = total;
	} else {
		return 1;
	}
	if (r == 0)
		rsm_text_printf(value, "%" PRIu64, (is_total ? total : left) / MIB);
	return r;
}

/* What an index of the volume would name of its data partition. */
static int get_referenced(const struct rsmfs_contents *at, const char *key, struct rsm_text *value,
			  struct rsm_err *err)
{
	struct rsm_volume_index *index = rsm_content_index(at->content);
	RSM_FREE char *map = NULL;
	uint64_t blocks;
	size_t length;
	int r;

	if (strcmp(key, "ltfs.vendor.IBM.referencedBlocks") != 0)
		return 1;
	r = rsm_volume_index_get_fact(index, "partition_map", &map, err); /* "I:a,D:b" */
	length = map ? strlen(map) : 0;
	if (r == 0)
		r = rsm_volume_index_count_blocks(index, length ? map[length - 1] : 'b', &blocks,
						  err);
	if (r == 0)
		rsm_text_printf(value, "%" PRIu64, blocks);
	return r;
}

int rsmfs_ltfs_get(const struct rsmfs_contents *at, uint64_t node, const char *key,
		   struct rsm_text *ret_value, struct rsm_err *err)
{
	bool is_root = node == RSM_NODE_ROOT;
	struct rsm_medium medium;
	int r = get_of_node(at, node, key, ret_value, err);

	if (r == 1)
		r = get_fact(at, is_root, key, ret_value, err);
	if (r == 1)
		r = get_constant(is_root, key, ret_value);
	if (r == 1 && is_root)
		r = get_policy(at, key, ret_value, err);
	if (r == 1 && is_root)
		r = get_space(at, key, ret_value, err);
	if (r == 1 && is_root)
		r = get_referenced(at, key, ret_value, err);
	if (r == 1) {
		r = rsmfs_get_medium(at->fs, at->cartridge, &medium, err);
		if (r < 0)
			return r;
		r = get_of_medium(&medium, is_root, key, ret_value);
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
	return is_root && strncmp(key, "ltfs.mediaPool.", 15) == 0;
}

/* A copy may carry a checksum along that was right for what its source once held. One that was
 * computed over the contents here is not replaced by it; it can be removed.
 */
static bool is_measured(const struct rsmfs_contents *at, const struct rsmfs_call *call,
			const char *key)
{
	enum rsm_digest_kind kind = rsm_digest_of_key(key), measured;
	enum rsm_checksum_state state;

	return call->data && kind != RSM_DIGEST_NONE && !(call->flags & XATTR_CREATE) &&
	       rsm_volume_index_checksum(rsm_content_index(at->content), call->place.node, &state,
					 &measured, NULL) == 0 &&
	       state == RSM_CHECKSUM_MEASURED && measured == kind;
}

static bool is_number(const struct rsmfs_call *call, int base)
{
	char text[32], *end;

	if (!call->size || call->size >= sizeof(text))
		return false;
	memcpy(text, call->data, call->size);
	text[call->size] = '\0';
	strtoull(text, &end, base);
	return end == text + call->size && isalnum((unsigned char)text[0]);
}

/* Outcome 1: not one of those that go into the next index. */
static int set_of_root(const struct rsmfs_contents *at, const struct rsmfs_call *call,
		       const char *key, struct rsm_err *err)
{
	bool is_name = strcmp(key, "ltfs.volumeName") == 0;
	RSM_FREE char *text = NULL, *nfc = NULL;
	int r;

	/* nothing alerts, so nothing is cleared */
	if (strcmp(key, "ltfs.mediaStorageAlert") == 0 && call->data)
		return is_number(call, 16)
			       ? 0
			       : rsm_err_set(err, EINVAL, "%s: a hexadecimal number is expected",
					     call->name);
	if (!is_name && strcmp(key, "ltfs.commitMessage") != 0)
		return 1;
	if (call->size > COMMENT_MAX)
		return rsm_err_set(err, EINVAL, "%s: at most %d bytes", call->name, COMMENT_MAX);
	if (call->data) {
		text = strndup(call->data, call->size);
		if (!text)
			return rsm_err_oom(err);
		if (strlen(text) != call->size)
			return rsm_err_set(err, EINVAL, "%s: a text is expected", call->name);
		r = is_name && *text ? rsm_name_check(text, err) : rsm_name_nfc(text, &nfc, err);
		if (r < 0)
			return r == -ENOMEM ? r
					    : rsm_err_set(err, EINVAL, "%s: not a valid text",
							  call->name);
	}
	if (is_name)
		return rsm_content_set_fact(at->content, "volume_name", text, err);
	r = rsm_content_set_fact(at->content, "comment", text, err);
	return r < 0 ? r : rsm_content_set_fact(at->content, "commit_message", text, err);
}

/* Written to the medium's memory with the next index; shown at once. */
static int set_barcode(const struct rsmfs_contents *at, const struct rsmfs_call *call,
		       struct rsm_err *err)
{
	char barcode[BARCODE_MAX + 1] = "", padded[BARCODE_MAX + 1];
	struct rsm_medium medium;
	int r = rsmfs_get_medium(at->fs, at->medium, &medium, err);

	if (r < 0)
		return r;
	if (!rsmfs_owns(at->fs, call->req, medium.owner))
		return rsm_err_set(err, EPERM, "%s: the owner's and the administrator's to set",
				   call->name);
	if (call->size > BARCODE_MAX)
		return rsm_err_set(err, EINVAL, "%s: at most %d characters", call->name,
				   BARCODE_MAX);
	memcpy(barcode, call->data, call->size);
	for (size_t i = 0; i < call->size; i++)
		if (barcode[i] < ' ' || barcode[i] > '~')
			return rsm_err_set(err, EINVAL, "%s: ASCII is expected", call->name);
	snprintf(padded, sizeof(padded), "%-*s", BARCODE_MAX, barcode);
	r = rsm_content_set_fact(at->content, RSM_LTFS_BARCODE_DUE, barcode, err);
	return r < 0 ? r : rsm_content_set_fact(at->content, "mam_barcode", padded, err);
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
	if (call->place.node == RSM_NODE_ROOT) {
		r = set_of_root(at, call, key, err);
		if (r <= 0)
			return r;
	}
	if (call->data && strcmp(key, "ltfs.mamBarcode") == 0)
		return set_barcode(at, call, err);
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
	const char *lock; /* is to be set first; NULL: it stays */
	bool reads;	  /* the attribute is read: its value is empty */
	size_t size;	  /* of the reader's buffer */
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
	struct rsm_manager *manager = sync->pending.fs->manager;
	int r = sync->lock ? rsm_manager_set_lock(manager, sync->medium, sync->lock, &sync->cancel,
						  &err)
			   : rsm_manager_sync_wait(manager, sync->medium, NULL, NULL, &sync->cancel,
						   &err);

	rsmfs_pending_answer(&sync->pending);
	if (r == 0 && sync->reads)
		rsmfs_reply_xattr(req, "", 0, sync->size);
	else
		rsmfs_reply_result(req, r, &err);
	rsmfs_pending_unref(&sync->pending);
	return NULL;
}

bool rsmfs_ltfs_is_sync(const struct rsmfs_call *call)
{
	return call->place.node == RSM_NODE_ROOT && strcmp(call->name, "user.ltfs.sync") == 0;
}

static void start(struct rsmfs *fs, struct rsmfs_call *call, bool reads, const char *lock)
{
	struct sync_request *sync = calloc(1, sizeof(*sync));
	pthread_t thread;

	if (!sync) {
		fuse_reply_err(call->req, ENOMEM);
		return;
	}
	sync->medium = call->place.id;
	sync->reads = reads;
	sync->lock = lock;
	sync->size = call->size;
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

void rsmfs_ltfs_sync(struct rsmfs *fs, struct rsmfs_call *call, bool reads)
{
	start(fs, call, reads, NULL);
}

/* ---- the lock: written on any object, as the reference has it ---- */

bool rsmfs_ltfs_is_lock(const struct rsmfs_call *call)
{
	return call->data && strcmp(call->name, "user.ltfs.volumeLockState") == 0;
}

void rsmfs_ltfs_lock(struct rsmfs *fs, struct rsmfs_call *call)
{
	static const char *const locks[] = { "unlocked", "locked", "permlocked", NULL };
	struct rsm_medium medium;
	struct rsm_err err;
	char text[32] = "";
	int r = rsmfs_get_medium(fs, call->place.id, &medium, &err);

	if (r == 0 && !rsmfs_owns(fs, call->req, medium.owner))
		r = rsm_err_set(&err, EPERM, "%s: the owner's and the administrator's to set",
				call->name);
	if (r == 0 && !is_number(call, 0))
		r = rsm_err_set(&err, EINVAL, "%s: a number is expected", call->name);
	if (r == 0) {
		memcpy(text, call->data, call->size);
		r = (int)(strtoull(text, NULL, 0) & 3);
		if (locks[r]) {
			start(fs, call, false, locks[r]);
			return;
		}
		r = rsm_err_set(&err, EINVAL, "%s: 0 unlocks, 1 locks, 2 locks for good",
				call->name);
	}
	rsmfs_reply_result(call->req, r, &err);
}
