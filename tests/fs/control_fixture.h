/* control_fixture.h - asks a control room of a real manager as the front end would. */
#ifndef RSM_TESTS_FS_CONTROL_FIXTURE_H
#define RSM_TESTS_FS_CONTROL_FIXTURE_H

#include <pthread.h>

#include "base/text.h"
#include "fs/control.h"
#include "tests/core/manager_fixture.h"

struct reader {
	struct rsmfs_control_read read;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool answered;
	int result;
	struct rsm_text text;
	size_t last; /* bytes of the last answer */
};

static inline void reader_init(struct reader *reader)
{
	memset(reader, 0, sizeof *reader);
	pthread_mutex_init(&reader->lock, NULL);
	pthread_cond_init(&reader->changed, NULL);
}

static inline void reader_done(struct rsmfs_control_read *read, int r, const void *data,
			       size_t length)
{
	struct reader *reader = read->context;

	pthread_mutex_lock(&reader->lock);
	reader->answered = true;
	reader->result = r;
	reader->last = length;
	rsm_text_append(&reader->text, data, length);
	pthread_cond_broadcast(&reader->changed);
	pthread_mutex_unlock(&reader->lock);
}

static inline void reader_prepare(struct reader *reader, size_t size)
{
	reader->answered = false;
	reader->read =
		(struct rsmfs_control_read){ .size = size, .done = reader_done, .context = reader };
}

static inline void reader_wait(struct reader *reader)
{
	pthread_mutex_lock(&reader->lock);
	while (!reader->answered)
		pthread_cond_wait(&reader->changed, &reader->lock);
	pthread_mutex_unlock(&reader->lock);
}

static inline bool reader_is_answered(struct reader *reader)
{
	pthread_mutex_lock(&reader->lock);
	bool answered = reader->answered;
	pthread_mutex_unlock(&reader->lock);
	return answered;
}

static inline void reader_fini(struct reader *reader)
{
	rsm_text_fini(&reader->text);
	pthread_cond_destroy(&reader->changed);
	pthread_mutex_destroy(&reader->lock);
}

static inline struct rsmfs_control_handle *given_handle(struct rsmfs_control *control, uid_t uid)
{
	struct rsmfs_control_handle *handle;
	struct rsmfs_caller *caller;
	struct rsm_err err;

	assert_done(rsmfs_caller_new(uid, uid, 1, NULL, 0, &caller, &err), &err);
	assert_done(rsmfs_control_open(control, caller, &handle, &err), &err);
	free(caller);
	return handle;
}

/* "view\0media\0\0" of "view media" */
static inline size_t encode(const char *words, char *request)
{
	size_t length = 0;

	for (const char *p = words; *p; p++)
		request[length++] = *p == ' ' ? '\0' : *p;
	request[length++] = '\0';
	request[length++] = '\0';
	return length;
}

/* The whole reply. The caller's. */
static inline char *ask(struct rsmfs_control *control, uid_t uid, const char *words)
{
	struct rsmfs_control_handle *handle = given_handle(control, uid);
	struct reader reader;
	char request[4096], *reply;
	size_t length = encode(words, request);
	struct rsm_err err;

	assert_int_equal(rsmfs_control_write(handle, request, length), length);
	reader_init(&reader);
	do {
		reader_prepare(&reader, 4096);
		rsmfs_control_read(handle, &reader.read);
		reader_wait(&reader);
		assert_int_equal(reader.result, 0);
	} while (reader.last);
	rsmfs_control_release(handle);
	assert_done(rsm_text_take(&reader.text, &reply, &err), &err);
	reader_fini(&reader);
	return reply;
}

#define expect_reply(control, uid, words, part)                                                    \
	do {                                                                                       \
		char *reply_ = ask((control), (uid), (words));                                     \
		if (!strstr(reply_, (part)))                                                       \
			fail_msg("%s: '%s' is not in: %s", (words), (part), reply_);               \
		free(reply_);                                                                      \
	} while (0)

#define expect_done(control, uid, words) expect_reply(control, uid, words, "end\t0\n")
#define expect_failure(control, uid, words, code)                                                  \
	do {                                                                                       \
		char end_[32];                                                                     \
		snprintf(end_, sizeof end_, "end\t%d\t", (code));                                  \
		expect_reply(control, uid, words, end_);                                           \
	} while (0)

/* Of the test that runs. */
static struct rsmfs_control *control;

static inline int control_new(void **state)
{
	struct world *world;

	if (world_new(state) < 0)
		return -1;
	world = *state;
	return rsmfs_control_new(world->manager, &control, &world->err);
}

static inline int control_free(void **state)
{
	rsmfs_control_free(control);
	control = NULL;
	return world_free(state);
}

#endif
