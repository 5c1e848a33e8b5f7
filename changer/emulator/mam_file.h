/* mam_file.h - a partition's medium auxiliary memory: a list of attributes and its file.
 *
 * The file is what READ ATTRIBUTE returns: identifier (16 bits), read-only bit and format (8),
 * length (16), value; big-endian, back to back.
 * Threads: the owner's.
 */
#ifndef RSM_CHANGER_EMULATOR_MAM_FILE_H
#define RSM_CHANGER_EMULATOR_MAM_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

enum {
	RSM_MAM_FILE_LIMIT = 64 * 1024, /* bytes of a whole list */
	RSM_MAM_FLAG_READ_ONLY = 0x80,
	RSM_MAM_FLAG_ASCII = 0x01,
	RSM_MAM_HEADER_BYTES = 5,
};

struct rsm_mam_attribute {
	uint16_t id;
	uint8_t flags;
	uint16_t length;
	uint8_t *value;
};

struct rsm_mam_file {
	struct rsm_mam_attribute *attributes; /* ascending by id, each once */
	size_t count;
	size_t bytes;	  /* of the list when written down */
	bool was_there;	  /* there was a good file */
	bool was_damaged; /* the file was no attribute list; it is put aside when written */
	bool dirty;	  /* differs from the file */
	bool unsynced;	  /* the file may not survive a power loss yet */
};

void rsm_mam_file_fini(struct rsm_mam_file *mam);

/* NULL if there is none; valid until the next change. */
const struct rsm_mam_attribute *rsm_mam_file_find(const struct rsm_mam_file *mam, uint16_t id);

/* The first attribute with this id or a greater one, or NULL. */
const struct rsm_mam_attribute *rsm_mam_file_from(const struct rsm_mam_file *mam, uint16_t id);

/* -ENOSPC: the memory is full. Setting what is there already changes nothing. */
RSM_MUST_CHECK int rsm_mam_file_set(struct rsm_mam_file *mam, uint16_t id, uint8_t flags,
				    const void *value, uint16_t length);
void rsm_mam_file_delete(struct rsm_mam_file *mam, uint16_t id);

RSM_MUST_CHECK int rsm_mam_file_set_number(struct rsm_mam_file *mam, uint16_t id, uint64_t value,
					   unsigned bytes);
/* False if there is none or it is of another length. */
bool rsm_mam_file_number(const struct rsm_mam_file *mam, uint16_t id, unsigned bytes,
			 uint64_t *ret_value);

/* Reads a list; a file that is none leaves the list empty with was_damaged set. */
RSM_MUST_CHECK int rsm_mam_file_load(struct rsm_mam_file *mam, int folder, const char *name,
				     struct rsm_err *err);

/* Writes the list if it is dirty, or if it is durable that is asked for and it is not. */
RSM_MUST_CHECK int rsm_mam_file_save(struct rsm_mam_file *mam, int folder, const char *name,
				     bool durable, struct rsm_err *err);

/* Appends the list as it stands in the file. */
void rsm_mam_file_write(const struct rsm_mam_file *mam, struct rsm_text *text);

#endif
