/* rsm set OBJECT KEY=VALUE...: single attributes of objects (ntmsapi SetNtmsObjectInformation,
 * which writes whole records, and so loses one of two changes made at one time).
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleaner.h"
#include "core/copy.h"
#include "core/medium_record.h"
#include "core/retention.h"
#include "core/setting.h"
#include "fs/control_request.h"

enum { CLEANER_USES_MOST = 1000000 };

/* What is to be set: one of these is it. */
struct target {
	char kind; /* 'c' computer, 'l' library, 'd' drive, 'p' pool, 'm' medium, 's' empty slot */
	const char *operand;
	int64_t library;
	struct rsm_drive_status drive;
	struct rsm_pool pool;
	struct rsm_medium medium;
};

struct attribute {
	const char *kinds; /* of the targets that have it */
	const char *name, *alias;
	int (*set)(struct rsmfs_request *request, struct target *target, const char *name,
		   const char *value, struct rsm_err *err);
};

/* ---- values ---- */

static int parse_number(const char *name, const char *value, int64_t least, int64_t most,
			int64_t *ret_number, struct rsm_err *err)
{
	char *end;

	errno = 0;
	long long number = strtoll(value, &end, 10);

	if (errno || end == value || *end || isspace((unsigned char)*value) || number < least ||
	    number > most)
		return rsm_err_set(err, EINVAL, "%s=%s: a number from %lld to %lld is expected",
				   name, value, (long long)least, (long long)most);
	*ret_number = number;
	return 0;
}

static int parse_bool(const char *name, const char *value, bool *ret_value, struct rsm_err *err)
{
	static const char *const yes[] = { "1", "yes", "on", "true" };
	static const char *const no[] = { "0", "no", "off", "false" };

	for (size_t i = 0; i < 4; i++) {
		if (strcmp(value, yes[i]) != 0 && strcmp(value, no[i]) != 0)
			continue;
		*ret_value = strcmp(value, yes[i]) == 0;
		return 0;
	}
	return rsm_err_set(err, EINVAL, "%s=%s: 0 or 1 is expected", name, value);
}

/* ---- computer ---- */

static int set_kept(struct rsmfs_request *request, struct target *target, const char *name,
		    const char *value, struct rsm_err *err)
{
	int64_t days = RSM_KEEP_FOR_EVER;
	int r = 0;

	(void)target;
	if (strcmp(value, "never") == 0 || strcmp(value, "forever") == 0)
		r = 0; /* never purged: kept for ever */
	else
		r = parse_number(name, value, 0, RSM_KEEP_DAYS_MAX, &days, err);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < RSM_KEEP_KINDS; i++)
		if (!strcmp(name, rsm_retention_name((enum rsm_retention_what)i)))
			r = rsm_retention_set(request->catalog, (enum rsm_retention_what)i, days,
					      err);
	return r < 0 ? r : rsm_retention_purge(request->catalog, err);
}

/* ---- several ---- */

void rsmfs_drive_key(const struct rsm_drive_status *drive, char key[static 80])
{
	if (drive->serial[0])
		snprintf(key, 80, "%s", drive->serial);
	else
		snprintf(key, 80, "%lld:%u", (long long)drive->library, drive->element);
}

int rsmfs_row_description(struct rsmfs_request *request, const char *kind, const char *key,
			  struct rsm_err *err)
{
	char description[RSM_DESCRIPTION_SIZE];
	int r = rsm_description_get(request->catalog, kind, key, description, err);

	if (r < 0)
		return r;
	rsmfs_row_text(request, description);
	return 0;
}

