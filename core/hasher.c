#include "core/hasher.h"

#include "base/mutex.h"

enum { WORTH_A_THREAD = 64 * 1024 }; /* bytes; less is done sooner than handed over */

struct rsm_hasher {
	struct rsm_digest *own;
	struct rsm_digest *digest; /* own, or lent; the helper's while there are pieces */
	struct rsm_mutex lock;
	pthread_cond_t changed; /* [lock] */
	struct {
		const void *bytes;
		size_t length;
	} pieces[RSM_HASHER_DEPTH]; /* [lock] a ring */
	unsigned first, count;	    /* [lock] of it; the first one is under way */
	unsigned awaited;	    /* [lock] the caller waits until so many are left */
	bool stopping;		    /* [lock] */
	bool runs;		    /* there is a thread */
	bool alone;		    /* none can be made */
	pthread_t thread;
};

static void *help(void *context)
{
	struct rsm_hasher *hasher = context;

	rsm_mutex_lock(&hasher->lock);
	for (;;) {
		const void *bytes;
		size_t length;

		while (!hasher->count && !hasher->stopping)
			pthread_cond_wait(&hasher->changed, &hasher->lock.m);
		if (!hasher->count)
			break;
		bytes = hasher->pieces[hasher->first].bytes;
		length = hasher->pieces[hasher->first].length;
		rsm_mutex_unlock(&hasher->lock);
		rsm_digest_add(hasher->digest, bytes, length);
		rsm_mutex_lock(&hasher->lock);
		hasher->first = (hasher->first + 1) % RSM_HASHER_DEPTH;
		hasher->count--;
		if (hasher->awaited >= hasher->count)
			pthread_cond_broadcast(&hasher->changed);
	}
	rsm_mutex_unlock(&hasher->lock);
	return NULL;
}

/* Until no more than so many pieces are left. */
static void wait_for_helper(struct rsm_hasher *hasher, unsigned left)
{
	if (!hasher->runs)
		return;
	RSM_LOCK_SCOPE(&hasher->lock);
	hasher->awaited = left;
	while (hasher->count > left)
		pthread_cond_wait(&hasher->changed, &hasher->lock.m);
}

int rsm_hasher_new(enum rsm_digest_kind kind, struct rsm_hasher **ret_hasher, struct rsm_err *err)
{
	struct rsm_hasher *hasher = calloc(1, sizeof *hasher);
	int r;

	if (!hasher)
		return rsm_err_oom(err);
	r = rsm_digest_new(kind, &hasher->own, err);
	if (r < 0) {
		free(hasher);
		return r;
	}
	hasher->digest = hasher->own;
	rsm_mutex_init(&hasher->lock);
	pthread_cond_init(&hasher->changed, NULL);
	*ret_hasher = hasher;
	return 0;
}

void rsm_hasher_free(struct rsm_hasher *hasher)
{
	if (!hasher)
		return;
	if (hasher->runs) {
		rsm_mutex_lock(&hasher->lock);
		hasher->stopping = true;
		pthread_cond_broadcast(&hasher->changed);
		rsm_mutex_unlock(&hasher->lock);
		pthread_join(hasher->thread, NULL);
	}
	pthread_cond_destroy(&hasher->changed);
	rsm_mutex_fini(&hasher->lock);
	rsm_digest_free(hasher->own);
	free(hasher);
}

void rsm_hasher_begin(struct rsm_hasher *hasher)
{
	rsm_hasher_settle(hasher);
	rsm_digest_begin(hasher->digest);
}

void rsm_hasher_continue(struct rsm_hasher *hasher, struct rsm_digest *digest)
{
	rsm_hasher_settle(hasher);
	hasher->digest = digest;
}

void rsm_hasher_settle(struct rsm_hasher *hasher)
{
	wait_for_helper(hasher, 0);
	hasher->digest = hasher->own;
}

void rsm_hasher_add(struct rsm_hasher *hasher, const void *bytes, size_t length)
{
	unsigned last;

	if (length >= WORTH_A_THREAD && !hasher->runs && !hasher->alone) {
		hasher->runs = pthread_create(&hasher->thread, NULL, help, hasher) == 0;
		hasher->alone = !hasher->runs;
	}
	if (length < WORTH_A_THREAD || !hasher->runs) {
		wait_for_helper(hasher, 0);
		rsm_digest_add(hasher->digest, bytes, length);
		return;
	}
	wait_for_helper(hasher, RSM_HASHER_DEPTH - 1);
	RSM_LOCK_SCOPE(&hasher->lock);
	last = (hasher->first + hasher->count++) % RSM_HASHER_DEPTH;
	hasher->pieces[last].bytes = bytes;
	hasher->pieces[last].length = length;
	if (hasher->count == 1)
		pthread_cond_broadcast(&hasher->changed);
}

void rsm_hasher_add_zeros(struct rsm_hasher *hasher, uint64_t count)
{
	wait_for_helper(hasher, 0);
	rsm_digest_add_zeros(hasher->digest, count);
}

int rsm_hasher_finish(struct rsm_hasher *hasher, const char **ret_key,
		      char ret_text[RSM_DIGEST_TEXT], struct rsm_err *err)
{
	wait_for_helper(hasher, 0);
	*ret_key = rsm_digest_key(rsm_digest_kind(hasher->digest));
	return rsm_digest_finish(hasher->digest, ret_text, err);
}
