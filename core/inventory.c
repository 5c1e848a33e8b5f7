/* Reconciling: whoever is sure of a place first takes it. An element's cartridge is sought by its
 * barcode where it was, by its barcode anywhere in this library, by its barcode off-line; an
 * element without a readable barcode keeps whom it had, or gets whom the robot took from its
 * source. Who is left over has gone; an element left over holds somebody new.
 */
#include "core/inventory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/catalog_private.h"

struct known { /* a medium that the catalogue has in this library */
	int64_t side;
	enum rsm_location_kind location;
	uint32_t element, home_slot;
	enum rsm_medium_state state;
	bool cleaner;
	bool matched;
	char barcode[RSM_BARCODE_SIZE];
};

struct place { /* a full element */
	enum rsm_location_kind location;
	uint32_t element;
	uint32_t source; /* slot that it came from, 0 unknown */
	char barcode[RSM_BARCODE_SIZE];
	int64_t side; /* who is there; 0: not known yet */
	bool moved, arrived;
	bool two_sided; /* the robot can turn it over */
	bool inverted;	/* it says that it has, on the way to a drive */
};

struct reconciling {
	struct rsm_catalog *catalog;
	int64_t library;
	struct known *known; /* by location and element */
	size_t known_count;
	struct known **by_barcode;
	struct place *places;
	size_t place_count;
	struct rsm_inventory result;
	size_t change_room, unknown_room;
	char (*twins)[RSM_NAME_SIZE]; /* shown names of new media whose barcode another has */
	size_t twin_count;
	bool robot_holds; /* a cartridge is in the robot's hand: who is missing may be it */
	enum { WHOLE, UNLESS_ELSEWHERE, DEPARTURES } scope;
	int64_t elsewhere; /* library that is to be asked first; 0: none */
	int64_t certain;   /* who is in the only place, by its label; 0: not known */
};

static void fini(struct reconciling *it)
{
	free(it->known);
	free(it->by_barcode);
	free(it->places);
	free(it->twins);
	rsm_inventory_fini(&it->result);
}

void rsm_inventory_fini(struct rsm_inventory *inventory)
{
	free(inventory->changes);
	free(inventory->unknown);
	memset(inventory, 0, sizeof *inventory);
}

/* Doubles an array that is full. */
static int make_room(void **array, size_t count, size_t *room, size_t size, struct rsm_err *err)
{
	size_t wanted = *room ? *room * 2 : 64;
	void *grown;

	if (count < *room)
		return 0;
	grown = reallocarray(*array, wanted, size);
	if (!grown)
		return rsm_err_oom(err);
	*array = grown;
	*room = wanted;
	return 0;
}

static int add_one_change(struct reconciling *it, int what, int64_t side, struct rsm_err *err)
{
	void *array = it->result.changes;
	struct rsm_medium medium = { 0 };
	int r = make_room(&array, it->result.change_count, &it->change_room,
			  sizeof *it->result.changes, err);

	it->result.changes = array;
	if (r == 0)
		r = rsm_medium_need_locked(it->catalog, side, &medium, err);
	if (r == 0) {
		struct rsm_inventory_change *change =
			&it->result.changes[it->result.change_count++];

		change->what = what;
		change->medium = side;
		change->pool = medium.pool;
		rsm_catalog_copy(change->shown, sizeof change->shown, medium.shown);
	}
	return r;
}

/* Of its other side as well. */
static int add_change(struct reconciling *it, int what, int64_t side, struct rsm_err *err)
{
	int64_t other;
	int r = add_one_change(it, what, side, err);

	if (r == 0)
		r = rsm_catalog_number(it->catalog, &other, err,
				       "SELECT o.id FROM side s JOIN side o ON o.medium = s.medium "
				       "AND o.id <> s.id WHERE s.id = ?1",
				       "i", side);
	if (r == RSM_SQLITE_DONE)
		return 0;
	return r < 0 ? r : add_one_change(it, what, other, err);
}

/* Barcodes become names of folders: bytes that cannot be in one are replaced. */
static void clean_barcode(char ret_barcode[RSM_BARCODE_SIZE], const char *tag)
{
	rsm_catalog_copy(ret_barcode, RSM_BARCODE_SIZE, tag);
	for (char *c = ret_barcode; *c; c++)
		if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f || *c == '/')
			*c = '_';
	if (ret_barcode[0] == '.')
		ret_barcode[0] = '_';
}

