/* user.rsm.* of a cartridge that tell of its life, and of where it is kept. */
#include "fs/namespace.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "core/copy.h"
#include "core/medium_record.h"

enum record_name {
	R_VAULT,
	R_RETURN,
	R_ALLOCATIONS,
	R_WRITTEN,
	R_READ,
	R_WRITE_ERRORS,
	R_READ_ERRORS,
	R_VERIFIED,
	R_VERIFY_ERRORS,
	R_COPY,
	R_COPY_STATE,
	R_COUNT
};
static const char *const names[R_COUNT] = {
	"vault",       "return",   "allocations",   "bytes_written", "bytes_read", "write_errors",
	"read_errors", "verified", "verify_errors", "copy",	     "copy_state",
};

static int find(const char *name)
{
	int i = 0;

	while (i < R_COUNT && strcmp(names[i], name) != 0)
		i++;
	return i;
}

/* "2026-12-31T18:30:00Z" */
static void add_time(struct rsm_text *value, const struct timespec *time)
{
	struct tm parts;
	char text[32];

	if (gmtime_r(&time->tv_sec, &parts) && strftime(text, sizeof(text), "%FT%TZ", &parts))
		rsm_text_add(value, text);
}

static int add_copy(struct rsmfs *fs, const struct rsm_medium *medium, bool state,
		    struct rsm_text *value, struct rsm_err *err)
{
	struct rsm_medium second;
	struct rsm_copy pair;
	const char *words;
	int r = rsm_copy_state(fs->manager, medium, &words, &pair, err);

	if (r < 0 || !*words)
		return r < 0 ? r : 1;
	if (state) {
		rsm_text_add(value, words);
		return 0;
	}
	if (!pair.copy)
		return 1;
	r = rsm_medium_get(rsm_manager_catalog(fs->manager), pair.copy, &second, err);
	if (r == 0)
		rsm_text_add(value, second.shown);
	return r;
}

int rsmfs_medium_get_record(struct rsmfs *fs, const struct rsm_medium *medium, const char *name,
			    struct rsm_text *ret_value, struct rsm_err *err)
{
	int which = find(name + strlen("user.rsm."));
	struct rsm_medium_record record;
	char due[32];
	int r;

	if (which == R_COUNT)
		return 1;
	r = rsm_medium_record_get(rsm_manager_catalog(fs->manager), medium->id, &record, err);
	if (r < 0)
		return r;
	switch ((enum record_name)which) {
	case R_VAULT:
		if (!record.vault[0])
			return 1;
		rsm_text_add(ret_value, record.vault);
		break;
	case R_RETURN:
		if (!record.due.tv_sec)
			return 1;
		rsm_medium_record_due_text(&record.due, due);
		rsm_text_add(ret_value, due);
		break;
	case R_VERIFIED:
		if (!record.verified.tv_sec)
			return 1;
		add_time(ret_value, &record.verified);
		break;
	case R_ALLOCATIONS: rsm_text_printf(ret_value, "%" PRIu32, medium->allocations); break;
	case R_WRITTEN: rsm_text_printf(ret_value, "%" PRIu64, record.bytes_written); break;
	case R_READ: rsm_text_printf(ret_value, "%" PRIu64, record.bytes_read); break;
	case R_WRITE_ERRORS: rsm_text_printf(ret_value, "%" PRIu32, record.write_errors); break;
	case R_READ_ERRORS: rsm_text_printf(ret_value, "%" PRIu32, record.read_errors); break;
	case R_VERIFY_ERRORS: rsm_text_printf(ret_value, "%" PRIu32, record.verify_errors); break;
	case R_COPY: return add_copy(fs, medium, false, ret_value, err);
	case R_COPY_STATE: return add_copy(fs, medium, true, ret_value, err);
	case R_COUNT: break;
	}
	return 0;
}

int rsmfs_medium_set_record(struct rsmfs *fs, struct rsmfs_call *call,
			    const struct rsm_medium *medium, struct rsm_err *err)
{
	int which = find(call->name + strlen("user.rsm."));
	char text[RSM_NAME_SIZE] = "";
	struct timespec due;
	int r;

	if (which != R_VAULT && which != R_RETURN)
		return 1;
	if (!rsmfs_is_admin(fs, call->req))
		return rsm_err_set(err, EPERM, "%s: the administrator's to set", call->name);
	if (call->data && (call->size >= sizeof(text) || memchr(call->data, '\0', call->size)))
		return rsm_err_set(err, EINVAL, "%s: is no such value", call->name);
	if (call->data) /* else it is removed */
		memcpy(text, call->data, call->size);
	if (which == R_VAULT)
		return rsm_manager_set_vault(fs->manager, medium->id, text, NULL, err);
	r = rsm_medium_record_parse_due(text, &due, err);
	return r < 0 ? r : rsm_manager_set_vault(fs->manager, medium->id, NULL, &due, err);
}