static int set_description(struct rsmfs_request *request, struct target *target, const char *name,
			   const char *value, struct rsm_err *err)
{
	char key[80];

	(void)name;
	switch (target->kind) {
	case 'c': return rsm_description_set(request->catalog, "computer", "-", value, err);
	case 'l':
		snprintf(key, sizeof(key), "%lld", (long long)target->library);
		return rsm_description_set(request->catalog, "library", key, value, err);
	case 'd':
		rsmfs_drive_key(&target->drive, key);
		return rsm_description_set(request->catalog, "drive", key, value, err);
	case 'p':
		return rsm_description_set(request->catalog, "pool", target->pool.guid, value, err);
	default:
		if (target->medium.lmid[0])
			return rsm_description_set(request->catalog, "logical", target->medium.lmid,
						   value, err);
		return rsm_description_set(request->catalog, "medium", target->medium.guid, value,
					   err);
	}
}

static int set_enabled(struct rsmfs_request *request, struct target *target, const char *name,
		       const char *value, struct rsm_err *err)
{
	bool enabled = false;
	int r = rsmfs_request_need_admin(request, err);

	if (r == 0)
		r = parse_bool(name, value, &enabled, err);
	if (r < 0)
		return r;
	if (target->kind == 'l')
		return rsm_manager_enable_library(request->manager, target->library, enabled, err);
	if (target->kind == 'd')
		return rsm_manager_enable_drive(request->manager, target->drive.library,
						target->drive.element, enabled, err);
	return rsm_manager_enable_medium(request->manager, target->medium.id, enabled, err);
}

/* ---- pools ---- */

static int store_pool(struct rsmfs_request *request, struct target *target, unsigned what,
		      struct rsm_err *err)
{
	int r = rsm_pool_change(request->catalog, &target->pool, what, err);

	if (r == 0)
		rsm_manager_pools_changed(request->manager);
	return r;
}

static int set_policy(struct rsmfs_request *request, struct target *target, const char *name,
		      const char *value, struct rsm_err *err)
{
	bool is = false;
	int r = parse_bool(name, value, &is, err);

	if (r < 0)
		return r;
	*(name[0] == 'd' ? &target->pool.draw_from_free : &target->pool.return_to_free) = is;
	return store_pool(request, target, name[0] == 'd' ? RSM_POOL_SET_DRAW : RSM_POOL_SET_RETURN,
			  err);
}

static int set_limit(struct rsmfs_request *request, struct target *target, const char *name,
		     const char *value, struct rsm_err *err)
{
	int64_t number = 0;
	int r = parse_number(name, value, 0, UINT32_MAX, &number, err);

	if (r < 0)
		return r;
	*(name[0] == 'm' ? &target->pool.max_allocations : &target->pool.allocation_limit) =
		(uint32_t)number;
	return store_pool(request, target, name[0] == 'm' ? RSM_POOL_SET_MAX : RSM_POOL_SET_LIMIT,
			  err);
}

static int set_holds(struct rsmfs_request *request, struct target *target, const char *name,
		     const char *value, struct rsm_err *err)
{
	bool pools = strcmp(value, "pools") == 0;

	if (!pools && strcmp(value, "media") != 0)
		return rsm_err_set(err, EINVAL, "%s=%s: media or pools is expected", name, value);
	target->pool.holds = pools ? RSM_POOL_HOLDS_POOLS : RSM_POOL_HOLDS_MEDIA;
	return store_pool(request, target, RSM_POOL_SET_HOLDS, err);
}

/* Of a cartridge: where nothing else tells it. */
static int set_type(struct rsmfs_request *request, struct target *target, const char *name,
		    const char *value, struct rsm_err *err)
{
	int r;

	if (target->kind == 'm') {
		r = rsmfs_request_need_admin(request, err);
		return r < 0 ? r
			     : rsm_manager_set_media_type(request->manager, target->medium.id,
							  value, err);
	}
	if (strlen(value) >= sizeof(target->pool.media_type))
		return rsm_err_set(err, EINVAL, "%s=%s: no such media type", name, value);
	strcpy(target->pool.media_type, value);
	return store_pool(request, target, RSM_POOL_SET_TYPE, err);
}

