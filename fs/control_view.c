/* rsm view: media and pools. Rows are copied a page at a time, for the catalogue's lists are called
 * under its lock and the reader of a reply may be slow.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/copy.h"
#include "core/identification.h"
#include "core/undelete.h"
#include "fs/control_request.h"

enum { PAGE = 64 };

struct medium_page {
	struct rsm_medium *media; /* room for PAGE */
	size_t count;
};

static bool take_medium(void *context, const struct rsm_medium *medium)
{
	struct medium_page *page = context;

	page->media[page->count++] = *medium;
	return page->count < PAGE;
}

/* The one who asks may look into the pool (r and x), else its names are left out. */
static int may_read(struct rsmfs_request *request, const struct rsm_medium *medium, bool *ret_may,
		    struct rsm_err *err)
{
	int r = 0;

	if (medium->pool && !rsmfs_access_is_admin(request->caller, request->admin))
		r = rsmfs_access_pool(request->catalog, request->caller, request->admin,
				      medium->pool, RSMFS_READ | RSMFS_EXECUTE, err);
	*ret_may = r == 0;
	return r == -EACCES ? 0 : r;
}

/* What rsm undelete would bring back, for those who may. */
static void add_former(struct rsmfs_request *request, const struct rsm_medium *medium)
{
	RSM_TEXT struct rsm_text path = { 0 };
	struct rsm_former former;

	rsm_text_add(&path, "");
	if (rsm_former_get(request->catalog, medium->id, &former, NULL) == 0 && former.has_owner &&
	    (former.owner == request->caller->uid ||
	     rsmfs_access_is_admin(request->caller, request->admin)))
		rsm_text_printf(&path, "%s/%s", former.pool, former.name);
	rsmfs_row_text(request, path.failed ? "" : path.data);
}

static int view_medium(struct rsmfs_request *request, const struct rsm_medium *medium,
		       struct rsm_err *err)
{
	RSM_FREE char *path = NULL, *pool = NULL;
	RSM_TEXT struct rsm_text label = { 0 };
	struct rsm_medium_use use = { 0 };
	int64_t shown_pool = 0;
	uint64_t total, left;
	bool is_copy = false;
	char location[32];
	bool may;
	int r = may_read(request, medium, &may, err);