static int load_known(struct reconciling *it, struct rsm_err *err)
{
	sqlite3_stmt *statement;
	size_t room = 0;
	int r;

	r = rsm_catalog_query(
		it->catalog, &statement, err,
		"SELECT s.id, m.location, m.element, m.home_slot, (SELECT iif(count(*) = 0, "
		"s.state, "
		"5) FROM side o WHERE o.medium = m.id AND o.state IN (5, 6, 9)), m.cleaner, "
		"m.barcode FROM medium m CROSS JOIN side s ON s.medium = m.id WHERE "
		"m.library = ?1 AND m.location <> 0 AND s.side_number = 0 "
		"ORDER BY m.location, m.element",
		"i", it->library);
	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	while ((r = rsm_sqlite_step(row, err)) == 0) {
		void *array = it->known;
		struct known *known;

		r = make_room(&array, it->known_count, &room, sizeof *it->known, err);
		it->known = array;
		if (r < 0)
			return r;
		known = &it->known[it->known_count++];
		memset(known, 0, sizeof *known);
		known->side = sqlite3_column_int64(row, 0);
		known->location = (enum rsm_location_kind)sqlite3_column_int(row, 1);
		known->element = (uint32_t)sqlite3_column_int64(row, 2);
		known->home_slot = (uint32_t)sqlite3_column_int64(row, 3);
		known->state = (enum rsm_medium_state)sqlite3_column_int(row, 4);
		known->cleaner = sqlite3_column_int(row, 5);
		rsm_catalog_column_text(row, 6, known->barcode, sizeof known->barcode);
	}
	return r < 0 ? r : 0;
}

static int by_barcode(const void *one, const void *other)
{
	const struct known *a = *(struct known *const *)one, *b = *(struct known *const *)other;
	int order = strcmp(a->barcode, b->barcode);

	return order ? order : (a->side > b->side) - (a->side < b->side);
}

static int sort_known(struct reconciling *it, struct rsm_err *err)
{
	it->by_barcode = calloc(it->known_count + 1, sizeof(struct known *));
	if (!it->by_barcode)
		return rsm_err_oom(err);
	for (size_t i = 0; i < it->known_count; i++)
		it->by_barcode[i] = &it->known[i];
	qsort(it->by_barcode, it->known_count, sizeof(struct known *), by_barcode);
	return 0;
}

static int load_places(struct reconciling *it, const struct rsm_element *elements, size_t count,
		       struct rsm_err *err)
{
	it->places = calloc(count + 1, sizeof *it->places);
	if (!it->places)
		return rsm_err_oom(err);
	for (size_t i = 0; i < count; i++) {
		const struct rsm_element *element = &elements[i];
		struct place *place = &it->places[it->place_count];

		if (!element->full)
			continue;
		if (element->type != RSM_ELEMENT_STORAGE &&
		    element->type != RSM_ELEMENT_IMPORT_EXPORT &&
		    element->type != RSM_ELEMENT_DATA_TRANSFER) {
			it->robot_holds = true;
			continue;
		}
		place->location = (enum rsm_location_kind)element->type;
		place->element = element->address;
		place->source = element->source_valid ? element->source : 0;
		place->two_sided = element->two_sided;
		place->inverted = element->inverted && element->type == RSM_ELEMENT_DATA_TRANSFER;
		clean_barcode(place->barcode, element->volume_tag);
		it->place_count++;
	}
	return 0;
}

static struct known *known_at(struct reconciling *it, enum rsm_location_kind location,
			      uint32_t element)
{
	size_t low = 0, high = it->known_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct known *known = &it->known[middle];

		if (known->location == location && known->element == element)
			return known;
		if (known->location < location ||
		    (known->location == location && known->element < element))
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* An unmatched one of this library with the barcode. */
static struct known *known_barcode(struct reconciling *it, const char *barcode)
{
	size_t low = 0, high = it->known_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(it->by_barcode[middle]->barcode, barcode) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < it->known_count && strcmp(it->by_barcode[low]->barcode, barcode) == 0; low++)
		if (!it->by_barcode[low]->matched)
			return it->by_barcode[low];
	return NULL;
}

