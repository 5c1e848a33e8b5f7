/* setting.h - small things that the catalogue keeps by a key: what an administrator set, and
 * descriptions of objects.
 */
#ifndef RSM_CORE_SETTING_H
#define RSM_CORE_SETTING_H

#include "core/catalog.h"

enum rsm_setting_outcome { RSM_SETTING_ABSENT = 1 };

/* Outcome ABSENT. A value that does not fit is cut at a character boundary. */
RSM_MUST_CHECK int rsm_setting_get(struct rsm_catalog *catalog, const char *key, char *ret_value,
				   size_t size, struct rsm_err *err);
/* value NULL or "": there is none any more. */
RSM_MUST_CHECK int rsm_setting_set(struct rsm_catalog *catalog, const char *key, const char *value,
				   struct rsm_err *err);

/* ---- descriptions: any object may have one (rsm-model.md 2) ---- */

enum { RSM_DESCRIPTION_SIZE = 127 };

/* kind: "pool", "medium" (a side; stays over allocations), "logical" (by LMID: goes with it),
 * "library", "drive" or "computer"; key: what tells it from others of its kind. "" if it has none.
 */
RSM_MUST_CHECK int rsm_description_get(struct rsm_catalog *catalog, const char *kind,
				       const char *key, char ret_text[RSM_DESCRIPTION_SIZE],
				       struct rsm_err *err);
/* Could this be one? -ENAMETOOLONG: over 126 bytes. -EINVAL: control characters. */
RSM_MUST_CHECK int rsm_description_check(const char *text, struct rsm_err *err);
/* As _check. "": it has none any more. */
RSM_MUST_CHECK int rsm_description_set(struct rsm_catalog *catalog, const char *kind,
				       const char *key, const char *text, struct rsm_err *err);

#endif
