#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/copy.h"
#include "fs/control_request.h"

bool rsmfs_request_is_cancelled(const struct rsmfs_request *request)
{
	return atomic_load(&request->cancel);
}

int rsmfs_request_need_admin(const struct rsmfs_request *request, struct rsm_err *err)
{
	if (rsmfs_access_is_admin(request->caller, request->admin))
		return 0;
	return rsm_err_set(err, EACCES,
			   "%s: only administrators may do that (root, who mounted, admin_group)",
			   request->call.verb->name);
}

void rsmfs_request_names_changed(struct rsmfs_request *request, int64_t pool, const char *name)
{
	const struct rsm_manager_callbacks *callbacks =
		&rsm_manager_options(request->manager)->callbacks;

	if (callbacks->names_changed)
		callbacks->names_changed(callbacks->context, pool, name);
}

/* It is empty, or there is no such element. */
static int why_not_there(struct rsmfs_request *request, const char *word,
			 enum rsm_element_type type, int64_t library, unsigned long address,
			 const struct rsm_library_status *libraries, size_t library_count,
			 struct rsm_err *err)
{
	for (size_t i = 0; i < library_count; i++) {
		RSM_FREE struct rsm_element *elements = NULL;
		size_t count = 0;
		int r;

		if (library && libraries[i].id != library)
			continue;
		r = rsm_manager_elements(request->manager, libraries[i].id, &elements, &count, err);
		if (r < 0)
			return r;
		for (size_t k = 0; k < count; k++)
			if (elements[k].type == type && elements[k].address == address)
				return rsm_err_set(err, ENOMEDIUM, "%s is empty", word);
	}
	return rsm_err_set(err, ENXIO, "there is no %s", word);
}

struct element_word {
	const char *word;
	enum rsm_location_kind kind;
	enum rsm_element_type type;
};

/* "slot:1001", "drive:256", "port:10"; of several libraries with the library's number before it:
 * "slot:2:1001". *ret_library: 0, if it is not there. Outcome ABSENT: that is no such word.
 */
static int parse_element(const char *word, const struct element_word **ret_kind,
			 unsigned long *ret_library, unsigned long *ret_element,
			 struct rsm_err *err)
{
	static const struct element_word kinds[] = {
		{ "slot:", RSM_AT_SLOT, RSM_ELEMENT_STORAGE },
		{ "drive:", RSM_AT_DRIVE, RSM_ELEMENT_DATA_TRANSFER },
		{ "port:", RSM_AT_PORT, RSM_ELEMENT_IMPORT_EXPORT },
	};
	unsigned long library = 0, element;
	size_t kind = 0;
	char *end;

	while (kind < 3 && strncmp(word, kinds[kind].word, strlen(kinds[kind].word)) != 0)
		kind++;
	if (kind == 3)
		return RSM_MEDIUM_ABSENT;
	element = strtoul(word + strlen(kinds[kind].word), &end, 10);
	if (*end == ':') {
		library = element;
		element = strtoul(end + 1, &end, 10);
	}
	if (*end || element > UINT16_MAX || !end[-1] || end[-1] == ':')
		return rsm_err_set(err, EINVAL, "%s: the number of an element is expected", word);
	*ret_kind = &kinds[kind];
	*ret_library = library;
	*ret_element = element;
	return 0;
}

/* What lies in an element. Outcome ABSENT: that is no such word. */
static int find_by_element(struct rsmfs_request *request, const char *word,
			   struct rsm_medium *ret_medium, struct rsm_err *err)
{
	RSM_FREE struct rsm_library_status *libraries = NULL;
	const struct element_word *kind;
	unsigned long library, element;
	size_t count = 0, found = 0;
	int r = parse_element(word, &kind, &library, &element, err);

	if (r != 0)
		return r;
	r = rsm_manager_libraries(request->manager, &libraries, &count, err);
	for (size_t i = 0; r >= 0 && i < count; i++) {
		if (library && libraries[i].id != (int64_t)library)
			continue;
		r = rsm_medium_at(request->catalog, libraries[i].id, kind->kind, (uint32_t)element,
				  ret_medium, err);
		found += r == 0;
	}
	if (r < 0)
		return r;
	if (found > 1)
		return rsm_err_set(err, EINVAL, "%s: several libraries have one, say %sLIBRARY:%lu",
				   word, kind->word, element);
	return found ? 0
		     : why_not_there(request, word, kind->type, (int64_t)library, element,
				     libraries, count, err);
}

