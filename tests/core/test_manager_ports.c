/* Cartridges that people carry about, and tapes that are none of ours. */
#include <errno.h>
#include <sys/stat.h>

#include "core/manager_private.h"
#include "tests/core/manager_fixture.h"

static void folder_of(struct world *world, const char *element, const char *barcode, char *path)
{
	snprintf(path, 256, "%s/%s/%s", world->folder, element, barcode);
}

static void carry(struct world *world, const char *from, const char *to, const char *barcode)
{
	char source[256], destination[256];

	folder_of(world, from, barcode, source);
	folder_of(world, to, barcode, destination);
	if (rename(source, destination) < 0)
		fail_msg("%s to %s: %s", source, destination, strerror(errno));
}

static void slot_of(const struct rsm_medium *medium, char text[32])
{
	snprintf(text, 32, "slots/%u", medium->element);
}

/* On its medium, in its slot. */
static int64_t given_written(struct world *world, const char *name)
{
	int64_t medium = given_cartridge(world, given_pool(world, "Backup"), name);

	write_file(world, medium, "file", 5000, 7);
	assert_done(rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err),
		    &world->err);
	assert_done(rsm_manager_dismount_wait(world->manager, medium, false, NULL, &world->err),
		    &world->err);
	return medium;
}

static bool take_kind(void *context, const struct rsm_operator_request *request)
{
	*(unsigned *)context |= 1u << request->kind;
	return true;
}

static void a_cartridge_on_the_shelf_is_off_line_and_asked_for(void **state)
{
	struct world *world = *state;
	int64_t id = given_written(world, "monday");
	struct rsm_medium medium = medium_of(world, id);
	unsigned kinds = 0;
	char slot[32];
	int r;

	slot_of(&medium, slot);
	/* only the tree is known, not the bytes */
	carry(world, slot, "shelf", medium.barcode);
	await_location(world, id, RSM_AT_OFFLINE);
	r = try_read(world->manager, id, "file", 5000, 7, &world->err);
	assert_int_equal(r, -ENOMEDIUM);
	assert_int_equal(try_write(world->manager, id, "new", 10, 1, &world->err), -ENOMEDIUM);
	assert_int_equal(
		rsm_manager_mount_wait(world->manager, &id, 1, 0, 0, 0, 1000, 0, NULL, &world->err),
		-ENOMEDIUM);
	assert_done(rsm_operator_request_list(rsm_manager_catalog(world->manager), true, take_kind,
					      &kinds, &world->err),
		    &world->err);
	assert_true(kinds & 1u << RSM_REQUEST_MOVE_MEDIA);

	carry(world, "shelf", "ports/10", medium.barcode);
	await_location(world, id, RSM_AT_SLOT);
	assert_string_equal(medium_of(world, id).lmid, medium.lmid);
	expect_file(world, id, "file", 5000, 7);
	write_file(world, id, "new", 10, 1);
}

static void an_ejected_cartridge_waits_in_its_port(void **state)
{
	struct world *world = *state;
	int64_t id = given_written(world, "monday");

	assert_done(rsm_manager_eject_wait(world->manager, id, false, NULL, &world->err),
		    &world->err);
	usleep(1200000); /* longer than the housekeeper sleeps */
	rsm_cartridge_tidy(world->manager);
	assert_int_equal(medium_of(world, id).location, RSM_AT_PORT);
	assert_int_equal(try_read(world->manager, id, "file", 5000, 7, &world->err), -ENOMEDIUM);
	assert_int_equal(rsm_manager_sync_wait(world->manager, id, NULL, NULL, NULL, &world->err),
			 0);
}

static void an_ejected_cartridge_waits_over_a_restart_until_it_is_injected(void **state)
{
	struct world *world = *state;
	int64_t id = given_written(world, "monday");
	unsigned count;

	assert_done(rsm_manager_eject_wait(world->manager, id, false, NULL, &world->err),
		    &world->err);
	world_stop(world);
	world_start(world);
	usleep(1200000); /* longer than the housekeeper sleeps */
	assert_int_equal(medium_of(world, id).location, RSM_AT_PORT);
	assert_int_equal(try_read(world->manager, id, "file", 5000, 7, &world->err), -ENOMEDIUM);

	assert_done(rsm_manager_inject_wait(world->manager, 0, NULL, &count, &world->err),
		    &world->err);
	assert_int_equal(count, 1);
	assert_int_equal(medium_of(world, id).location, RSM_AT_SLOT);
	expect_file(world, id, "file", 5000, 7);
	write_file(world, id, "new", 10, 1);
	assert_false(rsm_medium_is_ejected(rsm_manager_catalog(world->manager), id));
}

