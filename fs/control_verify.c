/* rsm verify: rereads files from their media, in the order in which they lie on them, and compares
 * them with the checksums that were stored when they were written.
 *
 * A checksum can be false without damage: another system changed the file and kept an attribute
 * that it knows nothing of. Where the index tells that (ltfs/value.h), the file counts as stale; if
 * its bytes fit nevertheless, it is verified. --update stores what was read just now as the
 * checksum of files whose own is missing or stale. One that was measured and differs is never
 * replaced.
 */
#include "fs/control_verify.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/medium_record.h"

enum { BAD_EVENTS = 100 }; /* files that get an event of their own */

/* ---- one file ---- */

static void add_row(struct rsmfs_verify *verify, const char *path, const char *result,
		    const char *text)
{
	struct rsmfs_request *request = verify->request;

	rsmfs_row_begin(request);
	rsmfs_row_text(request, path);
	rsmfs_row_text(request, result);
	rsmfs_row_text(request, text);
	rsmfs_row_end(request);
}

/* Where it has just been read; NULL: it has left since. */
static const char *drive_of(struct rsmfs_verify *verify, char name[static 24])
{
	struct rsm_medium_use use = { 0 };

	if (rsm_manager_medium_use(verify->request->manager, verify->medium.id, &use, NULL) != 0 ||
	    !use.drive)
		return NULL;
	snprintf(name, 24, "drive %u", use.drive);
	return name;
}

static void report(struct rsmfs_verify *verify, const char *path, const char *result,
		   const char *text)
{
	char drive[24];

	add_row(verify, path, result, text);
	if (verify->sums.differ + verify->sums.unreadable <= BAD_EVENTS)
		rsm_manager_tell_error(verify->request->manager, verify->medium.id,
				       drive_of(verify, drive), path, text);
}

/* `alone`: the checksums that are there are of other contents. */
static int update(struct rsmfs_verify *verify, const struct rsm_node *node,
		  const struct rsm_digest *digest, const char *text, bool alone,
		  struct rsm_err *err)
{
	int r = rsm_content_set_checksum(verify->content, node->id, node->data_version,
					 rsm_digest_kind(digest), text, alone, err);

	if (r == 0)
		verify->sums.updated++;
	else if (r > 0)
		verify->sums.staged++; /* changed just now */
	return r < 0 ? r : 0;
}

static int compare(struct rsmfs_verify *verify, const struct rsm_node *node, const char *path,
		   enum rsm_checksum_state state, struct rsm_digest *digest, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text stored = { 0 };
	char text[RSM_DIGEST_TEXT], words[64];
	const char *key = rsm_digest_key(rsm_digest_kind(digest));
	int r = rsm_digest_finish(digest, text, err);

	if (r < 0)
		return r;
	r = rsm_content_get_xattr(verify->content, node->id, key, &stored, err);
	if (r < 0)
		return r;
	if (r == 0 && rsm_digest_equals(text, stored.data ? stored.data : "", stored.length)) {
		verify->sums.verified++;
		return verify->update && state != RSM_CHECKSUM_MEASURED
			       ? update(verify, node, digest, text, false, err)
			       : 0;
	}
	if (r > 0 || state == RSM_CHECKSUM_STALE) {
		if (verify->update)
			return update(verify, node, digest, text, state == RSM_CHECKSUM_STALE, err);
		if (r > 0) { /* somebody took it away */
			verify->sums.unhashed++;
			return 0;
		}
		verify->sums.stale++;
		add_row(verify, path, "stale", "stale checksum: another system changed the file");
		return 0;
	}
	verify->sums.differ++;
	snprintf(words, sizeof(words), "differs from its checksum (%s)",
		 key + strlen(RSM_DIGEST_PREFIX));
	report(verify, path, "differs", words);
	return 0;
}

/* Outcome RSM_NODE_ABSENT: the file has no checksum and is to get none. */
static int get_digest(struct rsmfs_verify *verify, uint64_t id, enum rsm_checksum_state *ret_state,
		      struct rsm_digest **ret_digest, struct rsm_err *err)
{
	enum rsm_digest_kind kind;
	int r = rsm_volume_index_checksum(verify->index, id, ret_state, &kind, err);

