#include "fs/control.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mutex.h"
#include "fs/control_events.h"
#include "fs/control_request.h"
#include "fs/wire.h"

/* How far a reply may run ahead of its reader. */
enum { REPLY_AHEAD = 256 * 1024, REPLY_COMPACT = 64 * 1024 };

/* Lock order: control > handle; neither is held while a callback or a verb runs. */
struct rsmfs_control {
	struct rsm_manager *manager;	/* [const] */
	struct rsmfs_event_hub *events; /* [const] */
	bool has_admin_group;		/* [const] since the first open */
	gid_t admin_group;
	struct rsmfs_control_settle settle; /* [const] likewise; end NULL: nothing to wait for */
	struct rsm_mutex lock;
	pthread_cond_t ended;	 /* [lock] a thread ended */
	struct rsm_list running; /* [lock] handles with a thread */
	unsigned threads;	 /* [lock] */
	bool stopping;		 /* [lock] */
};

struct rsmfs_control_handle {
	struct rsmfs_control *control; /* [const] */
	struct rsmfs_caller *caller;   /* [const] */
	struct rsm_list link;	       /* [control->lock] in running */
	struct rsm_mutex lock;
	pthread_cond_t drained; /* [lock] the reader took something, or nobody reads any more */
	unsigned references;	/* [lock] the front end's and the thread's */
	bool started, over;	/* [lock] request complete; reply complete */
	bool released;		/* [lock] */
	struct rsm_text input;	/* [lock until started, then the thread's] */
	struct rsm_text output; /* [lock] */
	size_t taken;		/* [lock] bytes of output that were read */
	struct rsm_list reads;	/* [lock] that wait */
	struct rsmfs_request request; /* the thread's; cancel is atomic */
};

int rsmfs_caller_new(uid_t uid, gid_t gid, pid_t pid, const gid_t *groups, size_t group_count,
		     struct rsmfs_caller **ret_caller, struct rsm_err *err)
{
	struct rsmfs_caller *caller =
		malloc(sizeof(*caller) + group_count * sizeof(caller->groups[0]));

	if (!caller)
		return rsm_err_oom(err);
	*caller = (struct rsmfs_caller){
		.uid = uid, .gid = gid, .pid = pid, .group_count = group_count
	};
	if (group_count)
		memcpy(caller->groups, groups, group_count * sizeof(caller->groups[0]));
	*ret_caller = caller;
	return 0;
}

int rsmfs_control_new(struct rsm_manager *manager, struct rsmfs_control **ret_control,
		      struct rsm_err *err)
{
	struct rsmfs_control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return rsm_err_oom(err);
	r = rsmfs_event_hub_new(rsm_manager_catalog(manager), &control->events, err);
	if (r < 0) {
		free(control);
		return r;
	}
	control->manager = manager;
	rsm_mutex_init(&control->lock);
	rsm_cond_init(&control->ended);
	rsm_list_init(&control->running);
	*ret_control = control;
	return 0;
}

void rsmfs_control_set_admin_group(struct rsmfs_control *control, gid_t group)
{
	control->has_admin_group = true;
	control->admin_group = group;
}

void rsmfs_control_set_settle(struct rsmfs_control *control,
			      const struct rsmfs_control_settle *settle)
{
	control->settle = *settle;
}

/* Who is administrator as far as this caller is concerned. */
static uid_t admin_for(const struct rsmfs_control *control, const struct rsmfs_caller *caller)
{
	if (control->has_admin_group && rsmfs_access_in_group(caller, control->admin_group))
		return caller->uid;
	return rsm_manager_options(control->manager)->admin;
}

void rsmfs_control_stop(struct rsmfs_control *control)
{
	{
		RSM_LOCK_SCOPE(&control->lock);
		control->stopping = true;
		RSM_LIST_FOR_EACH (item, &control->running) {
			struct rsmfs_control_handle *handle =
				RSM_CONTAINER_OF(item, struct rsmfs_control_handle, link);

			RSM_LOCK_SCOPE(&handle->lock);
			atomic_store(&handle->request.cancel, true);
			pthread_cond_broadcast(&handle->drained);
		}
	}
	rsmfs_event_hub_stop(control->events);
}

