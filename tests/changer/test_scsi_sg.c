#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "changer/scsi_sg.h"
#include "changer/scsi_transport.h"
#include "tests/base/test.h"

/* A sysfs of our own. /dev/null plays any node, since all that counts is its device number. */
static int make_sysfs(void **state)
{
	char *root = strdup("/tmp/test-scsi-sg-XXXXXX");

	*state = root;
	return root && mkdtemp(root) ? 0 : -1;
}

static int remove_sysfs(void **state)
{
	int r = rsm_file_remove_tree(*state, NULL);

	free(*state);
	return r;
}

static void make_folder(const char *root, const char *name)
{
	char path[256];
	struct rsm_err err;

	snprintf(path, sizeof path, "%s/%s", root, name);
	assert_done(rsm_file_make_folders(path, 0755, &err), &err);
}

static void given_null_is(const char *root, const char *subsystem, const char *sg)
{
	char device[64], name[128], path[256], target[64];

	snprintf(device, sizeof device, "dev/char/%u:%u", major(makedev(1, 3)),
		 minor(makedev(1, 3)));
	snprintf(name, sizeof name, "%s/device%s%s", device, sg ? "/scsi_generic/" : "",
		 sg ? sg : "");
	make_folder(root, name);
	snprintf(path, sizeof path, "%s/%s/subsystem", root, device);
	snprintf(target, sizeof target, "../../class/%s", subsystem);
	assert_int_equal(symlink(target, path), 0);
}

static void given_sg(const char *root, const char *name, const char *type)
{
	char folder[128], path[256], page[4096] = "";
	struct rsm_err err;

	snprintf(folder, sizeof folder, "class/scsi_generic/%s/device", name);
	make_folder(root, folder);
	snprintf(path, sizeof path, "%s/%s/type", root, folder);
	/* as large as the kernel claims such a file to be */
	memcpy(page, type, strlen(type));
	assert_done(rsm_file_save(path, page, sizeof page, 0644, 0, &err), &err);
}

static void tape_and_changer_nodes_lead_to_their_sg_node(void **state)
{
	char node[RSM_SCSI_SG_NODE_SIZE];
	struct rsm_err err;

	given_null_is(*state, "scsi_tape", "sg17");
	assert_done(rsm_scsi_sg_find(*state, "/dev/null", node, &err), &err);
	assert_string_equal(node, "/dev/sg17");
}

static void a_link_is_followed(void **state)
{
	char path[256], node[RSM_SCSI_SG_NODE_SIZE];
	struct rsm_err err;

	given_null_is(*state, "scsi_changer", "sg3");
	snprintf(path, sizeof path, "%s/changer", (char *)*state);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_done(rsm_scsi_sg_find(*state, path, node, &err), &err);
	assert_string_equal(node, "/dev/sg3");
}

static void a_missing_sg_module_is_told(void **state)
{
	char node[RSM_SCSI_SG_NODE_SIZE];
	struct rsm_err err;

	given_null_is(*state, "scsi_changer", NULL);
	assert_int_equal(rsm_scsi_sg_find(*state, "/dev/null", node, &err), -ENODEV);
	assert_string_equal(err.msg, "/dev/null: has no sg node (is the kernel module sg loaded?)");
}

static void only_tapes_are_listed_and_by_number(void **state)
{
	char(*nodes)[RSM_SCSI_SG_NODE_SIZE];
	struct rsm_err err;
	size_t count;

	assert_done(rsm_scsi_sg_list_tapes(*state, &nodes, &count, &err), &err);
	assert_int_equal(count, 0);
	given_sg(*state, "sg10", "1\n");
	given_sg(*state, "sg2", "1\n");
	given_sg(*state, "sg3", "8\n");
	given_sg(*state, "sg0", "0\n");
	given_sg(*state, "sgx", "1\n");
	assert_done(rsm_scsi_sg_list_tapes(*state, &nodes, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_string_equal(nodes[0], "/dev/sg2");
	assert_string_equal(nodes[1], "/dev/sg10");
	free(nodes);
}

static void what_is_no_scsi_device_is_refused_in_one_line(void **state)
{
	struct rsm_scsi_transport *transport;
	char path[256], expected[512];
	struct rsm_err err;

	assert_int_equal(rsm_scsi_sg_open("/dev/null", &transport, &err), -ENODEV);
	assert_string_equal(err.msg, "/dev/null: is not a SCSI tape drive or medium changer");
	snprintf(path, sizeof path, "%s/missing", (char *)*state);
	assert_int_equal(rsm_scsi_sg_open(path, &transport, &err), -ENOENT);
	snprintf(expected, sizeof expected, "%s: No such file or directory", path);
	assert_string_equal(err.msg, expected);
	assert_int_equal(rsm_scsi_sg_open(*state, &transport, &err), -ENODEV);
	assert_null(strchr(err.msg, '\n'));
}

#define SYSFS_TEST(name) cmocka_unit_test_setup_teardown(name, make_sysfs, remove_sysfs)
static const struct CMUnitTest tests[] = {
	SYSFS_TEST(tape_and_changer_nodes_lead_to_their_sg_node),
	SYSFS_TEST(a_link_is_followed),
	SYSFS_TEST(a_missing_sg_module_is_told),
	SYSFS_TEST(only_tapes_are_listed_and_by_number),
	SYSFS_TEST(what_is_no_scsi_device_is_refused_in_one_line),
};
RSM_TEST_MAIN(tests)
