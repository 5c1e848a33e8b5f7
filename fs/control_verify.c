/* rsm verify: rereads files from the medium, in the order in which they lie on it, and compares
 * them with the checksums that were stored when they were written.
 *
 * One read of a megabyte is under way while the one before it is summed up; as soon as somebody
 * else reads from the cartridge, this one pauses until he has been quiet for a moment.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mutex.h"
#include "core/digest.h"
#include "fs/control_request.h"

enum {
	PIECE = 1 << 20,
	PIECES = 2,
	BATCH = 512,	 /* names asked for at once */
	BAD_EVENTS = 100 /* files that get an event of their own */
};
#define LOOK_AGAIN_NS (RSM_SECOND_NS / 10)
#define QUIET_NS      (RSM_SECOND_NS / 5)

/* A file that is to be read. */
struct wanted {
	uint64_t id, block, size;
	char partition;
};

struct piece {
	struct rsm_content_read request;
	struct verify *verify;
	uint64_t offset;
	size_t length;
	bool under_way; /* [lock] */
	int r;		/* [lock] */
	size_t got;	/* [lock] */
	struct rsm_err err;
	char *data;
};

struct verify {
	struct rsmfs_request *request;
	struct rsm_medium medium;
	struct rsm_content *content;
	struct rsm_volume_index *index;
	char *top; /* path of the cartridge in the tree */
	struct wanted *files;
	size_t count, room;
	uint64_t *folders; /* still to be listed */
	size_t folder_count, folder_room;
	uint64_t total, done; /* bytes */
	uint64_t verified, differ, unreadable, unhashed, staged, refused;
	struct rsm_digest *digests[RSM_DIGEST_KINDS]; /* made when needed */

	struct rsm_mutex lock;
	pthread_cond_t changed; /* [lock] */
	struct piece pieces[PIECES];
};

/* ---- what there is ---- */

struct listed {
	struct rsm_node nodes[BATCH];
	size_t count;
	char *after;
	bool failed;
};

static bool take_listed(void *context, const struct rsm_node *node, const char *name,
			const char *key)
{
	struct listed *listed = context;

	(void)name;
	listed->nodes[listed->count++] = *node;
	if (listed->count < BATCH)
		return true;
	free(listed->after);
	listed->after = strdup(key);
	listed->failed = !listed->after;
	return false;
}

static bool may(const struct verify *verify, const struct rsm_node *node, unsigned want)
{
	const struct rsmfs_request *request = verify->request;

	return rsmfs_access_is_admin(request->caller, request->admin) ||
	       !(node->flags & RSM_NODE_HAS_UNIX) ||
	       rsmfs_access_mode(request->caller, node->mode, node->owner, node->group, NULL, 0,
				 want);
}

/* The best digest that is stored with the file. */
static int stored_kind(const struct verify *verify, const struct rsm_node *node,
		       enum rsm_digest_kind *ret_kind, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text keys = { 0 };
	int r;

	*ret_kind = RSM_DIGEST_NONE;
	if (!(node->flags & RSM_NODE_HAS_XATTRS))
		return 0;
	r = rsm_volume_index_list_xattrs(verify->index, node->id, &keys, err);
	for (size_t i = 0; r == 0 && i < keys.length; i += strlen(keys.data + i) + 1) {
		enum rsm_digest_kind kind = rsm_digest_of_key(keys.data + i);

		if (kind > *ret_kind)
			*ret_kind = kind;
	}
	return r < 0 ? r : 0;
}

static int add_file(struct verify *verify, const struct rsm_node *node, struct rsm_err *err)
{
	enum rsm_residency residency;
	enum rsm_digest_kind kind;
	struct rsm_extent first;
	int r;

	if (!may(verify, node, RSMFS_READ)) {
		verify->refused++;
		return 0;
	}
	r = rsm_content_residency(verify->content, node->id, &residency, &first, err);
	if (r)
		return r < 0 ? r : 0; /* gone since */
	if (residency == RSM_RESIDENT_STAGED) {
		verify->staged++;
		return 0;
	}
	r = stored_kind(verify, node, &kind, err);
	if (r < 0)
		return r;
	if (kind == RSM_DIGEST_NONE) {
		/* of nothing, nothing can differ */
		verify->unhashed += node->size != 0;
		verify->verified += node->size == 0;
		return 0;
	}
	if (verify->count == verify->room) {
		size_t room = verify->room ? 2 * verify->room : 256;
		struct wanted *grown = reallocarray(verify->files, room, sizeof(*grown));

		if (!grown)
			return rsm_err_oom(err);
		verify->files = grown;
		verify->room = room;
	}
	verify->files[verify->count++] = (struct wanted){
		.id = node->id,
		.block = first.start_block,
		.size = node->size,
		.partition = first.partition,
	};
	verify->total += node->size;
	return 0;
}

