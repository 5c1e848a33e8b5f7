/* rsm view libraries, drives, slots. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleaner.h"
#include "fs/control_request.h"

int rsmfs_view_libraries(struct rsmfs_request *request, struct rsm_err *err)
{
	RSM_FREE struct rsm_library_status *libraries = NULL;
	size_t count = 0;
	int r = rsm_manager_libraries(request->manager, &libraries, &count, err);

	if (r < 0)
		return r;
	rsmfs_request_table(request, "table", "libraries",
			    "id:n\tsource:s\tkind:s\tvendor:s\tproduct:s\tdrives:n\tslots:n\t"
			    "ports:n\tcartridges:n\tenabled:b\tdoor:s\tdescription:S");
	for (size_t i = 0; i < count; i++) {
		const struct rsm_library_status *library = &libraries[i];
		char key[24];

		if (request->library && library->id != request->library)
			continue;
		rsmfs_row_begin(request);
		rsmfs_row_signed(request, library->id);
		rsmfs_row_text(request, library->source);
		rsmfs_row_text(request, library->kind);
		rsmfs_row_text(request, library->vendor);
		rsmfs_row_text(request, library->product);
		rsmfs_row_number(request, library->drives);
		rsmfs_row_number(request, library->slots);
		rsmfs_row_number(request, library->ports);
		rsmfs_row_number(request, library->cartridges);
		rsmfs_row_number(request, library->enabled);
		rsmfs_row_text(request, library->door);
		snprintf(key, sizeof(key), "%lld", (long long)library->id);
		r = rsmfs_row_description(request, "library", key, err);
		if (r < 0)
			return r;
		rsmfs_row_end(request);
	}
	return 0;
}

/* Path of a medium for a table: "" also when the caller may not know it. */
static int visible_path(struct rsmfs_request *request, const struct rsm_medium *medium,
			char **ret_path, struct rsm_err *err)
{
	RSM_FREE char *path = NULL;
	int r = 0;

	if (medium->pool && !rsmfs_access_is_admin(request->caller, request->admin))
		r = rsmfs_access_pool(request->catalog, request->caller, request->admin,
				      medium->pool, RSMFS_READ | RSMFS_EXECUTE, err);
	if (r == -EACCES)
		return 0;
	if (r == 0)
		r = rsmfs_medium_path(request, medium, &path, err);
	if (r < 0)
		return r;
	*ret_path = RSM_STEAL(path);
	return 0;
}

/* The libraries of the mount: tables name them where there are several. */
struct libraries {
	struct rsm_library_status *items;
	size_t count;
};

static const char *source_of(const struct libraries *libraries, int64_t id)
{
	for (size_t i = 0; i < libraries->count; i++)
		if (libraries->items[i].id == id)
			return libraries->items[i].source;
	return "";
}

static int view_drive(struct rsmfs_request *request, const struct libraries *libraries,
		      const struct rsm_drive_status *drive, struct rsm_err *err)
{
	RSM_FREE char *path = NULL;
	struct rsm_medium medium = { 0 };
	char key[80];
	int r = drive->medium ? rsm_medium_get(request->catalog, drive->medium, &medium, err)
			      : RSM_MEDIUM_ABSENT;

	if (r == 0)
		r = visible_path(request, &medium, &path, err);
	if (r < 0)
		return r;
	rsmfs_row_begin(request);
	rsmfs_row_number(request, drive->element);
	rsmfs_row_text(request, drive->node);
	rsmfs_row_text(request, drive->type);
	rsmfs_row_text(request, drive->state);
	rsmfs_row_text(request, medium.shown);
	rsmfs_row_text(request, path);
	rsmfs_row_number(request, drive->mounts);
	rsmfs_row_text(request, drive->vendor);
	rsmfs_row_text(request, drive->product);
	rsmfs_row_text(request, drive->serial);
	rsmfs_row_signed(request, drive->library);
	rsmfs_row_text(request, source_of(libraries, drive->library));
	rsmfs_row_number(request, drive->enabled);
	rsmfs_row_number(request, drive->unclean);
	if (drive->cleaned)
		rsmfs_row_time(request, &(struct timespec){ .tv_sec = drive->cleaned });
	else
		rsmfs_row_null(request);
	rsmfs_drive_key(drive, key);
	r = rsmfs_row_description(request, "drive", key, err);
	if (r < 0)
		return r;
	rsmfs_row_end(request);
	return 0;
}

