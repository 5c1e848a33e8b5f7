#include "changer/medium_changer.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mutex.h"
#include "changer/scsi_device.h"
#include "changer/scsi_mode.h"

enum {
	QUICK_TIMEOUT_MS = 60 * 1000,
	STATUS_TIMEOUT_MS = 5 * 60 * 1000,
	MOVE_TIMEOUT_MS = 5 * 60 * 1000,
	INITIALIZE_TIMEOUT_MS = 4 * 60 * 60 * 1000,

	/* Several attentions may be queued: a reset, a port and a door, for instance. */
	ATTENTION_TRIES = 8,

	/* Elements asked for in one command. A descriptor has 12 bytes, two volume tags of 36, 4
	 * reserved ones, and an identifier of up to 4 + 255: the largest reply is 89 KB, which
	 * every host adapter can transfer.
	 */
	CHUNK = 256,
	DESCRIPTOR_SIZE = 12,
	TAG_FIELD_SIZE = 36,
	TAG_TEXT_SIZE = 32,
	STATUS_SIZE = 8 + 8 + CHUNK * (DESCRIPTOR_SIZE + 2 * TAG_FIELD_SIZE + 4 + 4 + 255),
};

/* Mode page 1Dh, in the order of the inventory. */
static const struct {
	enum rsm_element_type type;
	size_t at; /* in the page: first address, number */
} kinds[] = {
	{ RSM_ELEMENT_STORAGE, 6 },
	{ RSM_ELEMENT_IMPORT_EXPORT, 10 },
	{ RSM_ELEMENT_DATA_TRANSFER, 14 },
	{ RSM_ELEMENT_TRANSPORT, 2 },
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* What READ ELEMENT STATUS is asked for. Libraries refuse what they do not know, so the questions
 * become more modest until one is answered: CURDATA (do not move for it) goes first, then DVCID.
 */
static const struct {
	bool tags, drive_ids, current;
} questions[] = {
	{ true, true, true },
	{ true, true, false },
	{ true, false, false },
	{ false, false, false },
};
enum { QUESTIONS = sizeof questions / sizeof questions[0] };

struct range {
	uint32_t first, end;
};

struct rsm_medium_changer {
	struct rsm_scsi_transport *transport; /* [lock] */
	struct rsm_device_identity identity;  /* [const] set by _new */
	bool rotates;			      /* [const] set by _learn_rotation */
	struct rsm_mutex lock;	    /* one command at a time; held while the robot moves */
	struct range ranges[KINDS]; /* [lock] element addresses, as `kinds` */
	size_t question[KINDS];	    /* [lock] the first of `questions` worth asking */
	bool changed;		    /* [lock] an attention that _poll has not told yet */
};

struct elements {
	struct rsm_element *items;
	size_t count, room;
};

/* ---- commands ---- */

static bool is_good(const struct rsm_sense *sense)
{
	return sense->cause == RSM_CAUSE_NONE || sense->key == 0x1;
}

/* A unit attention means that the command was not executed: it is noted and sent again. */
static int run(struct rsm_medium_changer *changer, const struct rsm_scsi_command *command,
	       struct rsm_sense *ret_sense, size_t *ret_transferred, struct rsm_err *err)
{
	int r = 0;

	for (int i = 0; i < ATTENTION_TRIES; i++) {
		r = rsm_scsi_device_run(changer->transport, command, ret_sense, ret_transferred,
					err);
		if (r < 0)
			return r;
		if (ret_sense->cause == RSM_CAUSE_MEDIUM_CHANGED ||
		    ret_sense->cause == RSM_CAUSE_PORT_ACCESSED)
			changer->changed = true;
		else if (ret_sense->key != 0x6)
			return 0;
	}
	return 0;
}

static int refuse(const struct rsm_medium_changer *changer, const struct rsm_scsi_command *command,
		  const struct rsm_sense *sense, struct rsm_err *err)
{
	if (rsm_sense_unknown_command(sense))
		return rsm_err_set(err, EOPNOTSUPP, "%s: the changer does not know %s",
				   changer->transport->name,
				   rsm_scsi_command_name(command->cdb[0]));
	return rsm_scsi_device_err(err, changer->transport, command, sense);
}

/* ---- element addresses ---- */

/* list: of RSM_MODE_LIST_SIZE bytes. */
static int ask_page(struct rsm_medium_changer *changer, uint8_t page, uint8_t *list,
		    size_t *ret_length, struct rsm_scsi_command *command, struct rsm_sense *sense,
		    struct rsm_err *err)
{
	int r = 0;

	/* some changers do not take DBD, though they have no block descriptors to disable */
	for (int with_descriptor = 0; r == 0 && with_descriptor <= 1; with_descriptor++) {
		rsm_mode_sense_command(command, false, with_descriptor, page, list);
		r = run(changer, command, sense, ret_length, err);
		if (sense->cause != RSM_CAUSE_ILLEGAL_REQUEST)
			break;
	}
	return r;
}

static int read_ranges(struct rsm_medium_changer *changer, struct rsm_err *err)
{
	uint8_t list[RSM_MODE_LIST_SIZE];
	struct rsm_scsi_command command;
	struct rsm_sense sense = { 0 };
	struct rsm_mode mode;
	size_t length = 0;
	int r = ask_page(changer, 0x1D, list, &length, &command, &sense, err);

	if (r < 0)
		return r;
	if (!is_good(&sense))
		return refuse(changer, &command, &sense, err);
	if (rsm_mode_parse(list, length, false, 0x1D, &mode) < 0 || mode.page_length < 18)
		return rsm_err_set(err, EBADMSG, "%s: element address assignment is damaged",
				   changer->transport->name);
	for (size_t i = 0; i < KINDS; i++) {
		changer->ranges[i].first = rsm_get_be16(mode.page + kinds[i].at);
		changer->ranges[i].end =
			changer->ranges[i].first + rsm_get_be16(mode.page + kinds[i].at + 2);
		if (changer->ranges[i].end > 0x10000)
			changer->ranges[i].end = 0x10000;
	}
	return 0;
}

static bool is_known(const struct rsm_medium_changer *changer, uint16_t address)
{
	for (size_t i = 0; i < KINDS; i++)
		if (address >= changer->ranges[i].first && address < changer->ranges[i].end)
			return true;
	return false;
}

/* ---- element status ---- */

/* The identification descriptor of a drive (SPC-4 7.8.6.1). Libraries give the serial number alone,
 * or vendor (8), product (16) and serial number in one text.
 */
static void parse_drive_id(const uint8_t *id, size_t length, struct rsm_element *element)
{
	const uint8_t *text = id + 4;
	size_t text_length;

	if (length <= 4 || (id[0] & 0x0F) == 0x01) /* nothing, or binary: a world wide name */
		return;
	text_length = id[3];
	if (text_length > length - 4)
		text_length = length - 4;
	if (text_length > 24) {
		text += 24;
		text_length -= 24;
	} else if ((id[1] & 0x0F) == 0x01 && text_length > 8) {
		text += 8;
		text_length -= 8;
	}
	rsm_scsi_device_text(element->serial, sizeof element->serial, text, text_length);
}

static void parse_element(const uint8_t *at, size_t length, enum rsm_element_type type,
			  bool primary, bool alternate, struct rsm_element *ret_element)
{
	struct rsm_element element = {
		.type = type,
		.address = rsm_get_be16(at),
		.full = at[2] & 0x01,
		.exception = at[2] & 0x04,
		.accessible = at[2] & 0x08,
		.by_operator = type == RSM_ELEMENT_IMPORT_EXPORT && at[2] & 0x02,
		.asc = at[4],
		.ascq = at[5],
		.source_valid = at[9] & 0x80,
		.source = rsm_get_be16(at + 10),
		.inverted = (at[9] & 0xC0) == 0xC0,
	};
	size_t id = DESCRIPTOR_SIZE;

	if (primary) {
		/* what an empty element says is the tag of a cartridge that was there */
		if (element.full && length >= id + TAG_TEXT_SIZE)
			rsm_scsi_device_text(element.volume_tag, sizeof element.volume_tag, at + id,
					     TAG_TEXT_SIZE);
		id += TAG_FIELD_SIZE;
	}
	if (alternate)
		id += TAG_FIELD_SIZE;
	if (type == RSM_ELEMENT_DATA_TRANSFER && length > id)
		parse_drive_id(at + id, length - id, &element);
	if (!element.source_valid)
		element.source = 0;
	*ret_element = element;
}

static int add_element(struct elements *elements, const struct rsm_element *element)
{
	if (elements->count == elements->room) {
		size_t room = elements->room ? elements->room * 2 : 64;
		struct rsm_element *items = realloc(elements->items, room * sizeof *items);

		if (!items)
			return -ENOMEM;
		elements->items = items;
		elements->room = room;
	}
	elements->items[elements->count++] = *element;
	return 0;
}

/* Takes the elements of `range` out of a reply; what else it holds was not asked for. The counts in
 * its headers are hints only: devices that cut the reply short leave them as they were.
 */
static int parse_status(const uint8_t *data, size_t length, enum rsm_element_type type,
			struct range range, struct elements *elements)
{
	size_t at = 8, end, before = elements->count;

	if (length < 8)
		return 0;
	end = 8 + (size_t)rsm_get_be24(data + 5);
	if (end > length)
		end = length;
	while (at + 8 <= end) {
		const uint8_t *page = data + at;
		size_t size = rsm_get_be16(page + 2);
		size_t page_end = at + 8 + rsm_get_be24(page + 5);

		if (page_end > end)
			page_end = end;
		at += 8;
		if (size < DESCRIPTOR_SIZE)
			return -EBADMSG;
		for (; page[0] == type && at + DESCRIPTOR_SIZE <= page_end; at += size) {
			size_t there = page_end - at < size ? page_end - at : size;
			struct rsm_element element;

			/* cut short: the next command begins with it, and gets more of it */
			if (there < size && elements->count > before)
				return 0;
			parse_element(data + at, there, type, page[1] & 0x80, page[1] & 0x40,
				      &element);
			if (element.address < range.first || element.address >= range.end)
				continue;
			if (add_element(elements, &element) < 0)
				return -ENOMEM;
		}
		at = page_end;
	}
	return 0;
}

/* One READ ELEMENT STATUS, asked as boldly as this changer allows. */
static int ask_status(struct rsm_medium_changer *changer, size_t kind, struct range range,
		      uint8_t *data, size_t *ret_length, struct rsm_err *err)
{
	struct rsm_scsi_command command = {
		.cdb_length = 12,
		.direction = RSM_SCSI_FROM_DEVICE,
		.data = data,
		.data_length = STATUS_SIZE,
		.timeout_ms = STATUS_TIMEOUT_MS,
	};
	size_t *question = &changer->question[kind];
	struct rsm_sense sense;
	int r;

	for (;; ++*question) {
		bool ids = questions[*question].drive_ids &&
			   kinds[kind].type == RSM_ELEMENT_DATA_TRANSFER;

		memset(data, 0, STATUS_SIZE);
		command.cdb[0] = 0xB8;
		command.cdb[1] =
			(uint8_t)((questions[*question].tags ? 0x10 : 0) | kinds[kind].type);
		rsm_put_be16(command.cdb + 2, (uint16_t)range.first);
		rsm_put_be16(command.cdb + 4, (uint16_t)(range.end - range.first));
		command.cdb[6] =
			(uint8_t)((questions[*question].current ? 0x02 : 0) | (ids ? 0x01 : 0));
		rsm_put_be24(command.cdb + 7, STATUS_SIZE);
		r = run(changer, &command, &sense, ret_length, err);
		if (r < 0)
			return r;
		if (sense.cause != RSM_CAUSE_ILLEGAL_REQUEST || *question + 1 == QUESTIONS)
			break;
	}
	if (is_good(&sense))
		return 0;
	*question = 0;
	return refuse(changer, &command, &sense, err);
}

static int compare_addresses(const void *a, const void *b)
{
	const struct rsm_element *left = a, *right = b;

	return (left->address > right->address) - (left->address < right->address);
}

/* All elements of a kind. Asks on behind the last address that came, because devices may give less
 * than was asked for, or all there are.
 */
static int read_kind(struct rsm_medium_changer *changer, size_t kind, uint8_t *data,
		     struct elements *elements, struct rsm_err *err)
{
	struct range rest = changer->ranges[kind];
	size_t length = 0;
	int r;

	while (rest.first < rest.end) {
		struct range asked = rest;
		size_t before = elements->count, unique;

		if (asked.end - asked.first > CHUNK)
			asked.end = asked.first + CHUNK;
		r = ask_status(changer, kind, asked, data, &length, err);
		if (r < 0)
			return r;
		r = parse_status(data, length, kinds[kind].type, rest, elements);
		if (r == -ENOMEM)
			return rsm_err_oom(err);
		if (r < 0)
			return rsm_err_set(err, EBADMSG, "%s: element status is damaged",
					   changer->transport->name);
		if (elements->count == before)
			break;
		qsort(elements->items + before, elements->count - before, sizeof *elements->items,
		      compare_addresses);
		unique = before + 1;
		for (size_t i = unique; i < elements->count; i++)
			if (elements->items[i].address != elements->items[unique - 1].address)
				elements->items[unique++] = elements->items[i];
		elements->count = unique;
		rest.first = elements->items[unique - 1].address + 1u;
	}
	return 0;
}

/* ---- the public side ---- */

bool rsm_element_is_present(const struct rsm_element *element)
{
	return !element->exception || element->asc != 0x3B ||
	       (element->ascq != 0x11 && element->ascq != 0x12);
}

void rsm_medium_changer_free(struct rsm_medium_changer *changer)
{
	if (!changer)
		return;
	rsm_scsi_transport_free(changer->transport);
	rsm_mutex_fini(&changer->lock);
	free(changer);
}

int rsm_medium_changer_new(struct rsm_scsi_transport *transport,
			   struct rsm_medium_changer **ret_changer, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_medium_changer_free)
	struct rsm_medium_changer *changer = calloc(1, sizeof *changer);
	int r;

	if (!changer) {
		rsm_scsi_transport_free(transport);
		return rsm_err_oom(err);
	}
	rsm_mutex_init(&changer->lock);
	changer->transport = transport;
	r = rsm_scsi_device_identify(transport, &changer->identity, err);
	if (r < 0)
		return r;
	if (changer->identity.device_type != 0x08)
		return rsm_err_set(err, ENODEV, "%s: is not a medium changer", transport->name);
	r = read_ranges(changer, err);
	if (r < 0)
		return r;
	*ret_changer = RSM_STEAL(changer);
	return 0;
}

