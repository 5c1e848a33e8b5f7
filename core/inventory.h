/* inventory.h - reconciles the catalogue with what a changer reports (rsm-model.md 10).
 *
 * A barcode places a known cartridge, it never proves what is on it. Known media that are nowhere
 * become off-line and are never deleted (an Import or Unrecognized one that left is forgotten).
 */
#ifndef RSM_CORE_INVENTORY_H
#define RSM_CORE_INVENTORY_H

#include "changer/hardware.h"
#include "core/media.h"

/* The row of a library (by its source), made if missing, and those of its drives (by serial). Makes
 * the system pools of `media_types` (NULL-terminated).
 */
RSM_MUST_CHECK int rsm_library_register(struct rsm_catalog *catalog, const char *source,
					const char *kind, const char *const *media_types,
					int64_t *ret_library, struct rsm_err *err);
RSM_MUST_CHECK int rsm_library_set_enabled(struct rsm_catalog *catalog, int64_t library,
					   bool enabled, struct rsm_err *err);

RSM_MUST_CHECK int rsm_library_is_enabled(struct rsm_catalog *catalog, int64_t library,
					  bool *ret_enabled, struct rsm_err *err);

/* When those that are served are registered: see to it that an allocation looks at the media of no
 * others. Without it, it is right as well, and slow. */
RSM_MUST_CHECK int rsm_library_settle(struct rsm_catalog *catalog, struct rsm_err *err);

/* A media type that no drive of the library writes; `reads`: but one of them reads it. */
struct rsm_library_limit {
	const char *media_type;
	bool reads;
};
/* Replaces what was known: such media are never chosen by an allocation. Cartridges that no drive
 * could use, and now one can, are to be looked at again.
 */
RSM_MUST_CHECK int rsm_library_set_limits(struct rsm_catalog *catalog, int64_t library,
					  const struct rsm_library_limit *limits, size_t count,
					  struct rsm_err *err);

struct rsm_drive_row {
	int64_t id, library;
	uint32_t element;
	char vendor[16], product[24], serial[RSM_SERIAL_SIZE];
	bool enabled;
	uint32_t mounts;
};
RSM_MUST_CHECK int rsm_drive_register(struct rsm_catalog *catalog, struct rsm_drive_row *drive,
				      struct rsm_err *err); /* fills id, enabled, mounts */
/* Outcome 1: no such row. */
RSM_MUST_CHECK int rsm_drive_get(struct rsm_catalog *catalog, int64_t id,
				 struct rsm_drive_row *ret_drive, struct rsm_err *err);
RSM_MUST_CHECK int rsm_drive_set_enabled(struct rsm_catalog *catalog, int64_t drive, bool enabled,
					 struct rsm_err *err);
/* The next row behind `after` (0: the first) with this serial number, or element address in
 * decimal. Outcome 1: there is none.
 */
RSM_MUST_CHECK int rsm_drive_find(struct rsm_catalog *catalog, const char *word, int64_t after,
				  struct rsm_drive_row *ret_drive, struct rsm_err *err);
/* With its counts. */
RSM_MUST_CHECK int rsm_drive_delete(struct rsm_catalog *catalog, int64_t drive,
				    struct rsm_err *err);
RSM_MUST_CHECK int rsm_drive_count_mount(struct rsm_catalog *catalog, int64_t drive,
					 struct rsm_err *err);

struct rsm_inventory_change {
	enum { RSM_MEDIUM_ARRIVED, RSM_MEDIUM_MOVED, RSM_MEDIUM_LEFT } what;
	int64_t medium;		      /* its row is gone when one that left was forgotten */
	int64_t pool;		      /* that lists it, or did; 0: a cleaner */
	char shown[RSM_BARCODE_SIZE]; /* its name there, cut to fit */
};
struct rsm_inventory {
	struct rsm_inventory_change *changes;
	size_t change_count;
	int64_t *
		unknown; /* media on-line whose contents nobody has looked at yet (state UNKNOWN) */
	size_t unknown_count;
};
/* In one transaction: every full element's medium is found by barcode (in this library first, then
 * off-line ones) or made (UNKNOWN, in Unrecognized/<type>), its location set. One barcode in two
 * elements: both are kept, the second shown as BC~2, events and health say so, neither is chosen by
 * barcode alone. Cleaners are rows in no pool. *ret_inventory is the caller's (_fini).
 */
RSM_MUST_CHECK int rsm_inventory_reconcile(struct rsm_catalog *catalog, int64_t library,
					   const struct rsm_element *elements, size_t count,
					   struct rsm_inventory *ret_inventory,
					   struct rsm_err *err);
/* The same for a stand-alone drive, whose cartridge is `medium` by its label: an off-line one, or
 * one of this library.
 */
RSM_MUST_CHECK int rsm_inventory_seat(struct rsm_catalog *catalog, int64_t library,
				      const struct rsm_element *element, int64_t medium,
				      struct rsm_inventory *ret_inventory, struct rsm_err *err);
/* The same, but outcome ELSEWHERE, with nothing done: a cartridge that is new here bears the
 * barcode of one that another served library is thought to hold. That one (*ret_library) is to be
 * asked first, by _see_off: it may have been carried over.
 */
enum rsm_inventory_outcome { RSM_INVENTORY_ELSEWHERE = 1 };
RSM_MUST_CHECK int rsm_inventory_try(struct rsm_catalog *catalog, int64_t library,
				     const struct rsm_element *elements, size_t count,
				     struct rsm_inventory *ret_inventory, int64_t *ret_library,
				     struct rsm_err *err);
/* Only those who have left are noted, nobody who moved or came. */
RSM_MUST_CHECK int rsm_inventory_see_off(struct rsm_catalog *catalog, int64_t library,
					 const struct rsm_element *elements, size_t count,
					 struct rsm_inventory *ret_inventory, struct rsm_err *err);
void rsm_inventory_fini(struct rsm_inventory *inventory);

#endif
