/* Files that go to the medium in parts while they are still being written. */
#include "tests/core/content_parts.h"

static void an_open_file_gives_back_what_an_index_covers(void **state)
{
	static char data[SIZE];
	struct rsm_open_file *file = create("a");
	enum rsm_residency residency;
	struct rsm_extent first;

	(void)state;
	pattern(data, SIZE, 1);
	write_at(file, data, SIZE, 0);
	assert_int_equal(used(), SIZE);
	assert_int_equal(stream(UINT64_MAX, false), 0);
	assert_int_equal(used(), SIZE);
	assert_int_equal(stream(UINT64_MAX, false), RSM_NODE_ABSENT);
	fake_index(content);
	assert_int_equal(used(), SIZE % BLOCK);
	assert_reads(file, data, SIZE);
	assert_true(medium.reads > 0);
	assert_done(rsm_content_residency(content, id_of("a"), &residency, &first, &err), &err);
	assert_int_equal(residency, RSM_RESIDENT_STAGED);

	assert_int_equal(stream(UINT64_MAX, true), 0);
	fake_index(content);
	assert_int_equal(used(), 0);
	assert_int_equal(staging_files("file."), 0);
	write_at(file, "more", 4, SIZE - 2);
	memcpy(data + SIZE - 2, "mo", 2);
	assert_int_equal(used(), 4);
	close_file(file);
	set_size("a", SIZE);
	assert_holds("a", data, SIZE);
	reopen();
	assert_holds("a", data, SIZE);
	assert_int_equal(fake_migrate(&medium, content, 10), 1);
	fake_index(content);
	assert_int_equal(used(), 0);
	assert_holds("a", data, SIZE);
}

static void a_file_that_is_written_on_gives_back_what_was_not_touched(void **state)
{
	static char data[SIZE];
	struct rsm_open_file *file = create("a");

	(void)state;
	pattern(data, SIZE, 2);
	for (size_t at = 0; at < SIZE; at += SIZE / 5) {
		write_at(file, data + at, SIZE / 5, at);
		assert_int_equal(stream(UINT64_MAX, false), 0);
		write_at(file, "x", 1, at); /* dirty when the index comes */
		data[at] = 'x';
		fake_index(content);
		assert_true(used() < 10 * BLOCK);
	}
	assert_reads(file, data, SIZE);
	close_file(file);
	assert_holds("a", data, SIZE);
	assert_int_equal(fake_migrate(&medium, content, 10), 1);
	fake_index(content);
	assert_int_equal(used(), 0);
	reopen();
	assert_holds("a", data, SIZE);
}

static void what_is_touched_while_it_is_written_is_not_recorded(void **state)
{
	static char data[SIZE];
	struct rsm_open_file *file = create("a");
	struct part part = { 0 };

	(void)state;
	pattern(data, SIZE, 3);
	write_at(file, data, SIZE, 0);
	assert_true(take_part(&part, UINT64_MAX, false));
	write_at(file, "touched", 7, 100000);
	memcpy(data + 100000, "touched", 7);
	assert_int_equal(end_part(&part, true), 0);
	fake_index(content);
	assert_int_equal(used(), SIZE % BLOCK + 7);
	assert_reads(file, data, SIZE);

	write_at(file, data, SIZE, 0);
	assert_true(take_part(&part, UINT64_MAX, true));
	write_at(file, data, SIZE, 0);
	assert_int_equal(end_part(&part, true), RSM_NODE_ABSENT);
	fake_index(content);
	assert_int_equal(used(), SIZE);
	assert_int_equal(stream(UINT64_MAX, true), 0);
	write_at(file, "later", 5, 200000);
	memcpy(data + 200000, "later", 5);
	fake_index(content);
	assert_int_equal(used(), 5);
	close_file(file);
	reopen();
	assert_holds("a", data, SIZE);
}

static void what_is_overwritten_on_the_medium_counts_as_waiting(void **state)
{
	static char data[SIZE];
	struct rsm_open_file *file = create("a");
	struct rsm_content_use use;

	(void)state;
	write_at(file, data, SIZE, 0);
	assert_int_equal(stream(UINT64_MAX, true), 0);
	rsm_content_use(content, &use);
	assert_int_equal(use.waiting_bytes, 0);
	write_at(file, data, SIZE / 2, 0);
	rsm_content_use(content, &use);
	assert_int_equal(use.waiting_bytes, SIZE / 2);
	fake_index(content);
	rsm_content_use(content, &use);
	assert_int_equal(use.waiting_bytes, SIZE / 2);
	assert_int_equal(stream(UINT64_MAX, true), 0);
	rsm_content_use(content, &use);
	assert_int_equal(use.waiting_bytes, 0);
	fake_index(content);
	assert_int_equal(used(), 0);
	close_file(file);
}

