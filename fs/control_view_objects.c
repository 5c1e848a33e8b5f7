/* rsm view of the objects that have no table of their own elsewhere: computer, changers, doors,
 * ports, the types of drives and media, logical media, sides (rsm-model.md 2).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/retention.h"
#include "core/setting.h"
#include "fs/control_request.h"

enum { PAGE = 64 };

static const char *container_of(const struct rsmfs_request *request)
{
	return request->call.operand_count > 1 ? request->call.operands[1] : NULL;
}

/* ---- computer ---- */

static void row_days(struct rsmfs_request *request, int64_t days)
{
	if (days == RSM_KEEP_FOR_EVER)
		rsmfs_row_null(request);
	else
		rsmfs_row_signed(request, days);
}

int rsmfs_view_computer(struct rsmfs_request *request, struct rsm_err *err)
{
	RSM_FREE struct rsm_library_status *libraries = NULL;
	char name[65] = "", description[RSM_DESCRIPTION_SIZE];
	int64_t days[RSM_KEEP_KINDS];
	size_t count = 0;
	int r = rsm_manager_libraries(request->manager, &libraries, &count, err);

	for (unsigned i = 0; r == 0 && i < RSM_KEEP_KINDS; i++)
		r = rsm_retention_get(request->catalog, (enum rsm_retention_what)i, &days[i], err);
	if (r == 0)
		r = rsm_description_get(request->catalog, "computer", "-", description, err);
	if (r < 0)
		return r;
	if (gethostname(name, sizeof(name) - 1) != 0)
		snprintf(name, sizeof(name), "localhost");
	/* no number of days: for ever */
	rsmfs_request_table(request, "table", "computer",
			    "name:s\tversion:s\tlibraries:n\tkeep_items:n\tkeep_failed_items:n\t"
			    "keep_requests:n\tdescription:s");
	rsmfs_row_begin(request);
	rsmfs_row_text(request, name);
	rsmfs_row_text(request, RSM_VERSION);
	rsmfs_row_number(request, count);
	for (unsigned i = 0; i < RSM_KEEP_KINDS; i++)
		row_days(request, days[i]);
	rsmfs_row_text(request, description);
	rsmfs_row_end(request);
	return 0;
}

/* ---- devices ---- */

int rsmfs_view_changers(struct rsmfs_request *request, struct rsm_err *err)
{
	RSM_FREE struct rsm_library_status *libraries = NULL;
	size_t count = 0;
	int r = rsm_manager_libraries(request->manager, &libraries, &count, err);
	if (r < 0)
		return r;
	rsmfs_request_table(request, "table", "changers",
			    "library:n\tvendor:s\tproduct:s\tslots:n\tports:n\tdrives:n\tsource:s");
	for (size_t i = 0; i < count; i++) {
		const struct rsm_library_status *library = &libraries[i];

		/* of a stand-alone drive the operator is the robot */
		if ((request->library && library->id != request->library) ||
		    !strcmp(library->kind, "drive"))
			continue;
		rsmfs_row_begin(request);
		rsmfs_row_signed(request, library->id);
		rsmfs_row_text(request, library->vendor);
		rsmfs_row_text(request, library->product);
		rsmfs_row_number(request, library->slots);
		rsmfs_row_number(request, library->ports);
		rsmfs_row_number(request, library->drives);
		rsmfs_row_text(request, library->source);
		rsmfs_row_end(request);
	}
	return 0;
}

int rsmfs_view_doors(struct rsmfs_request *request, struct rsm_err *err)
{
	RSM_FREE struct rsm_library_status *libraries = NULL;
	size_t count = 0;
	int r = rsm_manager_libraries(request->manager, &libraries, &count, err);

	if (r < 0)
		return r;
	rsmfs_request_table(request, "table", "doors", "library:n\tstate:s\tsource:s");
	for (size_t i = 0; i < count; i++) {
		if ((request->library && libraries[i].id != request->library) ||
		    !libraries[i].door[0])
			continue;
		rsmfs_row_begin(request);
		rsmfs_row_signed(request, libraries[i].id);
		rsmfs_row_text(request, libraries[i].door);
		rsmfs_row_text(request, libraries[i].source);
		rsmfs_row_end(request);
	}
	return 0;
}