static int set_copies(struct rsmfs_request *request, struct target *target, const char *name,
		      const char *value, struct rsm_err *err)
{
	int64_t number = 1;
	int r = parse_number(name, value, 1, RSM_COPIES_MOST, &number, err);

	if (r == 0)
		r = rsm_pool_set_copies(request->catalog, target->pool.id, (uint32_t)number, err);
	if (r == 0)
		rsm_manager_pools_changed(request->manager);
	return r;
}

/* ---- media ---- */

static int set_priority(struct rsmfs_request *request, struct target *target, const char *name,
			const char *value, struct rsm_err *err)
{
	int64_t priority = 0;
	int r = parse_number(name, value, -15, 15, &priority, err);

	if (r < 0)
		return r;
	if (!target->medium.lmid[0])
		return rsm_err_set(err, EINVAL, "%s: is not allocated, and has no priority",
				   target->operand);
	if (priority > target->medium.priority) {
		r = rsmfs_request_need_admin(request, err);
		if (r < 0)
			return rsm_err_set(err, EACCES, "only an administrator raises a priority");
	}
	target->medium.priority = (int32_t)priority;
	return rsm_manager_update_medium(request->manager, &target->medium, RSM_MEDIUM_SET_PRIORITY,
					 err);
}

static int set_vault(struct rsmfs_request *request, struct target *target, const char *name,
		     const char *value, struct rsm_err *err)
{
	struct timespec due;
	int r = rsmfs_request_need_admin(request, err);

	if (r == 0 && name[0] == 'v')
		return rsm_manager_set_vault(request->manager, target->medium.id, value, NULL, err);
	if (r == 0)
		r = rsm_medium_record_parse_due(value, &due, err);
	return r < 0 ? r
		     : rsm_manager_set_vault(request->manager, target->medium.id, NULL, &due, err);
}

/* How many cleanings a cleaning cartridge has left: only a person knows. */
static int set_uses(struct rsmfs_request *request, struct target *target, const char *name,
		    const char *value, struct rsm_err *err)
{
	int64_t uses = 0;
	int r = rsmfs_request_need_admin(request, err);

	if (r == 0)
		r = parse_number(name, value, 0, CLEANER_USES_MOST, &uses, err);
	return r < 0 ? r
		     : rsm_cleaner_set_uses(request->catalog, &target->medium, (uint32_t)uses, err);
}

/* What lies in the slot, and what comes there, cleans, although its barcode does not say so. */
static int set_cleaner(struct rsmfs_request *request, struct target *target, const char *name,
		       const char *value, struct rsm_err *err)
{
	int64_t library;
	uint32_t slot;
	bool is = false;
	int r = rsmfs_request_need_admin(request, err);

	if (r == 0)
		r = parse_bool(name, value, &is, err);
	if (r == 0 && strncmp(target->operand, "slot:", 5) != 0)
		return rsm_err_set(err, EINVAL, "%s: it is a slot that is the cleaner's: slot:N",
				   target->operand);
	if (r == 0)
		r = rsmfs_object_slot(request, target->operand, &library, &slot, err);
	return r < 0 ? r : rsm_manager_set_cleaner_slot(request->manager, library, slot, is, err);
}

static const struct attribute attributes[] = {
	{ "c", "keep_items", NULL, set_kept },
	{ "c", "keep_failed_items", NULL, set_kept },
	{ "c", "keep_requests", NULL, set_kept },
	{ "cldpm", "description", NULL, set_description },
	{ "ldm", "enabled", NULL, set_enabled },
	{ "p", "draw_from_free", "draw", set_policy },
	{ "p", "return_to_free", "return", set_policy },
	{ "p", "allocation_limit", "limit", set_limit },
	{ "p", "max_allocations", NULL, set_limit },
	{ "p", "holds", NULL, set_holds },
	{ "pm", "media_type", "type", set_type },
	{ "p", "copies", NULL, set_copies },
	{ "m", "priority", NULL, set_priority },
	{ "m", "vault", NULL, set_vault },
	{ "m", "return", NULL, set_vault },
	{ "m", "uses", NULL, set_uses },
	{ "ms", "cleaner", NULL, set_cleaner },
};