static int has_slot(struct rsmfs_request *request, int64_t library, unsigned long slot,
		    struct rsm_err *err)
{
	RSM_FREE struct rsm_element *elements = NULL;
	size_t count = 0;
	int r = rsm_manager_elements(request->manager, library, &elements, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++)
		if (elements[i].type == RSM_ELEMENT_STORAGE && elements[i].address == slot)
			return 1;
	return r;
}

int rsmfs_object_slot(struct rsmfs_request *request, const char *word, int64_t *ret_library,
		      uint32_t *ret_slot, struct rsm_err *err)
{
	RSM_FREE struct rsm_library_status *libraries = NULL;
	const struct element_word *kind;
	unsigned long library, slot;
	size_t count = 0, found = 0;
	int r = parse_element(word, &kind, &library, &slot, err);

	if (r == 0)
		r = rsm_manager_libraries(request->manager, &libraries, &count, err);
	if (r != 0)
		return r < 0 ? r : rsm_err_set(err, EINVAL, "%s is no slot", word);
	for (size_t i = 0; r >= 0 && i < count; i++) {
		if (library && libraries[i].id != (int64_t)library)
			continue;
		r = has_slot(request, libraries[i].id, slot, err);
		if (r > 0)
			*ret_library = libraries[i].id;
		found += r > 0;
	}
	if (r < 0)
		return r;
	if (found > 1)
		return rsm_err_set(err, EINVAL,
				   "%s: several libraries have one, say slot:LIBRARY:%lu", word,
				   slot);
	if (!found)
		return rsm_err_set(err, ENXIO, "there is no %s", word);
	*ret_slot = (uint32_t)slot;
	return 0;
}

struct by_name {
	const char *word;
	struct rsm_medium *found;
	unsigned count;
};

static bool match_name(void *context, const struct rsm_medium *medium)
{
	struct by_name *by = context;

	*by->found = *medium;
	return by->count++ == 0;
}

/* "name:monday": the one logical medium of that name, as rsm.exe's scripts have it. */
static int find_by_name(struct rsmfs_request *request, const char *word,
			struct rsm_medium *ret_medium, struct rsm_err *err)
{
	struct by_name by = { .word = word + 5, .found = ret_medium };
	int r;

	if (strncmp(word, "name:", 5) != 0)
		return RSM_MEDIUM_ABSENT;
	r = rsm_medium_list_named(request->catalog, by.word, match_name, &by, err);
	if (r < 0)
		return r;
	if (by.count > 1)
		return rsm_err_set(err, EINVAL, "%s: several pools have one, say POOL/NAME",
				   by.word);
	return by.count ? 0 : RSM_MEDIUM_ABSENT;
}

/* A barcode, the shown name of a duplicate (BC~2), an LMID, a side's GUID, or what lies in an
 * element. */
static int find_by_word(struct rsmfs_request *request, const char *word,
			struct rsm_medium *ret_medium, struct rsm_err *err)
{
	int r = find_by_element(request, word, ret_medium, err);

	if (r > 0)
		r = find_by_name(request, word, ret_medium, err);
	if (r > 0 && !strncmp(word, "name:", 5))
		word += 5; /* or its barcode */
	if (r > 0)
		r = rsm_medium_find_barcode(request->catalog, word, ret_medium, err);
	/* each of them by an index: most names that are looked up here are still to be given */
	return r > 0 ? rsm_medium_find_id(request->catalog, word, ret_medium, err) : r;
}

/* The next component of a path; NULL at the end, or when it is too long to be a name. */
static const char *next_name(const char *at, char name[static RSM_NAME_SIZE])
{
	at += strspn(at, "/");
	size_t length = strcspn(at, "/");

	if (!length || length >= RSM_NAME_SIZE)
		return NULL;
	memcpy(name, at, length);
	name[length] = '\0';
	return at + length;
}

static bool is_at_end(const char *path)
{
	return path[strspn(path, "/")] == '\0';
}

static int enter_medium(struct rsmfs_request *request, int64_t pool, const char *name,
			struct rsm_medium *ret_medium, struct rsm_err *err)
{
	int r = RSM_MEDIUM_ABSENT;

	if (pool == RSM_POOL_TOP)
		return r;
	r = rsm_medium_find(request->catalog, pool, name, ret_medium, err);
	if (r <= 0)
		return r;
	/* Media that are not allocated are no names in an application pool, but `rsm` takes
	 * POOL/BARCODE for them. */
	r = find_by_word(request, name, ret_medium, err);
	if (r == 0 && ret_medium->pool != pool)
		r = RSM_MEDIUM_ABSENT;
	return r;
}

