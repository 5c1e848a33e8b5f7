#include "core/pool.h"

#include "base/text.h"
#include "tests/core/catalog_fixture.h"

#include <sys/xattr.h>

static void the_system_pools_are_always_there(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = pool_at(f, "Free/LTO-8");

	assert_int_equal(pool.kind, RSM_POOL_SCRATCH);
	assert_int_equal(pool.mode, 0777);
	assert_string_equal(pool.media_type, "LTO-8");
	assert_int_equal(pool_at(f, "Free").mode, 0755);
	assert_int_equal(pool_at(f, "Import/LTO-8").kind, RSM_POOL_IMPORT);
	assert_int_equal(pool_at(f, "Unrecognized/LTO-8").kind, RSM_POOL_FOREIGN);
	assert_done(rsm_pool_system(f->catalog, RSM_POOL_IMPORT, "LTO-9", &pool, &f->err), &f->err);
	assert_int_equal(pool.id, pool_at(f, "Import/LTO-9").id);
}

static void nobody_changes_a_system_pool(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool free_pool = pool_at(f, "Free"), leaf = pool_at(f, "Free/LTO-8");
	struct rsm_pool mine = given_pool(f, "Backup");

	assert_int_equal(rsm_pool_remove(f->catalog, free_pool.id, &f->err), -EPERM);
	assert_int_equal(rsm_pool_remove(f->catalog, leaf.id, &f->err), -EPERM);
	assert_int_equal(rsm_pool_rename(f->catalog, leaf.id, RSM_POOL_TOP, "x", &f->err), -EPERM);
	assert_int_equal(rsm_pool_update(f->catalog, &leaf, &f->err), -EPERM);
	assert_int_equal(make_pool(f, free_pool.id, "x", RSM_POOL_HOLDS_MEDIA, NULL), -EPERM);
	assert_int_equal(rsm_pool_rename(f->catalog, mine.id, free_pool.id, "x", &f->err), -EPERM);
	assert_int_equal(make_pool(f, RSM_POOL_TOP, "Free", RSM_POOL_HOLDS_MEDIA, NULL), -EEXIST);
}

static void a_pool_takes_the_only_media_type_there_is(void **state)
{
	static const char *const types[] = { "LTO-9", NULL };
	struct fixture *f = *state;
	int64_t second;

	assert_string_equal(given_pool(f, "Backup").media_type, "LTO-8");
	assert_done(rsm_library_register(f->catalog, "/lib2", "virtual", types, &second, &f->err),
		    &f->err);
	assert_string_equal(given_pool(f, "Undecided").media_type, "");
}

static void names_that_a_folder_cannot_have_are_refused(void **state)
{
	struct fixture *f = *state;
	char name[300];

	memset(name, 'n', sizeof name);
	name[299] = '\0';

	assert_int_equal(make_pool(f, 0, "", RSM_POOL_HOLDS_MEDIA, NULL), -EINVAL);
	assert_int_equal(make_pool(f, 0, "..", RSM_POOL_HOLDS_MEDIA, NULL), -EINVAL);
	assert_int_equal(make_pool(f, 0, "a/b", RSM_POOL_HOLDS_MEDIA, NULL), -EINVAL);
	assert_int_equal(make_pool(f, 0, ".Trash", RSM_POOL_HOLDS_MEDIA, NULL), -EPERM);
	assert_int_equal(make_pool(f, 0, "\xff", RSM_POOL_HOLDS_MEDIA, NULL), -EILSEQ);
	assert_int_equal(rsm_pool_rename(f->catalog, given_pool(f, "a").id, 0, name, &f->err),
			 -ENAMETOOLONG);
}

static void two_spellings_of_one_name_are_one_name(void **state)
{
	struct fixture *f = *state;

	given_pool(f, "caf\xc3\xa9");
	assert_int_equal(make_pool(f, 0, "cafe\xcc\x81", RSM_POOL_HOLDS_MEDIA, NULL), -EEXIST);
}

static void a_pool_holds_either_pools_or_media(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool archive, film, media;
	struct rsm_medium medium;

	given_free_cartridges(f, 1);
	assert_done(make_pool(f, 0, "Archive", RSM_POOL_HOLDS_POOLS, &archive), &f->err);
	assert_done(make_pool(f, archive.id, "Film", RSM_POOL_HOLDS_MEDIA, &film), &f->err);
	assert_int_equal(pool_at(f, "/Archive//Film/").id, film.id);
	assert_int_equal(pool_at(f, "Archive").sub_pools, 1);
	media = given_pool(f, "Backup");

	assert_int_equal(make_pool(f, media.id, "x", RSM_POOL_HOLDS_MEDIA, NULL), -EINVAL);
	assert_int_equal(rsm_pool_rename(f->catalog, film.id, media.id, "x", &f->err), -EINVAL);
	assert_int_equal(allocate(f, archive.id, "reel", &medium), -EPERM);
	assert_int_equal(allocate(f, archive.id, "Film", &medium), -EEXIST);
	given_allocated(f, film.id, "reel");
	assert_int_equal(make_pool(f, film.id, "reel", RSM_POOL_HOLDS_MEDIA, NULL), -EEXIST);
}