const struct rsm_device_identity *
rsm_medium_changer_identity(const struct rsm_medium_changer *changer)
{
	return &changer->identity;
}

int rsm_medium_changer_poll(struct rsm_medium_changer *changer, struct rsm_err *err)
{
	const struct rsm_scsi_command command = { .cdb_length = 6, .timeout_ms = QUICK_TIMEOUT_MS };
	struct rsm_sense sense;
	int r;

	RSM_LOCK_SCOPE(&changer->lock);
	r = run(changer, &command, &sense, NULL, err);
	if (r < 0)
		return r;
	/* not ready goes first: an inventory would fail now, and the change is told later */
	if (sense.key == 0x2 || sense.cause == RSM_CAUSE_DOOR_OPEN)
		return RSM_CHANGER_NOT_READY;
	if (!is_good(&sense) && sense.key != 0x6)
		return refuse(changer, &command, &sense, err);
	if (!changer->changed)
		return 0;
	changer->changed = false;
	return RSM_CHANGER_CHANGED;
}

int rsm_medium_changer_inventory(struct rsm_medium_changer *changer,
				 struct rsm_element **ret_elements, size_t *ret_count,
				 struct rsm_err *err)
{
	RSM_FREE uint8_t *data = malloc(STATUS_SIZE);
	struct elements elements = { 0 };
	int r;

