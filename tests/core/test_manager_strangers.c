/* Cartridges that are not who they were taken for: over a virtual library. The label decides, and
 * before it has been read nothing is written.
 */
#include "tests/core/identify_fixture.h"

static int64_t given_written(struct world *world, int64_t pool, const char *name, unsigned seed)
{
	int64_t medium = given_cartridge(world, pool, name);

	write_file(world, medium, "file", 5000, seed);
	assert_done(rsm_manager_sync_wait(world->manager, medium, NULL, NULL, NULL, &world->err),
		    &world->err);
	return medium;
}

static void folder_of(struct world *world, int64_t medium, char ret_folder[64])
{
	struct rsm_medium m = medium_of(world, medium);

	assert_int_equal(m.location, RSM_AT_SLOT);
	snprintf(ret_folder, 64, "slots/%u/%.20s", m.element, m.barcode);
}

/* It can be read, under its name and LMID: sooner or later, as it may not have been found yet. */
static void expect_again(struct world *world, const struct rsm_medium *was, unsigned seed)
{
	struct rsm_medium now;
	int r = -ENOMEDIUM;

	for (int i = 0; i < 5000 && (r == -ENOMEDIUM || r == -EMEDIUMTYPE); i++) {
		r = try_read(world->manager, was->id, "file", 5000, seed, &world->err);
		if (r < 0)
			usleep(1000);
	}
	assert_done(r, &world->err);
	now = medium_of(world, was->id);
	assert_int_not_equal(now.location, RSM_AT_OFFLINE);
	assert_string_equal(now.lmid, was->lmid);
	assert_string_equal(now.name, was->name);
	assert_int_equal(now.pool, was->pool);
}

/* Recovery may have it in a drive now and then. */
static struct rsm_medium wait_for_foreign(struct world *world, uint32_t slot)
{
	struct rsm_medium medium = { 0 };

	for (int i = 0; i < 5000 && medium.state != RSM_MEDIUM_FOREIGN; i++) {
		usleep(1000);
		(void)!rsm_medium_at(catalog_of(world), world->manager->libraries[0].id,
				     RSM_AT_SLOT, slot, &medium, &world->err);
	}
	assert_int_equal(medium.state, RSM_MEDIUM_FOREIGN);
	return medium;
}

static void two_with_exchanged_barcodes_are_found_again(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	struct rsm_medium monday = medium_of(world, given_written(world, pool, "monday", 1));
	struct rsm_medium tuesday = medium_of(world, given_written(world, pool, "tuesday", 2));
	char one[64], other[64];

	wait_until_home(world);
	folder_of(world, monday.id, one);
	folder_of(world, tuesday.id, other);
	exchange_tapes(world, one, other);

	assert_int_equal(try_read(world->manager, monday.id, "file", 5000, 1, &world->err),
			 -EMEDIUMTYPE);
	assert_non_null(strstr(world->err.msg, tuesday.volume_uuid));
	assert_non_null(strstr(world->err.msg, monday.volume_uuid));
	assert_int_equal(count_events(world, "event=wrong_label", tuesday.volume_uuid) > 0, 1);
	assert_int_equal(count_events(world, "event=wrong_label", monday.volume_uuid) > 0, 1);
	expect_again(world, &monday, 1);
	expect_again(world, &tuesday, 2);
}

static void a_stranger_in_the_place_of_a_cartridge_is_known_as_what_it_is(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	struct rsm_medium monday = medium_of(world, given_written(world, pool, "monday", 1)), found;
	char folder[64];

	wait_until_home(world);
	monday = medium_of(world, monday.id);
	folder_of(world, monday.id, folder);
	move_folder(world, folder, "shelf/.away");
	snprintf(world->err.msg, sizeof world->err.msg, "%s/%s", world->folder, folder);
	assert_int_equal(mkdir(world->err.msg, 0755), 0);
	write_tape(world, folder, "AMANDA: TAPESTART DATE 20260102 TAPE daily-07\n", 46);

	/* what is to be written meanwhile stays on disk */
	write_file(world, monday.id, "later", 100, 3);
	found = wait_for_foreign(world, monday.element);
	assert_int_equal(medium_of(world, monday.id).location, RSM_AT_OFFLINE);
	assert_string_equal(medium_of(world, monday.id).lmid, monday.lmid);
	assert_string_equal(found.label_type, "Amanda");
	assert_string_equal(found.label_info, "daily-07");
	assert_string_equal(found.barcode, monday.barcode);

	assert_int_equal(try_read(world->manager, monday.id, "file", 5000, 1, &world->err),
			 -ENOMEDIUM);
	expect_file(world, monday.id, "later", 100, 3);

	/* the right one comes home under any barcode */
	move_folder(world, "shelf/.away", "slots/1008/A00077L8");
	assert_done(
		rsm_manager_inventory_wait(world->manager, 0, false, NULL, NULL, NULL, &world->err),
		&world->err);
	expect_again(world, &monday, 1);
	assert_done(rsm_manager_sync_wait(world->manager, monday.id, NULL, NULL, NULL, &world->err),
		    &world->err);
	expect_file(world, monday.id, "later", 100, 3);
}

