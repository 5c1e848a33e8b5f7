#include "core/catalog.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "core/event.h"
#include "core/work_item.h"
#include "tests/core/catalog_fixture.h"

static void database(struct fixture *f, char path[96])
{
	sprintf(path, "%s/catalog.db", f->folder);
}

static void shut(struct fixture *f)
{
	rsm_catalog_close(f->catalog);
	f->catalog = NULL;
}

static int open_again(struct fixture *f)
{
	return rsm_catalog_open(f->folder, rsm_clock_real(), &f->catalog, &f->err);
}

static void garbage_is_refused_and_left_alone(void **state)
{
	struct fixture *f = *state;
	char path[96], garbage[5000], *data = NULL;
	size_t length = 0;

	shut(f);
	database(f, path);
	memset(garbage, 'x', sizeof garbage);
	assert_done(rsm_file_save(path, garbage, sizeof garbage, 0600, 0, &f->err), &f->err);
	assert_int_equal(open_again(f), -EBADMSG);
	assert_null(f->catalog);
	assert_done(rsm_file_load(path, 10000, &data, &length, &f->err), &f->err);
	assert_int_equal(length, sizeof garbage);
	assert_memory_equal(data, garbage, length);
	free(data);
}

static void run_sql(struct fixture *f, const char *sql)
{
	char path[96];
	sqlite3 *db;

	database(f, path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_newer_catalogue_is_refused(void **state)
{
	struct fixture *f = *state;

	shut(f);
	run_sql(f, "PRAGMA user_version = 2");
	assert_int_equal(open_again(f), -EBADMSG);
	assert_non_null(strstr(f->err.msg, "newer rsmfs"));
	run_sql(f, "PRAGMA user_version = 1");
	assert_done(open_again(f), &f->err);
}

static void another_programs_database_is_refused(void **state)
{
	struct fixture *f = *state;
	char path[96];

	shut(f);
	database(f, path);
	assert_int_equal(unlink(path), 0);
	run_sql(f, "CREATE TABLE t (x)");
	assert_int_equal(open_again(f), -EBADMSG);
	assert_non_null(strstr(f->err.msg, "no catalogue of rsmfs"));
}

static void damage_is_noticed(void **state)
{
	struct fixture *f = *state;
	char path[96];
	struct stat info;

	given_free_cartridges(f, 20);
	shut(f);
	database(f, path);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(truncate(path, info.st_size / 2 / 4096 * 4096), 0);
	assert_int_equal(open_again(f), -EBADMSG);
}

static bool note_damage(void *context, int64_t number, const char *line)
{
	(void)number;
	*(bool *)context = strstr(line, " event=damage ") != NULL;
	return !*(bool *)context;
}

/* Reading a big one through would keep everybody waiting at each start. */
static void damage_of_a_big_catalogue_is_told_while_it_serves(void **state)
{
	struct fixture *f = *state;
	char path[96], junk[4096];
	bool told = false, lost;
	int fd;

	shut(f);
	run_sql(f,
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
		"INSERT INTO event (medium, line) SELECT '', hex(zeroblob(2000)) FROM n");
	database(f, path);
	memset(junk, 0x5a, sizeof junk);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, junk, sizeof junk, 1000 * 4096), sizeof junk);
	close(fd);

	assert_done(open_again(f), &f->err);

	for (int i = 0; i < 500 && !told; i++) {
		assert_done(
			rsm_event_list(f->catalog, 3000, NULL, note_damage, &told, &lost, &f->err),
			&f->err);
		usleep(10000);
	}
	assert_true(told);
}

static void an_export_is_a_catalogue_itself(void **state)
{
	struct fixture *f = *state;
	char file[96], copy[96];
	struct rsm_pool pool;

	given_pool(f, "Backup");
	sprintf(file, "%s/exported", f->folder);
	sprintf(copy, "%s/copy", f->folder);
	assert_done(rsm_catalog_export(f->catalog, file, &f->err), &f->err);
	assert_done(rsm_catalog_export(f->catalog, file, &f->err), &f->err);
	shut(f);
	assert_int_equal(mkdir(copy, 0700), 0);
	strcat(copy, "/catalog.db");
	assert_int_equal(rename(file, copy), 0);
	*strrchr(copy, '/') = '\0';
	assert_done(rsm_catalog_open(copy, rsm_clock_real(), &f->catalog, &f->err), &f->err);
	assert_done(rsm_pool_find_path(f->catalog, "Backup", &pool, &f->err), &f->err);
}

