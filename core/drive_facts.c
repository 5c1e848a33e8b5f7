/* What a drive says of the cartridge in it, or why it gives it back. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "changer/medium_memory.h"
#include "core/drive_fit.h"
#include "core/drive_private.h"

enum { CLEANING = 0x01, WORM = 0x80 }; /* medium types of MAM 0408h */

/* Texts of the memory are padded with blanks. */
void rsm_drive_read_text(struct rsm_drive_worker *worker, uint16_t id, char *ret_text, size_t size)
{
	size_t length = 0;

	if (rsm_medium_memory_read(worker->drive, 0, id, ret_text, size - 1, &length, NULL) != 0)
		length = 0;
	if (length > size - 1)
		length = size - 1;
	ret_text[length] = '\0';
	length = strlen(ret_text);
	while (length && (ret_text[length - 1] == ' ' || ret_text[length - 1] == '\n'))
		ret_text[--length] = '\0';
}

void rsm_drive_read_serial(struct rsm_drive_worker *worker, char *ret_serial, size_t size)
{
	char maker[9], number[33];

	rsm_drive_read_text(worker, RSM_MAM_MANUFACTURER, maker, sizeof maker);
	rsm_drive_read_text(worker, RSM_MAM_SERIAL_NUMBER, number, sizeof number);
	ret_serial[0] = '\0';
	if (number[strspn(number, " 0")]) /* nothing but noughts is none */
		snprintf(ret_serial, size, "%s|%s", maker, number);
}

static uint8_t read_byte(struct rsm_drive_worker *worker, uint16_t id)
{
	uint8_t value = 0;
	size_t length;

	if (rsm_medium_memory_read(worker->drive, 0, id, &value, 1, &length, NULL) != 0)
		return 0;
	return value;
}

static int note(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
		const char *media_type, struct rsm_err *err)
{
	struct rsm_manager *manager = worker->manager;
	int64_t pool = worker->medium.pool;
	char serial[64], before[RSM_TYPE_SIZE];
	struct rsm_medium_facts facts = { .media_type = media_type, .serial = serial };
	int r;

	snprintf(before, sizeof before, "%s", worker->medium.media_type);
	rsm_drive_read_serial(worker, serial, sizeof serial);
	r = rsm_medium_note_facts(manager->catalog, cartridge->id, &facts, &worker->medium, err);
	if (r < 0)
		return r;
	rsm_mutex_lock(&manager->lock);
	rsm_drive_fit_note_locked(cartridge, &worker->medium);
	rsm_mutex_unlock(&manager->lock);
	if (strcmp(before, worker->medium.media_type) == 0)
		return 0;
	rsm_log_info("%s in %s is %s and not %s", cartridge->barcode, worker->name, media_type,
		     before);
	rsm_event_add(manager->catalog, "type", "medium", cartridge->barcode, "drive", worker->name,
		      "type", worker->medium.media_type, NULL);
	rsm_manager_names_changed(manager, pool);
	rsm_manager_names_changed(manager, worker->medium.pool);
	rsm_manager_names_changed(manager, RSM_POOL_TOP);
	return 0;
}

int rsm_drive_note_facts(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			 struct rsm_err *err)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_tape_medium tape;
	const char *type;
	bool protected_here;
	int r = rsm_tape_drive_medium(worker->drive, &tape, err);

	if (r < 0)
		return r;
	/* a drive that only reads it says that it is protected, whatever its switch says */
	type = rsm_media_type_of_density(tape.density, tape.worm);
	protected_here = rsm_media_reach_access(&worker->hardware->reach, type) != RSM_MEDIA_READS
				 ? tape.write_protected
				 : worker->medium.write_protected;
	r = note(worker, cartridge, type, err);
	if (r < 0)
		return r;
	if (*type && strcmp(type, worker->medium.media_type) != 0 &&
	    strcmp(worker->medium.media_type, "LTO-M8") != 0)
		rsm_log_warning("%s in %s is %s, in a pool for %s", cartridge->barcode,
				worker->name, type, worker->medium.media_type);
	worker->medium.write_protected = protected_here;
	rsm_mutex_lock(&manager->lock);
	cartridge->worm = tape.worm;
	rsm_mutex_unlock(&manager->lock);
	return 0;
}

static int note_cleaner(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			struct rsm_err *err)
{
	struct rsm_manager *manager = worker->manager;
	int64_t pool = worker->medium.pool;
	struct rsm_cartridge *other = rsm_cartridge_ref_other_side(cartridge);
	int r = rsm_medium_set_cleaner(manager->catalog, cartridge->id, &worker->medium, err);

	if (other && r == 0) { /* it was thought to have one */
		RSM_LOCK_SCOPE(&manager->lock);
		(void)rsm_identify_ended_locked(other, -ENOENT);
		rsm_cartridge_unwanted_locked(other);
	}
	if (other)
		rsm_cartridge_unref(other);
	if (r < 0)
		return r;
	rsm_event_add(manager->catalog, "identify", "medium", cartridge->barcode, "label", "",
		      "state", "cleaner", NULL);
	rsm_manager_names_changed(manager, pool);
	return rsm_err_set(err, EMEDIUMTYPE, "it is a cleaning cartridge");
}

static int note_incompatible(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			     const char *why, struct rsm_err *err)
{
	struct rsm_manager *manager = worker->manager;
	struct rsm_identification found = { .identity = RSM_IS_INCOMPATIBLE,
					    .label_type = "",
					    .label_info = why,
					    .volume_uuid = "" };
	int64_t pool = worker->medium.pool;
	int r = rsm_medium_identified(manager->catalog, cartridge->id, &found, &worker->medium,
				      err);

	if (r < 0)
		return r;
	rsm_mutex_lock(&manager->lock);
	rsm_drive_fit_note_locked(cartridge, &worker->medium);
	rsm_mutex_unlock(&manager->lock);
	rsm_event_add(manager->catalog, "identify", "medium", cartridge->barcode, "label", "",
		      "state", rsm_medium_state_name(worker->medium.state), "text", why, NULL);
	rsm_manager_names_changed(manager, pool);
	rsm_manager_names_changed(manager, worker->medium.pool);
	return rsm_err_set(err, EMEDIUMTYPE, "%s", why);
}

int rsm_drive_note_refusal(struct rsm_drive_worker *worker, struct rsm_cartridge *cartridge,
			   struct rsm_err *err)
{
	struct rsm_manager *manager = worker->manager;
	uint8_t kind = read_byte(worker, RSM_MAM_MEDIUM_TYPE);
	const char *type =
		rsm_media_type_of_density(read_byte(worker, RSM_MAM_DENSITY), kind == WORM);
	struct rsm_err why;
	bool unknown = worker->medium.state == RSM_MEDIUM_UNKNOWN, goes_on;
	int r;

	if (!unknown)
		return -EMEDIUMTYPE;
	if (kind == CLEANING)
		return note_cleaner(worker, cartridge, err);
	r = note(worker, cartridge, type, err);
	if (r < 0)
		return r;
	rsm_mutex_lock(&manager->lock);
	goes_on = rsm_drive_fit_refused_locked(worker, cartridge);
	if (!goes_on) {
		cartridge->incompatible = true;
		cartridge->unknown = false;
		(void)!rsm_drive_fit_check_locked(cartridge, 0, false, &why);
	}
	rsm_mutex_unlock(&manager->lock);
	if (goes_on)
		return rsm_err_set(err, EMEDIUMTYPE, "%s (%s) cannot use it", worker->name,
				   worker->hardware->type);
	return note_incompatible(worker, cartridge, why.msg, err);
}
