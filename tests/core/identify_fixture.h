/* identify_fixture.h - what tests of identification do to the cartridges of a virtual library. */
#ifndef RSM_TESTS_CORE_IDENTIFY_FIXTURE_H
#define RSM_TESTS_CORE_IDENTIFY_FIXTURE_H

#include <sys/stat.h>

#include "core/identification.h"
#include "core/manager_private.h"
#include "tests/core/manager_fixture.h"

static inline struct rsm_medium medium_at(struct world *world, uint32_t slot)
{
	struct rsm_medium medium;

	assert_done(rsm_medium_at(catalog_of(world), world->manager->libraries[0].id, RSM_AT_SLOT,
				  slot, &medium, &world->err),
		    &world->err);
	return medium;
}

static inline void wait_until_identified(struct world *world)
{
	while (rsm_manager_is_identifying(world->manager))
		usleep(500);
}

/* Nothing is in a drive. */
static inline void wait_until_home(struct world *world)
{
	for (;;) {
		bool home = true;

		rsm_mutex_lock(&world->manager->lock);
		RSM_LIST_FOR_EACH (item, &world->manager->cartridges)
			home = home && RSM_CONTAINER_OF(item, struct rsm_cartridge, link)->state ==
					       RSM_CARTRIDGE_AWAY;
		rsm_mutex_unlock(&world->manager->lock);
		if (home)
			return;
		usleep(500);
	}
}

static inline void move_folder(struct world *world, const char *from, const char *to)
{
	char source[160], target[160];

	snprintf(source, sizeof source, "%s/%s", world->folder, from);
	snprintf(target, sizeof target, "%s/%s", world->folder, to);
	if (rename(source, target) < 0)
		fail_msg("%s to %s: %s", from, to, strerror(errno));
}

/* What is on the two tapes changes places; the barcodes stay. */
static inline void exchange_tapes(struct world *world, const char *one, const char *other)
{
	char parts[2][64], inner[128];

	(void)world;
	snprintf(parts[0], sizeof parts[0], "%s", one);
	snprintf(parts[1], sizeof parts[1], "%s", other);
	static const char *const files[] = { "partition0.tap", "partition1.tap", "partition0.mam",
					     "partition1.mam" };

	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char a[128], b[128];

		snprintf(a, sizeof a, "%s/%s", parts[0], files[i]);
		snprintf(b, sizeof b, "%s/%s", parts[1], files[i]);
		snprintf(inner, sizeof inner, "%s/exchanged", parts[0]);
		for (int k = 0; k < 3; k++) {
			char from[200], to[200];

			snprintf(from, sizeof from, "%s/%s", world->folder,
				 k == 0	  ? a
				 : k == 1 ? b
					  : inner);
			snprintf(to, sizeof to, "%s/%s", world->folder,
				 k == 0	  ? inner
				 : k == 1 ? a
					  : b);
			(void)!rename(from, to);
		}
	}
}

static inline void write_tape(struct world *world, const char *folder, const char *record,
			      size_t length)
{
	uint8_t bytes[4] = { (uint8_t)length, (uint8_t)(length >> 8), 0, 0 };
	char path[160];
	FILE *file;

	assert_int_equal(length % 2, 0);
	snprintf(path, sizeof path, "%s/%s/partition1.tap", world->folder, folder);
	unlink(path);
	snprintf(path, sizeof path, "%s/%s/partition0.tap", world->folder, folder);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 4, 1, file), 1);
	assert_int_equal(fwrite(record, length, 1, file), 1);
	assert_int_equal(fwrite(bytes, 4, 1, file), 1);
	assert_int_equal(fwrite("\0\0\0", 4, 1, file), 1); /* a filemark */
	assert_int_equal(fclose(file), 0);
}

struct search {
	const char *event, *value;
	unsigned found;
};

static inline bool look_for_event(void *context, int64_t number, const char *line)
{
	struct search *search = context;

	(void)number;
	search->found += strstr(line, search->event) && strstr(line, search->value);
	return true;
}

static inline unsigned count_events(struct world *world, const char *event, const char *value)
{
	struct search search = { .event = event, .value = value };

	assert_done(rsm_event_list(catalog_of(world), 0, NULL, look_for_event, &search, NULL,
				   &world->err),
		    &world->err);
	return search.found;
}

#endif
