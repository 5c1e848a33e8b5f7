#include "tests/core/content_fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ---- against a model ---- */

enum { FILES = 4, SIZE_MAX_MODEL = 300000 };

struct model {
	char name[8];
	char *data;
	size_t size;
	struct rsm_open_file *file;
};

static void model_write(struct model *m, unsigned *seed)
{
	size_t limit = rand_r(seed) % 3 ? 5000 : 100000;
	size_t size = 1 + (size_t)rand_r(seed) % limit;
	size_t offset = (size_t)rand_r(seed) % (m->size + (rand_r(seed) % 4 ? 1 : 70000));
	RSM_FREE char *data = malloc(size);

	if (rand_r(seed) % 3 == 0)
		offset = m->size;
	if (offset + size > SIZE_MAX_MODEL)
		return;
	pattern(data, size, (unsigned)rand_r(seed));
	write_at(m->file, data, size, offset);
	if (offset > m->size)
		memset(m->data + m->size, 0, offset - m->size);
	memcpy(m->data + offset, data, size);
	if (offset + size > m->size)
		m->size = offset + size;
}

static void model_truncate(struct model *m, unsigned *seed)
{
	size_t size = rand_r(seed) % 4 ? (size_t)rand_r(seed) % (m->size + 1000) : 0;

	if (size > SIZE_MAX_MODEL)
		return;
	set_size(m->name, size);
	if (size > m->size)
		memset(m->data + m->size, 0, size - m->size);
	m->size = size;
}

static void model_read(struct model *m, unsigned *seed)
{
	size_t offset = (size_t)rand_r(seed) % (m->size + 10), length;
	size_t size = 1 + (size_t)rand_r(seed) % 150000, expect;
	RSM_FREE char *back = malloc(size);

	expect = offset >= m->size ? 0 : m->size - offset < size ? m->size - offset : size;
	assert_int_equal(fake_read_file(m->file, back, size, offset, &length), 0);
	assert_int_equal(length, expect);
	assert_memory_equal(back, m->data + offset, expect);
}

static void model_open(struct model *m, unsigned *seed)
{
	bool cut = rand_r(seed) % 6 == 0;

	m->file = open_file(m->name, O_RDWR | (cut ? O_TRUNC : 0));
	if (cut)
		m->size = 0;
}

static void model_punch(struct model *m, unsigned *seed)
{
	size_t offset = (size_t)rand_r(seed) % (m->size + 1), length = m->size - offset;

	if (!length)
		return;
	length = 1 + (size_t)rand_r(seed) % length;
	assert_done(rsm_content_allocate(m->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 offset, length, &err),
		    &err);
	memset(m->data + offset, 0, length);
}

static void model_close(struct model *m)
{
	if (m->file)
		close_file(m->file);
	m->file = NULL;
}

static void model_reopen(struct model *models)
{
	for (int i = 0; i < FILES; i++)
		model_close(&models[i]);
	reopen();
	for (int i = 0; i < FILES; i++)
		assert_holds(models[i].name, models[i].data, models[i].size);
}

static void model_step(struct model *models, unsigned *seed)
{
	struct model *m = &models[rand_r(seed) % FILES];
	unsigned what = (unsigned)rand_r(seed) % 100;

	if (what < 2)
		model_reopen(models);
	else if (what < 8)
		fake_migrate(&medium, content, 1 + (unsigned)rand_r(seed) % 4);
	else if (what < 13)
		fake_index(content);
	else if (what < 15)
		fake_set_mode(&medium, what % 2 ? FAKE_AT_ONCE : FAKE_BY_THREAD);
	else if (what < 23)
		model_truncate(m, seed);
	else if (!m->file)
		model_open(m, seed);
	else if (what < 60)
		model_write(m, seed);
	else if (what < 80)
		model_read(m, seed);
	else if (what < 84)
		model_punch(m, seed);
	else if (what < 92)
		assert_done(rsm_content_flush_file(m->file, &err), &err);
	else
		model_close(m);
}