/* Statements that rsmfs itself would never make. */
static void what_must_never_be_cannot_be_stored(void **state)
{
	static const char *const impossible[] = {
		"UPDATE side SET state = 5",
		"UPDATE side SET state = 8",
		"UPDATE side SET logical = NULL WHERE logical IS NOT NULL",
		"UPDATE logical_medium SET name = ''",
		"UPDATE logical_medium SET lmid = ''",
		"UPDATE side SET volume_uuid = '' WHERE logical IS NOT NULL",
		"UPDATE medium SET media_type = 'LTO-9'",
		"UPDATE medium SET element = 1001",
		"UPDATE medium SET location = 0",
		"UPDATE pool SET holds = 2 WHERE media > 0",
		"UPDATE pool SET parent = id WHERE kind = 1000",
		"UPDATE side SET volume_uuid = '" UUID_A "'",
		"UPDATE side SET pool = (SELECT id FROM pool WHERE name = 'Free')",
		"DELETE FROM logical_medium",
		"DELETE FROM pool WHERE media > 0",
		"UPDATE side SET id = 16777216 WHERE id = 1",
	};
	struct fixture *f = *state;
	char path[96];
	sqlite3 *db;

	given_free_cartridges(f, 3);
	given_allocated(f, given_pool(f, "Backup").id, "monday");
	database(f, path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL), SQLITE_OK);
	for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++)
		if (sqlite3_exec(db, impossible[i], NULL, NULL, NULL) != SQLITE_CONSTRAINT)
			fail_msg("possible: %s (%s)", impossible[i], sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void thirty_thousand_media_are_no_burden(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium;
	struct timespec start, end;
	double ms;

	given_free_cartridges(f, 1);
	shut(f);
	run_sql(f,
		"PRAGMA synchronous = OFF; BEGIN;"
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) "
		"INSERT INTO medium (guid, barcode, media_type, library, location, element, "
		"created) SELECT 'm' || i, printf('B%05dL8', i), 'LTO-8', CASE WHEN i % 2 THEN 1 "
		"END, CASE WHEN i % 2 THEN 2 ELSE 0 END, 2000 + i, 1 FROM n;"
		"INSERT INTO side (guid, medium, shown, pool, state) SELECT 's' || id, id, "
		"barcode, "
		"(SELECT id FROM pool WHERE name = 'LTO-8' AND kind = 1), 4 FROM medium WHERE id > "
		"1;"
		"COMMIT");
	reopen(f);
	given_allocated(f, pool.id, "warm");
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < 50; i++)
		assert_done(allocate(f, pool.id, NULL, &medium), &f->err);
	clock_gettime(CLOCK_MONOTONIC, &end);
	ms = ((double)(end.tv_sec - start.tv_sec) * 1e3 +
	      (double)(end.tv_nsec - start.tv_nsec) / 1e6) /
	     50;
	print_message("# one allocation of 30,000 media: %.3f ms, synchronised\n", ms);
	assert_int_equal(pool_at(f, "Free/LTO-8").media, 29950);
	assert_true(ms < 50);
}

/* As the first version made it; with an item, numbers go on behind the last one that ever was. */
static void an_older_catalogue_learns_other_kinds_of_work_items(void **state)
{
	struct fixture *f = *state;
	struct rsm_work_item old = { .kind = RSM_WORK_MOUNT, .text = "kept" },
			     gone = { .kind = RSM_WORK_MOUNT }, item = { .kind = RSM_WORK_COPY };
	char path[96];
	sqlite3 *db;

	assert_done(rsm_work_item_add(f->catalog, &old, &f->err), &f->err);
	assert_done(rsm_work_item_add(f->catalog, &gone, &f->err), &f->err);
	shut(f);
	database(f, path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db,
			     "DELETE FROM work_item WHERE id = 2; PRAGMA writable_schema = ON; "
			     "UPDATE sqlite_schema SET sql = replace(sql, 'BETWEEN 0 AND 99', "
			     "'BETWEEN 0 AND 21') WHERE name = 'work_item'",
			     NULL, NULL, NULL),
		SQLITE_OK);
	sqlite3_close(db);

	for (int i = 0; i < 2; i++) {
		assert_done(open_again(f), &f->err);
		assert_done(rsm_work_item_add(f->catalog, &item, &f->err), &f->err);
		assert_int_equal(item.id, gone.id + 1 + i);
		assert_done(
			rsm_work_item_set(f->catalog, old.id, RSM_WORK_WAITING, 0, "kept", &f->err),
			&f->err);
		shut(f);
	}
	reopen(f);
}

int main(int argc, char **argv)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		EACH(garbage_is_refused_and_left_alone),
		EACH(a_newer_catalogue_is_refused),
		EACH(another_programs_database_is_refused),
		EACH(damage_is_noticed),
		EACH(damage_of_a_big_catalogue_is_told_while_it_serves),
		EACH(an_export_is_a_catalogue_itself),
		EACH(an_older_catalogue_learns_other_kinds_of_work_items),
		EACH(what_must_never_be_cannot_be_stored),
		EACH(thirty_thousand_media_are_no_burden),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