static int add_folder(struct verify *verify, const struct rsm_node *node, struct rsm_err *err)
{
	if (node->id != RSM_NODE_ROOT && !may(verify, node, RSMFS_READ | RSMFS_EXECUTE)) {
		verify->refused++;
		return 0;
	}
	if (verify->folder_count == verify->folder_room) {
		size_t room = verify->folder_room ? 2 * verify->folder_room : 64;
		uint64_t *grown = reallocarray(verify->folders, room, sizeof(*grown));

		if (!grown)
			return rsm_err_oom(err);
		verify->folders = grown;
		verify->folder_room = room;
	}
	verify->folders[verify->folder_count++] = node->id;
	return 0;
}

static int add_node(struct verify *verify, const struct rsm_node *node, struct rsm_err *err)
{
	switch (node->kind) {
	case RSM_NODE_FILE: return add_file(verify, node, err);
	case RSM_NODE_FOLDER: return add_folder(verify, node, err);
	case RSM_NODE_LINK: break;
	}
	return 0;
}

static int list_folder(struct verify *verify, uint64_t folder, struct rsm_err *err)
{
	RSM_FREE struct listed *listed = calloc(1, sizeof(*listed));
	int r = 0;

	if (!listed)
		return rsm_err_oom(err);
	do {
		RSM_FREE char *after = listed->after;

		listed->after = NULL;
		listed->count = 0;
		r = rsm_content_list(verify->content, folder, after, take_listed, listed, err);
		if (r == 0 && listed->failed)
			r = rsm_err_oom(err);
		for (size_t i = 0; r == 0 && i < listed->count; i++)
			r = add_node(verify, &listed->nodes[i], err);
		if (r == 0 && rsmfs_request_is_cancelled(verify->request))
			r = rsm_err_set(err, EINTR, "interrupted");
	} while (r == 0 && listed->after);
	free(listed->after);
	return r < 0 ? r : 0;
}

/* What `rest` names below the cartridge; the caller may go there. */
static int find_start(struct verify *verify, const char *rest, struct rsm_node *ret_node,
		      struct rsm_err *err)
{
	RSM_FREE char *copy = strdup(rest);
	char *place = NULL;
	int r;

	if (!copy)
		return rsm_err_oom(err);
	r = rsm_content_get(verify->content, RSM_NODE_ROOT, ret_node, err);
	for (char *name = strtok_r(copy, "/", &place); r == 0 && name;
	     name = strtok_r(NULL, "/", &place)) {
		if (ret_node->id != RSM_NODE_ROOT && ret_node->kind == RSM_NODE_FOLDER &&
		    !may(verify, ret_node, RSMFS_EXECUTE))
			return rsm_err_set(err, EACCES, "%s: not allowed", rest);
		r = rsm_content_lookup(verify->content, ret_node->id, name, ret_node, err);
	}
	return r > 0 ? rsm_err_set(err, ENOENT, "%s: there is nothing of that name", rest) : r;
}

static int by_place(const void *a, const void *b)
{
	const struct wanted *one = a, *other = b;

	if (one->partition != other->partition)
		return one->partition < other->partition ? -1 : 1;
	if (one->block != other->block)
		return one->block < other->block ? -1 : 1;
	return one->id < other->id ? -1 : one->id > other->id;
}

static int collect(struct verify *verify, const char *rest, struct rsm_err *err)
{
	struct rsm_node start;
	int r = find_start(verify, rest, &start, err);

	if (r == 0)
		r = add_node(verify, &start, err);
	while (r == 0 && verify->folder_count)
		r = list_folder(verify, verify->folders[--verify->folder_count], err);
	if (r == 0 && verify->count)
		qsort(verify->files, verify->count, sizeof(*verify->files), by_place);
	return r;
}

/* ---- reading ---- */

static void read_done(struct rsm_content_read *read, int r, const struct iovec *iov, int iov_count,
		      const struct rsm_err *err)
{
	struct piece *piece = RSM_CONTAINER_OF(read, struct piece, request);
	struct verify *verify = piece->verify;
	size_t got = 0;

	for (int i = 0; r == 0 && i < iov_count; i++) {
		size_t n = iov[i].iov_len;

		if (n > piece->length - got)
			n = piece->length - got;
		memcpy(piece->data + got, iov[i].iov_base, n);
		got += n;
	}
	RSM_LOCK_SCOPE(&verify->lock);
	piece->r = r;
	piece->got = got;
	if (r < 0 && err)
		piece->err = *err;
	else if (r < 0)
		rsm_err_set(&piece->err, -r, "read error");
	piece->under_way = false;
	pthread_cond_broadcast(&verify->changed);
}

