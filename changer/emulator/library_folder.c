#include "changer/emulator/library_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "changer/emulator/cartridge.h"
#include "changer/emulator/library_conf.h"
#include "changer/emulator/lto.h"
#include "changer/emulator/mam_file.h"
#include "changer/medium_memory.h"

/* A making that was cut short is told from a library that lost its library.conf by this file: it
 * is made first and removed last. Only under it may slots/ and the like be removed again.
 */
#define MARKER ".making"

enum {
	FIRST_PORT = 10,
	FIRST_DRIVE = 256,
	FIRST_SLOT = 1001,
	PORT_LIMIT = FIRST_DRIVE - FIRST_PORT,
	DRIVE_LIMIT = FIRST_SLOT - FIRST_DRIVE,
	SLOT_LIMIT = 65535 - FIRST_SLOT + 1,
	LABEL_BYTES = 80,
};

const struct rsm_library_shape rsm_library_default_shape = {
	.media_type = "LTO-8",
	.drives = 2,
	.slots = 24,
	.ports = 4,
	.cartridges = 16,
};

/* Before anybody makes a catalogue beside a library.conf that nobody understands. */
static int check_conf(const char *path, struct rsm_err *err)
{
	RSM_LIBRARY_CONF struct rsm_library_conf conf;

	rsm_library_conf_init(&conf);
	return rsm_library_conf_load(&conf, path, err);
}

int rsm_library_folder_probe(const char *path, struct rsm_err *err)
{
	char name[PATH_MAX];
	bool making = false, foreign = false;
	struct dirent *entry;
	struct stat st;
	DIR *folder;

	if (snprintf(name, sizeof name, "%s/library.conf", path) >= (int)sizeof name)
		return rsm_err_set(err, ENAMETOOLONG, "%s", path);
	if (lstat(name, &st) == 0)
		return check_conf(name, err);
	if (errno == ENOTDIR)
		return rsm_err_set(err, ENOTDIR, "%s is not a folder", path);
	if (errno != ENOENT)
		return rsm_err_errno(err, "%s", path);
	folder = opendir(path);
	if (!folder && errno == ENOENT)
		return RSM_LIBRARY_FOLDER_EMPTY;
	if (!folder)
		return rsm_err_errno(err, "%s", path);
	while ((entry = readdir(folder))) {
		making = making || strcmp(entry->d_name, MARKER) == 0;
		foreign = foreign ||
			  (entry->d_name[0] != '.' && strcmp(entry->d_name, "catalog") != 0 &&
			   strcmp(entry->d_name, "staging") != 0 &&
			   strcmp(entry->d_name, "lost+found") != 0);
	}
	closedir(folder);
	return foreign && !making ? RSM_LIBRARY_FOLDER_FOREIGN : RSM_LIBRARY_FOLDER_EMPTY;
}

/* What a making is told by: the shape, in words that are understood. */
struct plan {
	const struct rsm_library_shape *shape;
	const struct rsm_lto *type; /* of the media */
	bool worm;
	struct rsm_library_conf conf; /* the types of the drives */
};

/* "LTO-9,LTO-8" */
static int plan_drives(struct plan *plan, struct rsm_err *err)
{
	const char *types = plan->shape->drive_types;
	int r = 0;

	plan->conf.drive_type = plan->type;
	for (unsigned i = 0; types && r == 0; i++) {
		char name[16] = "";
		size_t length = strcspn(types, ",");
		const struct rsm_lto *type;

		if (length < sizeof name)
			memcpy(name, types, length);
		type = rsm_lto_by_name(name);
		if (!type)
			return rsm_err_set(err, EINVAL, "drive type %.*s: expected LTO-5 to LTO-9",
					   (int)length, types);
		if (i >= plan->shape->drives)
			return rsm_err_set(err, EINVAL, "more drive types than %u drives",
					   plan->shape->drives);
		types = types[length] ? types + length + 1 : NULL;
		if (!types) /* of all the others */
			plan->conf.drive_type = type;
		else
			r = rsm_library_conf_set_drive_type(&plan->conf,
							    (uint16_t)(FIRST_DRIVE + i), type, err);
	}
	return r;
}

