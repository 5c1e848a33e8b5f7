/* Label work that waits in the catalogue is taken up, a page at a time: a library may have tens of
 * thousands of it.
 */
#include <stdlib.h>

#include "base/log.h"
#include "core/drive_fit.h"
#include "core/manager_private.h"

enum { PAGE = 4096 };

struct page {
	int64_t media[PAGE];
	size_t count, most;
};

static bool gather(void *context, const struct rsm_medium *medium)
{
	struct page *page = context;

	page->media[page->count++] = medium->id;
	return page->count < page->most;
}

void rsm_manager_want_label(struct rsm_manager *manager, int64_t medium, unsigned delay_ms)
{
	struct rsm_cartridge *cartridge;
	struct rsm_medium m;

	if (rsm_medium_get(manager->catalog, medium, &m, NULL) != 0 ||
	    rsm_cartridge_ref(manager, medium, &cartridge, NULL) != 0)
		return;
	rsm_mutex_lock(&manager->lock);
	if (rsm_drive_fit_has_label_work_locked(cartridge, &m)) {
		cartridge->label_at_ns = rsm_manager_now(manager) + (int64_t)delay_ms * 1000000 + 1;
		rsm_cartridge_wanted_locked(cartridge);
	}
	rsm_mutex_unlock(&manager->lock);
	rsm_cartridge_unref(cartridge);
}

int rsm_manager_take_up_labels(struct rsm_manager *manager, struct rsm_err *err)
{
	unsigned most = manager->options.label_page;
	struct page *page = calloc(1, sizeof *page);
	int r;

	if (!page)
		return rsm_err_oom(err);
	page->most = most && most < PAGE ? most : PAGE;
	r = rsm_medium_list_label_work(manager->catalog, manager->labels_after, gather, page, err);
	for (size_t i = 0; r == 0 && i < page->count; i++)
		rsm_manager_want_label(manager, page->media[i], manager->options.label_delay_ms);
	if (r == 0 && page->count)
		manager->labels_after = page->media[page->count - 1];
	manager->labels_taken_up = r == 0 && page->count < page->most;
	free(page);
	return r;
}

void rsm_manager_apply_labels(struct rsm_manager *manager)
{
	struct page *page = calloc(1, sizeof *page);
	int64_t after = 0;
	struct rsm_err err;

	if (!page) {
		rsm_log_warning("labels that are to be written: out of memory, the next mount "
				"writes them");
		return;
	}
	page->most = PAGE;
	do {
		page->count = 0;
		if (rsm_medium_list_label_work(manager->catalog, after, gather, page, &err) < 0) {
			rsm_log_warning("labels that are to be written: %s", err.msg);
			break;
		}
		for (size_t i = 0; i < page->count; i++) {
			struct rsm_cartridge *cartridge;

			after = page->media[i];
			rsm_manager_want_label(manager, after, manager->options.label_delay_ms);
			if (rsm_cartridge_ref(manager, after, &cartridge, NULL) != 0)
				continue;
			rsm_manager_apply_state(manager, cartridge);
			rsm_cartridge_unref(cartridge);
		}
	} while (page->count == page->most);
	free(page);
}
