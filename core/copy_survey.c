/* What a copy has and its first one has not.
 *
 * As a rule that was removed from the first one, and goes. But a tree that began anew, because
 * catalogue and staging area were lost, or because the newest index of the medium cannot be read
 * any more, is of an index that may be older than the copy: what it lacks was perhaps never
 * removed, and then the copy has the only bytes of it. Nothing on the medium tells the two apart.
 * So the tree itself bears a fact that says which copy follows it; a tree that is read from a
 * medium has none, and a tree that goes back to an older index loses it. Without that fact what
 * the copy has more is marked, on its own medium, before anything is changed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/copy_private.h"
#include "core/ltfs/label.h"
#include "core/ltfs/name.h"
#include "core/manager_private.h"

enum { ASIDE_MOST = 1000 };

int rsm_mirror_is_followed(struct rsm_content *first, const char *copy_uuid, struct rsm_err *err)
{
	RSM_FREE char *by = NULL;
	int r = rsm_volume_index_get_fact(rsm_content_index(first), RSM_INDEX_FACT_FOLLOWED, &by,
					  err);

	return r < 0 ? r : !*copy_uuid || !by || strcmp(by, copy_uuid) != 0;
}

int rsm_mirror_is_kept(struct rsm_mirror *mirror, const struct rsm_node *node, struct rsm_err *err)
{
	int r = rsm_content_get_xattr(mirror->to, node->id, RSM_MIRROR_KEY_KEPT, NULL, err);

	return r == RSM_NODE_ABSENT ? 1 : r;
}

/* Its times stay what they are. */
static int keep(struct rsm_mirror *mirror, const struct rsm_node *node, struct rsm_err *err)
{
	struct rsm_node result;
	int r = rsm_mirror_is_kept(mirror, node, err);

	if (r < 0)
		return r;
	mirror->kept++;
	if (r == 0)
		return 0;
	r = rsm_content_set_xattr(mirror->to, node->id, RSM_MIRROR_KEY_KEPT, "1", 1, 0, err);
	return r ? r
		 : rsm_content_set_attributes(mirror->to, node->id, RSM_SET_CHANGED, node, &result,
					      err);
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

/* What the first one has of it may be as old as its index, though something was done to it since,
 * before the survey.
 */
static bool is_newer(const struct rsm_mirror *mirror, const struct rsm_node *node,
		     const struct rsm_node *first)
{
	return is_later(&node->times.changed, &first->times.changed) ||
	       (mirror->anew.tv_sec && is_later(&node->times.changed, &mirror->anew));
}

/* One whose copying was cut short has no origin: nothing is lost with it. */
static int is_whole(struct rsm_mirror *mirror, const struct rsm_node *node, struct rsm_err *err)
{
	int r = rsm_content_get_xattr(mirror->to, node->id, RSM_MIRROR_KEY_OF, NULL, err);

	return r < 0 ? r : r == 0;
}

static int survey_child(struct rsm_mirror *mirror, uint64_t from, uint64_t to,
			const struct rsm_mirror_entry *entry, unsigned depth, struct rsm_err *err);

static int survey_folder(struct rsm_mirror *mirror, const struct rsm_node *node, uint64_t from,
			 unsigned depth, struct rsm_err *err)
{
	int r = from ? 0 : keep(mirror, node, err);

	return r ? r
		 : rsm_mirror_each_child(mirror, mirror->to, from, node->id, survey_child,
					 depth + 1, err);
}

static int survey_child(struct rsm_mirror *mirror, uint64_t from, uint64_t to,
			const struct rsm_mirror_entry *entry, unsigned depth, struct rsm_err *err)
{
	const struct rsm_node *node = &entry->node;
	struct rsm_node first = { 0 };
	int r;

	(void)to;
	if (depth > RSM_MIRROR_DEPTH_MAX)
		return rsm_err_set(err, ELOOP, "the copy's folders are nested too deeply");
	r = from ? rsm_content_lookup(mirror->from, from, entry->name, &first, err)
		 : RSM_NODE_ABSENT;
	if (r == RSM_NODE_ABSENT || (r == 0 && first.kind != node->kind)) /* it was moved, or not */
		r = rsm_mirror_find_origin(mirror, node, &first, err);
	if (r < 0)
		return r;
	if (node->kind == RSM_NODE_FOLDER)
		return survey_folder(mirror, node, r == 0 ? first.id : 0, depth, err);
	if (r == 0 && (rsm_mirror_is_same(&first, node) || !is_newer(mirror, node, &first)))
		return 0;
	r = is_whole(mirror, node, err);
	return r <= 0 ? r : keep(mirror, node, err);
}

/* In one step with whoever looks whether both may be released. */
static int note_kept(struct rsm_mirror *mirror, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&mirror->manager->lock);
	return rsm_copy_note_kept(mirror->manager->catalog, mirror->copy, mirror->kept, err);
}

int rsm_mirror_survey(struct rsm_mirror *mirror, const char *copy_uuid, struct rsm_err *err)
{
	struct rsm_volume_index *first = rsm_content_index(mirror->from);
	RSM_FREE char *anew = NULL;
	int r = rsm_volume_index_get_fact(first, RSM_INDEX_FACT_ANEW, &anew, err);

	if (r < 0)
		return r;
	if (!anew || rsm_ltfs_time_parse(anew, &mirror->anew) < 0)
		mirror->anew = (struct timespec){ 0 };
	r = rsm_mirror_each_child(mirror, mirror->to, RSM_NODE_ROOT, RSM_NODE_ROOT, survey_child, 0,
				  err);
	if (r > 0)
		return rsm_err_fold(err, r, "a node of the copy");
	/* the marks before what says that they are there */
	if (r == 0)
		r = rsm_volume_index_commit(rsm_content_index(mirror->to), true, err);
	if (r == 0)
		r = note_kept(mirror, err);
	if (r == 0)
		r = rsm_volume_index_set_fact(first, RSM_INDEX_FACT_FOLLOWED, copy_uuid, err);
	if (r == 0)
		r = rsm_volume_index_set_fact(first, RSM_INDEX_FACT_ANEW, NULL, err);
	return r < 0 ? r : rsm_volume_index_commit(first, false, err);
}

int rsm_mirror_set_aside(struct rsm_mirror *mirror, uint64_t folder, const char *name,
			 struct rsm_err *err)
{
	for (int i = 1; i <= ASIDE_MOST; i++) {
		RSM_FREE char *aside = NULL;
		char suffix[20] = "~kept";
		struct rsm_node taken;
		int r;

		if (i > 1)
			snprintf(suffix, sizeof suffix, "~kept%d", i);
		r = rsm_name_add(name, suffix, &aside, err);
		if (r == 0)
			r = rsm_content_lookup(mirror->to, folder, aside, &taken, err);
		if (r == RSM_NODE_ABSENT)
			return rsm_content_rename(mirror->to, folder, name, folder, aside, 0, err);
		if (r < 0)
			return r;
	}
	return rsm_err_set(err, EEXIST, "%s: too many of its name are kept on the copy", name);
}
