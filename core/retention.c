#include "core/retention.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/catalog_private.h"
#include "core/operator_request.h"
#include "core/setting.h"
#include "core/work_item.h"

static const struct {
	const char *name;
	int64_t days;
} kinds[RSM_KEEP_KINDS] = {
	[RSM_KEEP_ITEMS] = { "keep_items", 30 },
	[RSM_KEEP_FAILED_ITEMS] = { "keep_failed_items", 90 },
	[RSM_KEEP_REQUESTS] = { "keep_requests", 30 },
};

const char *rsm_retention_name(enum rsm_retention_what what)
{
	return kinds[what].name;
}

int rsm_retention_get(struct rsm_catalog *catalog, enum rsm_retention_what what, int64_t *ret_days,
		      struct rsm_err *err)
{
	char text[24];
	int r = rsm_setting_get(catalog, kinds[what].name, text, sizeof text, err);

	if (r < 0)
		return r;
	*ret_days = r == RSM_SETTING_ABSENT ? kinds[what].days : strtoll(text, NULL, 10);
	/* a catalogue may come from anywhere: what makes no sense keeps, rather than purges */
	if (*ret_days < 0 || *ret_days > RSM_KEEP_DAYS_MAX)
		*ret_days = RSM_KEEP_FOR_EVER;
	return 0;
}

int rsm_retention_set(struct rsm_catalog *catalog, enum rsm_retention_what what, int64_t days,
		      struct rsm_err *err)
{
	char text[24];

	if (days != RSM_KEEP_FOR_EVER && (days < 0 || days > RSM_KEEP_DAYS_MAX))
		return rsm_err_set(err, ERANGE, "%s: days are from 0 to %d", kinds[what].name,
				   RSM_KEEP_DAYS_MAX);
	snprintf(text, sizeof text, "%" PRId64, days);
	return rsm_setting_set(catalog, kinds[what].name, text, err);
}

/* Before this moment; the beginning of time when it is kept for ever. */
static int limit_of(struct rsm_catalog *catalog, enum rsm_retention_what what,
		    struct timespec *ret_limit, struct rsm_err *err)
{
	int64_t days;
	int r = rsm_retention_get(catalog, what, &days, err);

	if (r < 0)
		return r;
	if (days == RSM_KEEP_FOR_EVER) {
		*ret_limit = (struct timespec){ 0 };
		return 0;
	}
	rsm_catalog_now(catalog, ret_limit);
	ret_limit->tv_sec -= days * 86400;
	return 0;
}

static int forget_descriptions(struct rsm_catalog *catalog, struct rsm_err *err)
{
	RSM_LOCK_SCOPE(&catalog->lock);

	return rsm_catalog_run(
		catalog, err,
		"DELETE FROM setting WHERE (key GLOB 'description logical *' AND substr(key, 21) "
		"NOT IN (SELECT lmid FROM logical_medium)) OR (key GLOB 'description medium *' AND "
		"substr(key, 20) NOT IN (SELECT guid FROM side)) OR (key GLOB 'description pool *' "
		"AND substr(key, 18) NOT IN (SELECT guid FROM pool))",
		"");
}

int rsm_retention_purge(struct rsm_catalog *catalog, struct rsm_err *err)
{
	struct timespec limits[RSM_KEEP_KINDS];
	unsigned count = 0;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < RSM_KEEP_KINDS; i++)
		r = limit_of(catalog, (enum rsm_retention_what)i, &limits[i], err);
	if (r == 0)
		r = rsm_work_item_purge(catalog, &limits[RSM_KEEP_ITEMS],
					&limits[RSM_KEEP_FAILED_ITEMS], &count, err);
	if (r == 0)
		r = rsm_operator_request_purge(catalog, &limits[RSM_KEEP_REQUESTS], &count, err);
	return r < 0 ? r : forget_descriptions(catalog, err);
}