static void any_order_of_operations_keeps_the_bytes(void **state)
{
	const char *given = getenv("RSM_SEED"), *steps = getenv("RSM_STEPS");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
	struct model models[FILES] = { 0 };

	(void)state;
	print_message("# RSM_SEED=%u\n", seed);
	for (int i = 0; i < FILES; i++) {
		snprintf(models[i].name, sizeof models[i].name, "f%d", i);
		models[i].data = calloc(1, SIZE_MAX_MODEL);
		models[i].file = create(models[i].name);
	}
	for (long i = steps ? atol(steps) : 1500; i > 0; i--)
		model_step(models, &seed);
	model_reopen(models);
	print_message("# %u reads of the medium, %zu KiB written to it\n", medium.reads,
		      medium.end / 1024);
	for (int i = 0; i < FILES; i++) {
		assert_done(rsm_content_remove(content, RSM_NODE_ROOT, models[i].name, false, &err),
			    &err);
		free(models[i].data);
	}
	reopen();
	assert_int_equal(rsm_staging_space_used(space), 0);
}

/* ---- threads ---- */

static void *write_files(void *context)
{
	unsigned base = (unsigned)(intptr_t)context;
	static _Thread_local char data[100000], back[100000];

	for (unsigned i = 0; i < 40; i++) {
		size_t size = i % 4 ? 500 + i : 70000 + i, length;
		struct rsm_node node = { .kind = RSM_NODE_FILE };
		struct rsm_open_file *file;
		struct rsm_err local;
		char name[32];

		snprintf(name, sizeof name, "t%u-%u", base, i);
		pattern(data, size, base + i);
		if (rsm_content_create(content, RSM_NODE_ROOT, name, &node, O_RDWR, &file,
				       &local) ||
		    rsm_content_write_file(file, data, size, 0, &local) ||
		    rsm_content_flush_file(file, &local))
			return data;
		for (int again = 0; again < 3; again++) {
			if (fake_read_file(file, back, size, 0, &length) || length != size ||
			    memcmp(data, back, size))
				return data;
			data[again * 50]++;
			if (rsm_content_write_file(file, data, size / 2, 0, &local))
				return data;
		}
		rsm_content_release(file);
		if (rsm_content_open(content, node.id, O_RDONLY, &file, &(bool){ false }, &local) ||
		    fake_read_file(file, back, size, 0, &length) || memcmp(data, back, size))
			return data;
		rsm_content_release(file);
	}
	return NULL;
}

static bool count_entry(void *context, const struct rsm_node *node, const char *name,
			const char *key)
{
	(void)node;
	(void)name;
	(void)key;
	++*(unsigned *)context;
	return true;
}

static void writers_readers_and_migration_run_side_by_side(void **state)
{
	pthread_t threads[3];
	unsigned count = 0;
	void *failed;

	(void)state;
	fake_set_mode(&medium, FAKE_BY_THREAD);
	for (intptr_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_files, (void *)i), 0);
	for (int i = 0; i < 15; i++) {
		fake_migrate(&medium, content, 20);
		fake_index(content);
		count = 0;
		assert_done(
			rsm_content_list(content, RSM_NODE_ROOT, NULL, count_entry, &count, &err),
			&err);
		usleep(2000);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	fake_migrate(&medium, content, 1000);
	fake_index(content);
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 40; j++) {
			RSM_FREE char *data = malloc(100000);
			size_t size = j % 4 ? 500 + (size_t)j : 70000 + (size_t)j;
			char name[32];

			pattern(data, size, (unsigned)(i + j));
			data[0]++;
			data[50]++;
			data[100]++;
			snprintf(name, sizeof name, "t%d-%d", i, j);
			assert_holds(name, data, size);
		}
	assert_int_equal(rsm_staging_space_used(space), 0);
}

