#include <inttypes.h>
#include <string.h>
#include <sys/xattr.h>

#include "core/digest.h"
#include "core/volume_index_private.h"

enum { MEASURED_ONE = RSM_NODE_MEASURED / 7 }; /* the lowest bit */
_Static_assert(RSM_DIGEST_KINDS <= 8, "a kind fits into the flags");

static int get_xattr(struct rsm_volume_index *index, uint64_t id, const char *key,
		     struct rsm_text *ret_value, struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *get = rsm_vi_statement(index, RSM_VI_GET_XATTR);
	int r;

	rsm_vi_bind_id(get, 1, id);
	sqlite3_bind_text(get, 2, key, -1, SQLITE_STATIC);
	r = rsm_sqlite_step(get, err);
	if (r < 0)
		return r;
	if (r == RSM_SQLITE_DONE)
		return RSM_NODE_ABSENT;
	if (ret_value) {
		const void *value = sqlite3_column_blob(get, 0);

		rsm_text_append(ret_value, value ? value : "",
				(size_t)sqlite3_column_bytes(get, 0));
		if (ret_value->failed)
			return rsm_err_oom(err);
	}
	return 0;
}

int rsm_volume_index_get_xattr(struct rsm_volume_index *index, uint64_t id, const char *key,
			       struct rsm_text *ret_value, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);

	return get_xattr(index, id, key, ret_value, err);
}

static int set_flag(struct rsm_volume_index *index, uint64_t id, struct rsm_err *err)
{
	sqlite3_stmt *has = rsm_vi_statement(index, RSM_VI_HAS_XATTR);
	sqlite3_stmt *flag = rsm_vi_statement(index, RSM_VI_SET_FLAG);
	int r;

	rsm_vi_bind_id(has, 1, id);
	r = rsm_sqlite_step(has, err);
	sqlite3_reset(has);
	if (r < 0)
		return r;
	rsm_vi_bind_id(flag, 1, id);
	sqlite3_bind_int(flag, 2, RSM_NODE_HAS_XATTRS);
	sqlite3_bind_int(flag, 3, r == 0 ? RSM_NODE_HAS_XATTRS : 0);
	return rsm_sqlite_run(flag, err);
}

static int put_xattr(struct rsm_volume_index *index, uint64_t id, const char *key,
		     const void *value, size_t length, struct rsm_err *err)
{
	sqlite3_stmt *put = rsm_vi_statement(index, value ? RSM_VI_SET_XATTR : RSM_VI_DELETE_XATTR);
	int r;

	r = rsm_vi_bump(index, err);
	if (r < 0)
		return r;
	rsm_vi_bind_id(put, 1, id);
	sqlite3_bind_text(put, 2, key, -1, SQLITE_STATIC);
	if (value)
		sqlite3_bind_blob64(put, 3, value, length, SQLITE_STATIC);
	r = rsm_sqlite_run(put, err);
	return r < 0 ? r : set_flag(index, id, err);
}

/* ---- digests of contents: no attribute may tell of contents that are gone ---- */

static int set_measured(struct rsm_volume_index *index, uint64_t id, enum rsm_digest_kind kind,
			struct rsm_err *err)
{
	sqlite3_stmt *flag = rsm_vi_statement(index, RSM_VI_SET_FLAG);

	rsm_vi_bind_id(flag, 1, id);
	sqlite3_bind_int(flag, 2, RSM_NODE_MEASURED | (kind ? RSM_NODE_HAS_XATTRS : 0));
	sqlite3_bind_int(flag, 3, (int)kind * MEASURED_ONE | (kind ? RSM_NODE_HAS_XATTRS : 0));
	return rsm_sqlite_run(flag, err);
}

int rsm_vi_drop_hashes(struct rsm_volume_index *index, uint64_t id, uint32_t flags,
		       struct rsm_err *err)
{
	sqlite3_stmt *drop = rsm_vi_statement(index, RSM_VI_DELETE_HASHES);
	int r;

