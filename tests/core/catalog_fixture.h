/* catalog_fixture.h - a catalogue in a folder of its own, with a library and cartridges in it. */
#ifndef RSM_TESTS_CATALOG_FIXTURE_H
#define RSM_TESTS_CATALOG_FIXTURE_H

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "core/allocation.h"
#include "core/inventory.h"
#include "tests/base/test.h"

#define UUID_A "aaaaaaaa-0000-4000-8000-000000000001"
#define UUID_B "bbbbbbbb-0000-4000-8000-000000000002"
#define LMID_A "cccccccc-0000-4000-8000-000000000003"

struct fixture {
	char folder[64];
	struct rsm_catalog *catalog;
	int64_t library;
	struct rsm_element elements[64];
	size_t element_count;
	struct rsm_inventory inventory; /* of the last reconcile() */
	struct rsm_err err;
};

/* The lower floor's answers, unless it is linked. */
__attribute__((weak)) const char *rsm_media_type_of_barcode(const char *barcode)
{
	size_t length = strlen(barcode);

	if (length > 2 && strcmp(barcode + length - 2, "L8") == 0)
		return "LTO-8";
	if (length > 2 && strcmp(barcode + length - 2, "L9") == 0)
		return "LTO-9";
	return NULL;
}

__attribute__((weak)) bool rsm_barcode_is_cleaner(const char *barcode)
{
	return strncmp(barcode, "CLN", 3) == 0;
}

static inline void reopen(struct fixture *f)
{
	static const char *const types[] = { "LTO-8", NULL };

	rsm_catalog_close(f->catalog);
	f->catalog = NULL;
	assert_done(rsm_catalog_open(f->folder, rsm_clock_real(), &f->catalog, &f->err), &f->err);
	assert_done(
		rsm_library_register(f->catalog, "/lib", "virtual", types, &f->library, &f->err),
		&f->err);
}

static inline int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	strcpy(f->folder, "/tmp/rsm-catalog-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	reopen(f);
	*state = f;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	rsm_inventory_fini(&f->inventory);
	rsm_catalog_close(f->catalog);
	assert_done(rsm_file_remove_tree(f->folder, &f->err), &f->err);
	free(f);
	return 0;
}

/* What the changer will report: a full element. */
static inline void given_element(struct fixture *f, enum rsm_element_type type, uint16_t address,
				 const char *barcode)
{
	struct rsm_element *element = &f->elements[f->element_count++];

	memset(element, 0, sizeof *element);
	element->type = type;
	element->address = address;
	element->full = true;
	strcpy(element->volume_tag, barcode);
}

static inline void given_slot(struct fixture *f, uint16_t address, const char *barcode)
{
	given_element(f, RSM_ELEMENT_STORAGE, address, barcode);
}

static inline void reconcile(struct fixture *f)
{
	rsm_inventory_fini(&f->inventory);
	assert_done(rsm_inventory_reconcile(f->catalog, f->library, f->elements, f->element_count,
					    &f->inventory, &f->err),
		    &f->err);
}

static inline void identify(struct fixture *f, int64_t id, const struct rsm_identification *found,
			    struct rsm_medium *ret_medium)
{
	assert_done(rsm_medium_identified(f->catalog, id, found, ret_medium, &f->err), &f->err);
}

static inline void found_free_label(struct fixture *f, int64_t id)
{
	const struct rsm_identification found = { .identity = RSM_IS_FREE,
						  .label_type = "RSMFS FREE" };

	identify(f, id, &found, NULL);
}

/* `count` cartridges A00001L8 ... in slots 1001 ..., with free labels. */
static inline void given_free_cartridges(struct fixture *f, int count)
{
	for (int i = 0; i < count; i++) {
		char barcode[16];

		sprintf(barcode, "A%05dL8", i + 1);
		given_slot(f, (uint16_t)(1001 + i), barcode);
	}
	reconcile(f);
	for (size_t i = 0; i < f->inventory.unknown_count; i++)
		found_free_label(f, f->inventory.unknown[i]);
}

static inline struct rsm_medium medium_of(struct fixture *f, const char *barcode)
{
	struct rsm_medium medium = { 0 };

	assert_done(rsm_medium_find_barcode(f->catalog, barcode, &medium, &f->err), &f->err);
	return medium;
}

static inline int make_pool(struct fixture *f, int64_t parent, const char *name,
			    enum rsm_pool_holds holds, struct rsm_pool *ret_pool)
{
	struct rsm_pool pool = { .parent = parent,
				 .holds = holds,
				 .draw_from_free = true,
				 .return_to_free = true,
				 .mode = 0755 };
	int r;

	snprintf(pool.name, sizeof pool.name, "%s", name);
	r = rsm_pool_create(f->catalog, &pool, &f->err);
	if (ret_pool)
		*ret_pool = pool;
	return r;
}

static inline struct rsm_pool given_pool(struct fixture *f, const char *name)
{
	struct rsm_pool pool = { 0 };

	assert_done(make_pool(f, RSM_POOL_TOP, name, RSM_POOL_HOLDS_MEDIA, &pool), &f->err);
	return pool;
}

static inline struct rsm_pool pool_at(struct fixture *f, const char *path)
{
	struct rsm_pool pool = { 0 };

	assert_done(rsm_pool_find_path(f->catalog, path, &pool, &f->err), &f->err);
	return pool;
}

static inline int allocate(struct fixture *f, int64_t pool, const char *name,
			   struct rsm_medium *ret_medium)
{
	const struct rsm_allocation wanted = {
		.pool = pool, .name = name, .mode = 0750, .owner = 1000, .group = 100
	};

	return rsm_allocate(f->catalog, &wanted, ret_medium, &f->err);
}

static inline struct rsm_medium given_allocated(struct fixture *f, int64_t pool, const char *name)
{
	struct rsm_medium medium = { 0 };

	assert_done(allocate(f, pool, name, &medium), &f->err);
	return medium;
}

static inline void formatted(struct fixture *f, int64_t id)
{
	assert_done(rsm_medium_set_label_work(f->catalog, id, NULL, RSM_LABEL_FORMAT,
					      RSM_LABEL_NONE, &f->err),
		    &f->err);
}

static inline void assert_in_pool(struct fixture *f, const struct rsm_medium *medium,
				  const char *path)
{
	char *found = NULL;

	assert_done(rsm_pool_path(f->catalog, medium->pool, &found, &f->err), &f->err);
	assert_string_equal(found, path);
	free(found);
}

#endif
