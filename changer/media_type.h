/* media_type.h - the kinds of media: names, densities, barcodes, and which drive reads or writes
 * what.
 *
 * A media type is a generation of LTO, or its write-once (WORM) twin: "LTO-8", "LTO-8-WORM". What a
 * drive does with them is told by REPORT DENSITY SUPPORT (SSC-4 7.10), or by its own type where it
 * does not answer that.
 */
#ifndef RSM_CHANGER_MEDIA_TYPE_H
#define RSM_CHANGER_MEDIA_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rsm_media_access { RSM_MEDIA_NONE, RSM_MEDIA_READS, RSM_MEDIA_WRITES };

/* What a drive does with the generations that are known here, a bit each. All 0: nobody knows. */
struct rsm_media_reach {
	uint32_t reads, writes;
};

/* "LTO-8" for density 5Eh, "LTO-8-WORM" if it is written once; "" if unknown. */
const char *rsm_media_type_of_density(uint8_t density, bool worm);

/* By the last two characters of an LTO barcode ("A00001L8" -> "LTO-8", "...LY" -> "LTO-8-WORM");
 * NULL if none.
 */
const char *rsm_media_type_of_barcode(const char *barcode);

/* "ULT3580-TD8", "Ultrium 8-SCSI", "LTO-8 HH": what a drive of that name writes best; "" unknown.
 */
const char *rsm_media_type_of_product(const char *product);

bool rsm_media_type_is_known(const char *media_type);
bool rsm_media_type_is_worm(const char *media_type);

/* All of them, one after the other, WORM types behind their twins; NULL behind the last. */
const char *rsm_media_type_at(size_t i);

/* Adds what one density descriptor says. */
void rsm_media_reach_add(struct rsm_media_reach *reach, uint8_t density, bool writes);
/* That of a drive of this type, by the rules of LTO: up to LTO-7 it writes its own generation and
 * the one before and reads the one before that; LTO-8 and 9 read and write their own and the one
 * before. Nothing for types that are not known.
 */
struct rsm_media_reach rsm_media_reach_of_type(const char *drive_type);
/* The newest type that is written; "" if none. */
const char *rsm_media_reach_best(const struct rsm_media_reach *reach);

/* What a drive does with a medium. A type or a drive that nobody knows: WRITES, trying will tell.
 */
enum rsm_media_access rsm_media_reach_access(const struct rsm_media_reach *reach,
					     const char *media_type);

/* True for cleaning cartridges: "CLN" at the beginning (rsm-model.md 2, RECOGNIZECLEANERBARCODE).
 */
bool rsm_barcode_is_cleaner(const char *barcode);

#endif