	if (!data)
		return rsm_err_oom(err);
	RSM_LOCK_SCOPE(&changer->lock);
	/* a library that was partitioned anew has other addresses */
	r = read_ranges(changer, err);
	for (size_t i = 0; i < KINDS && r == 0; i++)
		r = read_kind(changer, i, data, &elements, err);
	if (r < 0) {
		free(elements.items);
		return r;
	}
	for (size_t i = 0; changer->rotates && i < elements.count; i++)
		elements.items[i].two_sided = elements.items[i].full;
	*ret_elements = elements.items;
	*ret_count = elements.count;
	return 0;
}

int rsm_medium_changer_learn_rotation(struct rsm_medium_changer *changer, struct rsm_err *err)
{
	uint8_t list[RSM_MODE_LIST_SIZE];
	struct rsm_scsi_command command;
	struct rsm_sense sense = { 0 };
	struct rsm_mode mode;
	size_t length = 0;
	int r;

	RSM_LOCK_SCOPE(&changer->lock);
	r = ask_page(changer, 0x1E, list, &length, &command, &sense, err);
	if (r < 0)
		return r;
	/* one transport element, two bytes: those of the default one come first */
	changer->rotates = is_good(&sense) &&
			   rsm_mode_parse(list, length, false, 0x1E, &mode) == 0 &&
			   mode.page_length >= 4 && mode.page[2] & 0x01;
	return 0;
}