	if (r == 0 && kind == RSM_DIGEST_NONE && verify->update) {
		kind = rsm_manager_options(verify->request->manager)->hash;
		if (kind == RSM_DIGEST_NONE)
			kind = RSM_DIGEST_SHA256;
	}
	if (r)
		return r;
	if (kind == RSM_DIGEST_NONE)
		return RSM_NODE_ABSENT;
	if (!verify->digests[kind])
		r = rsm_digest_new(kind, &verify->digests[kind], err);
	*ret_digest = verify->digests[kind];
	return r;
}

static int get_path(struct rsmfs_verify *verify, uint64_t id, char **ret_path, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text whole = { 0 };
	RSM_FREE char *path = NULL;
	int r = rsm_volume_index_path(verify->index, id, &path, err);

	if (r)
		return r;
	rsm_text_printf(&whole, "%s/%s", *verify->top ? verify->top : verify->medium.barcode,
			path + (*path == '/'));
	return rsm_text_take(&whole, ret_path, err);
}

/* The file is not what it was when the reading began: what was read says nothing. */
static bool is_changed(struct rsmfs_verify *verify, const struct rsm_node *before)
{
	enum rsm_residency residency;
	struct rsm_extent first;
	struct rsm_node after;

	return rsm_content_get(verify->content, before->id, &after, NULL) != 0 ||
	       after.data_version != before->data_version || after.size != before->size ||
	       rsm_content_residency(verify->content, before->id, &residency, &first, NULL) != 0 ||
	       residency == RSM_RESIDENT_STAGED;
}

static int verify_file(struct rsmfs_verify *verify, uint64_t id, struct rsm_err *err)
{
	struct rsm_open_file *file = NULL;
	enum rsm_checksum_state state;
	struct rsm_digest *digest;
	RSM_FREE char *path = NULL;
	struct rsm_err why;
	struct rsm_node node;
	bool keep;
	int r = rsm_content_get(verify->content, id, &node, err);

	if (r == 0)
		r = get_path(verify, id, &path, err);
	if (r)
		return r < 0 && r != -ENOENT ? r : 0; /* removed since */
	r = get_digest(verify, id, &state, &digest, err);
	verify->sums.unhashed += r == RSM_NODE_ABSENT;
	if (r)
		return r < 0 ? r : 0;
	r = rsm_content_open(verify->content, id, O_RDONLY, &file, &keep, err);
	if (r)
		return r == -ENOENT || r == -ESTALE || r > 0 ? 0 : r;
	r = rsmfs_verify_read(verify->reader, verify->content, file, node.size, digest,
			      verify->done, verify->total, path, &why);
	rsm_content_release(file);
	if (r == -EINTR || r == -ENOMEDIUM || r == -ENODEV || r == -ENOMEM) {
		*err = why;
		return r;
	}
	if (is_changed(verify, &node)) {
		verify->sums.staged++;
		return 0;
	}
	if (r == 0)
		return compare(verify, &node, path, state, digest, err);
	verify->sums.unreadable++;
	report(verify, path, "unreadable", why.msg);
	return 0;
}

/* ---- one cartridge ---- */

static int mount(struct rsmfs_verify *verify, struct rsm_err *err)
{
	struct rsmfs_request *request = verify->request;

	rsmfs_request_progress(request, 0, 0, "mounting");
	return rsm_manager_mount_wait(request->manager, &verify->medium.id, 1, RSM_MOUNT_TO_VERIFY,
				      0, 0, 0, request->caller->uid, &request->cancel, err);
}

/* What is not on the medium yet is brought there. If that cannot be, what is there is verified. */
static int bring_to_medium(struct rsmfs_verify *verify, struct rsm_err *err)
{
	struct rsmfs_request *request = verify->request;
	struct rsm_medium_use use;
	struct rsm_err why;
	int r = rsm_manager_medium_use(request->manager, verify->medium.id, &use, err);

	if (r < 0)
		return r;
	if (!use.staged_files && rsm_volume_index_tree_version(verify->index) ==
					 rsm_volume_index_indexed_version(verify->index))
		return 0;
	r = rsm_manager_sync_wait(request->manager, verify->medium.id, rsmfs_request_progress,
				  request, &request->cancel, &why);
	if (r == -EINTR || r == -ENOMEM || r == -ENOMEDIUM) {
		*err = why;
		return r;
	}
	if (r < 0)
		rsmfs_request_note(request, "what is staged is not compared: %s", why.msg);
	return 0;
}

