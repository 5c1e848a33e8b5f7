/* What people answer to operator requests (rsm-model.md 14). */
#include <string.h>

#include "base/log.h"
#include "core/hand.h"

#define LOOK_NS	    (RSM_SECOND_NS / 10)
#define PATIENCE_NS (5 * RSM_SECOND_NS)
/* The kernel tries a read that failed once more, and would raise the next request by it. Who opens
 * the file anew asks anew.
 */
#define REFUSED_NS (2 * RSM_SECOND_NS)

/* What was put in just now may not have been noticed yet, or not been identified. A library that
 * does not answer has no say in what others have: *ret_blind tells of it, "" none.
 */
static int look_around(struct rsm_manager *manager, const atomic_bool *cancel,
		       struct rsm_err *ret_blind, struct rsm_err *err)
{
	int64_t until = rsm_manager_now(manager) + PATIENCE_NS;

	for (size_t i = 0; i < manager->library_count; i++) {
		struct rsm_library *library = &manager->libraries[i];
		struct rsm_err own;
		int r = rsm_hand_is(library) ? rsm_hand_look_now(library, cancel, &own)
					     : rsm_library_inventory(library, &own);

		if (r == -EINTR || r == -ENOMEM) {
			*err = own;
			return r;
		}
		if (r < 0) {
			rsm_log_warning("%s", own.msg);
			*ret_blind = own;
		}
	}
	while (rsm_manager_is_identifying(manager) && rsm_manager_now(manager) < until) {
		if (cancel && atomic_load(cancel))
			return rsm_err_set(err, EINTR, "interrupted");
		rsm_clock_sleep_ns(manager->clock, LOOK_NS);
	}
	return 0;
}

/* A drive that was given up is tried again, unless an administrator took it out of use. */
static int try_drive_again(struct rsm_manager *manager, const struct rsm_operator_request *request,
			   struct rsm_err *err)
{
	RSM_FREE struct rsm_drive_status *drives = NULL;
	size_t count = 0;
	int r = rsm_manager_drives(manager, &drives, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++)
		if (drives[i].library == request->library &&
		    drives[i].element == request->element && drives[i].enabled)
			r = rsm_manager_enable_drive(manager, drives[i].library, drives[i].element,
						     true, err);
	return r == -EINVAL ? 0 : r; /* it was not given up, or is in use again */
}

int rsm_manager_satisfy_request(struct rsm_manager *manager, int64_t id, const atomic_bool *cancel,
				struct rsm_err *err)
{
	char found[RSM_REQUEST_FOUND_SIZE];
	struct rsm_operator_request request;
	struct rsm_err blind = { 0 };
	bool is = false;
	int r = rsm_operator_request_get(manager->catalog, id, &request, err);

	if (r == RSM_REQUEST_ABSENT)
		return rsm_err_set(err, ENOENT, "there is no operator request %lld", (long long)id);
	if (r < 0)
		return r;
	if (request.ended.tv_sec)
		return rsm_err_set(err, EINVAL, "operator request %lld has ended already",
				   (long long)id);
	if (request.kind == RSM_REQUEST_MOVE_MEDIA || request.kind == RSM_REQUEST_NEW_MEDIA ||
	    request.kind == RSM_REQUEST_CLEANER)
		r = look_around(manager, cancel, &blind, err);
	if (r == 0)
		r = rsm_operator_request_get(manager->catalog, id, &request, err);
	if (r < 0)
		return r;
	/* its mere arrival was enough */
	if (r == RSM_REQUEST_ABSENT || request.state == RSM_REQUEST_COMPLETE)
		return 0;
	r = rsm_operator_request_is_fulfilled(manager->catalog, &request, &is, found, err);
	if (r < 0)
		return r;
	if (!is) {
		r = rsm_operator_request_repeat(manager->catalog, id, found, err);
		if (r < 0)
			return r;
		return rsm_err_set(
			err, EAGAIN, "operator request %lld: it is not so, %s%s%.200s: %s",
			(long long)id, found, blind.msg[0] ? "; " : "", blind.msg, request.text);
	}
	if (request.kind == RSM_REQUEST_DEVICE_SERVICE) {
		r = try_drive_again(manager, &request, err);
		if (r < 0)
			return r;
	}
	return rsm_operator_request_end(manager->catalog, id, RSM_REQUEST_COMPLETE, err);
}

int rsm_manager_refuse_request(struct rsm_manager *manager, int64_t id, struct rsm_err *err)
{
	struct rsm_operator_request request;
	struct rsm_cartridge *cartridge;
	struct rsm_err refusal;
	bool away;
	int r = rsm_operator_request_get(manager->catalog, id, &request, err);

	if (r == RSM_REQUEST_ABSENT)
		return rsm_err_set(err, ENOENT, "there is no operator request %lld", (long long)id);
	if (r == 0)
		r = rsm_operator_request_end(manager->catalog, id, RSM_REQUEST_REFUSED, err);
	if (r < 0 || request.kind != RSM_REQUEST_MOVE_MEDIA)
		return r;
	if (rsm_cartridge_ref(manager, request.medium, &cartridge, NULL) != 0)
		return 0; /* forgotten meanwhile: nobody waits for it */
	rsm_mutex_lock(&manager->lock);
	away = cartridge->library == 0;
	rsm_mutex_unlock(&manager->lock);
	if (away) {
		rsm_err_set(&refusal, ECANCELED, "%s: the operator refused to bring it",
			    cartridge->barcode);
		rsm_mutex_lock(&manager->lock);
		cartridge->refused_until_ns = rsm_manager_now(manager) + REFUSED_NS;
		if (cartridge->hand_library)
			rsm_hand_refused_locked(cartridge, &refusal);
		rsm_mutex_unlock(&manager->lock);
		rsm_cartridge_fail_requests(cartridge, -ECANCELED, &refusal);
	}
	rsm_cartridge_unref(cartridge);
	return 0;
}