bool rsm_medium_changer_rotates(const struct rsm_medium_changer *changer)
{
	return changer->rotates;
}

int rsm_medium_changer_initialize(struct rsm_medium_changer *changer, struct rsm_err *err)
{
	const struct rsm_scsi_command command = {
		.cdb = { 0x07 },
		.cdb_length = 6,
		.timeout_ms = INITIALIZE_TIMEOUT_MS,
	};
	struct rsm_sense sense;
	int r;

	RSM_LOCK_SCOPE(&changer->lock);
	r = run(changer, &command, &sense, NULL, err);
	if (r < 0)
		return r;
	return is_good(&sense) ? 0 : refuse(changer, &command, &sense, err);
}

static int no_such_element(const struct rsm_medium_changer *changer, uint16_t address,
			   struct rsm_err *err)
{
	return rsm_err_set(err, ENXIO, "%s: there is no element %u", changer->transport->name,
			   address);
}

static int move(struct rsm_medium_changer *changer, uint16_t source, uint16_t destination,
		bool invert, struct rsm_err *err)
{
	struct rsm_scsi_command command = {
		.cdb = { 0xA5 },
		.cdb_length = 12,
		.timeout_ms = MOVE_TIMEOUT_MS,
	};
	struct rsm_sense sense;
	int r;

	/* transport element 0: the default one */
	rsm_put_be16(command.cdb + 4, source);
	rsm_put_be16(command.cdb + 6, destination);
	command.cdb[10] = invert;

	RSM_LOCK_SCOPE(&changer->lock);
	/* devices spell this differently (21/01, 24/00): it is checked before they are asked */
	if (!is_known(changer, source))
		return no_such_element(changer, source, err);
	if (!is_known(changer, destination))
		return no_such_element(changer, destination, err);
	r = run(changer, &command, &sense, NULL, err);
	if (r < 0)
		return r;
	if (is_good(&sense))
		return 0;
	if (sense.cause == RSM_CAUSE_SOURCE_EMPTY)
		return RSM_CHANGER_SOURCE_EMPTY;
	if (sense.cause == RSM_CAUSE_DESTINATION_FULL)
		return RSM_CHANGER_DESTINATION_FULL;
	if (sense.asc == 0x3B && (sense.ascq == 0x11 || sense.ascq == 0x12))
		return RSM_CHANGER_NO_MAGAZINE;
	if (sense.key == 0x2 || sense.cause == RSM_CAUSE_DOOR_OPEN)
		return RSM_CHANGER_NOT_READY;
	r = refuse(changer, &command, &sense, err);
	return rsm_err_wrap(err, r, "move from element %u to %u", source, destination);
}

int rsm_medium_changer_move(struct rsm_medium_changer *changer, uint16_t source,
			    uint16_t destination, struct rsm_err *err)
{
	return move(changer, source, destination, false, err);
}

int rsm_medium_changer_move_inverted(struct rsm_medium_changer *changer, uint16_t source,
				     uint16_t destination, struct rsm_err *err)
{
	return move(changer, source, destination, true, err);
}

int rsm_medium_changer_prevent(struct rsm_medium_changer *changer, bool prevent,
			       struct rsm_err *err)
{
	const struct rsm_scsi_command command = {
		.cdb = { 0x1E, 0, 0, 0, prevent },
		.cdb_length = 6,
		.timeout_ms = QUICK_TIMEOUT_MS,
	};
	struct rsm_sense sense;
	int r;

	RSM_LOCK_SCOPE(&changer->lock);
	r = run(changer, &command, &sense, NULL, err);
	if (r < 0)
		return r;
	if (is_good(&sense))
		return 0;
	if (sense.cause == RSM_CAUSE_ILLEGAL_REQUEST)
		return rsm_err_set(err, EOPNOTSUPP, "%s: the changer cannot lock its doors",
				   changer->transport->name);
	return refuse(changer, &command, &sense, err);
}