/* Monday and Tuesday in a library without barcodes; where they lie. */
static void given_two_without_barcodes(struct world *world, struct rsm_medium media[2],
				       char folders[2][64])
{
	static const char *const names[] = { "monday", "tuesday" };
	struct rsm_allocation allocation = { .mode = 0755 };

	world_stop(world);
	lose_state(world, "catalog");
	move_folder(world, "slots/1001/A00001L8", "slots/1001/no label 1");
	move_folder(world, "slots/1002/A00002L8", "slots/1002/no label 2");
	move_folder(world, "slots/1003/A00003L8", "slots/1003/no label 3");
	world_start(world);
	allocation.pool = given_pool(world, "Backup");
	wait_until_identified(world);
	wait_until_home(world);
	for (unsigned i = 0; i < 2; i++) {
		allocation.medium = medium_at(world, 1001 + i).id;
		allocation.name = names[i];
		assert_done(
			rsm_manager_allocate(world->manager, &allocation, &media[i], &world->err),
			&world->err);
		assert_string_equal(media[i].barcode, "");
		write_file(world, media[i].id, "file", 5000, 1 + i);
		assert_done(rsm_manager_sync_wait(world->manager, media[i].id, NULL, NULL, NULL,
						  &world->err),
			    &world->err);
	}
	wait_until_home(world);
	for (unsigned i = 0; i < 2; i++) {
		media[i] = medium_of(world, media[i].id);
		snprintf(folders[i], 64, "slots/%u/no label %u", media[i].element, 1 + i);
	}
}

static void expect_exchanged(struct world *world, const struct rsm_medium media[2])
{
	wait_until_home(world);
	assert_int_equal(medium_of(world, media[0].id).element, media[1].element);
	assert_int_equal(medium_of(world, media[1].id).element, media[0].element);
}

/* Promise 11, without barcodes. */
static void
FAST_inventory_after_two_without_barcodes_changed_places_the_label_check_finds_both(void **state)
{
	struct world *world = *state;
	struct rsm_medium media[2];
	char folders[2][64];
	unsigned loads;

	given_two_without_barcodes(world, media, folders);
	exchange_tapes(world, folders[0], folders[1]);
	loads = count_events(world, "event=load", "");
	assert_done(
		rsm_manager_inventory_wait(world->manager, 0, false, NULL, NULL, NULL, &world->err),
		&world->err);
	wait_until_identified(world);
	assert_int_equal(count_events(world, "event=load", ""), loads);

	/* nobody notices but the event */
	expect_file(world, media[0].id, "file", 5000, 1);
	assert_int_equal(count_events(world, "event=wrong_label", media[1].volume_uuid) > 0, 1);
	expect_file(world, media[1].id, "file", 5000, 2);
	expect_exchanged(world, media);
}

static void copy_tape(struct world *world, const char *from, const char *to)
{
	char command[400];

	snprintf(command, sizeof command, "cd %s && cp '%s'/partition* '%s'/", world->folder, from,
		 to);
	assert_int_equal(system(command), 0);
}