	if (r == 0)
		r = rsmfs_medium_path(request, medium, &path, err);
	if (r == 0)
		r = rsmfs_shown_pool(request, medium, &shown_pool, &is_copy, err);
	if (r == 0 && shown_pool)
		r = rsm_pool_path(request->catalog, shown_pool, &pool, err);
	if (r >= 0)
		r = rsm_manager_medium_use(request->manager, medium->id, &use, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r; /* it went while we looked */
	rsmfs_medium_location(medium, location, sizeof(location));
	bool is_free_path = path && *path && may && !is_copy;
	if (may)
		rsm_identification_label_text(medium, &label);
	if (label.failed)
		return rsm_err_oom(err);

	rsmfs_row_begin(request);
	rsmfs_row_text(request, is_free_path ? path : "");
	rsmfs_row_text(request, medium->barcode);
	rsmfs_row_text(request, medium->media_type);
	rsmfs_row_text(request, pool);
	rsmfs_row_text(request, may && !is_copy ? rsmfs_medium_word(medium) : medium->shown);
	rsmfs_row_text(request, medium->cleaner	   ? "cleaner"
				: !medium->enabled ? "disabled"
						   : rsm_medium_state_name(medium->state));
	rsmfs_row_text(request, location);
	rsmfs_row_number(request, use.mounted);
	rsm_manager_medium_space(request->manager, medium, &use, &total, &left);
	if (total && !medium->cleaner) {
		rsmfs_row_number(request, total);
		rsmfs_row_number(request, left);
	} else {
		rsmfs_row_null(request);
		rsmfs_row_null(request);
	}
	rsmfs_row_number(request, use.staged_bytes);
	rsmfs_row_text(request, may ? medium->lmid : "");
	rsmfs_row_text(request, medium->volume_uuid);
	rsmfs_row_text(request, label.data ? label.data : "");
	rsmfs_row_text(request, medium->health);
	add_former(request, medium);
	r = rsmfs_record_row(request, medium, err);
	if (r == 0)
		rsmfs_row_end(request);
	return r;
}

static int view_media_of(struct rsmfs_request *request, int64_t pool, struct rsm_err *err)
{
	RSM_FREE struct rsm_medium *media = calloc(PAGE, sizeof(*media));
	char after[RSM_NAME_SIZE] = "";
	int64_t after_id = 0;

	if (!media)
		return rsm_err_oom(err);
	for (;;) {
		struct medium_page page = { .media = media };
		int r = pool ? rsm_medium_list_pool(request->catalog, pool, after, take_medium,
						    &page, err)
			     : rsm_medium_list_all(request->catalog, after_id, take_medium, &page,
						   err);

		if (r < 0)
			return r;
		for (size_t i = 0; i < page.count; i++) {
			if (rsmfs_request_is_cancelled(request))
				return rsm_err_set(err, EINTR, "view: interrupted");
			if (request->library && media[i].library != request->library)
				continue;
			r = view_medium(request, &media[i], err);
			if (r < 0)
				return r;
		}
		if (page.count < PAGE)
			return 0;
		after_id = media[page.count - 1].id;
		memcpy(after, media[page.count - 1].shown, sizeof(after));
	}
}

struct pool_page {
	struct rsm_pool *pools; /* room for PAGE */
	size_t count;
};

static bool take_pool(void *context, const struct rsm_pool *pool)
{
	struct pool_page *page = context;

	page->pools[page->count++] = *pool;
	return page->count < PAGE;
}

/* Calls `each` for every pool below `parent`, each before those in it. */
typedef int pool_visit(struct rsmfs_request *request, const struct rsm_pool *pool,
		       struct rsm_err *err);

static int walk_pools(struct rsmfs_request *request, int64_t parent, pool_visit *each,
		      unsigned depth, struct rsm_err *err)
{
	RSM_FREE struct rsm_pool *pools = calloc(PAGE, sizeof(*pools));
	char after[RSM_NAME_SIZE] = "";

	if (!pools)
		return rsm_err_oom(err);
	if (depth > 256)
		return rsm_err_set(err, EBADMSG, "the catalogue's pools are nested too deeply");
	for (;;) {
		struct pool_page page = { .pools = pools };
		int r = rsm_pool_list(request->catalog, parent, *after ? after : NULL, take_pool,
				      &page, err);

		if (r < 0)
			return r;
		for (size_t i = 0; i < page.count; i++) {
			if (rsmfs_request_is_cancelled(request))
				return rsm_err_set(err, EINTR, "view: interrupted");
			r = each(request, &pools[i], err);
			if (r == 0 && pools[i].sub_pools)
				r = walk_pools(request, pools[i].id, each, depth + 1, err);
			if (r < 0)
				return r;
		}
		if (page.count < PAGE)
			return 0;
		memcpy(after, pools[page.count - 1].name, sizeof(after));
	}
}

static int view_pool_media(struct rsmfs_request *request, const struct rsm_pool *pool,
			   struct rsm_err *err)
{
	return view_media_of(request, pool->id, err);
}

static int view_media(struct rsmfs_request *request, const char *operand, struct rsm_err *err)
{
	struct rsmfs_object object = { .is_pool = true };
	int r = 0;

	if (operand && !strncmp(operand, "library:", 8))
		r = rsmfs_object_library(request, operand, &request->library, err);
	else if (operand)
		r = rsmfs_object_find(request, operand, &object, err);
	if (r < 0)
		return r;
	rsmfs_request_table(request, "table", "media",
			    "path:s\tbarcode:s\ttype:s\tpool:S\tname:S\tstate:s\tlocation:s\t"
			    "mounted:b\tcapacity:z\tremaining:z\tstaged:z\tlmid:S\tvolume_uuid:S\t"
			    "label:s\thealth:s\tformer:S\t" RSMFS_RECORD_COLUMNS);
	if (!object.is_pool)
		return view_medium(request, &object.medium, err);
	if (object.pool.id == RSM_POOL_TOP)
		return view_media_of(request, 0, err);
	r = view_media_of(request, object.pool.id, err);
	return r < 0 ? r : walk_pools(request, object.pool.id, view_pool_media, 0, err);
}

static int view_pool(struct rsmfs_request *request, const struct rsm_pool *pool,
		     struct rsm_err *err)
{
	RSM_FREE char *path = NULL;
	uint32_t copies = 1;
	int r = rsm_pool_path(request->catalog, pool->id, &path, err);