void rsmfs_control_free(struct rsmfs_control *control)
{
	if (!control)
		return;
	rsmfs_control_stop(control);
	rsm_mutex_lock(&control->lock);
	while (control->threads)
		rsm_cond_wait(&control->ended, &control->lock);
	rsm_mutex_unlock(&control->lock);
	rsmfs_event_hub_free(control->events);
	pthread_cond_destroy(&control->ended);
	rsm_mutex_fini(&control->lock);
	free(control);
}

int rsmfs_events_open(struct rsmfs_control *control, struct rsmfs_events **ret_events,
		      struct rsm_err *err)
{
	return rsmfs_event_hub_open(control->events, ret_events, err);
}

static void handle_unref(struct rsmfs_control_handle *handle)
{
	rsm_mutex_lock(&handle->lock);
	bool last = --handle->references == 0;
	rsm_mutex_unlock(&handle->lock);

	if (!last)
		return;
	rsm_text_fini(&handle->input);
	rsm_text_fini(&handle->output);
	pthread_cond_destroy(&handle->drained);
	rsm_mutex_fini(&handle->lock);
	free(handle->caller);
	free(handle);
}

int rsmfs_control_open(struct rsmfs_control *control, const struct rsmfs_caller *caller,
		       struct rsmfs_control_handle **ret_handle, struct rsm_err *err)
{
	struct rsmfs_control_handle *handle = calloc(1, sizeof(*handle));
	int r;

	if (!handle)
		return rsm_err_oom(err);
	r = rsmfs_caller_new(caller->uid, caller->gid, caller->pid, caller->groups,
			     caller->group_count, &handle->caller, err);
	if (r < 0) {
		free(handle);
		return r;
	}
	handle->control = control;
	handle->references = 1;
	rsm_list_init(&handle->link);
	rsm_list_init(&handle->reads);
	rsm_mutex_init(&handle->lock);
	rsm_cond_init(&handle->drained);
	*ret_handle = handle;
	return 0;
}

/* Gives waiting reads what there is. */
static void answer_reads(struct rsmfs_control_handle *handle)
{
	for (;;) {
		struct rsmfs_control_read *read;
		RSM_FREE char *data = NULL;
		size_t length = 0;
		int r = 0;
		{
			RSM_LOCK_SCOPE(&handle->lock);
			struct rsm_text *output = &handle->output;

			length = output->length - handle->taken;
			if (rsm_list_is_empty(&handle->reads) ||
			    (!length && !handle->over && !output->failed))
				return;
			read = RSM_CONTAINER_OF(handle->reads.next, struct rsmfs_control_read,
						link);
			rsm_list_remove(&read->link);
			if (length > read->size)
				length = read->size;
			/* The buffer may move while the bytes are being sent. */
			data = length ? malloc(length) : NULL;
			if (output->failed || (length && !data)) {
				r = -ENOMEM;
				length = 0;
			}
			if (length) {
				memcpy(data, output->data + handle->taken, length);
				handle->taken += length;
			}
			if (handle->taken == output->length) {
				rsm_text_reset(output);
				handle->taken = 0;
			} else if (handle->taken >= REPLY_COMPACT) {
				output->length -= handle->taken;
				memmove(output->data, output->data + handle->taken, output->length);
				handle->taken = 0;
			}
			pthread_cond_broadcast(&handle->drained);
		}
		read->done(read, r, data, length);
	}
}

static void send_reply(void *context, const char *bytes, size_t length)
{
	struct rsmfs_control_handle *handle = context;
	{
		RSM_LOCK_SCOPE(&handle->lock);
		while (handle->output.length - handle->taken > REPLY_AHEAD && !handle->released &&
		       !atomic_load(&handle->request.cancel))
			rsm_cond_wait(&handle->drained, &handle->lock);
		if (handle->released)
			return;
		rsm_text_append(&handle->output, bytes, length);
	}
	answer_reads(handle);
}