static int view_port(struct rsmfs_request *request, int64_t library,
		     const struct rsm_element *element, struct rsm_err *err)
{
	struct rsm_medium medium = { 0 };
	int r = element->full ? rsm_medium_at(request->catalog, library, RSM_AT_PORT,
					      element->address, &medium, err)
			      : RSM_MEDIUM_ABSENT;

	if (r < 0)
		return r;
	rsmfs_row_begin(request);
	rsmfs_row_number(request, element->address);
	rsmfs_row_text(request, element->full ? "full" : "empty");
	rsmfs_row_text(request, element->volume_tag);
	/* one that was ejected stays until a person takes it, any other is taken in */
	rsmfs_row_number(request, r == 0 && rsm_medium_is_ejected(request->catalog, medium.id));
	rsmfs_row_signed(request, library);
	rsmfs_row_end(request);
	return 0;
}

int rsmfs_view_ports(struct rsmfs_request *request, struct rsm_err *err)
{
	RSM_FREE struct rsm_library_status *libraries = NULL;
	size_t count = 0;
	int r = rsm_manager_libraries(request->manager, &libraries, &count, err);
	if (r < 0)
		return r;
	rsmfs_request_table(request, "table", "ports",
			    "element:n\tstate:s\tbarcode:s\tejected:b\tlibrary:n");
	for (size_t i = 0; i < count && r == 0; i++) {
		RSM_FREE struct rsm_element *elements = NULL;
		size_t element_count = 0;

		if (request->library && libraries[i].id != request->library)
			continue;
		r = rsm_manager_elements(request->manager, libraries[i].id, &elements,
					 &element_count, err);
		for (size_t k = 0; k < element_count && r == 0; k++)
			if (elements[k].type == RSM_ELEMENT_IMPORT_EXPORT)
				r = view_port(request, libraries[i].id, &elements[k], err);
	}
	return r;
}

int rsmfs_view_drive_types(struct rsmfs_request *request, struct rsm_err *err)
{
	RSM_FREE struct rsm_drive_status *drives = NULL;
	size_t count = 0;
	int r = rsm_manager_drives(request->manager, &drives, &count, err);
	if (r < 0)
		return r;
	rsmfs_request_table(request, "table", "drive-types",
			    "vendor:s\tproduct:s\tmedia_type:s\tdrives:n");
	for (size_t i = 0; i < count; i++) {
		const struct rsm_drive_status *drive = &drives[i];
		unsigned same = 0;
		bool first = true;

		for (size_t k = 0; k < count; k++) {
			bool is_same = !strcmp(drives[k].vendor, drive->vendor) &&
				       !strcmp(drives[k].product, drive->product) &&
				       !strcmp(drives[k].type, drive->type) &&
				       (!request->library || drives[k].library == request->library);

			first = first && (!is_same || k >= i);
			same += is_same;
		}
		if (!first || !same)
			continue;
		rsmfs_row_begin(request);
		rsmfs_row_text(request, drive->vendor);
		rsmfs_row_text(request, drive->product);
		rsmfs_row_text(request, drive->type);
		rsmfs_row_number(request, same);
		rsmfs_row_end(request);
	}
	return 0;
}

/* ---- media ---- */

struct medium_page {
	struct rsm_medium *media; /* room for PAGE */
	size_t count;
};

static bool take_medium(void *context, const struct rsm_medium *medium)
{
	struct medium_page *page = context;

	page->media[page->count++] = *medium;
	return page->count < PAGE;
}

/* Calls `each` for all media in order of their ids; pages, for a reply may be slow to leave. */
static int for_each_medium(struct rsmfs_request *request,
			   int (*each)(struct rsmfs_request *request, void *context,
				       const struct rsm_medium *medium, struct rsm_err *err),
			   void *context, struct rsm_err *err)
{
	RSM_FREE struct rsm_medium *media = calloc(PAGE, sizeof(*media));
	int64_t after = 0;

	if (!media)
		return rsm_err_oom(err);
	for (;;) {
		struct medium_page page = { .media = media };
		int r = rsm_medium_list_all(request->catalog, after, take_medium, &page, err);

		for (size_t i = 0; r >= 0 && i < page.count; i++) {
			if (rsmfs_request_is_cancelled(request))
				return rsm_err_set(err, EINTR, "view: interrupted");
			r = each(request, context, &media[i], err);
		}
		if (r < 0)
			return r;
		if (page.count < PAGE)
			return 0;
		after = media[page.count - 1].id;
	}
}

