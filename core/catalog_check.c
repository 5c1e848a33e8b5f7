#include "core/catalog_check.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/catalog_private.h"

#define LONG_BYTES ((sqlite3_int64)8 << 20)

struct rsm_catalog_check {
	struct rsm_catalog *catalog;
	atomic_bool stop;
	pthread_t thread;
};

int rsm_catalog_check_now(sqlite3 *db, const char *path, struct rsm_err *err)
{
	RSM_SQLITE_FINALIZE sqlite3_stmt *check = NULL;
	const char *words;
	int r;

	r = rsm_sqlite_prepare(db, "PRAGMA quick_check(1)", &check, err);
	if (r == 0)
		r = rsm_sqlite_step(check, err);
	if (r < 0)
		return r;
	words = (const char *)sqlite3_column_text(check, 0);
	if (r == 0 && words && strncmp(words, "***", 3) == 0 && strchr(words, '\n'))
		words = strchr(words, '\n') + 1; /* it begins with which database */
	if (r == 0 && words && strcmp(words, "ok") != 0)
		return rsm_err_set(err, EBADMSG, "%s: is damaged: %.*s", path,
				   (int)strcspn(words, "\n"), words);
	return 0;
}

int rsm_catalog_check_is_long(sqlite3 *db, bool *ret_is_long, struct rsm_err *err)
{
	sqlite3_int64 pages, size;
	int r = rsm_sqlite_number(db, "PRAGMA page_count", &pages, err);

	if (r == 0)
		r = rsm_sqlite_number(db, "PRAGMA page_size", &size, err);
	if (r == 0)
		*ret_is_long = pages * size > LONG_BYTES;
	return r;
}

static int is_to_stop(void *context)
{
	struct rsm_catalog_check *check = context;

	return atomic_load(&check->stop);
}

static void *run(void *context)
{
	struct rsm_catalog_check *check = context;
	const char *path = check->catalog->path;
	sqlite3 *db = NULL;
	struct rsm_err err;
	int r = rsm_sqlite_open(path, SQLITE_OPEN_READONLY, &db, &err);

	if (r == 0) {
		sqlite3_progress_handler(db, 10000, is_to_stop, check);
		r = rsm_catalog_check_now(db, path, &err);
	}
	rsm_sqlite_close(db);
	if (r >= 0 || atomic_load(&check->stop))
		return NULL;
	if (r != -EBADMSG) {
		rsm_log_warning("%s: could not be checked: %s", path, err.msg);
		return NULL;
	}
	rsm_log_error("%s; end rsmfs and move it away to have the catalogue made again from the "
		      "media",
		      err.msg);
	rsm_event_add(check->catalog, "damage", "file", path, "text", err.msg, NULL);
	return NULL;
}

int rsm_catalog_check_start(struct rsm_catalog *catalog, struct rsm_catalog_check **ret_check,
			    struct rsm_err *err)
{
	struct rsm_catalog_check *check = calloc(1, sizeof *check);
	sigset_t all, old;
	int r;

	if (!check)
		return rsm_err_oom(err);
	check->catalog = catalog;
	atomic_init(&check->stop, false);
	/* signals are the main thread's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&check->thread, NULL, run, check);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r != 0) {
		free(check);
		return rsm_err_set(err, r, "thread that checks the catalogue: %s", strerror(r));
	}
	*ret_check = check;
	return 0;
}

void rsm_catalog_check_stop(struct rsm_catalog_check *check)
{
	if (!check)
		return;
	atomic_store(&check->stop, true);
	pthread_join(check->thread, NULL);
	free(check);
}