static void what_was_touched_before_the_index_waits_again(void **state)
{
	static char data[SIZE];
	struct rsm_open_file *file = create("a");

	(void)state;
	pattern(data, SIZE, 4);
	write_at(file, data, SIZE, 0);
	assert_int_equal(stream(UINT64_MAX, true), 0);
	write_at(file, "later", 5, 300000);
	memcpy(data + 300000, "later", 5);
	assert_done(rsm_content_flush_file(file, &err), &err);
	rsm_content_release(file);
	reopen();
	assert_int_equal(used(), SIZE);
	fake_index(content);
	assert_int_equal(used(), 5);
	assert_holds("a", data, SIZE);
	assert_int_equal(fake_migrate(&medium, content, 10), 1);
	fake_index(content);
	assert_int_equal(used(), 0);
	assert_holds("a", data, SIZE);
}

static void what_the_medium_lost_waits_again(void **state)
{
	static char data[SIZE];
	struct rsm_open_file *file = create("a");
	size_t end;

	(void)state;
	pattern(data, SIZE, 5);
	write_at(file, data, SIZE / 2, 0);
	assert_int_equal(stream(UINT64_MAX, true), 0);
	fake_index(content);
	end = medium.end;
	write_at(file, data + SIZE / 2, SIZE / 2, SIZE / 2);
	assert_int_equal(stream(UINT64_MAX, true), 0);
	memset(medium.bytes + end, 0, medium.end - end);
	medium.end = end;
	assert_done(rsm_content_forget_unindexed(content, &err), &err);
	assert_reads(file, data, SIZE);
	assert_int_equal(used(), SIZE / 2);
	close_file(file);
	reopen();
	assert_int_equal(used(), SIZE / 2);
	assert_int_equal(fake_migrate(&medium, content, 10), 1);
	fake_index(content);
	assert_int_equal(used(), 0);
	assert_holds("a", data, SIZE);
}

static void a_file_that_loses_its_name_goes_nowhere(void **state)
{
	static char data[SIZE];
	struct rsm_open_file *file = create("a");
	struct part part = { 0 };
	uint64_t id = rsm_content_file_id(file);

	(void)state;
	pattern(data, SIZE, 6);
	write_at(file, data, SIZE, 0);
	assert_int_equal(stream(SIZE / 2, false), 0);
	assert_true(take_part(&part, UINT64_MAX, true));
	assert_done(rsm_content_remove(content, RSM_NODE_ROOT, "a", false, &err), &err);
	assert_int_equal(end_part(&part, true), RSM_NODE_ABSENT);
	assert_int_equal(stream(UINT64_MAX, true), RSM_NODE_ABSENT);
	fake_index(content);
	assert_reads(file, data, SIZE);
	rsm_content_forget(content, id);
	assert_reads(file, data, SIZE);
	close_file(file);
	assert_int_equal(used(), 0);
	assert_int_equal(staging_files("file."), 0);
}

static void a_large_open_file_asks_to_be_streamed(void **state)
{
	static char data[SIZE];
	struct rsm_open_file *file = create("a");
	struct part part = { 0 };

	(void)state;
	rsm_content_set_stream_size(content, 2 * SIZE);
	write_at(file, data, SIZE, 0);
	assert_int_equal(rsm_content_next_part(content, 2 * SIZE, UINT64_MAX, BLOCK, false,
					       &part.migration, &err),
			 RSM_NODE_ABSENT);
	write_at(file, data, SIZE, SIZE);
	assert_int_equal(medium.streams_wanted, 1);
	assert_true(take_part(&part, 10 * BLOCK, false));
	assert_int_equal(part.migration->range_count, 1);
	assert_int_equal(part.migration->ranges[0].byte_count, 10 * BLOCK);
	assert_int_equal(end_part(&part, true), 0);
	close_file(file);
}