/* They have not changed places: the one that is written to is where it is. */
static void a_copy_takes_nothing_from_its_owner_in_another_drive(void **state)
{
	struct world *world = *state;
	struct rsm_medium media[2], now, other;
	char folders[2][64];

	given_two_without_barcodes(world, media, folders);
	copy_tape(world, folders[0], folders[1]);
	copy_tape(world, folders[0], "slots/1003/no label 3"); /* a free one, as far as known */
	assert_done(rsm_manager_mount_wait(world->manager, &media[0].id, 1, RSM_MOUNT_HOLD, 0, 0,
					   10000, 0, NULL, &world->err),
		    &world->err);
	now = medium_of(world, media[0].id);
	assert_int_equal(now.location, RSM_AT_DRIVE);
	assert_true(try_read(world->manager, media[1].id, "file", 5000, 2, &world->err) < 0);
	assert_done(rsm_manager_identify_slot(world->manager, 0, 1003, NULL, &other, &world->err),
		    &world->err);
	assert_int_equal(other.state, RSM_MEDIUM_IMPORT);
	assert_true(other.duplicate);
	wait_until_identified(world);

	write_file(world, media[0].id, "later", 3000, 3);
	assert_done(
		rsm_manager_sync_wait(world->manager, media[0].id, NULL, NULL, NULL, &world->err),
		&world->err);
	other = medium_of(world, media[0].id);
	assert_int_equal(other.location, RSM_AT_DRIVE);
	assert_int_equal(other.element, now.element);
	assert_done(
		rsm_manager_dismount_wait(world->manager, media[0].id, false, NULL, &world->err),
		&world->err);
	wait_until_home(world);
	assert_int_equal(medium_of(world, media[0].id).element, media[0].element);
	expect_file(world, media[0].id, "later", 3000, 3);
	assert_int_equal(medium_of(world, media[1].id).location, RSM_AT_OFFLINE);
	assert_string_equal(medium_of(world, media[1].id).lmid, media[1].lmid);
}

/* Promise 11, with barcodes. */
static void FAST_inventory_after_two_with_barcodes_changed_places_mounts_nothing(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	struct rsm_medium monday = medium_of(world, given_written(world, pool, "monday", 1));
	struct rsm_medium tuesday = medium_of(world, given_written(world, pool, "tuesday", 2));
	char from[64], to[64];
	unsigned loads;

	wait_until_home(world);
	monday = medium_of(world, monday.id);
	tuesday = medium_of(world, tuesday.id);
	loads = count_events(world, "event=load", "");
	folder_of(world, monday.id, from);
	move_folder(world, from, "shelf/.away");
	folder_of(world, tuesday.id, from);
	snprintf(to, sizeof to, "slots/%u/%.20s", monday.element, tuesday.barcode);
	move_folder(world, from, to);
	snprintf(to, sizeof to, "slots/%u/%.20s", tuesday.element, monday.barcode);
	move_folder(world, "shelf/.away", to);
	assert_done(
		rsm_manager_inventory_wait(world->manager, 0, false, NULL, NULL, NULL, &world->err),
		&world->err);

	assert_int_equal(medium_of(world, monday.id).element, tuesday.element);
	assert_int_equal(medium_of(world, tuesday.id).element, monday.element);
	wait_until_identified(world);
	assert_int_equal(count_events(world, "event=load", ""), loads);
	expect_file(world, monday.id, "file", 5000, 1);
	expect_file(world, tuesday.id, "file", 5000, 2);
}

struct served {
	struct rsm_mount_request request;
	atomic_int ended;
	int result;
};

static void mount_served(struct rsm_mount_request *request, int r, const struct rsm_err *err)
{
	struct served *served = request->context;

	(void)err;
	served->result = r;
	atomic_store(&served->ended, 1);
}

static void two_drives_that_find_out_together_put_it_right_once(void **state)
{
	struct world *world = *state;
	struct served served[2] = { 0 };
	struct rsm_medium media[2];
	char folders[2][64];

	given_two_without_barcodes(world, media, folders);
	exchange_tapes(world, folders[0], folders[1]);
	for (unsigned i = 0; i < 2; i++) {
		served[i].request = (struct rsm_mount_request){ .medium = media[i].id,
								.done = mount_served,
								.context = &served[i] };
		rsm_manager_mount(world->manager, &served[i].request);
	}
	for (unsigned i = 0; i < 2; i++)
		while (!atomic_load(&served[i].ended))
			usleep(500);

	assert_int_equal(served[0].result, 0);
	assert_int_equal(served[1].result, 0);
	expect_file(world, media[0].id, "file", 5000, 1);
	expect_file(world, media[1].id, "file", 5000, 2);
	assert_in_range(count_events(world, "event=wrong_label", ""), 1, 2);
	expect_exchanged(world, media);
}

/* ---- what is written on ---- */

