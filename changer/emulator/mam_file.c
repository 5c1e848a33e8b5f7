#include "changer/emulator/mam_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "changer/emulator/folder_file.h"

void rsm_mam_file_fini(struct rsm_mam_file *mam)
{
	for (size_t i = 0; i < mam->count; i++)
		free(mam->attributes[i].value);
	free(mam->attributes);
	*mam = (struct rsm_mam_file){ 0 };
}

/* The place of `id`, or where it would be. */
static size_t place_of(const struct rsm_mam_file *mam, uint16_t id)
{
	size_t low = 0, high = mam->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (mam->attributes[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct rsm_mam_attribute *rsm_mam_file_from(const struct rsm_mam_file *mam, uint16_t id)
{
	size_t place = place_of(mam, id);

	return place < mam->count ? &mam->attributes[place] : NULL;
}

const struct rsm_mam_attribute *rsm_mam_file_find(const struct rsm_mam_file *mam, uint16_t id)
{
	const struct rsm_mam_attribute *found = rsm_mam_file_from(mam, id);

	return found && found->id == id ? found : NULL;
}

/* Changes a value in place. */
static int replace(struct rsm_mam_file *mam, struct rsm_mam_attribute *at, uint8_t flags,
		   const void *value, uint16_t length)
{
	if (at->length == length && at->flags == flags && memcmp(at->value, value, length) == 0)
		return 0;
	if (at->length != length) {
		uint8_t *grown;

		if (mam->bytes - at->length + length > RSM_MAM_FILE_LIMIT)
			return -ENOSPC;
		grown = realloc(at->value, length ? length : 1);
		if (!grown)
			return -ENOMEM;
		at->value = grown;
		mam->bytes = mam->bytes - at->length + length;
		at->length = length;
	}
	memcpy(at->value, value, length);
	at->flags = flags;
	mam->dirty = true;
	return 0;
}

int rsm_mam_file_set(struct rsm_mam_file *mam, uint16_t id, uint8_t flags, const void *value,
		     uint16_t length)
{
	size_t place = place_of(mam, id);
	struct rsm_mam_attribute *grown;
	RSM_FREE uint8_t *copy = NULL;

	if (place < mam->count && mam->attributes[place].id == id)
		return replace(mam, &mam->attributes[place], flags, value, length);
	if (mam->bytes + RSM_MAM_HEADER_BYTES + length > RSM_MAM_FILE_LIMIT)
		return -ENOSPC;
	copy = malloc(length ? length : 1);
	if (!copy)
		return -ENOMEM;
	grown = reallocarray(mam->attributes, mam->count + 1, sizeof *grown);
	if (!grown)
		return -ENOMEM;
	mam->attributes = grown;
	memcpy(copy, value, length);
	memmove(grown + place + 1, grown + place, (mam->count - place) * sizeof *grown);
	grown[place] = (struct rsm_mam_attribute){ id, flags, length, RSM_STEAL(copy) };
	mam->count++;
	mam->bytes += RSM_MAM_HEADER_BYTES + length;
	mam->dirty = true;
	return 0;
}

void rsm_mam_file_delete(struct rsm_mam_file *mam, uint16_t id)
{
	size_t place = place_of(mam, id);
	struct rsm_mam_attribute *at = mam->attributes + place;

	if (place == mam->count || at->id != id)
		return;
	mam->bytes -= RSM_MAM_HEADER_BYTES + at->length;
	free(at->value);
	mam->count--;
	memmove(at, at + 1, (mam->count - place) * sizeof *at);
	mam->dirty = true;
}

int rsm_mam_file_set_number(struct rsm_mam_file *mam, uint16_t id, uint64_t value, unsigned bytes)
{
	uint8_t field[8];

	rsm_put_be64(field, value);
	return rsm_mam_file_set(mam, id, RSM_MAM_FLAG_READ_ONLY, field + 8 - bytes,
				(uint16_t)bytes);
}

bool rsm_mam_file_number(const struct rsm_mam_file *mam, uint16_t id, unsigned bytes,
			 uint64_t *ret_value)
{
	const struct rsm_mam_attribute *at = rsm_mam_file_find(mam, id);
	uint64_t value = 0;

	if (!at || at->length != bytes)
		return false;
	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | at->value[i];
	*ret_value = value;
	return true;
}

/* Attributes of fixed length: another length tells garbage from a list. */
static bool length_is_right(uint16_t id, uint16_t length)
{
	switch (id) {
	case 0x0000:
	case 0x0001: return length == 8;
	case 0x0009: return length == 4;
	case 0x0405:
	case 0x0408: return length == 1;
	default: return true;
	}
}

static int parse(struct rsm_mam_file *mam, const uint8_t *data, size_t length)
{
	size_t at = 0;

	while (at < length) {
		uint16_t id, bytes;
		int r;

		if (length - at < RSM_MAM_HEADER_BYTES)
			return -EBADMSG;
		id = rsm_get_be16(data + at);
		bytes = rsm_get_be16(data + at + 3);
		if (length - at - RSM_MAM_HEADER_BYTES < bytes || rsm_mam_file_find(mam, id) ||
		    !length_is_right(id, bytes))
			return -EBADMSG;
		r = rsm_mam_file_set(mam, id, data[at + 2], data + at + RSM_MAM_HEADER_BYTES,
				     bytes);
		if (r < 0)
			return r == -ENOMEM ? r : -EBADMSG;
		at += RSM_MAM_HEADER_BYTES + bytes;
	}
	return 0;
}

int rsm_mam_file_load(struct rsm_mam_file *mam, int folder, const char *name, struct rsm_err *err)
{
	RSM_FREE void *data = NULL;
	size_t length = 0;
	int r;

	*mam = (struct rsm_mam_file){ 0 };
	r = rsm_folder_file_load(folder, name, RSM_MAM_FILE_LIMIT, &data, &length, err);
	if (r < 0)
		return r;
	if (r == RSM_FOLDER_FILE_ABSENT)
		return 0;
	r = r == RSM_FOLDER_FILE_TOO_LONG ? -EBADMSG : parse(mam, data, length);
	if (r == -ENOMEM)
		return rsm_err_oom(err);
	if (r < 0) {
		rsm_mam_file_fini(mam);
		mam->was_damaged = true;
		return 0;
	}
	mam->was_there = true;
	mam->dirty = false;
	return 0;
}

void rsm_mam_file_write(const struct rsm_mam_file *mam, struct rsm_text *text)
{
	for (size_t i = 0; i < mam->count; i++) {
		const struct rsm_mam_attribute *at = &mam->attributes[i];
		uint8_t header[RSM_MAM_HEADER_BYTES];

		rsm_put_be16(header, at->id);
		header[2] = at->flags;
		rsm_put_be16(header + 3, at->length);
		rsm_text_append(text, header, sizeof header);
		rsm_text_append(text, at->value, at->length);
	}
}

int rsm_mam_file_save(struct rsm_mam_file *mam, int folder, const char *name, bool durable,
		      struct rsm_err *err)
{
	RSM_TEXT struct rsm_text text = { 0 };
	char aside[64];
	int r;

	if (!mam->dirty && !(durable && mam->unsynced))
		return 0;
	rsm_mam_file_write(mam, &text);
	if (text.failed)
		return rsm_err_oom(err);
	if (mam->was_damaged) {
		/* somebody may want to look at it */
		snprintf(aside, sizeof aside, "%s.damaged", name);
		if (renameat(folder, name, folder, aside) < 0 && errno != ENOENT)
			return rsm_err_errno(err, "%s", name);
		mam->was_damaged = false;
	}
	r = rsm_folder_file_save(folder, name, text.data ? text.data : "", text.length, durable,
				 err);
	if (r < 0)
		return r;
	mam->was_there = true;
	mam->dirty = false;
	mam->unsynced = !durable;
	return 0;
}
