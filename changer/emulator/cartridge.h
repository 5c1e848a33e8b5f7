/* cartridge.h - a cartridge in a drive: its folder, its memory (MAM), its partitions' images.
 *
 * Keeps the rules of contract 7: what stands in which MAM file, when the volume change reference
 * moves, what a folder without images is.
 *
 * Where cartridges have two sides (library.conf: sides = 2), the second one's files stand in a
 * folder side1/ of the cartridge's, made when a drive first looks at it; an empty file `inverted`
 * says that it lies the other way round: a drive that it is put into has side 1 under its head.
 * Threads: the drive's.
 */
#ifndef RSM_CHANGER_EMULATOR_CARTRIDGE_H
#define RSM_CHANGER_EMULATOR_CARTRIDGE_H

#include <stdbool.h>

#include "changer/emulator/library_conf.h"
#include "changer/emulator/mam_file.h"
#include "changer/emulator/tap_image.h"

enum {
	RSM_CARTRIDGE_PARTITIONS = 4, /* that many LTO knows; a format makes one or two */
	RSM_CARTRIDGE_DATA = 0x00,    /* medium types of MAM 0408h */
	RSM_CARTRIDGE_CLEANING = 0x01,
	RSM_CARTRIDGE_WORM = 0x80,
};

#define RSM_CARTRIDGE_SIDE     "side1"
#define RSM_CARTRIDGE_INVERTED "inverted"

struct rsm_cartridge_partition {
	struct rsm_mam_file mam;
	struct rsm_tap_image *image; /* NULL while not threaded */
	uint64_t capacity;	     /* bytes */
};

struct rsm_cartridge {
	char name[64]; /* for the log: "A00001L8 in drive 256" */
	int folder;    /* of the side that is under the head */
	unsigned side;
	const struct rsm_library_conf *conf;
	const struct rsm_lto *type; /* NULL: a density that is not known here */
	uint8_t medium_type;
	bool write_protected;	  /* by its switch, or no one may write its files */
	bool reference_is_due;	  /* the next write moves the volume change reference */
	bool is_written;	  /* since it was loaded */
	unsigned partition_count; /* 1 at least */
	struct rsm_cartridge_partition partitions[RSM_CARTRIDGE_PARTITIONS];
};

/* What the maker has written into the memory of a side: the barcode, and of the second one another
 * number, for each has a memory of its own.
 */
void rsm_cartridge_serial(const char *barcode, unsigned side, char ret_padded[33]);

/* Reads the memory of the cartridge in folder `path` of the library; the tape stays in. Damaged
 * memory is warned of and is as if it were not there.
 */
RSM_MUST_CHECK int rsm_cartridge_open(int library, const char *path, const char *barcode,
				      const char *where, const struct rsm_library_conf *conf,
				      struct rsm_cartridge **ret_cartridge, struct rsm_err *err);
/* Writes nothing. */
void rsm_cartridge_close(struct rsm_cartridge *cartridge);
RSM_DEFINE_CLEANUP(rsm_cartridge_close, struct rsm_cartridge)

/* Opens the images. */
RSM_MUST_CHECK int rsm_cartridge_thread(struct rsm_cartridge *cartridge, struct rsm_err *err);

/* Syncs, writes memory and position indexes, closes the images also when that fails. */
RSM_MUST_CHECK int rsm_cartridge_unthread(struct rsm_cartridge *cartridge, struct rsm_err *err);

/* Everything that was written is on disk when this returns. */
RSM_MUST_CHECK int rsm_cartridge_sync(struct rsm_cartridge *cartridge, struct rsm_err *err);

/* A power cut: what was written and not synchronised goes, but for `kept` 256ths of it. */
void rsm_cartridge_lose(struct rsm_cartridge *cartridge, unsigned kept);

/* Before a change of what is on tape: moves the volume change reference if it is due. */
RSM_MUST_CHECK int rsm_cartridge_before_write(struct rsm_cartridge *cartridge, struct rsm_err *err);

/* Makes one or two empty partitions; `small` is the number of the lesser of two. Images must be
 * open; all stand at their beginning after that.
 */
RSM_MUST_CHECK int rsm_cartridge_format(struct rsm_cartridge *cartridge, unsigned partitions,
					unsigned small, struct rsm_err *err);

/* The memory that holds attribute `id` of a partition: medium-wide ones stand with partition 0. */
struct rsm_mam_file *rsm_cartridge_memory(struct rsm_cartridge *cartridge, unsigned partition,
					  uint16_t id);

/* Writes the memory's files as far as they changed. */
RSM_MUST_CHECK int rsm_cartridge_save_memory(struct rsm_cartridge *cartridge, bool durable,
					     struct rsm_err *err);

/* Brings attribute 0000h up to date; true if it changed. */
bool rsm_cartridge_note_remaining(struct rsm_cartridge *cartridge);

/* Bytes from here to the end of the partition, and how many before it early warning begins. */
uint64_t rsm_cartridge_room(const struct rsm_cartridge *cartridge, unsigned partition);
uint64_t rsm_cartridge_early_warning(const struct rsm_cartridge *cartridge, unsigned partition);

#endif