static int parse_input(struct rsmfs_control_handle *handle, char ***ret_argv, struct rsm_err *err)
{
	struct rsm_text *input = &handle->input;
	const char *end = input->data + input->length;
	size_t count = 0;
	int argc = 0;

	for (size_t i = 0; i < input->length; i++)
		count += !input->data[i];
	char **argv = calloc(count + 2, sizeof(*argv));

	if (!argv)
		return rsm_err_oom(err);
	/* rsm_text keeps a NUL behind the last byte, so the last one may come without its own. */
	for (char *p = input->data; p < end && *p; p += strlen(p) + 1)
		argv[argc++] = p;
	*ret_argv = argv;
	return argc;
}

static int run_request(struct rsmfs_control_handle *handle, struct rsm_err *err)
{
	struct rsmfs_request *request = &handle->request;
	RSM_FREE char **argv = NULL;
	int r = parse_input(handle, &argv, err);

	if (r < 0)
		return r;
	r = rsmfs_verb_parse(r, argv, &request->call, err);
	if (r < 0)
		return r;
	request->manager = handle->control->manager;
	request->catalog = rsm_manager_catalog(request->manager);
	request->caller = handle->caller;
	request->admin = admin_for(handle->control, handle->caller);
	request->send = send_reply;
	request->context = handle;
	r = rsmfs_request_run(request, err);
	if (r < 0)
		rsm_log_debug(RSM_ROOM_CONTROL, "rsm %s (uid %u): %s", request->call.verb->name,
			      (unsigned)handle->caller->uid, err->msg);
	rsmfs_verb_call_fini(&request->call);
	rsm_text_fini(&request->row);
	return r;
}

static void end_reply(struct rsmfs_control_handle *handle, int r, const struct rsm_err *err)
{
	RSM_TEXT struct rsm_text line = { 0 };

	rsm_text_printf(&line, "end\t%d", -r);
	if (r < 0) {
		rsm_text_add(&line, "\t");
		rsmfs_wire_escape(&line, err->msg, strlen(err->msg));
	}
	rsm_text_add(&line, "\n");
	{
		RSM_LOCK_SCOPE(&handle->lock);
		if (line.failed)
			handle->output.failed = true;
		else
			rsm_text_append(&handle->output, line.data, line.length);
		handle->over = true;
	}
	answer_reads(handle);
}

static void leave_running(struct rsmfs_control_handle *handle)
{
	RSM_LOCK_SCOPE(&handle->control->lock);
	rsm_list_remove(&handle->link);
}

static void *request_thread(void *context)
{
	struct rsmfs_control_handle *handle = context;
	struct rsmfs_control *control = handle->control;
	struct rsm_err err = { 0 };
	const struct rsmfs_control_settle *settle = &control->settle;
	uint64_t begun = settle->end ? settle->begin(settle->context) : 0;
	int r = run_request(handle, &err);

	if (settle->end)
		settle->end(settle->context, begun, &handle->request.cancel);
	end_reply(handle, r, &err);
	leave_running(handle);
	handle_unref(handle);
	RSM_LOCK_SCOPE(&control->lock);
	control->threads--;
	pthread_cond_broadcast(&control->ended);
	return NULL;
}

/* Signals are the main thread's. */
static int start_thread(struct rsmfs_control_handle *handle)
{
	sigset_t all, old;
	pthread_t thread;
	pthread_attr_t attributes;
	int r;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&thread, &attributes, request_thread, handle);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	return -r;
}