	if (!(flags & RSM_NODE_HAS_XATTRS))
		return 0;
	rsm_vi_bind_id(drop, 1, id);
	r = rsm_sqlite_run(drop, err);
	if (r < 0 || !sqlite3_changes(index->db))
		return r;
	r = set_measured(index, id, RSM_DIGEST_NONE, err);
	return r < 0 ? r : set_flag(index, id, err);
}

/* The tree's version has been raised by who calls. */
int rsm_vi_put_hash(struct rsm_volume_index *index, uint64_t id, const char *key, const char *hash,
		    struct rsm_err *err)
{
	sqlite3_stmt *put = rsm_vi_statement(index, RSM_VI_SET_XATTR);
	int r;

	rsm_vi_bind_id(put, 1, id);
	sqlite3_bind_text(put, 2, key, -1, SQLITE_STATIC);
	sqlite3_bind_blob64(put, 3, hash, strlen(hash), SQLITE_STATIC);
	r = rsm_sqlite_run(put, err);
	return r < 0 ? r : set_measured(index, id, rsm_digest_of_key(key), err);
}

/* What somebody sets or removes is not what was measured. What he sets is of the contents now:
 * those that are of what another system changed must not be taken for the same.
 */
static int note_claim(struct rsm_volume_index *index, const struct rsm_node *node, const char *key,
		      bool sets, struct rsm_err *err)
{
	enum rsm_digest_kind kind = rsm_digest_of_key(key);
	int r;

	if (kind == RSM_DIGEST_NONE)
		return 0;
	if (kind == rsm_node_measured(node->flags))
		return set_measured(index, node->id, RSM_DIGEST_NONE, err);
	if (!sets)
		return 0;
	r = get_xattr(index, node->id, RSM_DIGEST_PLACE, NULL, err);
	if (r == 0)
		return rsm_vi_drop_hashes(index, node->id, node->flags, err);
	return r < 0 ? r : 0;
}

/* The best kind of which there is a digest; *ret_stale: none of them is of these contents. */
static int find_claim(struct rsm_volume_index *index, uint64_t id, enum rsm_digest_kind *ret_kind,
		      bool *ret_stale, struct rsm_err *err)
{
	RSM_SQLITE_RESET sqlite3_stmt *list = rsm_vi_statement(index, RSM_VI_LIST_XATTRS);
	int r;

	rsm_vi_bind_id(list, 1, id);
	while ((r = rsm_sqlite_step(list, err)) == 0) {
		const char *key = (const char *)sqlite3_column_text(list, 0);
		enum rsm_digest_kind kind;

		if (!key)
			return rsm_err_oom(err);
		kind = rsm_digest_of_key(key);
		if (kind > *ret_kind)
			*ret_kind = kind;
		*ret_stale |= strcmp(key, RSM_DIGEST_PLACE) == 0;
	}
	return r < 0 ? r : 0;
}

int rsm_volume_index_checksum(struct rsm_volume_index *index, uint64_t id,
			      enum rsm_checksum_state *ret_state, enum rsm_digest_kind *ret_kind,
			      struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	enum rsm_digest_kind kind;
	struct rsm_node node;
	bool stale = false;
	int r = rsm_vi_get(index, id, &node, err);

	*ret_state = RSM_CHECKSUM_NONE;
	*ret_kind = RSM_DIGEST_NONE;
	if (r || !(node.flags & RSM_NODE_HAS_XATTRS))
		return r;
	kind = rsm_node_measured(node.flags);
	if (kind != RSM_DIGEST_NONE) {
		r = get_xattr(index, id, rsm_digest_key(kind), NULL, err);
		if (r < 0)
			return r;
		if (r == 0) {
			*ret_state = RSM_CHECKSUM_MEASURED;
			*ret_kind = kind;
			return 0;
		}
	}
	r = find_claim(index, id, ret_kind, &stale, err);
	if (r == 0 && *ret_kind)
		*ret_state = stale ? RSM_CHECKSUM_STALE : RSM_CHECKSUM_CLAIMED;
	return r;
}