static int check_shape(struct plan *plan, struct rsm_err *err)
{
	const struct rsm_library_shape *shape = plan->shape;

	if (strcmp(shape->media_type, "disk") == 0)
		return rsm_err_set(err, EOPNOTSUPP,
				   "a library of media type disk cannot be made: LTO-5 to LTO-9");
	plan->type = rsm_lto_by_media_type(shape->media_type, &plan->worm);
	if (!plan->type)
		return rsm_err_set(err, EINVAL,
				   "media type %s: expected LTO-5 to LTO-9, or LTO-5-WORM to "
				   "LTO-9-WORM",
				   shape->media_type);
	if (shape->drives < 1 || shape->drives > DRIVE_LIMIT)
		return rsm_err_set(err, EINVAL, "%u drives: expected 1 to %d", shape->drives,
				   DRIVE_LIMIT);
	if (shape->standalone && (shape->drives != 1 || shape->slots || shape->ports))
		return rsm_err_set(err, EINVAL,
				   "a stand-alone drive: expected 1 drive, no slots and no ports");
	if (!shape->standalone && (shape->slots < 1 || shape->slots > SLOT_LIMIT))
		return rsm_err_set(err, EINVAL, "%u slots: expected 1 to %d", shape->slots,
				   SLOT_LIMIT);
	if (shape->ports > PORT_LIMIT)
		return rsm_err_set(err, EINVAL, "%u ports: expected at most %d", shape->ports,
				   PORT_LIMIT);
	if (shape->standalone && shape->cartridges > SLOT_LIMIT)
		return rsm_err_set(err, EINVAL, "%u cartridges: expected at most %d",
				   shape->cartridges, SLOT_LIMIT);
	if (!shape->standalone && shape->cartridges > shape->slots)
		return rsm_err_set(err, EINVAL, "%u cartridges do not fit into %u slots",
				   shape->cartridges, shape->slots);
	if (shape->capacity_bytes && shape->capacity_bytes < (uint64_t)1 << 20)
		return rsm_err_set(err, EINVAL, "a capacity of %llu bytes: expected at least 1 MiB",
				   (unsigned long long)shape->capacity_bytes);
	if (shape->sides > 2)
		return rsm_err_set(err, EINVAL, "%u sides: expected 1 or 2", shape->sides);
	if (shape->sides == 2 && shape->standalone)
		return rsm_err_set(err, EINVAL,
				   "a stand-alone drive: expected 1 side, for no robot turns it "
				   "over");
	return plan_drives(plan, err);
}

static int make_folder(int parent, const char *name, int *ret_fd, struct rsm_err *err)
{
	RSM_CLOSE int fd = -1;

	if (mkdirat(parent, name, 0777) < 0 && errno != EEXIST)
		return rsm_err_errno(err, "%s", name);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return rsm_err_errno(err, "%s", name);
	if (ret_fd)
		*ret_fd = rsm_steal_fd(&fd);
	return 0;
}

static int make_elements(int library, const char *name, unsigned first, unsigned count,
			 struct rsm_err *err)
{
	RSM_CLOSE int parent = -1;
	int r = make_folder(library, name, &parent, err);

	for (unsigned i = 0; r == 0 && i < count; i++) {
		char number[16];

		snprintf(number, sizeof number, "%u", first + i);
		r = make_folder(parent, number, NULL, err);
	}
	return r;
}

static int write_file(int folder, const char *name, const void *data, size_t length,
		      struct rsm_err *err)
{
	RSM_CLOSE int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int r;

	if (fd < 0)
		return rsm_err_errno(err, "%s", name);
	r = rsm_file_write_at(fd, data, length, 0);
	if (r < 0) {
		errno = -r;
		return rsm_err_errno(err, "%s", name);
	}
	return 0;
}

/* Contract 8: one VOL1 record and a filemark. */
static int write_free_label(int folder, const char *barcode, struct rsm_err *err)
{
	uint8_t image[4 + LABEL_BYTES + 4 + 4] = { 0 };
	uint8_t *label = image + 4;

	memset(label, ' ', LABEL_BYTES);
	memcpy(label, "VOL1", 4);
	memcpy(label + 4, barcode, strnlen(barcode, 6));
	memcpy(label + 24, "RSMFS FREE", 10);
	label[79] = '4';
	rsm_put_le32(image, LABEL_BYTES);
	rsm_put_le32(label + LABEL_BYTES, LABEL_BYTES);
	return write_file(folder, "partition0.tap", image, sizeof image, err);
}