/* What nobody has seen yet is looked at. */
static int open_content(struct rsmfs_verify *verify, struct rsm_err *err)
{
	struct rsmfs_request *request = verify->request;
	int r = rsm_manager_content(request->manager, verify->medium.id, &verify->content, err);

	if (r == RSM_MANAGER_MUST_MOUNT) {
		r = mount(verify, err);
		if (r == 0)
			r = rsm_manager_content(request->manager, verify->medium.id,
						&verify->content, err);
	}
	if (r > 0)
		return rsm_err_set(err, ENOTSUP, "%s holds no files that could be verified",
				   rsmfs_medium_word(&verify->medium));
	if (r < 0)
		return r;
	verify->index = rsm_content_index(verify->content);
	return bring_to_medium(verify, err);
}

static void note_result(struct rsmfs_verify *verify, const char *operand,
			const struct rsmfs_verify_sums *before)
{
	const struct rsmfs_verify_sums *sums = &verify->sums;
	char numbers[6][24];
	const uint64_t counts[] = {
		sums->verified - before->verified,     sums->differ - before->differ,
		sums->unreadable - before->unreadable, sums->unhashed - before->unhashed,
		sums->stale - before->stale,	       sums->updated - before->updated,
	};

	for (int i = 0; i < 6; i++)
		snprintf(numbers[i], sizeof(numbers[i]), "%" PRIu64, counts[i]);
	rsm_event_add(verify->request->catalog, "verify", "medium", verify->medium.barcode, "path",
		      operand, "verified", numbers[0], "differ", numbers[1], "unreadable",
		      numbers[2], "unhashed", numbers[3], "stale", numbers[4], "updated",
		      numbers[5], NULL);
}

/* All of the cartridge was read: that goes into its record. */
static int note_verified(struct rsmfs_verify *verify, const struct rsmfs_verify_sums *before,
			 struct rsm_err *err)
{
	const struct rsmfs_verify_sums *sums = &verify->sums;
	uint64_t wrong = sums->differ - before->differ + sums->unreadable - before->unreadable;

	if (sums->refused != before->refused || sums->staged != before->staged)
		return 0;
	return rsm_medium_record_verified(verify->request->catalog, verify->medium.id,
					  wrong > UINT32_MAX ? UINT32_MAX : (uint32_t)wrong, err);
}

static int read_files(struct rsmfs_verify *verify, struct rsm_err *err)
{
	int r = verify->total ? mount(verify, err) : 0;

	for (size_t i = 0; r == 0 && i < verify->count; i++) {
		r = verify_file(verify, verify->files[i].id, err);
		verify->done += verify->files[i].size;
		if (r == 0 && rsmfs_request_is_cancelled(verify->request))
			r = rsm_err_set(err, EINTR, "interrupted");
	}
	return r;
}

static void close_medium(struct rsmfs_verify *verify)
{
	if (verify->content)
		rsm_manager_content_unref(verify->request->manager, verify->content);
	free(verify->folders);
	free(verify->files);
	free(verify->top);
	verify->content = NULL;
	verify->folders = NULL;
	verify->files = NULL;
	verify->top = NULL;
	verify->count = verify->room = verify->folder_count = verify->folder_room = 0;
	verify->total = verify->done = 0;
}

/* `which` of the operands, and all behind it that are on the same cartridge. */
static int verify_medium(struct rsmfs_verify *verify, const struct rsmfs_object *objects,
			 size_t which, struct rsm_err *err)
{
	struct rsmfs_request *request = verify->request;
	struct rsmfs_verify_sums before = verify->sums;
	bool whole = false;
	int r;

	verify->medium = objects[which].medium;
	r = rsmfs_access_medium(request->catalog, request->caller, request->admin, &verify->medium,
				RSMFS_READ | RSMFS_EXECUTE, err);
	if (r == 0)
		r = rsmfs_medium_path(request, &verify->medium, &verify->top, err);
	if (r == 0)
		r = open_content(verify, err);
	for (size_t i = which; r == 0 && i < request->call.operand_count; i++) {
		if (objects[i].medium.id != verify->medium.id)
			continue;
		r = rsmfs_verify_add(verify, objects[i].rest, err);
		whole = whole || !*objects[i].rest;
	}
	if (r == 0) {
		rsmfs_verify_sort(verify);
		r = read_files(verify, err);
		verify->sums.bytes += verify->done;
	}
	if (r == 0)
		note_result(verify, request->call.operands[which], &before);
	if (r == 0 && whole)
		r = note_verified(verify, &before, err);
	close_medium(verify);
	return r;
}

/* ---- the whole ---- */