struct media_type {
	char name[RSM_TYPE_SIZE];
	unsigned media, online, drives, writers;
};

struct media_types {
	struct media_type types[64]; /* more kinds of media than there are */
	size_t count;
	int64_t library;
};

static struct media_type *type_of(struct media_types *types, const char *name)
{
	for (size_t i = 0; i < types->count; i++)
		if (!strcmp(types->types[i].name, name))
			return &types->types[i];
	if (types->count == sizeof(types->types) / sizeof(types->types[0]))
		return NULL;
	snprintf(types->types[types->count].name, RSM_TYPE_SIZE, "%s", name);
	return &types->types[types->count++];
}

static int count_type(struct rsmfs_request *request, void *context, const struct rsm_medium *medium,
		      struct rsm_err *err)
{
	struct media_types *types = context;
	struct media_type *type;

	(void)request;
	(void)err;
	if (types->library && medium->library != types->library)
		return 0;
	type = type_of(types, medium->media_type);
	if (type) {
		type->media++;
		type->online += medium->location != RSM_AT_OFFLINE;
	}
	return 0;
}

static void count_drive(struct media_types *types, const struct rsm_drive_status *drive)
{
	for (size_t i = 0; i < types->count; i++) {
		enum rsm_media_access access =
			rsm_media_reach_access(&drive->reach, types->types[i].name);

		types->types[i].drives += access != RSM_MEDIA_NONE;
		types->types[i].writers += access == RSM_MEDIA_WRITES;
	}
}