static void match(struct place *place, struct known *known)
{
	known->matched = true;
	place->side = known->side;
	place->moved = known->location != place->location || known->element != place->element;
}

/* A stand-alone drive has read more than a barcode. */
static void match_certain(struct reconciling *it)
{
	if (!it->certain || it->place_count != 1)
		return;
	it->places[0].side = it->certain;
	it->places[0].moved = it->places[0].arrived = true;
	for (size_t i = 0; i < it->known_count; i++)
		if (it->known[i].side == it->certain) {
			match(&it->places[0], &it->known[i]);
			it->places[0].arrived = false;
		}
}

static void match_by_barcode(struct reconciling *it)
{
	for (size_t i = 0; i < it->place_count; i++) {
		struct place *place = &it->places[i];
		struct known *known = known_at(it, place->location, place->element);

		if (!place->side && place->barcode[0] && known &&
		    strcmp(known->barcode, place->barcode) == 0)
			match(place, known);
	}
	for (size_t i = 0; i < it->place_count; i++) {
		struct place *place = &it->places[i];
		struct known *known = place->barcode[0] && !place->side
					      ? known_barcode(it, place->barcode)
					      : NULL;

		if (known)
			match(place, known);
	}
}

/* A place without readable barcode: what stayed is believed (the label check at the mount proves
 * it), then what the robot says it took from the slot.
 */
static void match_by_place(struct reconciling *it)
{
	for (size_t i = 0; i < it->place_count; i++) {
		struct place *place = &it->places[i];
		struct known *known = known_at(it, place->location, place->element);

		if (!place->side && !place->barcode[0] && known && !known->matched)
			match(place, known);
	}
	for (size_t i = 0; i < it->place_count; i++) {
		struct place *place = &it->places[i];
		struct known *known;

		if (place->barcode[0] || place->side || !place->source)
			continue;
		known = known_at(it, RSM_AT_SLOT, place->source);
		if (known && !known->matched)
			match(place, known);
	}
}

/* Off-line media, and those of libraries that are not served: the cartridge may have been carried
 * over.
 */
static int match_offline(struct reconciling *it, struct rsm_err *err)
{
	for (size_t i = 0; i < it->place_count; i++) {
		struct place *place = &it->places[i];
		int r;

		if (place->side || !place->barcode[0])
			continue;
		r = rsm_catalog_number(it->catalog, &place->side, err,
				       "SELECT s.id FROM medium m CROSS JOIN side s ON s.medium = "
				       "m.id LEFT JOIN library b ON b.id = m.library WHERE "
				       "m.barcode = ?1 AND m.barcode <> '' AND s.side_number = 0 "
				       "AND (m.location = 0 OR b.present = 0) "
				       "ORDER BY m.location <> 0, s.id LIMIT 1",
				       "s", place->barcode);
		if (r < 0)
			return r;
		if (r == RSM_SQLITE_DONE)
			continue;
		place->moved = place->arrived = true;
		/* so that a second cartridge of that barcode does not find it again */
		r = rsm_medium_set_place_locked(it->catalog, place->side, it->library,
						place->location, place->element, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* One that is new here, and in another served library as far as is known. */
static int find_elsewhere(struct reconciling *it, struct rsm_err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && !it->elsewhere && i < it->place_count; i++) {
		const struct place *place = &it->places[i];

		if (place->side || !place->barcode[0])
			continue;
		r = rsm_catalog_number(it->catalog, &it->elsewhere, err,
				       "SELECT m.library FROM medium m JOIN library b ON b.id = "
				       "m.library WHERE m.barcode = ?1 AND m.barcode <> '' AND "
				       "m.location <> 0 AND m.library <> ?2 AND b.present = 1 "
				       "AND NOT EXISTS (SELECT 1 FROM medium n WHERE n.barcode = "
				       "?1 AND n.location = 0) LIMIT 1",
				       "si", place->barcode, it->library);
	}
	return r < 0 ? r : 0;
}

/* ---- acting on it ---- */

/* Who has moved gives up its place before anybody takes one: an element holds one cartridge. */
static int clear_places(struct reconciling *it, struct rsm_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < it->place_count; i++)
		if (it->places[i].moved)
			r = rsm_medium_lift_locked(it->catalog, it->places[i].side, err);
	return r;
}

static bool is_forgotten(const struct known *known)
{
	return known->cleaner || known->state == RSM_MEDIUM_UNKNOWN ||
	       known->state == RSM_MEDIUM_FOREIGN || known->state == RSM_MEDIUM_INCOMPATIBLE ||
	       known->state == RSM_MEDIUM_IMPORT;
}

static int see_off(struct reconciling *it, struct rsm_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < it->known_count; i++) {
		struct known *known = &it->known[i];

		if (known->matched)
			continue;
		r = add_change(it, RSM_MEDIUM_LEFT, known->side, err);
		if (r == 0 && is_forgotten(known) && !it->robot_holds)
			r = rsm_medium_delete_locked(it->catalog, known->side, err);
		else if (r == 0)
			r = rsm_medium_set_place_locked(it->catalog, known->side, 0, RSM_AT_OFFLINE,
							0, err);
	}
	return r;
}

