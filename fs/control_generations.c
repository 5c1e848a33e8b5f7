/* rsm check --list, --rollback, --view, --unview: the generations of a volume. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/view.h"
#include "fs/control_request.h"

enum { POINTS_AT_ONCE = 32 };

static struct rsm_generation_asker asker_of(const struct rsmfs_request *request,
					    const struct rsm_medium *medium)
{
	return (struct rsm_generation_asker){
		.manager = request->manager,
		.medium = medium->id,
		.user = request->caller->uid,
		.cancel = &request->cancel,
	};
}

static bool owns(const struct rsmfs_request *request, uid_t owner)
{
	return request->caller->uid == owner ||
	       rsmfs_access_is_admin(request->caller, request->admin);
}

/* ---- --list ---- */

static const char *state_of(const struct rsm_ltfs_point *point)
{
	if (point->torn)
		return "not whole";
	if (point->current)
		return "current";
	return point->linked || point->back_partition != point->partition ? "earlier"
									  : "left behind";
}

static void row_number_if(struct rsmfs_request *request, bool known, uint64_t number)
{
	if (known)
		rsmfs_row_number(request, number);
	else
		rsmfs_row_null(request);
}

static void send_point(struct rsmfs_request *request, const struct rsm_ltfs_point *point)
{
	char letter[2] = { point->partition, '\0' }, place[32], back[32] = "";

	snprintf(place, sizeof(place), "%c:%" PRIu64, point->partition, point->block);
	if (point->back_partition)
		snprintf(back, sizeof(back), "%c:%" PRIu64, point->back_partition,
			 point->back_block);
	rsmfs_row_begin(request);
	row_number_if(request, !point->torn, point->generation);
	if (point->torn)
		rsmfs_row_null(request);
	else
		rsmfs_row_time(request, &point->update_time);
	rsmfs_row_text(request, place);
	rsmfs_row_text(request, letter);
	rsmfs_row_number(request, point->block);
	row_number_if(request, point->counted, point->files);
	row_number_if(request, point->counted, point->bytes);
	rsmfs_row_text(request, state_of(point));
	rsmfs_row_text(request, point->torn ? point->why : point->creator);
	rsmfs_row_text(request, point->torn ? "" : point->incremental ? "incremental" : "full");
	rsmfs_row_text(request, point->version);
	rsmfs_row_text(request, back);
	rsmfs_row_number(request, point->current);
	rsmfs_row_number(request, point->linked);
	rsmfs_row_end(request);
}

static int list(struct rsmfs_request *request, const struct rsm_medium *medium, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_ltfs_history_free) struct rsm_ltfs_history *history = NULL;
	RSM_FREE struct rsm_ltfs_point *points = calloc(POINTS_AT_ONCE, sizeof(*points));
	struct rsm_generation_asker asker = asker_of(request, medium);
	uint64_t seen = 0;
	size_t count;
	int r;

	if (!points)
		return rsm_err_oom(err);
	r = rsm_ltfs_history_new(RSM_LTFS_HISTORY_RECORDS, &history, err);
	rsmfs_request_table(
		request, "table", "generations",
		"generation:n\ttime:t\tplace:s\tpartition:S\tblock:N\tfiles:n\tbytes:z\t"
		"state:s\tcreator:s\tkind:S\tversion:S\tback:S\tcurrent:B\tlinked:B");
	while (r == 0) {
		r = rsm_generation_next_wait(&asker, history, points, POINTS_AT_ONCE, &count, err);
		for (size_t i = 0; r >= 0 && i < count; i++)
			send_point(request, &points[i]);
		if (r >= 0)
			seen += count;
		rsmfs_request_progress(request, seen, 0, "looking for generations");
	}
	return r < 0 ? r : 0;
}

/* ---- --view, --unview ---- */

static void send_view(struct rsmfs_request *request, const struct rsm_view_info *info)
{
	char path[RSM_BARCODE_SIZE + 64];

	snprintf(path, sizeof(path), ".rsm/views/%s/%" PRIu64, info->barcode, info->generation);
	rsmfs_request_table(request, "list", "view", "path:s\tbarcode:S\tgeneration:N\ttime:T");
	rsmfs_row_begin(request);
	rsmfs_row_text(request, path);
	rsmfs_row_text(request, info->barcode);
	rsmfs_row_number(request, info->generation);
	rsmfs_row_time(request, &info->update_time);
	rsmfs_row_end(request);
}

static int view(struct rsmfs_request *request, const struct rsm_medium *medium, uint64_t generation,
		struct rsm_err *err)
{
	struct rsm_generation_asker asker = asker_of(request, medium);
	struct rsm_view_info info;
	int r;

	rsmfs_request_progress(request, 0, 0, "reading the generation's index");
	r = rsm_view_open_wait(&asker, generation, &info, err);
	if (r == 0)
		send_view(request, &info);
	return r;
}

static int unview(struct rsmfs_request *request, const struct rsm_medium *medium,
		  uint64_t generation, struct rsm_err *err)
{
	struct rsm_view_info info;
	int r = rsm_view_find(request->manager, medium->id, generation, &info);

	if (r == 0 && !owns(request, info.user) && !owns(request, medium->owner))
		return rsm_err_set(err, EACCES, "check: somebody else made that view");
	if (r == 0)
		r = rsm_view_close(request->manager, medium->id, generation, err);
	return r > 0 ? rsm_err_set(err, ENOENT, "%s: there is no view of generation %" PRIu64,
				   rsmfs_medium_word(medium), generation)
		     : r;
}

/* ---- --rollback ---- */

/* All files of the cartridge change, whosever they are. */
static int rollback(struct rsmfs_request *request, const struct rsm_medium *medium,
		    uint64_t generation, struct rsm_err *err)
{
	struct rsm_generation_asker asker = asker_of(request, medium);
	uint64_t before, made;
	int r;

	if (!owns(request, medium->owner))
		return rsm_err_set(
			err, EACCES,
			"check: only the owner of %s and administrators may roll it back",
			rsmfs_medium_word(medium));
	rsmfs_request_progress(request, 0, 0, "rolling back");
	r = rsm_generation_rollback_wait(&asker, generation, &before, &made, err);
	if (r < 0)
		return r;
	rsmfs_request_table(request, "done", "rollback", "barcode:s\tfrom:n\tto:n\tgeneration:n");
	rsmfs_row_begin(request);
	rsmfs_row_text(request, medium->shown);
	rsmfs_row_number(request, before);
	rsmfs_row_number(request, generation);
	rsmfs_row_number(request, made);
	rsmfs_row_end(request);
	rsmfs_request_text(request,
			   "%s: generation %" PRIu64 " is back, as generation %" PRIu64
			   "; \"--rollback %" PRIu64 "\" undoes it",
			   rsmfs_medium_word(medium), generation, made, before);
	return 0;
}

int rsmfs_run_generations(struct rsmfs_request *request, struct rsm_medium *medium,
			  struct rsm_err *err)
{
	const struct rsmfs_verb_call *call = &request->call;
	int r = rsmfs_access_medium(request->catalog, request->caller, request->admin, medium,
				    RSMFS_READ | RSMFS_EXECUTE, err);

	if (r < 0)
		return r;
	if (rsmfs_verb_flag(call, "list"))
		return list(request, medium, err);
	if (rsmfs_verb_flag(call, "view"))
		return view(request, medium, rsmfs_verb_size(call, "view", 0), err);
	if (rsmfs_verb_flag(call, "unview"))
		return unview(request, medium, rsmfs_verb_size(call, "unview", 0), err);
	return rollback(request, medium, rsmfs_verb_size(call, "rollback", 0), err);
}
