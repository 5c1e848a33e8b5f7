#include <unistd.h>

#include "fs/options.h"
#include "tests/base/test.h"

enum { ARGS_MAX = 12 };

static int parse(struct rsmfs_options *options, struct rsm_err *err, const char *const *words)
{
	char *argv[ARGS_MAX + 2] = { (char *)(uintptr_t) "rsmfs" };
	int argc = 1;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc - 1];
	return rsmfs_options_parse(options, argc, argv, err);
}
#define PARSE(...) parse(&options, &err, (const char *const[]){ __VA_ARGS__, NULL })

static void library_and_mount_point_are_the_two_arguments(void **state)
{
	struct rsmfs_options options;
	struct rsm_err err;

	(void)state;
	assert_done(PARSE("/lib", "/mnt"), &err);
	assert_string_equal(options.libraries[0], "/lib");
	assert_string_equal(options.mountpoint, "/mnt");
	assert_string_equal(options.fsname, "/lib");
	assert_int_equal(options.dismount_delay_s, 60);
	assert_false(options.library_default);
	rsmfs_options_fini(&options);
	/* umount waits for the library that is the source of the mount */
	assert_done(PARSE("/dev/sg0", "/mnt", "-o", "fsname=other"), &err);
	assert_string_equal(options.fsname, "/dev/sg0");
	rsmfs_options_fini(&options);
}

static void a_library_left_out_is_the_users_own(void **state)
{
	struct rsmfs_options options;
	struct rsm_err err;

	(void)state;
	setenv("XDG_DATA_HOME", "/data", 1);
	assert_done(PARSE("/mnt"), &err);
	assert_true(options.library_default);
	assert_string_equal(options.libraries[0],
			    getuid() ? "/data/rsmfs/library" : "/var/lib/rsmfs/library");
	rsmfs_options_fini(&options);
}

static void the_forms_of_mount_and_fstab_are_taken(void **state)
{
	struct rsmfs_options options;
	struct rsm_err err;

	(void)state;
	assert_done(PARSE("/lib", "/mnt", "-n", "-s", "-v", "-t", "fuse.rsmfs", "-o",
			  "rw,dev,suid,_netdev,noauto,user,x-systemd.automount,ro"),
		    &err);
	assert_true(options.read_only);
	assert_string_equal(options.kernel.data, ",rw,dev,suid,ro");
	rsmfs_options_fini(&options);
}

static void values_are_understood_and_commas_can_be_escaped(void **state)
{
	struct rsmfs_options options;
	struct rsm_err err;

	(void)state;
	assert_done(PARSE("-o",
			  "library=/"
			  "b\\,c,staging_limit=20G,stream_size=3G,index_bytes=5G,umask=027,"
			  "dismount_delay=0",
			  "/a", "/mnt", "-o", "browse=mount,nonblock=eagain,deny_recall=x:y"),
		    &err);
	assert_int_equal(options.library_count, 2);
	assert_string_equal(options.libraries[0], "/a");
	assert_string_equal(options.libraries[1], "/b,c");
	assert_true(options.staging_limit == (uint64_t)20 << 30);
	assert_true(options.stream_size == (uint64_t)3 << 30);
	assert_true(options.index_bytes == (uint64_t)5 << 30);
	assert_int_equal(options.umask, 027);
	assert_int_equal(options.dismount_delay_s, 0);
	assert_true(options.browse_mount && options.nonblock_eagain && !options.offline_wait);
	assert_int_equal(options.deny_recall_count, 2);
	rsmfs_options_fini(&options);
}

static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *option, *word;
	} wrong[] = { { "bogus", "bogus" },
		      { "bogus=1", "bogus" },
		      { "dismount_delay=x", "dismount_delay" },
		      { "dismount_delay=-1", "dismount_delay" },
		      { "umask=999", "umask" },
		      { "staging_limit=1X", "staging_limit" },
		      { "browse=never", "catalog or mount" },
		      { "state", "needs a value" },
		      { "debug=nonsense", "scsi" },
		      { "allow_root", "allow_other" } };
	struct rsmfs_options options;
	struct rsm_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(PARSE("/lib", "/mnt", "-o", wrong[i].option), -EINVAL);
		assert_non_null(strstr(err.msg, wrong[i].word));
		rsmfs_options_fini(&options);
	}
	assert_int_equal(PARSE("-f"), -EINVAL);
	rsmfs_options_fini(&options);
	assert_int_equal(PARSE("/a", "/b", "/c"), -EINVAL);
	rsmfs_options_fini(&options);
	assert_int_equal(PARSE("-q", "/b"), -EINVAL);
	rsmfs_options_fini(&options);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(library_and_mount_point_are_the_two_arguments),
	cmocka_unit_test(a_library_left_out_is_the_users_own),
	cmocka_unit_test(the_forms_of_mount_and_fstab_are_taken),
	cmocka_unit_test(values_are_understood_and_commas_can_be_escaped),
	cmocka_unit_test(what_is_wrong_is_named),
};
RSM_TEST_MAIN(tests)