static void a_pool_does_not_move_into_itself(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool a, b;

	assert_done(make_pool(f, 0, "a", RSM_POOL_HOLDS_POOLS, &a), &f->err);
	assert_done(make_pool(f, a.id, "b", RSM_POOL_HOLDS_POOLS, &b), &f->err);

	assert_int_equal(rsm_pool_rename(f->catalog, a.id, a.id, "x", &f->err), -EINVAL);
	assert_int_equal(rsm_pool_rename(f->catalog, a.id, b.id, "x", &f->err), -EINVAL);
	assert_done(rsm_pool_rename(f->catalog, b.id, RSM_POOL_TOP, "c", &f->err), &f->err);
	assert_int_equal(pool_at(f, "c").id, b.id);
	assert_int_equal(pool_at(f, "a").sub_pools, 0);
}

static void renaming_a_pool_makes_the_keys_on_its_media_stale(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool archive, film;
	struct rsm_medium medium;

	given_free_cartridges(f, 1);
	assert_done(make_pool(f, 0, "Archive", RSM_POOL_HOLDS_POOLS, &archive), &f->err);
	assert_done(make_pool(f, archive.id, "Film", RSM_POOL_HOLDS_MEDIA, &film), &f->err);
	medium = given_allocated(f, film.id, "reel");
	formatted(f, medium.id);
	assert_done(rsm_pool_rename(f->catalog, archive.id, 0, "Old", &f->err), &f->err);

	assert_done(rsm_medium_get(f->catalog, medium.id, &medium, &f->err), &f->err);
	assert_int_equal(medium.label_work, RSM_LABEL_UPDATE);
	assert_in_pool(f, &medium, "Old/Film");
}

static void removing_a_pool_sends_available_media_home_to_free(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");
	struct rsm_medium medium;

	given_free_cartridges(f, 2);
	assert_done(rsm_medium_move_pool(f->catalog, medium_of(f, "A00002L8").id, pool.id, &f->err),
		    &f->err);
	medium = given_allocated(f, pool.id, "monday");
	assert_string_equal(medium.barcode, "A00002L8");
	assert_int_equal(rsm_pool_remove(f->catalog, pool.id, &f->err), -ENOTEMPTY);
	pool.return_to_free = false;
	assert_done(rsm_pool_update(f->catalog, &pool, &f->err), &f->err);
	assert_done(rsm_deallocate(f->catalog, medium.id, false, &medium, &f->err), &f->err);
	assert_in_pool(f, &medium, "Backup");
	assert_done(rsm_pool_remove(f->catalog, pool.id, &f->err), &f->err);

	medium = medium_of(f, "A00002L8");
	assert_in_pool(f, &medium, "Free/LTO-8");
	assert_int_equal(rsm_pool_find_path(f->catalog, "Backup", &pool, &f->err), RSM_POOL_ABSENT);
	assert_int_equal(pool_at(f, "Free/LTO-8").media, 2);
}

static void what_a_pool_holds_changes_only_while_it_is_empty(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool pool = given_pool(f, "Backup");

	given_free_cartridges(f, 1);
	pool.holds = RSM_POOL_HOLDS_POOLS;
	assert_done(rsm_pool_update(f->catalog, &pool, &f->err), &f->err);
	assert_string_equal(pool_at(f, "Backup").media_type, "");
	pool.holds = RSM_POOL_HOLDS_MEDIA;
	strcpy(pool.media_type, "LTO-8");
	assert_done(rsm_pool_update(f->catalog, &pool, &f->err), &f->err);
	given_allocated(f, pool.id, "monday");
	strcpy(pool.media_type, "LTO-9");
	assert_int_equal(rsm_pool_update(f->catalog, &pool, &f->err), -ENOTEMPTY);
}

static bool count_to_two(void *context, const struct rsm_pool *pool)
{
	char *names = context;

	strcat(names, pool->name);
	return strlen(names) < 2;
}

static void a_listing_goes_on_behind_a_name(void **state)
{
	struct fixture *f = *state;
	struct rsm_pool top;
	char names[16] = "";

	assert_done(make_pool(f, 0, "top", RSM_POOL_HOLDS_POOLS, &top), &f->err);
	for (int i = 0; i < 4; i++)
		assert_done(make_pool(f, top.id, (char[]){ (char)('d' - i), 0 },
				      RSM_POOL_HOLDS_MEDIA, NULL),
			    &f->err);
	assert_done(rsm_pool_list(f->catalog, top.id, NULL, count_to_two, names, &f->err), &f->err);
	assert_string_equal(names, "ab");
	names[0] = '\0';
	assert_done(rsm_pool_list(f->catalog, top.id, "b", count_to_two, names, &f->err), &f->err);
	assert_string_equal(names, "cd");
}