static int type_of(struct reconciling *it, const char *barcode, char ret_type[RSM_TYPE_SIZE],
		   struct rsm_err *err)
{
	const char *by_suffix = barcode[0] ? rsm_media_type_of_barcode(barcode) : NULL;
	sqlite3_stmt *statement;
	int r;

	rsm_catalog_copy(ret_type, RSM_TYPE_SIZE, by_suffix && *by_suffix ? by_suffix : "tape");
	if (by_suffix && *by_suffix)
		return 0;
	r = rsm_catalog_query(it->catalog, &statement, err,
			      "SELECT media_type FROM library_media_type WHERE library = ?1 "
			      "ORDER BY place LIMIT 1",
			      "i", it->library);
	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	r = rsm_sqlite_step(row, err);
	if (r == 0)
		rsm_catalog_column_text(row, 0, ret_type, RSM_TYPE_SIZE);
	return r < 0 ? r : 0;
}

/* Another cartridge has this barcode: people and events are told, on both. */
static int note_twin(struct reconciling *it, const struct place *place, const char *shown,
		     struct rsm_err *err)
{
	char health[RSM_NAME_SIZE];
	void *array;

	array = reallocarray(it->twins, it->twin_count + 1, sizeof *it->twins);
	if (!array)
		return rsm_err_oom(err);
	it->twins = array;
	rsm_catalog_copy(it->twins[it->twin_count++], RSM_NAME_SIZE, shown);
	snprintf(health, sizeof health, "another cartridge bears the barcode %s", place->barcode);
	return rsm_catalog_run(it->catalog, err,
			       "UPDATE side SET health = ?2 WHERE medium IN (SELECT id FROM medium "
			       "WHERE barcode = ?1 AND barcode <> '')",
			       "ss", place->barcode, health);
}

static int insert_side(struct reconciling *it, const struct place *place, int64_t medium,
		       int64_t pool, const char *shown, int64_t *ret_side, struct rsm_err *err)
{
	char guid[RSM_GUID_SIZE], number[24], name[RSM_NAME_SIZE];
	int r;

	rsm_catalog_new_guid(guid);
	r = rsm_catalog_run(it->catalog, err,
			    "INSERT INTO side (guid, medium, shown, pool, state) VALUES (?1, ?2, "
			    "?3, ?4, 0)",
			    "sisn", guid, medium, place->barcode[0] ? shown : guid, pool);
	if (r < 0)
		return rsm_err_wrap(err, r, "cartridge in element %u", place->element);
	*ret_side = sqlite3_last_insert_rowid(it->catalog->db);
	if (place->barcode[0])
		return 0;
	/* without barcode, a sequence number is what people see */
	snprintf(number, sizeof number, "%lld", (long long)*ret_side);
	r = rsm_medium_free_shown_locked(it->catalog, number, name, err);
	if (r == 0)
		r = rsm_catalog_run(it->catalog, err, "UPDATE side SET shown = ?2 WHERE id = ?1",
				    "is", *ret_side, name);
	return r;
}

/* Whose barcode does not tell, a person said so of the slot. */
static int is_cleaner(struct reconciling *it, const struct place *place, bool *ret_is,
		      struct rsm_err *err)
{
	uint32_t slot = 0;
	int r = rsm_cleaner_slot_locked(it->catalog, it->library, &slot, err);

	*ret_is = rsm_barcode_is_cleaner(place->barcode) ||
		  (slot && place->location == RSM_AT_SLOT && place->element == slot);
	return r;
}