static bool is_under_way(struct verify *verify, struct piece *piece)
{
	RSM_LOCK_SCOPE(&verify->lock);
	return piece->under_way;
}

static void start_piece(struct verify *verify, struct rsm_open_file *file, struct piece *piece,
			uint64_t offset, uint64_t size)
{
	piece->offset = offset;
	piece->length = size - offset < PIECE ? (size_t)(size - offset) : PIECE;
	piece->request = (struct rsm_content_read){
		.offset = offset,
		.size = piece->length,
		.done = read_done,
	};
	rsm_mutex_lock(&verify->lock);
	piece->under_way = true;
	rsm_mutex_unlock(&verify->lock);
	rsm_content_read_file(file, &piece->request);
}

/* Returns when it is done: soon after the asker has gone. */
static void wait_piece(struct verify *verify, struct rsm_open_file *file, struct piece *piece)
{
	while (is_under_way(verify, piece)) {
		if (rsmfs_request_is_cancelled(verify->request))
			rsm_content_interrupt(file, &piece->request);
		RSM_LOCK_SCOPE(&verify->lock);
		if (piece->under_way)
			rsm_cond_wait_until(&verify->changed, &verify->lock,
					    rsm_clock_now_ns(rsm_clock_real()) + LOOK_AGAIN_NS);
	}
}

static bool others_read(struct verify *verify)
{
	struct rsm_content_use use;
	unsigned own = 0;

	for (int i = 0; i < PIECES; i++)
		own += is_under_way(verify, &verify->pieces[i]);
	rsm_content_use(verify->content, &use);
	return use.reading > own;
}

static void give_way(struct verify *verify)
{
	int64_t quiet_since = rsm_clock_now_ns(rsm_clock_real()), now = quiet_since;

	while (now - quiet_since < QUIET_NS && !rsmfs_request_is_cancelled(verify->request)) {
		rsm_clock_sleep_ns(rsm_clock_real(), RSM_SECOND_NS / 100);
		now = rsm_clock_now_ns(rsm_clock_real());
		if (others_read(verify))
			quiet_since = now;
	}
}

/* -EINTR; other errors are of the file. */
static int read_file(struct verify *verify, struct rsm_open_file *file, uint64_t size,
		     struct rsm_digest *digest, const char *path, struct rsm_err *err)
{
	uint64_t next = 0, at = 0;
	unsigned turn = 0;
	int r = 0;

	rsm_digest_begin(digest);
	while (r == 0 && at < size) {
		struct piece *piece = &verify->pieces[turn % PIECES];
		struct piece *ahead = &verify->pieces[(turn + 1) % PIECES];

		if (next == at) {
			if (others_read(verify))
				give_way(verify);
			start_piece(verify, file, piece, at, size);
			next = at + piece->length;
		}
		wait_piece(verify, file, piece);
		if (piece->r < 0) {
			r = piece->r;
			*err = piece->err;
			break;
		}
		if (next < size && piece->got == piece->length && !others_read(verify) &&
		    !rsmfs_request_is_cancelled(verify->request)) {
			start_piece(verify, file, ahead, next, size);
			next += ahead->length;
		}
		if (piece->got != piece->length)
			r = rsm_err_set(err, EIO, "the file is shorter than it should be");
		else if (rsmfs_request_is_cancelled(verify->request))
			r = rsm_err_set(err, EINTR, "interrupted");
		rsm_digest_add(digest, piece->data, piece->got);
		at += piece->length;
		turn++;
		rsmfs_request_progress(verify->request, verify->done + at, verify->total, path);
	}
	for (int i = 0; i < PIECES; i++)
		wait_piece(verify, file, &verify->pieces[i]);
	return r;
}

/* ---- one file ---- */

static void report(struct verify *verify, const char *path, const char *result, const char *text)
{
	struct rsmfs_request *request = verify->request;

	rsmfs_row_begin(request);
	rsmfs_row_text(request, path);
	rsmfs_row_text(request, result);
	rsmfs_row_text(request, text);
	rsmfs_row_end(request);
	if (verify->differ + verify->unreadable <= BAD_EVENTS)
		rsm_event_add(request->catalog, "error", "medium", verify->medium.barcode, "file",
			      path, "text", text, NULL);
}