static int write_mam(int folder, const char *barcode, unsigned side, const struct plan *plan,
		     uint64_t capacity_mib, bool cleaner, struct rsm_err *err)
{
	uint64_t medium_type = cleaner ? 1 : plan->worm ? 0x80 : 0;
	struct rsm_mam_file mam = { 0 };
	RSM_TEXT struct rsm_text text = { 0 };
	char padded[33], serial[33];
	int r;

	snprintf(padded, sizeof padded, "%-32.32s", barcode);
	rsm_cartridge_serial(barcode, side, serial);
	r = rsm_mam_file_set_number(&mam, RSM_MAM_MEDIUM_TYPE, medium_type, 1);
	if (r == 0)
		r = rsm_mam_file_set(&mam, RSM_MAM_MANUFACTURER, RSM_MAM_FLAG_READ_ONLY | 1,
				     "RSMFS   ", 8);
	if (r == 0)
		r = rsm_mam_file_set(&mam, RSM_MAM_SERIAL_NUMBER, RSM_MAM_FLAG_READ_ONLY | 1,
				     serial, 32);
	if (r == 0)
		r = rsm_mam_file_set(&mam, RSM_MAM_BARCODE, RSM_MAM_FLAG_ASCII, padded, 32);
	if (r == 0 && !cleaner)
		r = rsm_mam_file_set_number(&mam, RSM_MAM_DENSITY, plan->type->density, 1);
	if (r == 0 && !cleaner)
		r = rsm_mam_file_set_number(&mam, RSM_MAM_REMAINING_CAPACITY, capacity_mib, 8);
	if (r == 0 && !cleaner)
		r = rsm_mam_file_set_number(&mam, RSM_MAM_MAXIMUM_CAPACITY, capacity_mib, 8);
	if (r == 0 && !cleaner)
		r = rsm_mam_file_set_number(&mam, RSM_MAM_VOLUME_CHANGE_REFERENCE, 1, 4);
	if (r == 0)
		rsm_mam_file_write(&mam, &text);
	rsm_mam_file_fini(&mam);
	if (r < 0 || text.failed)
		return rsm_err_oom(err);
	return write_file(folder, "partition0.mam", text.data, text.length, err);
}

/* What one side holds, or all of a cartridge that has one. */
static int make_side(int folder, const char *barcode, unsigned side, const struct plan *plan,
		     bool cleaner, struct rsm_err *err)
{
	const struct rsm_library_shape *shape = plan->shape;
	uint64_t mib =
		shape->capacity_bytes ? shape->capacity_bytes >> 20 : plan->type->capacity_mib;
	int r = 0;

	if (!shape->blank && !plan->worm && !cleaner)
		r = write_free_label(folder, barcode, err);
	return r < 0 ? r : write_mam(folder, barcode, side, plan, mib, cleaner, err);
}

static int make_other_side(int folder, const char *barcode, const struct plan *plan,
			   struct rsm_err *err)
{
	RSM_CLOSE int side = -1;
	int r = make_folder(folder, RSM_CARTRIDGE_SIDE, &side, err);

	return r < 0 ? r : make_side(side, barcode, 1, plan, false, err);
}