static int welcome(struct reconciling *it, struct place *place, struct rsm_err *err)
{
	char guid[RSM_GUID_SIZE], media_type[RSM_TYPE_SIZE], shown[RSM_NAME_SIZE] = "";
	bool cleaner = false;
	uint32_t home = place->location == RSM_AT_SLOT ? place->element : place->source;
	struct rsm_pool pool = { 0 };
	struct timespec now;
	int64_t medium, other = 0;
	int r;

	rsm_catalog_new_guid(guid);
	rsm_catalog_now(it->catalog, &now);
	r = is_cleaner(it, place, &cleaner, err);
	if (r == 0)
		r = type_of(it, place->barcode, media_type, err);
	if (r == 0 && !cleaner)
		r = rsm_pool_system_locked(it->catalog, RSM_POOL_FOREIGN, media_type, &pool, err);
	if (r == 0 && place->barcode[0])
		r = rsm_medium_free_shown_locked(it->catalog, place->barcode, shown, err);
	if (r == 0)
		r = rsm_catalog_run(it->catalog, err,
				    "INSERT INTO medium (guid, barcode, media_type, cleaner, "
				    "library, location, element, home_slot, created) VALUES (?1, "
				    "?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
				    "sssdiduut", guid, place->barcode, media_type, (int)cleaner,
				    it->library, (int)place->location, place->element, home, &now);
	if (r < 0)
		return r;
	medium = sqlite3_last_insert_rowid(it->catalog->db);
	r = insert_side(it, place, medium, pool.id, shown, &place->side, err);
	if (r == 0 && place->two_sided)
		r = rsm_side_make_second_locked(it->catalog, place->side, &other, err);
	if (r == 0 && other && place->inverted)
		r = rsm_side_note_place_locked(it->catalog, other, place->location, err);
	if (r == 0 && place->barcode[0] && strcmp(shown, place->barcode) != 0)
		r = note_twin(it, place, shown, err);
	return r < 0 ? r : add_change(it, RSM_MEDIUM_ARRIVED, place->side, err);
}

static int seat(struct reconciling *it, struct place *place, struct rsm_err *err)
{
	int64_t other = 0;
	int r = 0;

	if (!place->side)
		return welcome(it, place, err);
	if (place->two_sided)
		r = rsm_side_make_second_locked(it->catalog, place->side, &other, err);
	if (r < 0 || !place->moved)
		return r;
	/* where it was seen last, the catalogue knows better which side is under the head */
	r = rsm_medium_set_place_locked(it->catalog, place->inverted && other ? other : place->side,
					it->library, place->location, place->element, err);
	if (r == 0 && place->location != RSM_AT_SLOT && place->source)
		r = rsm_catalog_run(it->catalog, err,
				    "UPDATE medium SET home_slot = ?2 WHERE home_slot = 0 AND id = "
				    "(SELECT medium FROM side WHERE id = ?1)",
				    "iu", place->side, place->source);
	if (r < 0)
		return r;
	return add_change(it, place->arrived ? RSM_MEDIUM_ARRIVED : RSM_MEDIUM_MOVED, place->side,
			  err);
}

static int list_unknown(struct reconciling *it, struct rsm_err *err)
{
	sqlite3_stmt *statement;
	int r;

	r = rsm_catalog_query(
		it->catalog, &statement, err,
		"SELECT s.id FROM side s CROSS JOIN medium m ON m.id = s.medium WHERE "
		"s.state = 0 AND m.library = ?1 AND m.location <> 0 AND m.cleaner = "
		"0 ORDER BY m.location, m.element",
		"i", it->library);
	if (r < 0)
		return r;
	RSM_SQLITE_RESET sqlite3_stmt *row = statement;
	while ((r = rsm_sqlite_step(row, err)) == 0) {
		void *array = it->result.unknown;

		r = make_room(&array, it->result.unknown_count, &it->unknown_room, sizeof(int64_t),
			      err);
		it->result.unknown = array;
		if (r < 0)
			return r;
		it->result.unknown[it->result.unknown_count++] = sqlite3_column_int64(row, 0);
	}
	return r < 0 ? r : 0;
}