static void *rewrite_files(void *context)
{
	atomic_bool *stop = context;
	static char data[70000];
	unsigned seed = 1;

	while (!atomic_load(stop)) {
		struct rsm_open_file *file;
		struct rsm_node row;
		struct rsm_err local;
		char name[8];

		snprintf(name, sizeof name, "r%d", rand_r(&seed) % 4);
		if (rsm_content_lookup(content, RSM_NODE_ROOT, name, &row, &local) ||
		    rsm_content_open(content, row.id, O_RDWR, &file, &(bool){ false }, &local) ||
		    rsm_content_write_file(file, data, 1 + (size_t)rand_r(&seed) % sizeof data,
					   (uint64_t)rand_r(&seed) % 70000, &local) ||
		    rsm_content_flush_file(file, &local))
			return data;
		rsm_content_release(file);
		if (rand_r(&seed) % 4 == 0)
			usleep((unsigned)rand_r(&seed) % 3000);
	}
	return NULL;
}

/* Opened and written anew while the index that covers what they had is being noted. */
static void files_rewritten_while_an_index_is_noted_keep_the_count(void **state)
{
	static char data[100000];
	atomic_bool stop = false;
	pthread_t thread;
	void *failed;

	(void)state;
	for (int i = 0; i < 4; i++) {
		char name[8];

		snprintf(name, sizeof name, "r%d", i);
		make_file(name, data, sizeof data);
	}
	assert_int_equal(pthread_create(&thread, NULL, rewrite_files, &stop), 0);
	for (int i = 0; i < 100; i++) {
		fake_migrate(&medium, content, 20);
		fake_index(content);
	}
	atomic_store(&stop, true);
	pthread_join(thread, &failed);
	assert_null(failed);
	fake_migrate(&medium, content, 1000);
	fake_index(content);
	assert_int_equal(rsm_staging_space_used(space), 0);
	assert_int_equal(staging_files("file."), 0);
}

/* ---- sudden death ---- */

static size_t victim_size(unsigned i)
{
	return i % 5 ? 1 + i * 37 % 3000 : 66000 + i;
}

static void victim(int report)
{
	static char data[100000];

	open_volume();
	for (unsigned i = 0;; i++) {
		char name[32];
		struct rsm_open_file *file;

		snprintf(name, sizeof name, "v%u", i);
		pattern(data, victim_size(i), i);
		file = create(name);
		write_at(file, data, victim_size(i), 0);
		assert_done(rsm_content_flush_file(file, &err), &err);
		if (write(report, &i, sizeof i) != sizeof i)
			_exit(1);
		rsm_content_release(file);
		if (i % 7 == 6)
			fake_migrate(&medium, content, 5);
		if (i % 23 == 22)
			fake_index(content);
	}
}

static void a_flushed_file_survives_a_sudden_death(void **state)
{
	static char data[100000];
	unsigned last = 0;
	int ends[2], status;
	pid_t child;

	(void)state;
	rsm_content_close_volume(content);
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (!child)
		victim(ends[1]);
	close(ends[1]);
	while (last < 100 + (unsigned)time(NULL) % 100)
		assert_int_equal(read(ends[0], &last, sizeof last), sizeof last);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	while (read(ends[0], &last, sizeof last) == sizeof last)
		;
	close(ends[0]);
	medium.end = FAKE_SIZE;
	open_volume();
	for (unsigned i = 0; i <= last; i++) {
		char name[32];

		snprintf(name, sizeof name, "v%u", i);
		pattern(data, victim_size(i), i);
		assert_holds(name, data, victim_size(i));
	}
	medium.end = FAKE_SIZE / 2; /* room to write on */
	fake_migrate(&medium, content, 10000);
	fake_index(content);
	pattern(data, victim_size(0), 0);
	assert_holds("v0", data, victim_size(0));
}

/* ---- interrupts ---- */