static void tell(struct rsmfs_verify *verify)
{
	const struct rsmfs_verify_sums *sums = &verify->sums;
	struct rsmfs_request *request = verify->request;
	const uint64_t numbers[] = {
		sums->verified, sums->differ, sums->unreadable, sums->unhashed,
		sums->staged,	sums->bytes,  sums->stale,	sums->updated
	};
	char more[96] = "";
	int length = 0;

	rsmfs_request_table(request, "done", "summary",
			    "verified:n\tdiffer:n\tunreadable:n\tunhashed:n\tstaged:n\tbytes:z\t"
			    "stale:n\tupdated:n");
	rsmfs_row_begin(request);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		rsmfs_row_number(request, numbers[i]);
	rsmfs_row_end(request);
	if (sums->stale)
		length = snprintf(more, sizeof(more), ", %" PRIu64 " with a stale checksum",
				  sums->stale);
	if (sums->updated)
		snprintf(more + length, sizeof(more) - (size_t)length,
			 ", %" PRIu64 " checksums stored", sums->updated);
	rsmfs_request_text(request,
			   "%" PRIu64 " verified, %" PRIu64 " differ, %" PRIu64
			   " cannot be read, %" PRIu64 " without checksum%s",
			   sums->verified, sums->differ, sums->unreadable, sums->unhashed, more);
	if (sums->staged)
		rsmfs_request_note(request,
				   "%" PRIu64 " files were not read: they are being changed",
				   sums->staged);
	if (sums->refused)
		rsmfs_request_note(request,
				   "%" PRIu64 " files or folders were not read: not allowed",
				   sums->refused);
}

static bool is_first(const struct rsmfs_object *objects, size_t which)
{
	for (size_t i = 0; i < which; i++)
		if (objects[i].medium.id == objects[which].medium.id)
			return false;
	return true;
}

/* A cartridge that cannot be read does not keep back the others. */
static int verify_all(struct rsmfs_verify *verify, const struct rsmfs_object *objects,
		      struct rsm_err *err)
{
	struct rsmfs_request *request = verify->request;
	size_t count = request->call.operand_count;
	struct rsm_err why;
	int failed = 0;

	rsmfs_request_table(request, "list", "files", "path:s\tresult:s\ttext:s");
	for (size_t i = 0; i < count; i++) {
		int r = is_first(objects, i) ? verify_medium(verify, objects, i, &why) : 0;

		if (r == 0)
			continue;
		if (count == 1 || r == -EINTR || r == -ENOMEM) {
			*err = why;
			return r;
		}
		rsmfs_request_note(request, "%s: %s", request->call.operands[i], why.msg);
		if (failed == 0) {
			failed = r;
			*err = why;
		}
	}
	tell(verify);
	if (verify->sums.differ || verify->sums.unreadable)
		return rsm_err_set(err, EIO,
				   "%s%s: %" PRIu64 " files differ from their checksums, %" PRIu64
				   " cannot be read",
				   request->call.operands[0], count > 1 ? " ..." : "",
				   verify->sums.differ, verify->sums.unreadable);
	return failed;
}

static int find_objects(struct rsmfs_request *request, struct rsmfs_object *objects,
			struct rsm_err *err)
{
	for (size_t i = 0; i < request->call.operand_count; i++) {
		const char *operand = request->call.operands[i];
		int r = rsmfs_object_find(request, operand, &objects[i], err);

		if (r < 0)
			return r;
		if (objects[i].is_pool)
			return rsm_err_set(err, EISDIR,
					   "%s: is a pool; name a cartridge or what is in it",
					   operand);
	}
	return 0;
}

static void verify_fini(struct rsmfs_verify *verify)
{
	close_medium(verify);
	rsmfs_verify_reader_free(verify->reader);
	for (int i = 0; i < RSM_DIGEST_KINDS; i++)
		rsm_digest_free(verify->digests[i]);
}

int rsmfs_run_verify(struct rsmfs_request *request, struct rsm_err *err)
{
	__attribute__((cleanup(verify_fini))) struct rsmfs_verify verify = {
		.request = request,
		.update = rsmfs_verb_flag(&request->call, "update"),
	};
	RSM_FREE struct rsmfs_object *objects =
		calloc(request->call.operand_count, sizeof(*objects));
	int r;

	if (!objects)
		return rsm_err_oom(err);
	r = find_objects(request, objects, err);
	if (r == 0)
		r = rsmfs_verify_reader_new(request, &verify.reader, err);
	return r ? r : verify_all(&verify, objects, err);
}