/* Of two that bore one barcode one is known no more: nothing is wrong with the other. */
static int forget_twins(struct reconciling *it, struct rsm_err *err)
{
	bool left = false;

	for (size_t i = 0; i < it->result.change_count; i++)
		left = left || it->result.changes[i].what == RSM_MEDIUM_LEFT;
	if (!left)
		return 0;
	return rsm_catalog_run(
		it->catalog, err,
		"UPDATE side SET health = 'good' WHERE health GLOB 'another "
		"cartridge bears the barcode *' AND (SELECT count(*) FROM medium m "
		"JOIN medium o ON o.barcode = m.barcode WHERE m.id = side.medium AND "
		"m.barcode <> '' AND o.barcode <> '') < 2",
		"");
}

static int reconcile_locked(struct reconciling *it, const struct rsm_element *elements,
			    size_t count, struct rsm_err *err)
{
	int r;

	r = load_known(it, err);
	if (r == 0)
		r = sort_known(it, err);
	if (r == 0)
		r = load_places(it, elements, count, err);
	if (r < 0)
		return r;
	match_certain(it);
	match_by_barcode(it);
	match_by_place(it);
	if (it->scope == DEPARTURES)
		return see_off(it, err);
	if (it->scope == UNLESS_ELSEWHERE)
		r = find_elsewhere(it, err);
	if (r < 0 || it->elsewhere)
		return r;
	r = clear_places(it, err);
	if (r == 0)
		r = see_off(it, err);
	if (r == 0)
		r = match_offline(it, err);
	for (size_t i = 0; r == 0 && i < it->place_count; i++)
		r = seat(it, &it->places[i], err);
	if (r == 0)
		r = forget_twins(it, err);
	return r < 0 ? r : list_unknown(it, err);
}

static int run(struct reconciling *it, const struct rsm_element *elements, size_t count,
	       struct rsm_inventory *ret_inventory, struct rsm_err *err)
{
	int r;

	{
		RSM_LOCK_SCOPE(&it->catalog->lock);

		r = rsm_catalog_begin_locked(it->catalog, RSM_COMMIT_NORMAL, err);
		if (r == 0) {
			r = reconcile_locked(it, elements, count, err);
			r = rsm_catalog_end_locked(it->catalog, r, err);
		}
	}
	for (size_t i = 0; r == 0 && i < it->twin_count; i++)
		rsm_event_add(it->catalog, "duplicate", "medium", it->twins[i], "text",
			      "another cartridge bears this barcode", NULL);
	if (r == 0 && it->elsewhere)
		r = RSM_INVENTORY_ELSEWHERE;
	if (r == 0) {
		*ret_inventory = it->result;
		memset(&it->result, 0, sizeof it->result);
	}
	fini(it);
	return r;
}

int rsm_inventory_reconcile(struct rsm_catalog *catalog, int64_t library,
			    const struct rsm_element *elements, size_t count,
			    struct rsm_inventory *ret_inventory, struct rsm_err *err)
{
	struct reconciling it = { .catalog = catalog, .library = library };

	return run(&it, elements, count, ret_inventory, err);
}

int rsm_inventory_seat(struct rsm_catalog *catalog, int64_t library,
		       const struct rsm_element *element, int64_t medium,
		       struct rsm_inventory *ret_inventory, struct rsm_err *err)
{
	struct reconciling it = { .catalog = catalog, .library = library, .certain = medium };

	return run(&it, element, 1, ret_inventory, err);
}

int rsm_inventory_try(struct rsm_catalog *catalog, int64_t library,
		      const struct rsm_element *elements, size_t count,
		      struct rsm_inventory *ret_inventory, int64_t *ret_library,
		      struct rsm_err *err)
{
	struct reconciling it = { .catalog = catalog,
				  .library = library,
				  .scope = UNLESS_ELSEWHERE };
	int r = run(&it, elements, count, ret_inventory, err);

	if (r == RSM_INVENTORY_ELSEWHERE)
		*ret_library = it.elsewhere;
	return r;
}

int rsm_inventory_see_off(struct rsm_catalog *catalog, int64_t library,
			  const struct rsm_element *elements, size_t count,
			  struct rsm_inventory *ret_inventory, struct rsm_err *err)
{
	struct reconciling it = { .catalog = catalog, .library = library, .scope = DEPARTURES };

	return run(&it, elements, count, ret_inventory, err);
}
