/* rsm_print.h - shows tables: drawn by libsmartcols, as JSON by libsmartcols, or with tabs. */
#ifndef RSMFS_RSM_PRINT_H
#define RSMFS_RSM_PRINT_H

#include <stdio.h>

#include "fs/rsm_reply.h"

enum rsmfs_print_mode {
	RSMFS_PRINT_TABLE,
	RSMFS_PRINT_PLAIN, /* tabs, no headings, numbers in full */
	RSMFS_PRINT_JSON,
};

struct rsmfs_printer;

RSM_MUST_CHECK int rsmfs_printer_new(enum rsmfs_print_mode mode, FILE *out,
				     struct rsmfs_printer **ret_printer, struct rsm_err *err);
void rsmfs_printer_free(struct rsmfs_printer *printer);
/* terse: of each row only the first column that is not empty (of allocate: the LMID), as `/b` of
 * rsm.exe has it; guids: columns with GUIDs are shown, too, terse only these.
 */
void rsmfs_printer_set_terse(struct rsmfs_printer *printer, bool terse, bool guids);
RSM_DEFINE_CLEANUP(rsmfs_printer_free, struct rsmfs_printer)

/* Ends the table before it. Drawn tables without rows are not shown. */
RSM_MUST_CHECK int rsmfs_printer_table(struct rsmfs_printer *printer,
				       const struct rsmfs_reply_table *table, struct rsm_err *err);
RSM_MUST_CHECK int rsmfs_printer_row(struct rsmfs_printer *printer, char *const *fields,
				     struct rsm_err *err);
void rsmfs_printer_text(struct rsmfs_printer *printer, const char *text);
/* All that is still to be shown; JSON comes out here. -EIO: it could not be written. */
RSM_MUST_CHECK int rsmfs_printer_end(struct rsmfs_printer *printer, struct rsm_err *err);

/* "12T", "11.4T", "512"; decimal. */
void rsmfs_print_size(uint64_t bytes, char *text, size_t size);

#endif