static void a_writer_is_told_that_its_full_cartridge_makes_no_room(void **state)
{
	static char data[SIZE];
	struct rsm_staging_space *small;
	struct rsm_open_file *file;

	(void)state;
	rsm_content_close_volume(content);
	assert_done(rsm_staging_space_new(folder, SIZE, &small, &err), &err);
	rsm_staging_space_free(space);
	space = small;
	open_volume();
	file = create("a");
	write_at(file, data, SIZE, 0);
	assert_int_equal(rsm_content_write_file(file, data, 1, SIZE, &err), RSM_CONTENT_WAIT);
	assert_true(medium.rooms_wanted > 0);
	assert_true(rsm_staging_space_is_tight(space));
	write_at(file, data, 1000, 5); /* takes no room */
	rsm_content_set_full(content, true);
	assert_int_equal(rsm_content_write_file(file, data, 1, SIZE, &err), -ENOSPC);
	rsm_content_set_full(content, false);
	assert_int_equal(stream(UINT64_MAX, false), 0);
	fake_index(content);
	write_at(file, data, 1, SIZE);
	close_file(file);
}

/* ---- against a model ---- */

enum { FILES = 3, STEPS = 3000 };

struct model {
	char name[8];
	char *data;
	size_t size;
	struct rsm_open_file *file;
};

static void change(struct model *m, unsigned *seed)
{
	unsigned what = (unsigned)rand_r(seed) % 10;
	size_t size = 1 + (size_t)rand_r(seed) % (what < 4 ? 100 : 70000);
	size_t offset = what % 2 ? m->size : (size_t)rand_r(seed) % (m->size + 20000);
	static char data[70001];

	if (what == 9) {
		offset = (size_t)rand_r(seed) % (m->size + 1);
		if (rand_r(seed) % 8)
			offset = m->size - offset / 20;
		else if (rand_r(seed) % 2)
			offset = 0;
		set_size(m->name, offset);
		m->size = offset;
		return;
	}
	if (what == 8 && m->size) {
		offset = (size_t)rand_r(seed) % m->size;
		size = size > m->size - offset ? m->size - offset : size;
		assert_done(rsm_content_allocate(m->file,
						 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
						 size, &err),
			    &err);
		memset(m->data + offset, 0, size);
		return;
	}
	if (offset + size > SIZE)
		return;
	pattern(data, size, (unsigned)rand_r(seed));
	write_at(m->file, data, size, offset);
	if (offset > m->size)
		memset(m->data + m->size, 0, offset - m->size);
	memcpy(m->data + offset, data, size);
	m->size = offset + size > m->size ? offset + size : m->size;
}

static void look(struct model *m, unsigned *seed)
{
	size_t offset = (size_t)rand_r(seed) % (m->size + 1), length;
	size_t size = 1 + (size_t)rand_r(seed) % 150000;
	static char back[150001];

	if (size > m->size - offset)
		size = m->size - offset;
	assert_int_equal(fake_read_file(m->file, back, size, offset, &length), 0);
	assert_int_equal(length, size);
	for (size_t i = 0; i < size; i++)
		if (back[i] != m->data[offset + i])
			fail_msg("%s: byte %zu of %zu is %d, not %d", m->name, offset + i, m->size,
				 back[i], m->data[offset + i]);
}

static void start_anew(struct model *models, struct part *part)
{
	end_part(part, false);
	for (int i = 0; i < FILES; i++) {
		if (models[i].file)
			close_file(models[i].file);
		models[i].file = NULL;
	}
	reopen();
	rsm_content_set_hash(content, RSM_DIGEST_SHA256);
	for (int i = 0; i < FILES; i++)
		assert_holds(models[i].name, models[i].data, models[i].size);
}

static void step(struct model *models, struct part *part, unsigned *seed)
{
	struct model *m = &models[rand_r(seed) % FILES];
	unsigned what = (unsigned)rand_r(seed) % 100;

	if (!m->file)
		m->file = open_file(m->name, O_RDWR);
	if (what < 1)
		start_anew(models, part);
	else if (what < 3)
		assert_done(rsm_content_forget_unindexed(content, &err), &err);
	else if (what < 8)
		fake_index(content);
	else if (what < 11)
		fake_migrate(&medium, content, 1 + (unsigned)rand_r(seed) % 3);
	else if (what < 20 && !part->migration)
		take_part(part, what % 2 ? UINT64_MAX : 20 * BLOCK, what % 3);
	else if (what < 30)
		end_part(part, what < 28);
	else if (what < 36)
		assert_done(rsm_content_flush_file(m->file, &err), &err);
	else if (what < 38) {
		close_file(m->file);
		m->file = NULL;
		fake_migrate(&medium, content, 10);
		has_digest(m->name, m->data, m->size);
	} else if (what < 60)
		look(m, seed);
	else
		change(m, seed);
}

