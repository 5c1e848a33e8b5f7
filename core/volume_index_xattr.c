#include <inttypes.h>
#include <string.h>
#include <sys/xattr.h>

#include "core/digest.h"
#include "core/volume_index_private.h"

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

int rsm_vi_drop_hashes(struct rsm_volume_index *index, uint64_t id, uint32_t flags,
		       struct rsm_err *err)
{
	sqlite3_stmt *drop = rsm_vi_statement(index, RSM_VI_DELETE_HASHES);
	int r;

	if (!(flags & RSM_NODE_HAS_XATTRS))
		return 0;
	rsm_vi_bind_id(drop, 1, id);
	r = rsm_sqlite_run(drop, err);
	return r < 0 || !sqlite3_changes(index->db) ? r : set_flag(index, id, err);
}

/* The tree's version has been raised by who calls. */
int rsm_vi_put_hash(struct rsm_volume_index *index, uint64_t id, uint32_t flags, const char *key,
		    const char *hash, struct rsm_err *err)
{
	sqlite3_stmt *put = rsm_vi_statement(index, RSM_VI_SET_XATTR);
	sqlite3_stmt *flag = rsm_vi_statement(index, RSM_VI_SET_FLAG);
	int r;

	rsm_vi_bind_id(put, 1, id);
	sqlite3_bind_text(put, 2, key, -1, SQLITE_STATIC);
	sqlite3_bind_blob64(put, 3, hash, strlen(hash), SQLITE_STATIC);
	r = rsm_sqlite_run(put, err);
	if (r < 0 || (flags & RSM_NODE_HAS_XATTRS))
		return r;
	rsm_vi_bind_id(flag, 1, id);
	sqlite3_bind_int(flag, 2, RSM_NODE_HAS_XATTRS);
	sqlite3_bind_int(flag, 3, RSM_NODE_HAS_XATTRS);
	return rsm_sqlite_run(flag, err);
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
	return rsm_vi_end(index, &call, put_xattr(index, id, key, value, length, err), err);
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