/* Outcome 1: nothing bears that path. */
static int walk(struct rsmfs_request *request, const char *operand, struct rsmfs_object *object,
		struct rsm_err *err)
{
	char name[RSM_NAME_SIZE];
	const char *at = operand;

	object->is_pool = true;
	object->pool = (struct rsm_pool){ .id = RSM_POOL_TOP, .holds = RSM_POOL_HOLDS_POOLS };
	object->rest = "";
	while (!is_at_end(at)) {
		struct rsm_pool next;
		int r;

		at = next_name(at, name);
		if (!at)
			return 1;
		r = rsm_pool_find(request->catalog, object->pool.id, name, &next, err);
		if (r < 0)
			return r;
		if (r == 0) {
			object->pool = next;
			continue;
		}
		r = enter_medium(request, object->pool.id, name, &object->medium, err);
		if (r)
			return r < 0 ? r : 1;
		object->is_pool = false;
		object->rest = at + strspn(at, "/");
		return 0;
	}
	return 0;
}

int rsmfs_object_find(struct rsmfs_request *request, const char *operand,
		      struct rsmfs_object *ret_object, struct rsm_err *err)
{
	int r = walk(request, operand, ret_object, err);

	if (r <= 0)
		return r;
	if (!strchr(operand, '/')) {
		r = find_by_word(request, operand, &ret_object->medium, err);
		ret_object->is_pool = false;
		ret_object->rest = "";
		if (r == 0)
			r = rsm_medium_check_twins(request->catalog, operand, err);
		if (r <= 0)
			return r;
	}
	if (!strncmp(operand, "name:", 5))
		operand += 5;
	return rsm_err_set(err, ENOENT, "%s: no pool, cartridge or barcode has that name", operand);
}

int rsmfs_object_medium(struct rsmfs_request *request, const char *operand, bool inside,
			struct rsm_medium *ret_medium, struct rsm_err *err)
{
	struct rsmfs_object object;
	int r = rsmfs_object_find(request, operand, &object, err);

	if (r < 0)
		return r;
	if (object.is_pool)
		return rsm_err_set(err, EINVAL, "%s: is a pool, not a cartridge", operand);
	if (*object.rest && !inside)
		return rsm_err_set(err, EINVAL, "%s: is in a cartridge, not a cartridge", operand);
	*ret_medium = object.medium;
	return 0;
}

int rsmfs_object_pool(struct rsmfs_request *request, const char *operand, struct rsm_pool *ret_pool,
		      struct rsm_err *err)
{
	struct rsmfs_object object;
	int r = rsmfs_object_find(request, operand, &object, err);

	if (r < 0)
		return r;
	if (!object.is_pool)
		return rsm_err_set(err, EINVAL, "%s: is a cartridge, not a pool", operand);
	*ret_pool = object.pool;
	return 0;
}

int rsmfs_object_media(struct rsmfs_request *request, bool inside, struct rsm_medium **ret_media,
		       size_t *ret_count, struct rsm_err *err)
{
	size_t count = request->call.operand_count;
	RSM_FREE struct rsm_medium *media = calloc(count ? count : 1, sizeof(*media));

	if (!media)
		return rsm_err_oom(err);
	for (size_t i = 0; i < count; i++) {
		const char *operand = request->call.operands[i];
		int r = rsmfs_object_medium(request, operand, inside, &media[i], err);

		if (r < 0)
			return r;
		for (size_t k = 0; k < i; k++)
			if (media[k].id == media[i].id)
				return rsm_err_set(err, EINVAL, "%s: is named twice", operand);
	}
	*ret_media = RSM_STEAL(media);
	*ret_count = count;
	return 0;
}

int rsmfs_object_library(struct rsmfs_request *request, const char *operand, int64_t *ret_library,
			 struct rsm_err *err)
{
	RSM_FREE struct rsm_library_status *libraries = NULL;
	size_t count = 0;
	int r;

	*ret_library = 0;
	if (!operand)
		return 0;
	if (!strncmp(operand, "library:", 8))
		operand += 8;
	r = rsm_manager_libraries(request->manager, &libraries, &count, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		char number[24];

		snprintf(number, sizeof(number), "%lld", (long long)libraries[i].id);
		if (strcmp(operand, number) != 0 && strcmp(operand, libraries[i].source) != 0)
			continue;
		*ret_library = libraries[i].id;
		return 0;
	}
	return rsm_err_set(err, ENODEV, "%s: no such library here", operand);
}