static int make_cartridges(int library, const struct plan *plan, struct rsm_err *err)
{
	const struct rsm_library_shape *shape = plan->shape;
	const struct rsm_lto *type = plan->type;
	const char *suffix = plan->worm ? type->worm_suffix : type->suffix;
	bool cleaner =
		!shape->no_cleaner && (shape->standalone || shape->cartridges < shape->slots);

	for (unsigned i = 0; i < shape->cartridges + cleaner; i++) {
		bool is_cleaner = i == shape->cartridges;
		RSM_CLOSE int folder = -1;
		char barcode[16], path[64];
		int r;

		if (is_cleaner)
			snprintf(barcode, sizeof barcode, "CLN001L1");
		else
			snprintf(barcode, sizeof barcode, "A%05u%s", i + 1, suffix);
		if (shape->standalone)
			snprintf(path, sizeof path, "shelf/%s", barcode);
		else
			snprintf(path, sizeof path, "slots/%u/%s", FIRST_SLOT + i, barcode);
		r = make_folder(library, path, &folder, err);
		if (r == 0)
			r = make_side(folder, barcode, 0, plan, is_cleaner, err);
		if (r == 0 && shape->sides == 2 && !is_cleaner)
			r = make_other_side(folder, barcode, plan, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int write_conf(const char *path, struct plan *plan, struct rsm_err *err)
{
	struct rsm_library_conf *conf = &plan->conf;
	RSM_TEXT struct rsm_text text = { 0 };
	char name[PATH_MAX];
	uint32_t number;

	conf->capacity_bytes = plan->shape->capacity_bytes;
	conf->sides = plan->shape->sides == 2 ? 2 : 1;
	conf->by_hand = plan->shape->standalone;
	if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
		return rsm_err_errno(err, "random numbers");
	snprintf(conf->serial, sizeof conf->serial, "VL%08X", number);
	rsm_library_conf_write(conf, &text);
	if (text.failed)
		return rsm_err_oom(err);
	if (snprintf(name, sizeof name, "%s/library.conf", path) >= (int)sizeof name)
		return rsm_err_set(err, ENAMETOOLONG, "%s", path);
	return rsm_file_save(name, text.data, text.length, 0666, 1, err);
}

/* Removes what an earlier making left; the caller has seen the marker, or nothing at all. */
static int clear(const char *path, struct rsm_err *err)
{
	static const char *const parts[] = { "slots", "drives", "ports", "shelf",
					     "library.conf.new" };
	char name[PATH_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof parts / sizeof *parts; i++) {
		if (snprintf(name, sizeof name, "%s/%s", path, parts[i]) >= (int)sizeof name)
			return rsm_err_set(err, ENAMETOOLONG, "%s", path);
		r = rsm_file_remove_tree(name, err);
	}
	return r;
}

static int make(const char *path, struct plan *plan, struct rsm_err *err)
{
	const struct rsm_library_shape *shape = plan->shape;
	RSM_CLOSE int library = -1;
	int r;

	r = rsm_file_make_folders(path, 0777, err);
	if (r < 0)
		return r;
	library = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (library < 0)
		return rsm_err_errno(err, "%s", path);
	r = write_file(library, MARKER, "", 0, err);
	if (r == 0)
		r = clear(path, err);
	if (r == 0)
		r = make_elements(library, "drives", FIRST_DRIVE, shape->drives, err);
	if (r == 0 && !shape->standalone)
		r = make_elements(library, "slots", FIRST_SLOT, shape->slots, err);
	if (r == 0 && !shape->standalone)
		r = make_elements(library, "ports", FIRST_PORT, shape->ports, err);
	if (r == 0)
		r = make_folder(library, "shelf", NULL, err);
	if (r == 0)
		r = make_cartridges(library, plan, err);
	/* one sync for all of it; library.conf comes behind, so it vouches for the rest */
	if (r == 0 && syncfs(library) < 0)
		r = rsm_err_errno(err, "sync");
	if (r == 0)
		r = write_conf(path, plan, err);
	if (r == 0)
		unlinkat(library, MARKER, 0);
	return r;
}

static int create(const char *path, struct plan *plan, struct rsm_err *err)
{
	int r = check_shape(plan, err);

	if (r < 0)
		return r;
	r = rsm_library_folder_probe(path, err);
	if (r < 0)
		return r;
	if (r == 0)
		return rsm_err_set(err, ENOTEMPTY, "%s is a library already", path);
	if (r == RSM_LIBRARY_FOLDER_FOREIGN)
		return rsm_err_set(err, ENOTEMPTY, "%s is not empty", path);
	r = make(path, plan, err);
	return r < 0 ? rsm_err_wrap(err, r, "library %s", path) : 0;
}

int rsm_library_folder_create(const char *path, const struct rsm_library_shape *shape,
			      struct rsm_err *err)
{
	struct plan plan = { .shape = shape };
	int r;

	rsm_library_conf_init(&plan.conf);
	r = create(path, &plan, err);
	rsm_library_conf_fini(&plan.conf);
	return r;
}