static int compare(struct verify *verify, const struct wanted *file, const char *path,
		   struct rsm_digest *digest, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text stored = { 0 };
	char text[RSM_DIGEST_TEXT], words[64];
	const char *key = rsm_digest_key(rsm_digest_kind(digest));
	int r = rsm_digest_finish(digest, text, err);

	if (r < 0)
		return r;
	r = rsm_content_get_xattr(verify->content, file->id, key, &stored, err);
	if (r < 0)
		return r;
	if (r > 0) {
		verify->unhashed++; /* somebody took it away */
	} else if (rsm_digest_equals(text, stored.data ? stored.data : "", stored.length)) {
		verify->verified++;
	} else {
		verify->differ++;
		snprintf(words, sizeof(words), "differs from its checksum (%s)",
			 key + strlen(RSM_DIGEST_PREFIX));
		report(verify, path, "differs", words);
	}
	return 0;
}

static int get_digest(struct verify *verify, const struct rsm_node *node,
		      struct rsm_digest **ret_digest, struct rsm_err *err)
{
	enum rsm_digest_kind kind;
	int r = stored_kind(verify, node, &kind, err);

	*ret_digest = NULL;
	if (r < 0 || kind == RSM_DIGEST_NONE)
		return r;
	if (!verify->digests[kind])
		r = rsm_digest_new(kind, &verify->digests[kind], err);
	*ret_digest = verify->digests[kind];
	return r;
}

static int get_path(struct verify *verify, uint64_t id, char **ret_path, struct rsm_err *err)
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
static bool is_changed(struct verify *verify, const struct rsm_node *before)
{
	enum rsm_residency residency;
	struct rsm_extent first;
	struct rsm_node after;

	return rsm_content_get(verify->content, before->id, &after, NULL) != 0 ||
	       after.data_version != before->data_version || after.size != before->size ||
	       rsm_content_residency(verify->content, before->id, &residency, &first, NULL) != 0 ||
	       residency == RSM_RESIDENT_STAGED;
}

static int verify_file(struct verify *verify, const struct wanted *wanted, struct rsm_err *err)
{
	struct rsm_open_file *file = NULL;
	struct rsm_digest *digest;
	RSM_FREE char *path = NULL;
	struct rsm_err why;
	struct rsm_node node;
	bool keep;
	int r = rsm_content_get(verify->content, wanted->id, &node, err);

	if (r == 0)
		r = get_path(verify, wanted->id, &path, err);
	if (r)
		return r < 0 && r != -ENOENT ? r : 0; /* removed since */
	r = get_digest(verify, &node, &digest, err);
	if (r == 0 && !digest)
		verify->unhashed++;
	if (r < 0 || !digest)
		return r;
	r = rsm_content_open(verify->content, wanted->id, O_RDONLY, &file, &keep, err);
	if (r)
		return r == -ENOENT || r == -ESTALE || r > 0 ? 0 : r;
	r = read_file(verify, file, node.size, digest, path, &why);
	rsm_content_release(file);
	if (r == -EINTR || r == -ENOMEDIUM || r == -ENODEV || r == -ENOMEM) {
		*err = why;
		return r;
	}
	if (is_changed(verify, &node)) {
		verify->staged++;
		return 0;
	}
	if (r == 0)
		return compare(verify, wanted, path, digest, err);
	verify->unreadable++;
	report(verify, path, "unreadable", why.msg);
	return 0;
}

/* ---- the whole ---- */

static void tell(struct verify *verify, const char *operand)
{
	struct rsmfs_request *request = verify->request;
	char numbers[4][24];
	const uint64_t counts[] = { verify->verified, verify->differ, verify->unreadable,
				    verify->unhashed };

	for (int i = 0; i < 4; i++)
		snprintf(numbers[i], sizeof(numbers[i]), "%" PRIu64, counts[i]);
	rsm_event_add(request->catalog, "verify", "medium", verify->medium.barcode, "path", operand,
		      "verified", numbers[0], "differ", numbers[1], "unreadable", numbers[2],
		      "unhashed", numbers[3], NULL);
	rsmfs_request_table(request, "done", "summary",
			    "verified:n\tdiffer:n\tunreadable:n\tunhashed:n\tstaged:n\tbytes:z");
	rsmfs_row_begin(request);
	for (int i = 0; i < 4; i++)
		rsmfs_row_number(request, counts[i]);
	rsmfs_row_number(request, verify->staged);
	rsmfs_row_number(request, verify->done);
	rsmfs_row_end(request);
	rsmfs_request_text(request,
			   "%s verified, %s differ, %s cannot be read, %s without checksum",
			   numbers[0], numbers[1], numbers[2], numbers[3]);
	if (verify->staged)
		rsmfs_request_note(request,
				   "%" PRIu64 " files were not read: they are being changed",
				   verify->staged);
	if (verify->refused)
		rsmfs_request_note(request,
				   "%" PRIu64 " files or folders were not read: not allowed",
				   verify->refused);
}