static int put_checksum(struct rsm_volume_index *index, uint64_t id, uint32_t flags,
			const char *key, const char *hash, bool alone, struct rsm_err *err)
{
	sqlite3_stmt *drop = rsm_vi_statement(index, RSM_VI_DELETE_XATTR);
	int r = rsm_vi_bump(index, err);

	if (r == 0 && alone)
		r = rsm_vi_drop_hashes(index, id, flags, err);
	if (r < 0)
		return r;
	rsm_vi_bind_id(drop, 1, id);
	sqlite3_bind_text(drop, 2, RSM_DIGEST_PLACE, -1, SQLITE_STATIC);
	r = rsm_sqlite_run(drop, err);
	return r < 0 ? r : rsm_vi_put_hash(index, id, key, hash, err);
}

int rsm_volume_index_set_checksum(struct rsm_volume_index *index, uint64_t id,
				  uint64_t data_version, enum rsm_digest_kind kind,
				  const char *hash, bool alone, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	RSM_VI_DATA struct rsm_vi_data data = { 0 };
	struct rsm_vi_call call;
	int r;

	if (!rsm_digest_key(kind))
		return rsm_err_set(err, EINVAL, "there is no such checksum");
	r = rsm_vi_get_data(index, id, true, &data, err);
	if (r)
		return r;
	if (!data.parent || data.kind != RSM_NODE_FILE || data.data_version != data_version ||
	    (data.staged_bytes && !data.written))
		return RSM_NODE_ABSENT;
	r = rsm_vi_begin(index, &call, true, err);
	if (r < 0)
		return r;
	r = put_checksum(index, id, data.flags, rsm_digest_key(kind), hash, alone, err);
	return rsm_vi_end(index, &call, r, err);
}

int rsm_volume_index_set_xattr(struct rsm_volume_index *index, uint64_t id, const char *key,
			       const void *value, size_t length, int flags, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	struct rsm_vi_call call;
	struct rsm_node node;
	int r;

	r = rsm_vi_get(index, id, &node, err);
	if (r == RSM_NODE_ABSENT)
		return rsm_err_set(err, ENOENT, "node %" PRIu64 " does not exist", id);
	if (r == 0)
		r = get_xattr(index, id, key, NULL, err);
	if (r < 0)
		return r;
	if (r == RSM_NODE_ABSENT && (!value || (flags & XATTR_REPLACE)))
		return rsm_err_set(err, ENODATA, "there is no attribute %s", key);
	if (r == 0 && value && (flags & XATTR_CREATE))
		return rsm_err_set(err, EEXIST, "the attribute %s exists already", key);
	r = rsm_vi_begin(index, &call, true, err);
	if (r < 0)
		return r;
	r = note_claim(index, &node, key, value != NULL, err);
	if (r == 0)
		r = put_xattr(index, id, key, value, length, err);
	return rsm_vi_end(index, &call, r, err);
}

int rsm_volume_index_list_xattrs(struct rsm_volume_index *index, uint64_t id,
				 struct rsm_text *ret_keys, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&index->lock);
	RSM_SQLITE_RESET sqlite3_stmt *list = rsm_vi_statement(index, RSM_VI_LIST_XATTRS);
	int r;

	rsm_vi_bind_id(list, 1, id);
	while ((r = rsm_sqlite_step(list, err)) == 0) {
		const char *key = (const char *)sqlite3_column_text(list, 0);

		if (!key)
			return rsm_err_oom(err);
		rsm_text_append(ret_keys, key, strlen(key) + 1);
	}
	if (r < 0)
		return r;
	return ret_keys->failed ? rsm_err_oom(err) : 0;
}