static void expect_untouched(struct world *world, const char *folder, const char *record)
{
	char path[200], bytes[256] = "";
	FILE *file;

	snprintf(path, sizeof path, "%s/%s/partition0.tap", world->folder, folder);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fread(bytes, 1, 4 + strlen(record), file), 4 + strlen(record));
	fclose(file);
	assert_memory_equal(bytes + 4, record, strlen(record));
}

/* Promise 4. */
static void a_barcode_alone_never_makes_rsmfs_write(void **state)
{
	static const char backup[] = "somebody's only backup";
	struct world *world = *state;
	struct rsm_allocation allocation = { .name = "monday", .mode = 0755 };
	struct rsm_medium medium;

	wait_until_home(world);
	write_tape(world, "slots/1001/A00001L8", backup, 22);
	allocation.pool = given_pool(world, "Backup");
	allocation.medium = medium_at(world, 1001).id;
	assert_done(rsm_manager_allocate(world->manager, &allocation, &medium, &world->err),
		    &world->err);
	write_file(world, medium.id, "file", 5000, 1);
	assert_int_equal(
		rsm_manager_sync_wait(world->manager, medium.id, NULL, NULL, NULL, &world->err),
		-EMEDIUMTYPE);
	wait_until_home(world);
	expect_untouched(world, "slots/1001/A00001L8", backup);
}