static const char *kind_word(char kind)
{
	switch (kind) {
	case 'c': return "a computer";
	case 'l': return "a library";
	case 'd': return "a drive";
	case 'p': return "a pool";
	case 's': return "an empty slot";
	default: return "a cartridge";
	}
}

/* ---- which object, whose right ---- */

static int find_target(struct rsmfs_request *request, struct target *target, struct rsm_err *err)
{
	struct rsmfs_object object;
	int r;

	if (!strcmp(target->operand, "computer")) {
		target->kind = 'c';
		return 0;
	}
	if (!strncmp(target->operand, "library:", 8)) {
		target->kind = 'l';
		return rsmfs_object_library(request, target->operand + 8, &target->library, err);
	}
	if (!strncmp(target->operand, "drive:", 6)) {
		target->kind = 'd';
		return rsmfs_object_drive(request, target->operand, &target->drive, err);
	}
	r = rsmfs_object_find(request, target->operand, &object, err);
	if (r == -ENOMEDIUM && !strncmp(target->operand, "slot:", 5)) {
		target->kind = 's';
		return 0;
	}
	if (r < 0)
		return r;
	if (object.is_pool) {
		target->kind = 'p';
		target->pool = object.pool;
		return 0;
	}
	if (*object.rest)
		return rsm_err_set(err, EINVAL, "%s: is in a cartridge, not a cartridge",
				   target->operand);
	target->kind = 'm';
	target->medium = object.medium;
	return 0;
}

static int may_set(struct rsmfs_request *request, const struct target *target, struct rsm_err *err)
{
	uid_t user = request->caller->uid;

	if (target->kind == 'p' &&
	    (target->pool.id == RSM_POOL_TOP || target->pool.kind != RSM_POOL_APPLICATION))
		return rsm_err_set(err, EPERM, "%s: a system pool stays as it is", target->operand);
	if ((target->kind == 'p' && target->pool.owner == user) ||
	    (target->kind == 'm' && target->medium.lmid[0] && target->medium.owner == user) ||
	    rsmfs_access_is_admin(request->caller, request->admin))
		return 0;
	return rsm_err_set(err, EPERM, "%s: %s may set that", target->operand,
			   target->kind == 'p' || target->kind == 'm'
				   ? "its owner and administrators"
				   : "only administrators");
}

static int set_one(struct rsmfs_request *request, struct target *target, const char *assignment,
		   struct rsm_err *err)
{
	const char *equals = strchr(assignment, '=');
	size_t length = equals ? (size_t)(equals - assignment) : 0;

	if (!length)
		return rsm_err_set(err, EINVAL, "set: '%s' is not KEY=VALUE", assignment);
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		const struct attribute *a = &attributes[i];

		if (!strchr(a->kinds, target->kind) ||
		    ((strlen(a->name) != length || strncmp(a->name, assignment, length) != 0) &&
		     (!a->alias || strlen(a->alias) != length ||
		      strncmp(a->alias, assignment, length) != 0)))
			continue;
		return a->set(request, target, a->name, equals + 1, err);
	}
	return rsm_err_set(err, EINVAL, "set: %s has no '%.*s' to be set", kind_word(target->kind),
			   (int)length, assignment);
}

int rsmfs_run_set(struct rsmfs_request *request, struct rsm_err *err)
{
	struct target target = { .operand = request->call.operands[0] };
	int r = find_target(request, &target, err);

	if (r == 0)
		r = may_set(request, &target, err);
	for (size_t i = 1; r == 0 && i < request->call.operand_count; i++)
		r = set_one(request, &target, request->call.operands[i], err);
	if (r < 0)
		return r;
	rsmfs_request_table(request, "done", "set", "object:s");
	rsmfs_row_begin(request);
	rsmfs_row_text(request, target.operand);
	rsmfs_row_end(request);
	return 0;
}