/* The robot had put it there; the process died before the catalogue knew. */
static void so_does_one_behind_whose_move_the_process_died(void **state)
{
	struct world *world = *state;
	int64_t id = given_written(world, "monday");
	struct rsm_medium medium = medium_of(world, id);
	unsigned count;
	char slot[32];

	slot_of(&medium, slot);
	assert_done(
		rsm_medium_set_ejected(rsm_manager_catalog(world->manager), id, true, &world->err),
		&world->err);
	world_stop(world);
	carry(world, slot, "ports/10", medium.barcode);
	world_start(world);
	usleep(1200000); /* longer than the housekeeper sleeps */
	assert_int_equal(medium_of(world, id).location, RSM_AT_PORT);
	assert_done(rsm_manager_inject_wait(world->manager, 0, NULL, &count, &world->err),
		    &world->err);
	assert_int_equal(medium_of(world, id).location, RSM_AT_SLOT);
	expect_file(world, id, "file", 5000, 7);
}

static void an_imported_volume_is_taken_over_with_all_its_bytes(void **state)
{
	struct world *world = *state;
	int64_t id = given_written(world, "monday");
	struct rsm_medium medium = medium_of(world, id), taken;
	struct rsm_allocation allocation = { .name = "old", .mode = 0755 };
	char slot[32], path[256], other[300];

	/* another library's catalogue does not know it; its vendor keys would bring it back, so
	 * its pool's name is one that cannot be: take the volume's own catalogue entry away */
	slot_of(&medium, slot);
	assert_done(rsm_manager_deallocate(world->manager, id, true, &world->err), &world->err);
	world_stop(world);
	folder_of(world, slot, medium.barcode, path);
	snprintf(other, sizeof other, "%s/%s/X00007L8", world->folder, slot);
	assert_int_equal(rename(path, other), 0);
	lose_state(world, "catalog");
	lose_state(world, "staging");
	world_start(world);

	assert_done(rsm_medium_find_barcode(rsm_manager_catalog(world->manager), "X00007L8",
					    &medium, &world->err),
		    &world->err);
	expect_file(world, medium.id, "file", 5000, 7);
	if (medium.lmid[0]) /* it knew its name by itself */
		return;
	assert_int_equal(medium.state, RSM_MEDIUM_IMPORT);
	assert_int_equal(try_write(world->manager, medium.id, "new", 10, 1, &world->err), -EROFS);
	allocation.pool = given_pool(world, "Archive");
	allocation.medium = medium.id;
	assert_done(rsm_manager_allocate(world->manager, &allocation, &taken, &world->err),
		    &world->err);
	expect_file(world, taken.id, "file", 5000, 7);
	write_file(world, taken.id, "new", 10, 1);
}

static void write_image(const char *path, const char *record, unsigned copies)
{
	FILE *image = fopen(path, "w");
	uint32_t length = (uint32_t)strlen(record), mark = 0;

	assert_non_null(image);
	for (unsigned i = 0; i < copies; i++) {
		fwrite(&length, 4, 1, image);
		fwrite(record, 1, (length + 1) & ~1u, image);
		fwrite(&length, 4, 1, image);
		fwrite(&mark, 4, 1, image);
	}
	fclose(image);
}

static void an_unrecognized_tape_lists_its_tape_files(void **state)
{
	struct world *world = *state;
	struct rsm_content *content;
	struct rsm_medium medium;
	struct rsm_node node;
	char hidden[256], path[300];

	snprintf(hidden, sizeof hidden, "%s/shelf/.making", world->folder);
	assert_int_equal(mkdir(hidden, 0755), 0);
	snprintf(path, sizeof path, "%s/partition0.tap", hidden);
	write_image(path, "somebody else's backup, of long ago!", 3);
	snprintf(path, sizeof path, "%s/ports/10/Q00001L8", world->folder);
	assert_int_equal(rename(hidden, path), 0);

	for (int i = 0; i < 500; i++) {
		if (rsm_medium_find_barcode(rsm_manager_catalog(world->manager), "Q00001L8",
					    &medium, NULL) == 0 &&
		    medium.state == RSM_MEDIUM_FOREIGN && medium.location == RSM_AT_SLOT)
			break;
		usleep(10000);
	}
	assert_int_equal(medium.state, RSM_MEDIUM_FOREIGN);
	assert_done(rsm_manager_mount_wait(world->manager, &medium.id, 1, 0, 0, 0, 5000, 0, NULL,
					   &world->err),
		    &world->err);
	assert_done(rsm_manager_content(world->manager, medium.id, &content, &world->err),
		    &world->err);
	assert_done(rsm_content_lookup(content, RSM_NODE_ROOT, "file000002", &node, &world->err),
		    &world->err);
	assert_int_equal(node.size, 36);
	assert_int_equal(
		rsm_content_lookup(content, RSM_NODE_ROOT, "file000003", &node, &world->err),
		RSM_NODE_ABSENT);
	rsm_manager_content_unref(world->manager, content);
	assert_int_equal(try_write(world->manager, medium.id, "new", 10, 1, &world->err), -EROFS);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
static const struct CMUnitTest tests[] = {
	T(a_cartridge_on_the_shelf_is_off_line_and_asked_for),
	T(an_ejected_cartridge_waits_in_its_port),
	T(an_ejected_cartridge_waits_over_a_restart_until_it_is_injected),
	T(so_does_one_behind_whose_move_the_process_died),
	T(an_imported_volume_is_taken_over_with_all_its_bytes),
	T(an_unrecognized_tape_lists_its_tape_files),
};
RSM_TEST_MAIN(tests)