static int enter_running(struct rsmfs_control_handle *handle)
{
	struct rsmfs_control *control = handle->control;
	unsigned same_user = 0, all = 0;

	RSM_LOCK_SCOPE(&control->lock);
	if (control->stopping)
		return -ESHUTDOWN;
	RSM_LIST_FOR_EACH (item, &control->running) {
		all++;
		same_user +=
			RSM_CONTAINER_OF(item, struct rsmfs_control_handle, link)->caller->uid ==
			handle->caller->uid;
	}
	if (all >= RSMFS_CONTROL_RUNNING || same_user >= RSMFS_CONTROL_RUNNING_USER)
		return -EAGAIN;
	rsm_list_append(&control->running, &handle->link);
	control->threads++;
	return 0;
}

/* The caller has set `started`, so that this happens once. */
static int start(struct rsmfs_control_handle *handle)
{
	int r = enter_running(handle);

	if (!r) {
		rsm_mutex_lock(&handle->lock);
		handle->references++;
		rsm_mutex_unlock(&handle->lock);
		r = start_thread(handle);
		if (!r)
			return 0;
		leave_running(handle);
		handle_unref(handle);
		RSM_LOCK_SCOPE(&handle->control->lock);
		handle->control->threads--;
		pthread_cond_broadcast(&handle->control->ended);
	}
	{
		RSM_LOCK_SCOPE(&handle->lock);
		handle->over = true;
	}
	answer_reads(handle);
	return r;
}

ssize_t rsmfs_control_write(struct rsmfs_control_handle *handle, const void *data, size_t size)
{
	struct rsm_text *input = &handle->input;
	bool complete;
	{
		RSM_LOCK_SCOPE(&handle->lock);
		if (handle->started)
			return -EBUSY;
		if (size > RSMFS_CONTROL_REQUEST_MAX - input->length)
			return -EMSGSIZE;
		rsm_text_append(input, data, size);
		if (input->failed)
			return -ENOMEM;
		complete = input->length >= 2 && !input->data[input->length - 1] &&
			   !input->data[input->length - 2];
		handle->started = complete;
	}
	int r = complete ? start(handle) : 0;

	return r < 0 ? r : (ssize_t)size;
}

void rsmfs_control_read(struct rsmfs_control_handle *handle, struct rsmfs_control_read *read)
{
	bool begin = false;
	{
		RSM_LOCK_SCOPE(&handle->lock);
		rsm_list_init(&read->link);
		if (!handle->started && !handle->input.length)
			handle->started = handle->over = true; /* nothing was asked */
		else if (!handle->started)
			begin = handle->started = true;
		if (!begin)
			rsm_list_append(&handle->reads, &read->link);
	}
	if (begin) {
		int r = start(handle);

		if (r < 0) {
			read->done(read, r, NULL, 0);
			return;
		}
		RSM_LOCK_SCOPE(&handle->lock);
		rsm_list_append(&handle->reads, &read->link);
	}
	answer_reads(handle);
}

void rsmfs_control_interrupt(struct rsmfs_control_handle *handle, struct rsmfs_control_read *read)
{
	bool found = false;
	{
		RSM_LOCK_SCOPE(&handle->lock);
		RSM_LIST_FOR_EACH_SAFE (item, &handle->reads) {
			if (item != &read->link)
				continue;
			rsm_list_remove(item);
			found = true;
		}
	}
	if (found)
		read->done(read, -EINTR, NULL, 0);
}

void rsmfs_control_release(struct rsmfs_control_handle *handle)
{
	struct rsm_list left;

	if (!handle)
		return;
	rsm_list_init(&left);
	{
		RSM_LOCK_SCOPE(&handle->lock);
		handle->released = true;
		atomic_store(&handle->request.cancel, true);
		pthread_cond_broadcast(&handle->drained);
		RSM_LIST_FOR_EACH_SAFE (item, &handle->reads) {
			rsm_list_remove(item);
			rsm_list_append(&left, item);
		}
	}
	while (!rsm_list_is_empty(&left)) {
		struct rsmfs_control_read *read =
			RSM_CONTAINER_OF(left.next, struct rsmfs_control_read, link);

		rsm_list_remove(&read->link);
		read->done(read, -EINTR, NULL, 0);
	}
	handle_unref(handle);
}