static void any_order_of_operations_keeps_the_bytes(void **state)
{
	const char *given = getenv("RSM_SEED"), *steps = getenv("RSM_STEPS");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
	struct model models[FILES] = { 0 };
	struct part part = { 0 };

	(void)state;
	print_message("# RSM_SEED=%u\n", seed);
	rsm_content_set_hash(content, RSM_DIGEST_SHA256);
	for (int i = 0; i < FILES; i++) {
		snprintf(models[i].name, sizeof models[i].name, "f%d", i);
		models[i].data = calloc(1, SIZE);
		models[i].file = create(models[i].name);
	}
	for (long i = steps ? atol(steps) : STEPS; i > 0 && medium.end < FAKE_SIZE / 2; i--)
		step(models, &part, &seed);
	start_anew(models, &part);
	fake_migrate(&medium, content, 10);
	fake_index(content);
	assert_int_equal(used(), 0);
	for (int i = 0; i < FILES; i++) {
		assert_holds(models[i].name, models[i].data, models[i].size);
		free(models[i].data);
	}
}

/* ---- threads ---- */

/* NULL, or what went wrong. */
static const char *write_as(unsigned number)
{
	RSM_FREE char *data = malloc(SIZE), *back = malloc(SIZE);
	struct rsm_node node = { .kind = RSM_NODE_FILE };
	struct rsm_open_file *file;
	struct rsm_err local;
	char name[16];
	size_t length;

	snprintf(name, sizeof name, "t%u", number);
	pattern(data, SIZE, number);
	if (rsm_content_create(content, RSM_NODE_ROOT, name, &node, O_RDWR, &file, &local))
		return "create";
	for (size_t at = 0; at < SIZE; at += 6000)
		if (rsm_content_write_file(file, data + at, 6000, at, &local))
			return "write";
	for (unsigned i = 0; i < 300; i++) {
		size_t at = i * 7919 * (number + 1) % (SIZE - 5000);

		memset(data + at, (int)i, 5000);
		if (rsm_content_write_file(file, data + at, 5000, at, &local) ||
		    (i % 50 == 9 && rsm_content_flush_file(file, &local)) ||
		    fake_read_file(file, back, 9000, at - at % 4000, &length))
			return "write on";
		if (memcmp(back, data + at - at % 4000, length))
			return "bytes";
	}
	if (fake_read_file(file, back, SIZE, 0, &length) || length != SIZE ||
	    memcmp(back, data, SIZE) || rsm_content_flush_file(file, &local))
		return "all bytes";
	rsm_content_release(file);
	return NULL;
}

static void *write_on(void *context)
{
	return (void *)(uintptr_t)write_as((unsigned)(intptr_t)context);
}

static void writers_and_streaming_run_side_by_side(void **state)
{
	pthread_t threads[3];
	void *failed;

	(void)state;
	fake_set_mode(&medium, FAKE_AT_ONCE);
	for (intptr_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_on, (void *)i), 0);
	for (int i = 0; i < 40 && medium.end < FAKE_SIZE / 2; i++) {
		stream(SIZE / 3, i % 2);
		fake_migrate(&medium, content, 1);
		fake_index(content);
		usleep(500);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], &failed);
		if (failed)
			fail_msg("writer %d: %s", i, (char *)failed);
	}
	fake_migrate(&medium, content, 10);
	fake_index(content);
	assert_int_equal(used(), 0);
}

static const struct CMUnitTest tests[] = {
	TEST(an_open_file_gives_back_what_an_index_covers),
	TEST(a_file_that_is_written_on_gives_back_what_was_not_touched),
	TEST(what_is_touched_while_it_is_written_is_not_recorded),
	TEST(what_is_overwritten_on_the_medium_counts_as_waiting),
	TEST(what_was_touched_before_the_index_waits_again),
	TEST(what_the_medium_lost_waits_again),
	TEST(a_file_that_loses_its_name_goes_nowhere),
	TEST(a_large_open_file_asks_to_be_streamed),
	TEST(a_writer_is_told_that_its_full_cartridge_makes_no_room),
	TEST(any_order_of_operations_keeps_the_bytes),
	TEST(writers_and_streaming_run_side_by_side),
};
RSM_TEST_MAIN(tests)