int rsmfs_view_media_types(struct rsmfs_request *request, struct rsm_err *err)
{
	RSM_FREE struct media_types *types = calloc(1, sizeof(*types));
	RSM_FREE struct rsm_drive_status *drives = NULL;
	size_t count = 0;
	int r;

	if (!types)
		return rsm_err_oom(err);
	types->library = request->library;
	r = rsm_manager_drives(request->manager, &drives, &count, err);
	/* what the drives write best is there to be had, also before there is a cartridge of it */
	for (size_t i = 0; r == 0 && i < count; i++)
		if (!types->library || drives[i].library == types->library)
			(void)type_of(types, drives[i].type);
	if (r == 0)
		r = for_each_medium(request, count_type, types, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		if (!types->library || drives[i].library == types->library)
			count_drive(types, &drives[i]);
	rsmfs_request_table(request, "table", "media-types",
			    "name:s\tmedia:n\tonline:n\tdrives:n\twriters:n");
	for (size_t i = 0; i < types->count; i++) {
		rsmfs_row_begin(request);
		rsmfs_row_text(request, types->types[i].name);
		rsmfs_row_number(request, types->types[i].media);
		rsmfs_row_number(request, types->types[i].online);
		rsmfs_row_number(request, types->types[i].drives);
		rsmfs_row_number(request, types->types[i].writers);
		rsmfs_row_end(request);
	}
	return 0;
}

/* ---- logical media and sides ---- */

struct within {
	bool is_pool;
	int64_t id; /* RSM_POOL_TOP: everywhere */
};

/* Names of media in pools that the caller may not list are left out. */
static int may_list(struct rsmfs_request *request, const struct rsm_medium *medium, bool *ret_may,
		    struct rsm_err *err)
{
	int r = 0;

	if (medium->pool && !rsmfs_access_is_admin(request->caller, request->admin))
		r = rsmfs_access_pool(request->catalog, request->caller, request->admin,
				      medium->pool, RSMFS_READ | RSMFS_EXECUTE, err);
	*ret_may = r == 0;
	return r == -EACCES ? 0 : r;
}

static int is_within(struct rsmfs_request *request, const struct within *within,
		     const struct rsm_medium *medium, bool *ret_is, struct rsm_err *err)
{
	*ret_is = !request->library || medium->library == request->library;
	if (!*ret_is)
		return 0;
	if (!within->is_pool)
		*ret_is = medium->id == within->id;
	else if (within->id != RSM_POOL_TOP)
		return rsmfs_pool_is_below(request, medium->pool, within->id, ret_is, err);
	return 0;
}

static int view_logical_medium(struct rsmfs_request *request, void *context,
			       const struct rsm_medium *medium, struct rsm_err *err)
{
	char description[RSM_DESCRIPTION_SIZE];
	RSM_FREE char *path = NULL;
	bool is, may = false;
	int r;

	if (!medium->lmid[0])
		return 0;
	r = is_within(request, context, medium, &is, err);
	if (r == 0 && is)
		r = may_list(request, medium, &may, err);
	if (r < 0 || !is || !may)
		return r;
	r = rsmfs_medium_path(request, medium, &path, err);
	if (r == 0)
		r = rsm_description_get(request->catalog, "logical", medium->lmid, description,
					err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	rsmfs_row_begin(request);
	rsmfs_row_text(request, medium->lmid);
	rsmfs_row_text(request, path);
	rsmfs_row_text(request, medium->shown);
	rsmfs_row_text(request, rsm_medium_state_name(medium->state));
	rsmfs_row_signed(request, medium->priority);
	rsmfs_row_number(request, medium->owner);
	rsmfs_row_time(request, &medium->created);
	rsmfs_row_text(request, description);
	rsmfs_row_end(request);
	return 0;
}

static int view_side(struct rsmfs_request *request, void *context, const struct rsm_medium *medium,
		     struct rsm_err *err)
{
	char description[RSM_DESCRIPTION_SIZE];
	bool is, may = false;
	int r;

	r = is_within(request, context, medium, &is, err);
	if (r == 0 && is)
		r = may_list(request, medium, &may, err);
	if (r == 0)
		r = rsm_description_get(request->catalog, "medium", medium->guid, description, err);
	if (r < 0 || !is)
		return r;
	rsmfs_row_begin(request);
	rsmfs_row_text(request, medium->guid);
	rsmfs_row_text(request, medium->shown);
	rsmfs_row_text(request, medium->cleaner ? "cleaner" : rsm_medium_state_name(medium->state));
	rsmfs_row_text(request, medium->label_type);
	rsmfs_row_text(request, may ? medium->label_info : "");
	rsmfs_row_text(request, medium->volume_uuid);
	rsmfs_row_text(request, may ? medium->lmid : "");
	rsmfs_row_number(request, medium->mounts);
	rsmfs_row_number(request, medium->allocations);
	rsmfs_row_text(request, description);
	rsmfs_row_end(request);
	return 0;
}

static int find_within(struct rsmfs_request *request, struct within *within, struct rsm_err *err)
{
	const char *container = container_of(request);
	struct rsmfs_object object;
	int r;

	*within = (struct within){ .is_pool = true, .id = RSM_POOL_TOP };
	if (!container)
		return 0;
	if (!strncmp(container, "library:", 8))
		return rsmfs_object_library(request, container, &request->library, err);
	r = rsmfs_object_find(request, container, &object, err);
	if (r < 0)
		return r;
	within->is_pool = object.is_pool;
	within->id = object.is_pool ? object.pool.id : object.medium.id;
	return 0;
}

int rsmfs_view_logical(struct rsmfs_request *request, struct rsm_err *err)
{
	struct within within;
	int r = find_within(request, &within, err);

	if (r < 0)
		return r;
	rsmfs_request_table(request, "table", "logical",
			    "lmid:s\tpath:s\tmedium:s\tstate:s\tpriority:n\towner:n\tcreated:t\t"
			    "description:s");
	return for_each_medium(request, view_logical_medium, &within, err);
}

int rsmfs_view_sides(struct rsmfs_request *request, struct rsm_err *err)
{
	struct within within;
	int r = find_within(request, &within, err);

	if (r < 0)
		return r;
	rsmfs_request_table(request, "table", "sides",
			    "guid:s\tmedium:s\tstate:s\tlabel_type:s\tlabel_info:s\tvolume_uuid:S\t"
			    "lmid:S\tmounts:n\tallocations:n\tdescription:s");
	return for_each_medium(request, view_side, &within, err);
}