/* Promise 4: also for one that has just been written to. */
static void the_label_is_read_and_compared_before_the_first_write_after_every_load(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	struct rsm_medium monday = medium_of(world, given_written(world, pool, "monday", 1));
	struct rsm_medium tuesday = medium_of(world, given_written(world, pool, "tuesday", 2));
	char one[64], other[64];

	for (unsigned i = 0; i < 2; i++) {
		char name[2] = { (char)('0' + i), '\0' };

		wait_until_home(world);
		folder_of(world, monday.id, one);
		folder_of(world, tuesday.id, other);
		exchange_tapes(world, one, other);
		write_file(world, monday.id, name, 3000, 10 + i);
		write_file(world, tuesday.id, name, 3000, 20 + i);
		expect_again(world, &monday, 1);
		expect_again(world, &tuesday, 2);
		for (unsigned k = 0; k < 2; k++) {
			int64_t id = k ? tuesday.id : monday.id;

			assert_done(rsm_manager_sync_wait(world->manager, id, NULL, NULL, NULL,
							  &world->err),
				    &world->err);
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		char name[2] = { (char)('0' + i), '\0' };

		expect_file(world, monday.id, name, 3000, 10 + i);
		expect_file(world, tuesday.id, name, 3000, 20 + i);
	}
	/* it is on the tapes that way, too */
	wait_until_home(world);
	assert_string_equal(medium_of(world, monday.id).volume_uuid, monday.volume_uuid);
	assert_string_equal(medium_of(world, tuesday.id).volume_uuid, tuesday.volume_uuid);
}

/* Promise 3. */
static void no_free_label_is_written_on_a_medium_whose_label_was_not_just_read(void **state)
{
	static const char known[] = "AMANDA: TAPESTART DATE 20260102 TAPE daily-07\n";
	static const char other[] = "AMANDA: TAPESTART DATE 20260103 TAPE daily-08\n";
	struct world *world = *state;
	struct rsm_medium medium;

	wait_until_home(world);
	write_tape(world, "slots/1001/A00001L8", known, sizeof known - 1);
	assert_done(rsm_manager_identify_slot(world->manager, 0, 1001, NULL, &medium, &world->err),
		    &world->err);
	wait_until_home(world);
	write_tape(world, "slots/1001/A00001L8", other, sizeof other - 1);
	assert_done(rsm_manager_free_medium(world->manager, medium.id, &world->err), &world->err);
	assert_int_equal(
		rsm_manager_sync_wait(world->manager, medium.id, NULL, NULL, NULL, &world->err),
		-EMEDIUMTYPE);
	wait_until_home(world);
	expect_untouched(world, "slots/1001/A00001L8", other);
	assert_string_equal(medium_of(world, medium.id).label_info, "daily-08");

	/* now it is known: it was asked for */
	assert_done(rsm_manager_free_medium(world->manager, medium.id, &world->err), &world->err);
	assert_done(rsm_manager_sync_wait(world->manager, medium.id, NULL, NULL, NULL, &world->err),
		    &world->err);
	assert_int_equal(medium_of(world, medium.id).state, RSM_MEDIUM_AVAILABLE);
}

/* What is staged cannot be looked at: it may be all that its owner has. */
static void a_free_label_takes_nothing_from_an_owner_whose_staged_files_are_not_known(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	struct rsm_medium monday = medium_of(world, given_written(world, pool, "monday", 1)), found;
	char folder[64], path[256];
	FILE *file;

	wait_until_home(world);
	monday = medium_of(world, monday.id);
	folder_of(world, monday.id, folder);
	world_stop(world);
	exchange_tapes(world, folder, "slots/1002/A00002L8");
	snprintf(path, sizeof path, "%s/staging/%s/index.db", world->folder, monday.volume_uuid);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("this was a database", file);
	assert_int_equal(fclose(file), 0);
	world_start(world);

	(void)!rsm_manager_identify_slot(world->manager, 0, monday.element, NULL, &found,
					 &world->err);
	wait_until_home(world);
	assert_string_equal(medium_of(world, monday.id).lmid, monday.lmid);
	assert_string_equal(medium_of(world, monday.id).volume_uuid, monday.volume_uuid);
	assert_int_equal(count_events(world, "event=wrong_label", monday.volume_uuid), 1);
}

/* He has nothing staged yet; a moment later he may, and it would be lost with his allocation. */
static void a_free_label_takes_nothing_from_an_owner_who_is_writing(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	struct rsm_medium monday = medium_of(world, given_written(world, pool, "monday", 1)), found;
	struct rsm_content *content;
	struct rsm_open_file *file;
	struct rsm_node node;
	char folder[64];
	bool keep;

	wait_until_home(world);
	monday = medium_of(world, monday.id);
	folder_of(world, monday.id, folder);
	exchange_tapes(world, folder, "slots/1002/A00002L8");
	assert_done(rsm_manager_content(world->manager, monday.id, &content, &world->err),
		    &world->err);
	assert_done(rsm_content_lookup(content, RSM_NODE_ROOT, "file", &node, &world->err),
		    &world->err);
	assert_done(rsm_content_open(content, node.id, O_WRONLY, &file, &keep, &world->err),
		    &world->err);
	(void)!rsm_manager_identify_slot(world->manager, 0, monday.element, NULL, &found,
					 &world->err);
	assert_done(rsm_content_write_file(file, "more", 4, 0, &world->err), &world->err);
	assert_done(rsm_content_flush_file(file, &world->err), &world->err);
	rsm_content_release(file);
	rsm_manager_content_unref(world->manager, content);
	wait_until_home(world);
	assert_string_equal(medium_of(world, monday.id).lmid, monday.lmid);
	assert_string_equal(medium_of(world, monday.id).volume_uuid, monday.volume_uuid);
}

static void who_has_a_cartridge_to_himself_just_now_is_not_displaced_by_a_free_label(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	struct rsm_medium monday = medium_of(world, given_written(world, pool, "monday", 1));
	static const char why[] = "the cartridge is being deallocated";
	struct rsm_content *content;
	char folder[64];

	wait_until_home(world);
	monday = medium_of(world, monday.id);
	folder_of(world, monday.id, folder);
	exchange_tapes(world, folder, "slots/1002/A00002L8");
	assert_done(rsm_manager_content(world->manager, monday.id, &content, &world->err),
		    &world->err);
	assert_done(rsm_content_hold_changes(content, why, &world->err), &world->err);
	assert_int_equal(rsm_content_hold_changes(content, "another", &world->err), -EBUSY);
	assert_string_equal(world->err.msg, why);
	assert_true(rsm_manager_mount_wait(world->manager, &monday.id, 1, 0, 0, 0, 1500, 0, NULL,
					   &world->err) < 0);

	assert_string_equal(medium_of(world, monday.id).lmid, monday.lmid);
	assert_string_equal(medium_of(world, monday.id).volume_uuid, monday.volume_uuid);
	assert_int_equal(count_events(world, "event=wrong_label", monday.volume_uuid), 0);
	assert_int_equal(rsm_content_check_held(content, &world->err), -EBUSY);
	rsm_content_let_changes(content, why);
	rsm_manager_content_unref(world->manager, content);

	/* it is asked again */
	(void)!rsm_manager_mount_wait(world->manager, &monday.id, 1, 0, 0, 0, 5000, 0, NULL,
				      &world->err);
	assert_string_not_equal(medium_of(world, monday.id).lmid, monday.lmid);
}

/* A format had been begun on the cartridge that was thought to be here; what is here is another's
 * volume, one label of which has gone.
 */
static void half_a_volume_of_somebody_elses_is_no_remains_of_ours(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	struct rsm_medium monday = medium_of(world, given_written(world, pool, "monday", 1)), begun;
	char folder[2][64], path[256];
	FILE *file;

	wait_until_home(world);
	begun = medium_of(world, given_cartridge(world, pool, "begun"));
	assert_done(rsm_medium_begin_labelling(catalog_of(world), begun.id, begun.volume_uuid,
					       &world->err),
		    &world->err);
	assert_done(rsm_manager_deallocate(world->manager, begun.id, true, &world->err),
		    &world->err);
	folder_of(world, monday.id, folder[0]);
	folder_of(world, begun.id, folder[1]);
	world_stop(world);
	exchange_tapes(world, folder[0], folder[1]);
	snprintf(path, sizeof path, "%s/%s/partition0.tap", world->folder, folder[1]);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
	world_start(world);

	(void)!rsm_manager_identify_slot(world->manager, 0, begun.element, NULL, &begun,
					 &world->err);
	wait_until_home(world);
	snprintf(path, sizeof path, "grep -qa %s %s/%s/partition1.tap", monday.volume_uuid,
		 world->folder, folder[1]);
	assert_int_equal(system(path), 0);
}

/* Promise 15. */
static void deallocation_while_off_line_succeeds_and_what_returns_is_free(void **state)
{
	struct world *world = *state;
	int64_t pool = given_pool(world, "Backup");
	struct rsm_medium monday = medium_of(world, given_written(world, pool, "monday", 1)), again;
	struct rsm_allocation allocation = { .pool = pool, .name = "again", .mode = 0755 };
	char folder[64];

	wait_until_home(world);
	folder_of(world, monday.id, folder);
	move_folder(world, folder, "shelf/.away");
	assert_done(
		rsm_manager_inventory_wait(world->manager, 0, false, NULL, NULL, NULL, &world->err),
		&world->err);
	assert_int_equal(medium_of(world, monday.id).location, RSM_AT_OFFLINE);
	assert_done(rsm_manager_deallocate(world->manager, monday.id, true, &world->err),
		    &world->err);

	move_folder(world, "shelf/.away", folder);
	assert_done(
		rsm_manager_inventory_wait(world->manager, 0, true, NULL, NULL, NULL, &world->err),
		&world->err);
	assert_int_equal(medium_of(world, monday.id).state, RSM_MEDIUM_UNPREPARED);
	allocation.medium = monday.id;
	assert_done(rsm_manager_allocate(world->manager, &allocation, &again, &world->err),
		    &world->err);
	assert_string_not_equal(again.volume_uuid, monday.volume_uuid);
	assert_string_not_equal(again.lmid, monday.lmid);
	write_file(world, again.id, "new", 5000, 2);
	assert_done(rsm_manager_sync_wait(world->manager, again.id, NULL, NULL, NULL, &world->err),
		    &world->err);
	expect_file(world, again.id, "new", 5000, 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
#define T(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
static const struct CMUnitTest tests[] = {
	T(two_with_exchanged_barcodes_are_found_again),
	T(a_stranger_in_the_place_of_a_cartridge_is_known_as_what_it_is),
	T(FAST_inventory_after_two_without_barcodes_changed_places_the_label_check_finds_both),
	T(a_copy_takes_nothing_from_its_owner_in_another_drive),
	T(FAST_inventory_after_two_with_barcodes_changed_places_mounts_nothing),
	T(two_drives_that_find_out_together_put_it_right_once),
	T(a_barcode_alone_never_makes_rsmfs_write),
	T(the_label_is_read_and_compared_before_the_first_write_after_every_load),
	T(no_free_label_is_written_on_a_medium_whose_label_was_not_just_read),
	T(who_has_a_cartridge_to_himself_just_now_is_not_displaced_by_a_free_label),
	T(a_free_label_takes_nothing_from_an_owner_whose_staged_files_are_not_known),
	T(a_free_label_takes_nothing_from_an_owner_who_is_writing),
	T(half_a_volume_of_somebody_elses_is_no_remains_of_ours),
	T(deallocation_while_off_line_succeeds_and_what_returns_is_free),
};
RSM_TEST_MAIN(tests)