int rsmfs_view_drives(struct rsmfs_request *request, struct rsm_err *err)
{
	RSM_FREE struct rsm_library_status *items = NULL;
	RSM_FREE struct rsm_drive_status *drives = NULL;
	struct libraries libraries = { 0 };
	size_t count = 0;
	int r = rsm_manager_drives(request->manager, &drives, &count, err);

	if (r == 0)
		r = rsm_manager_libraries(request->manager, &items, &libraries.count, err);
	if (r < 0)
		return r;
	libraries.items = items;
	rsmfs_request_table(
		request, "table", "drives",
		libraries.count > 1
			? "element:n\tnode:s\ttype:s\tstate:s\tmedium:s\tpath:s\tmounts:n\t"
			  "vendor:S\tproduct:S\tserial:S\tlibrary:n\tsource:s\tenabled:B\tunclean:"
			  "B\tcleaned:T\tdescription:S"
			: "element:n\tnode:s\ttype:s\tstate:s\tmedium:s\tpath:s\tmounts:n\t"
			  "vendor:S\tproduct:S\tserial:S\tlibrary:N\tsource:S\tenabled:B\tunclean:"
			  "B\tcleaned:T\tdescription:S");
	for (size_t i = 0; i < count && r == 0; i++)
		if (!request->library || drives[i].library == request->library)
			r = view_drive(request, &libraries, &drives[i], err);
	return r;
}

/* Of a cartridge with two sides: where the one that lies below is seen. */
static int other_path(struct rsmfs_request *request, int64_t side, char **ret_path,
		      struct rsm_err *err)
{
	struct rsm_medium other;
	int64_t id;
	int r = rsm_medium_other_side(request->catalog, side, &id, err);

	if (r == 0)
		r = rsm_medium_get(request->catalog, id, &other, err);
	if (r == 0)
		r = visible_path(request, &other, ret_path, err);
	return r < 0 ? r : 0;
}

static int view_element(struct rsmfs_request *request, const struct rsm_library_status *library,
			const struct rsm_element *element, uint32_t cleaners, struct rsm_err *err)
{
	bool port = element->type == RSM_ELEMENT_IMPORT_EXPORT;
	RSM_FREE char *path = NULL, *other = NULL;
	struct rsm_medium medium = { 0 };
	int r = RSM_MEDIUM_ABSENT;

	if (element->full)
		r = rsm_medium_at(request->catalog, library->id, port ? RSM_AT_PORT : RSM_AT_SLOT,
				  element->address, &medium, err);
	if (r == 0)
		r = visible_path(request, &medium, &path, err);
	if (r == 0)
		r = other_path(request, medium.id, &other, err);
	if (r < 0)
		return r;
	rsmfs_row_begin(request);
	rsmfs_row_number(request, element->address);
	rsmfs_row_text(request, port ? "port" : "slot");
	rsmfs_row_text(request, !rsm_element_is_present(element) ? "not-present"
				: element->full			 ? "full"
								 : "empty");
	rsmfs_row_number(request, element->full);
	rsmfs_row_text(request, element->volume_tag);
	rsmfs_row_text(request, path);
	rsmfs_row_signed(request, library->id);
	rsmfs_row_text(request, library->source);
	rsmfs_row_number(request,
			 medium.cleaner || (!port && cleaners && element->address == cleaners));
	rsmfs_row_text(request, other);
	rsmfs_row_end(request);
	return 0;
}

static int view_elements(struct rsmfs_request *request, const struct rsm_library_status *library,
			 struct rsm_err *err)
{
	RSM_FREE struct rsm_element *elements = NULL;
	uint32_t cleaners = 0;
	size_t count = 0;
	int r = rsm_manager_elements(request->manager, library->id, &elements, &count, err);

	if (r == 0)
		r = rsm_cleaner_slot(request->catalog, library->id, &cleaners, err);
	for (size_t i = 0; i < count && r == 0; i++)
		if (elements[i].type == RSM_ELEMENT_STORAGE ||
		    elements[i].type == RSM_ELEMENT_IMPORT_EXPORT)
			r = view_element(request, library, &elements[i], cleaners, err);
	return r;
}

int rsmfs_view_slots(struct rsmfs_request *request, struct rsm_err *err)
{
	RSM_FREE struct rsm_library_status *libraries = NULL;
	size_t count = 0;
	int r = rsm_manager_libraries(request->manager, &libraries, &count, err);

	if (r < 0)
		return r;
	rsmfs_request_table(request, "table", "slots",
			    count > 1 ? "element:n\ttype:s\tstate:s\tfull:B\tbarcode:s\tpath:"
					"s\tlibrary:n\tsource:s\tcleaner:B\tother_path:S"
				      : "element:n\ttype:s\tstate:s\tfull:B\tbarcode:s\tpath:"
					"s\tlibrary:N\tsource:S\tcleaner:B\tother_path:S");
	for (size_t i = 0; i < count && r == 0; i++)
		if (!request->library || libraries[i].id == request->library)
			r = view_elements(request, &libraries[i], err);
	return r;
}