int rsmfs_object_drive(struct rsmfs_request *request, const char *operand,
		       struct rsm_drive_status *ret_drive, struct rsm_err *err)
{
	const char *word = strncmp(operand, "drive:", 6) == 0 ? operand + 6 : operand;
	const char *colon = strrchr(word, ':');
	RSM_FREE struct rsm_drive_status *drives = NULL;
	RSM_FREE char *source = colon ? strndup(word, (size_t)(colon - word)) : NULL;
	int64_t library = 0;
	size_t count = 0, found = 0;
	int r;

	if (colon && !source)
		return rsm_err_oom(err);
	r = rsmfs_object_library(request, source, &library, err);
	if (r == 0)
		r = rsm_manager_drives(request->manager, &drives, &count, err);
	if (r < 0)
		return r;
	if (colon)
		word = colon + 1;
	for (size_t i = 0; i < count; i++) {
		char element[16];

		snprintf(element, sizeof(element), "%u", drives[i].element);
		if ((library && drives[i].library != library) ||
		    (strcmp(word, element) != 0 && strcmp(word, drives[i].serial) != 0))
			continue;
		*ret_drive = drives[i];
		found++;
	}
	if (found == 1)
		return 0;
	return found ? rsm_err_set(err, EINVAL,
				   "drive %s: several libraries have one, say LIBRARY:%s", word,
				   word)
		     : rsm_err_set(err, ENXIO, "there is no drive %s", operand);
}

int rsmfs_object_parent(struct rsmfs_request *request, const char *operand, int64_t *ret_pool,
			const char **ret_name, struct rsm_err *err)
{
	RSM_FREE char *parent = strdup(operand);
	struct rsm_pool pool;
	int r;

	if (!parent)
		return rsm_err_oom(err);
	if (is_at_end(operand) || operand[strlen(operand) - 1] == '/')
		return rsm_err_set(err, EINVAL, "%s: a name is missing at the end", operand);
	char *slash = strrchr(parent, '/');

	if (slash)
		*slash = '\0';
	r = rsmfs_object_pool(request, slash ? parent : "", &pool, err);
	if (r < 0)
		return r;
	*ret_pool = pool.id;
	*ret_name = slash ? operand + (slash + 1 - parent) : operand;
	return 0;
}

int rsmfs_medium_path(struct rsmfs_request *request, const struct rsm_medium *medium,
		      char **ret_path, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text path = { 0 };
	RSM_FREE char *pool_path = NULL;
	struct rsm_pool pool;
	int r = medium->pool ? rsm_pool_get(request->catalog, medium->pool, &pool, err)
			     : RSM_POOL_ABSENT;

	if (r < 0)
		return r;
	if (r == 0)
		r = rsm_pool_path(request->catalog, medium->pool, &pool_path, err);
	if (r < 0)
		return r;
	if (r == 0 && strncmp(pool_path, RSM_COPY_POOL_GUID, strlen(RSM_COPY_POOL_GUID)) == 0)
		rsm_text_add(&path, ""); /* a copy is no name in the tree */
	else if (r == 0 && (medium->lmid[0] || pool.kind != RSM_POOL_APPLICATION))
		rsm_text_printf(&path, "%s/%s", pool_path,
				medium->lmid[0] ? medium->name : medium->shown);
	else
		rsm_text_add(&path, "");
	return rsm_text_take(&path, ret_path, err);
}

void rsmfs_medium_location(const struct rsm_medium *medium, char *text, size_t size)
{
	const char *kind = medium->location == RSM_AT_SLOT    ? "slot"
			   : medium->location == RSM_AT_PORT  ? "port"
			   : medium->location == RSM_AT_DRIVE ? "drive"
							      : NULL;

	if (kind)
		snprintf(text, size, "%s %u", kind, medium->element);
	else
		snprintf(text, size, "offline");
}

const char *rsmfs_medium_word(const struct rsm_medium *medium)
{
	return medium->lmid[0] ? medium->name : medium->shown;
}

int rsmfs_pool_is_below(struct rsmfs_request *request, int64_t pool, int64_t top, bool *ret_is,
			struct rsm_err *err)
{
	*ret_is = false;
	for (unsigned depth = 0; pool != RSM_POOL_TOP && depth < 1000; depth++) {
		struct rsm_pool row;
		int r;

		if (pool == top) {
			*ret_is = true;
			return 0;
		}
		r = rsm_pool_get(request->catalog, pool, &row, err);
		if (r)
			return r < 0 ? r : 0;
		pool = row.parent;
	}
	return 0;
}
