#include "fs/rsm_mounts.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/base/test.h"

static const char one[] =
	"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
	"40 22 0:52 / /mnt/my\\040rsm rw,nosuid - fuse.rsmfs /srv/my\\040library rw,user_id=0\n"
	"41 22 0:52 / /mnt/bind rw,nosuid shared:7 master:1 - fuse.rsmfs /srv/my\\040library rw\n"
	"42 22 0:53 / /mnt/other rw - fuse.sshfs host: rw\n"
	"garbage\n";
static const char two[] = "40 22 0:52 / /mnt/a rw - fuse.rsmfs /srv/a rw\n"
			  "41 22 0:53 / /mnt/b rw - fuse.rsmfs /srv/b rw\n";

static void only_mounts_of_ours_count_once(void **state)
{
	struct rsmfs_mounts mounts;
	struct rsm_err err;

	(void)state;
	assert_done(rsmfs_mounts_parse(one, &mounts, &err), &err);
	assert_int_equal(mounts.count, 1);
	assert_string_equal(mounts.mounts[0].path, "/mnt/my rsm");
	assert_string_equal(mounts.mounts[0].source, "/srv/my library");
	rsmfs_mounts_fini(&mounts);
}

static void expect_choice(const char *mountinfo, const char *asked, const char *cwd,
			  const char *operand, const char *expected)
{
	struct rsmfs_mounts mounts;
	const char *found = NULL;
	struct rsm_err err = { 0 };
	int r;

	assert_done(rsmfs_mounts_parse(mountinfo, &mounts, &err), &err);
	r = rsmfs_mounts_choose(&mounts, asked, cwd, &operand, operand ? 1 : 0, &found, &err);
	if (expected) {
		assert_done(r, &err);
		assert_string_equal(found, expected);
	} else {
		assert_true(r < 0);
	}
	rsmfs_mounts_fini(&mounts);
}

static void the_mount_is_found_when_it_is_clear_which(void **state)
{
	(void)state;
	expect_choice("", NULL, "/", NULL, NULL);
	expect_choice(one, NULL, "/", NULL, "/mnt/my rsm");
	expect_choice(two, NULL, "/", "Backup", NULL);
	expect_choice(two, "/mnt/b", "/", NULL, "/mnt/b");
	expect_choice(two, NULL, "/mnt/b/Backup", "Backup", "/mnt/b");
	expect_choice(two, NULL, "/mnt/b", "/mnt/a/Backup", "/mnt/a");
	expect_choice(two, NULL, "/mnt/ab", "/mnt/abc", NULL);
	expect_choice(two, NULL, "/mnt", "b/Backup/monday", "/mnt/b");
	expect_choice(two, NULL, "/mnt/x", "../a", "/mnt/a");
}

static char top[64], pool[96];

static int folder_new(void **state)
{
	(void)state;
	strcpy(top, "/tmp/rsm-test-mounts-XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(pool, sizeof pool, "%s/Backup", top);
	return mkdir(pool, 0755);
}

static int folder_free(void **state)
{
	struct rsm_err err;

	(void)state;
	return rsm_file_remove_tree(top, &err);
}

static void expect_name_at(const char *mountpoint, const char *cwd, char kind, const char *operand,
			   const char *expected)
{
	char *name = NULL;
	struct rsm_err err;
	int r = rsmfs_mounts_operand(mountpoint, cwd, kind, operand, &name, &err);

	if (!expected) {
		assert_int_equal(r, -EXDEV);
		return;
	}
	assert_done(r, &err);
	assert_string_equal(name, expected);
	free(name);
}

static void expect_name(const char *cwd, char kind, const char *operand, const char *expected)
{
	expect_name_at(top, cwd, kind, operand, expected);
}

static void operands_are_named_from_the_top_of_the_tree(void **state)
{
	char path[128];

	(void)state;
	expect_name("/", 'o', "Backup/monday", "Backup/monday");
	expect_name("/", 'o', "Backup/", "Backup");
	expect_name("/", 'o', "A00001L8", "A00001L8");
	snprintf(path, sizeof path, "%s/Backup//x/../monday/", top);
	expect_name("/", 'o', path, "Backup/monday");
	expect_name("/", 'o', top, "/");
	expect_name("/", 'o', "/etc/passwd", NULL);
	expect_name("/", 'n', "/etc/passwd", "/etc/passwd");
}

static void where_one_stands_counts_when_the_name_is_there(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof path, "%s/monday", pool);
	assert_int_equal(mkdir(path, 0755), 0);
	expect_name(pool, 'o', "monday", "Backup/monday");
	expect_name(pool, 'o', ".", "Backup");
	expect_name(pool, 'o', "../Backup/monday", "Backup/monday");
	expect_name(pool, 'o', "A00001L8", "A00001L8");
	expect_name(pool, 'o', "Backup/monday", "Backup/monday");
	expect_name(pool, 'c', "tuesday", "Backup/tuesday");
	expect_name(pool, 'c', "tuesday/", "Backup/tuesday");
	expect_name(pool, 'c', "Backup/tuesday//", "Backup/tuesday");
	expect_name(pool, 'c', "Backup/tuesday", "Backup/tuesday");
	expect_name(pool, 'c', "./Backup", "Backup/Backup");
	expect_name(pool, 'c', "Other/tuesday", "Other/tuesday");
	expect_name("/tmp", 'o', "monday", "monday");
	assert_int_equal(rmdir(path), 0);
}