static void an_interrupted_read_answers_once(void **state)
{
	static char data[200000];
	static char back[200000];
	struct rsm_open_file *file;

	(void)state;
	pattern(data, sizeof data, 6);
	make_file("a", data, sizeof data);
	fake_migrate(&medium, content, 10);
	fake_index(content);
	fake_set_mode(&medium, FAKE_BY_THREAD);
	file = open_file("a", O_RDWR);
	for (size_t i = 1; i < 8; i++) /* so that there are several pieces */
		write_at(file, data + i * 20000, 10, i * 20000);
	for (int i = 0; i < 500; i++) {
		struct fake_reader reader;
		size_t length;
		int r;

		fake_read_begin(&reader, file, back, sizeof back, 0);
		rsm_content_interrupt(file, &reader.request);
		r = fake_read_wait(&reader, &length);
		assert_true(r == 0 || r == -EINTR);
		if (r == 0)
			assert_memory_equal(back, data, sizeof data);
	}
	close_file(file);
}

/* ---- when the disk refuses ---- */

/* Writes beyond `bytes` of any file fail; 0: no more. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static uint64_t version_of(const char *name)
{
	struct rsm_node row;

	assert_done(rsm_volume_index_get(rsm_content_index(content), id_of(name), &row, &err),
		    &err);
	return row.data_version;
}

static void a_refused_flush_can_be_repeated(void **state)
{
	uint64_t version;
	static char data[200000];
	struct rsm_open_file *small, *big, *fresh, *robbed, *other;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	pattern(data, sizeof data, 6);
	make_file("big", data, sizeof data);
	make_file("small", data, 100);
	fake_migrate(&medium, content, 10);
	fake_index(content);
	version = version_of("big");
	big = open_file("big", O_RDWR);
	small = open_file("small", O_RDWR | O_TRUNC);
	fresh = create("fresh");
	robbed = create("robbed");
	write_at(big, "new", 3, 10);
	memcpy(data + 10, "new", 3);
	write_at(small, "shorter", 7, 0);
	write_at(fresh, data, 5000, 0);
	write_at(robbed, "gone", 4, 0);
	for (rlim_t limit = 1; limit <= 4096; limit *= 64) {
		limit_files(limit);
		assert_true(rsm_content_flush_file(big, &err) < 0);
		assert_true(rsm_content_flush_file(small, &err) < 0);
		limit_files(0);
		assert_reads(big, data, sizeof data);
		assert_reads(small, "shorter", 7);
	}
	assert_true(rsm_content_set_attributes(content, 999, 0, &(struct rsm_node){ 0 },
					       &(struct rsm_node){ 0 }, &err) == -ENOENT);
	close_file(big);
	close_file(small);
	/* a migration that saw a refused row must not pass for one of the bytes that came then */
	assert_true(version_of("big") > version + 1);
	/* their rows were made in the transaction that failed; their numbers are theirs */
	other = create("robbed");
	assert_int_not_equal(rsm_content_file_id(other), rsm_content_file_id(robbed));
	assert_int_not_equal(rsm_content_file_id(other), rsm_content_file_id(fresh));
	write_at(other, "other", 5, 0);
	close_file(other);
	assert_reads(fresh, data, 5000);
	close_file(fresh);
	assert_int_equal(rsm_content_flush_file(robbed, &err), -ESTALE);
	rsm_content_release(robbed);
	assert_holds("robbed", "other", 5);
	assert_holds("fresh", data, 5000);
	assert_holds("big", data, sizeof data);
	assert_holds("small", "shorter", 7);
	reopen();
	assert_holds("big", data, sizeof data);
	assert_holds("small", "shorter", 7);
	assert_holds("robbed", "other", 5);
	assert_holds("fresh", data, 5000);
}

static const struct CMUnitTest tests[] = {
	TEST(any_order_of_operations_keeps_the_bytes),
	TEST(writers_readers_and_migration_run_side_by_side),
	TEST(files_rewritten_while_an_index_is_noted_keep_the_count),
	TEST(a_flushed_file_survives_a_sudden_death),
	TEST(an_interrupted_read_answers_once),
	TEST(a_refused_flush_can_be_repeated),
};
RSM_TEST_MAIN(tests)