	if (r == 0)
		r = rsm_pool_get_copies(request->catalog, pool->id, &copies, err);
	if (r)
		return r < 0 ? r : 0; /* it went while we looked */
	rsmfs_row_begin(request);
	rsmfs_row_text(request, path);
	rsmfs_row_text(request, pool->holds == RSM_POOL_HOLDS_POOLS ? "pools" : "media");
	rsmfs_row_text(request, pool->media_type);
	rsmfs_row_number(request, pool->media);
	rsmfs_row_number(request, pool->allocated);
	rsmfs_row_number(request, pool->draw_from_free);
	rsmfs_row_number(request, pool->return_to_free);
	rsmfs_row_number(request, pool->allocation_limit);
	rsmfs_row_number(request, pool->max_allocations);
	rsmfs_row_number(request, copies);
	r = rsmfs_row_description(request, "pool", pool->guid, err);
	if (r < 0)
		return r;
	rsmfs_row_text(request, pool->guid);
	rsmfs_row_end(request);
	return 0;
}

static int view_pools(struct rsmfs_request *request, const char *operand, struct rsm_err *err)
{
	struct rsm_pool pool = { .id = RSM_POOL_TOP };
	int r = operand ? rsmfs_object_pool(request, operand, &pool, err) : 0;

	if (r < 0)
		return r;
	rsmfs_request_table(request, "table", "pools",
			    "path:s\tholds:s\ttype:s\tmedia:n\tallocated:n\tdraw:b\treturn:b\t"
			    "limit:n\tmax_allocations:n\tcopies:n\tdescription:S\tguid:S");
	if (pool.id != RSM_POOL_TOP)
		r = view_pool(request, &pool, err);
	return r < 0 ? r : walk_pools(request, pool.id, view_pool, 0, err);
}

static int view_overview(struct rsmfs_request *request, struct rsm_err *err)
{
	int r = rsmfs_view_libraries(request, err);

	if (r == 0)
		r = rsmfs_view_drives(request, err);
	if (r == 0)
		r = view_pools(request, NULL, err);
	if (r == 0)
		r = view_media(request, NULL, err);
	if (r == 0)
		r = rsmfs_view_queue(request, err);
	if (r == 0)
		r = rsmfs_view_requests(request, err);
	return r;
}

int rsmfs_run_view(struct rsmfs_request *request, struct rsm_err *err)
{
	static const struct {
		const char *what;
		int (*view)(struct rsmfs_request *request, struct rsm_err *err);
	} views[] = {
		{ "libraries", rsmfs_view_libraries }, { "changers", rsmfs_view_changers },
		{ "drives", rsmfs_view_drives },       { "drive-types", rsmfs_view_drive_types },
		{ "slots", rsmfs_view_slots },	       { "doors", rsmfs_view_doors },
		{ "ports", rsmfs_view_ports },	       { "media-types", rsmfs_view_media_types },
		{ "logical", rsmfs_view_logical },     { "sides", rsmfs_view_sides },
		{ "queue", rsmfs_view_queue },	       { "requests", rsmfs_view_requests },
		{ "computer", rsmfs_view_computer }
	};
	size_t count = request->call.operand_count;
	const char *what = count ? request->call.operands[0] : NULL;
	const char *operand = count > 1 ? request->call.operands[1] : NULL;

	if (!what)
		return view_overview(request, err);
	if (!strcmp(what, "media"))
		return view_media(request, operand, err);
	if (!strcmp(what, "pools"))
		return view_pools(request, operand, err);
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		const struct rsmfs_view_word *word = rsmfs_view_find(what);

		if (strcmp(what, views[i].what) != 0)
			continue;
		if (operand && word && !word->container)
			return rsm_err_set(err, EINVAL, "view %s: is of the whole mount", what);
		if (operand && word && word->container == 'n') {
			int r = rsmfs_object_library(request, operand, &request->library, err);

			if (r < 0)
				return r;
		}
		return views[i].view(request, err);
	}
	if (operand)
		return rsm_err_set(err, EINVAL, "view: there are no '%s' to see", what);
	return view_media(request, what, err);
}