static void a_relative_path_leads_into_the_mount_from_outside(void **state)
{
	char way[160];

	(void)state;
	snprintf(way, sizeof way, "%s/Backup/monday", top + strlen("/tmp/"));
	expect_name("/tmp", 'o', way, "Backup/monday");
	expect_name("/tmp", 'c', way, "Backup/monday");
	expect_name("/tmp", 'n', way, way);
	snprintf(way, sizeof way, "./%s/Backup/monday", top + strlen("/tmp/"));
	expect_name("/tmp", 'o', way, "Backup/monday");
	snprintf(way, sizeof way, "../tmp/%s/Backup/monday", top + strlen("/tmp/"));
	expect_name("/tmp", 'c', way, "Backup/monday");
	/* what the tree has by that name goes first */
	expect_name(top, 'o', "Backup", "Backup");
	expect_name("/", 'o', "Backup/../Backup/x", "Backup/../Backup/x");
}

/* As -m and RSM_MOUNT may name it. The test stands where rsm would. */
static void the_mount_point_may_be_relative_or_a_link(void **state)
{
	const char *name = top + strlen("/tmp/");
	char dotted[80], way[128], link[96];

	(void)state;
	assert_int_equal(chdir("/tmp"), 0);
	snprintf(dotted, sizeof dotted, "./%s/", name);
	snprintf(way, sizeof way, "%s/Backup/monday", name);
	expect_name_at(name, "/tmp", 'o', way, "Backup/monday");
	expect_name_at(name, "/tmp", 'c', way, "Backup/monday");
	expect_name_at(dotted, "/tmp", 'o', way, "Backup/monday");
	expect_name_at(name, "/tmp", 'o', name, "/");
	expect_name_at(name, "/tmp", 'o', pool, "Backup");
	expect_name_at(name, "/tmp", 'o', "Backup/monday", "Backup/monday");
	expect_name_at(name, "/tmp", 'o', "/etc/passwd", NULL);
	assert_int_equal(chdir(pool), 0);
	expect_name_at("..", pool, 'o', ".", "Backup");
	expect_name_at("..", pool, 'c', "tuesday", "Backup/tuesday");
	assert_int_equal(chdir("/tmp"), 0);
	snprintf(link, sizeof link, "%s.link", top);
	assert_int_equal(symlink(top, link), 0);
	expect_name_at(link, "/tmp", 'o', way, "Backup/monday");
	expect_name_at(link, pool, 'o', ".", "Backup");
	assert_int_equal(unlink(link), 0);
	assert_int_equal(chdir("/"), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(only_mounts_of_ours_count_once),
	cmocka_unit_test(the_mount_is_found_when_it_is_clear_which),
	cmocka_unit_test_setup_teardown(operands_are_named_from_the_top_of_the_tree, folder_new,
					folder_free),
	cmocka_unit_test_setup_teardown(a_relative_path_leads_into_the_mount_from_outside,
					folder_new, folder_free),
	cmocka_unit_test_setup_teardown(the_mount_point_may_be_relative_or_a_link, folder_new,
					folder_free),
	cmocka_unit_test_setup_teardown(where_one_stands_counts_when_the_name_is_there, folder_new,
					folder_free),
};

RSM_TEST_MAIN(tests)