static int verify_content(struct verify *verify, const char *operand, const char *rest,
			  struct rsm_err *err)
{
	struct rsmfs_request *request = verify->request;
	int r = collect(verify, rest, err);

	if (r < 0)
		return r;
	rsmfs_request_table(request, "list", "files", "path:s\tresult:s\ttext:s");
	if (verify->total)
		r = rsm_manager_mount_wait(request->manager, &verify->medium.id, 1, 0, 0, 0, 0,
					   request->caller->uid, &request->cancel, err);
	for (size_t i = 0; r == 0 && i < verify->count; i++) {
		r = verify_file(verify, &verify->files[i], err);
		verify->done += verify->files[i].size;
		if (r == 0 && rsmfs_request_is_cancelled(request))
			r = rsm_err_set(err, EINTR, "interrupted");
	}
	if (r < 0)
		return r;
	tell(verify, operand);
	if (verify->differ || verify->unreadable)
		return rsm_err_set(err, EIO,
				   "%s: %" PRIu64 " files differ from their checksums, %" PRIu64
				   " cannot be read",
				   operand, verify->differ, verify->unreadable);
	return 0;
}

/* What is not on the medium yet is brought there; what nobody has seen yet is looked at. */
static int open_content(struct verify *verify, struct rsm_err *err)
{
	struct rsmfs_request *request = verify->request;
	struct rsm_medium_use use;
	int r = rsm_manager_content(request->manager, verify->medium.id, &verify->content, err);

	if (r == RSM_MANAGER_MUST_MOUNT) {
		rsmfs_request_progress(request, 0, 0, "mounting");
		r = rsm_manager_mount_wait(request->manager, &verify->medium.id, 1, 0, 0, 0, 0,
					   request->caller->uid, &request->cancel, err);
		if (r == 0)
			r = rsm_manager_content(request->manager, verify->medium.id,
						&verify->content, err);
	}
	if (r > 0)
		return rsm_err_set(err, ENOTSUP, "%s holds no files that could be verified",
				   rsmfs_medium_word(&verify->medium));
	if (r == 0)
		r = rsm_manager_medium_use(request->manager, verify->medium.id, &use, err);
	if (r == 0) {
		verify->index = rsm_content_index(verify->content);
		if (use.staged_files || rsm_volume_index_tree_version(verify->index) !=
						rsm_volume_index_indexed_version(verify->index))
			r = rsm_manager_sync_wait(request->manager, verify->medium.id,
						  rsmfs_request_progress, request, &request->cancel,
						  err);
	}
	return r > 0 ? 0 : r;
}

static void verify_fini(struct verify *verify)
{
	if (verify->content)
		rsm_manager_content_unref(verify->request->manager, verify->content);
	for (int i = 0; i < PIECES; i++)
		free(verify->pieces[i].data);
	for (int i = 0; i < RSM_DIGEST_KINDS; i++)
		rsm_digest_free(verify->digests[i]);
	pthread_cond_destroy(&verify->changed);
	rsm_mutex_fini(&verify->lock);
	free(verify->folders);
	free(verify->files);
	free(verify->top);
}

int rsmfs_run_verify(struct rsmfs_request *request, struct rsm_err *err)
{
	__attribute__((cleanup(verify_fini))) struct verify verify = { .request = request };
	const char *operand = request->call.operands[0];
	struct rsmfs_object object;
	int r = 0;

	rsm_mutex_init(&verify.lock);
	rsm_cond_init(&verify.changed);
	for (int i = 0; i < PIECES; i++) {
		verify.pieces[i].verify = &verify;
		verify.pieces[i].data = malloc(PIECE);
		if (!verify.pieces[i].data)
			return rsm_err_oom(err);
	}
	r = rsmfs_object_find(request, operand, &object, err);
	if (r < 0)
		return r;
	if (object.is_pool)
		return rsm_err_set(err, EISDIR, "%s: is a pool; name a cartridge or what is in it",
				   operand);
	verify.medium = object.medium;
	r = rsmfs_access_medium(request->catalog, request->caller, request->admin, &verify.medium,
				RSMFS_READ | RSMFS_EXECUTE, err);
	if (r == 0)
		r = rsmfs_medium_path(request, &verify.medium, &verify.top, err);
	if (r == 0)
		r = open_content(&verify, err);
	return r ? r : verify_content(&verify, operand, object.rest, err);
}