/* Two commands that read the row at one moment. */
static void two_who_set_different_attributes_lose_neither(void **state)
{
	struct fixture *f = *state;
	struct rsm_medium one, other;
	struct rsm_pool mine, yours;

	given_free_cartridges(f, 2);
	mine = yours = given_pool(f, "Backup");
	mine.allocation_limit = 7;
	yours.draw_from_free = false;
	yours.mode = 0700;
	assert_done(rsm_pool_change(f->catalog, &mine, RSM_POOL_SET_LIMIT, &f->err), &f->err);
	assert_done(rsm_pool_change(f->catalog, &yours, RSM_POOL_SET_DRAW, &f->err), &f->err);
	mine = pool_at(f, "Backup");
	assert_int_equal(mine.allocation_limit, 7);
	assert_false(mine.draw_from_free);
	assert_int_not_equal(mine.mode, 0700);
	assert_int_equal(yours.allocation_limit, 7); /* whoever changed it knows it all */
	/* nor is the type undone that an allocation gave it meanwhile */
	yours.draw_from_free = true;
	assert_done(rsm_pool_change(f->catalog, &yours, RSM_POOL_SET_DRAW, &f->err), &f->err);
	yours.media_type[0] = '\0';
	one = other = given_allocated(f, mine.id, "monday");
	assert_done(rsm_pool_change(f->catalog, &yours, RSM_POOL_SET_MAX, &f->err), &f->err);
	assert_string_equal(pool_at(f, "Backup").media_type, one.media_type);

	one.priority = 5;
	other.mode = 0711;
	assert_done(rsm_medium_change_logical(f->catalog, &one, RSM_MEDIUM_SET_PRIORITY, &f->err),
		    &f->err);
	assert_done(rsm_medium_change_logical(f->catalog, &other, RSM_MEDIUM_SET_MODE, &f->err),
		    &f->err);
	assert_int_equal(other.priority, 5);
	assert_int_equal(other.mode, 0711);
	/* what was meant for one allocation does not befall the next one */
	assert_done(rsm_deallocate(f->catalog, one.id, false, NULL, &f->err), &f->err);
	assert_int_equal(
		rsm_medium_change_logical(f->catalog, &other, RSM_MEDIUM_SET_OWNER, &f->err),
		-EINVAL);
}

static void attributes_are_kept_as_setxattr_says(void **state)
{
	struct fixture *f = *state;
	RSM_TEXT struct rsm_text text = { 0 };
	int64_t id = given_pool(f, "Backup").id;

	assert_int_equal(rsm_catalog_get_xattr(f->catalog, 'p', id, "user.a", &text, &f->err),
			 RSM_POOL_ABSENT);
	assert_int_equal(rsm_catalog_set_xattr(f->catalog, 'p', id, "user.a", "x", 1, XATTR_REPLACE,
					       &f->err),
			 -ENODATA);
	assert_done(rsm_catalog_set_xattr(f->catalog, 'p', id, "user.a", "x\0y", 3, 0, &f->err),
		    &f->err);
	assert_int_equal(
		rsm_catalog_set_xattr(f->catalog, 'p', id, "user.a", "x", 1, XATTR_CREATE, &f->err),
		-EEXIST);
	assert_done(rsm_catalog_set_xattr(f->catalog, 'p', id, "user.b", "", 0, 0, &f->err),
		    &f->err);
	assert_done(rsm_catalog_get_xattr(f->catalog, 'p', id, "user.a", &text, &f->err), &f->err);
	assert_int_equal(text.length, 3);
	rsm_text_reset(&text);
	assert_done(rsm_catalog_list_xattrs(f->catalog, 'p', id, &text, &f->err), &f->err);
	assert_int_equal(text.length, 14);
	assert_memory_equal(text.data, "user.a\0user.b\0", 14);
	assert_done(rsm_catalog_set_xattr(f->catalog, 'p', id, "user.a", NULL, 0, 0, &f->err),
		    &f->err);
	assert_int_equal(rsm_catalog_set_xattr(f->catalog, 'p', id, "user.a", NULL, 0, 0, &f->err),
			 -ENODATA);
}

int main(int argc, char **argv)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		EACH(the_system_pools_are_always_there),
		EACH(nobody_changes_a_system_pool),
		EACH(a_pool_takes_the_only_media_type_there_is),
		EACH(names_that_a_folder_cannot_have_are_refused),
		EACH(two_spellings_of_one_name_are_one_name),
		EACH(a_pool_holds_either_pools_or_media),
		EACH(a_pool_does_not_move_into_itself),
		EACH(renaming_a_pool_makes_the_keys_on_its_media_stale),
		EACH(removing_a_pool_sends_available_media_home_to_free),
		EACH(what_a_pool_holds_changes_only_while_it_is_empty),
		EACH(a_listing_goes_on_behind_a_name),
		EACH(two_who_set_different_attributes_lose_neither),
		EACH(attributes_are_kept_as_setxattr_says),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
