#include "changer/emulator/cartridge.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "changer/medium_memory.h"

enum { MIB_SHIFT = 20 };

static const uint64_t GB = 1000000000;

static void file_name(char name[32], unsigned partition, const char *suffix)
{
	snprintf(name, 32, "partition%u.%s", partition, suffix);
}

static bool is_there(int folder, const char *name)
{
	struct stat st;

	return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static unsigned count_partitions(int folder)
{
	for (unsigned p = RSM_CARTRIDGE_PARTITIONS; p-- > 1;) {
		char name[32];

		file_name(name, p, "tap");
		if (is_there(folder, name))
			return p + 1;
	}
	return 1;
}

/* The capacity of a whole cartridge of which no one has written down how large it is. */
static uint64_t default_capacity(const struct rsm_cartridge *cartridge)
{
	if (cartridge->conf->capacity_bytes)
		return cartridge->conf->capacity_bytes;
	return (cartridge->type ? cartridge->type : cartridge->conf->drive_type)->capacity_mib
	       << MIB_SHIFT;
}

/* Real drives round a small index partition up to whole wraps: a fortieth of a large cartridge. On
 * a very small one that would not do for an index.
 */
static uint64_t small_share(uint64_t capacity)
{
	uint64_t share = capacity / 20;

	if (capacity >= 20 * GB)
		share = capacity / 40 > GB ? capacity / 40 : GB;
	return share >> MIB_SHIFT ? share >> MIB_SHIFT << MIB_SHIFT : (uint64_t)1 << MIB_SHIFT;
}

/* The capacity of all partitions together. */
static uint64_t whole_capacity(const struct rsm_cartridge *cartridge)
{
	uint64_t sum = 0, most = default_capacity(cartridge);

	if (cartridge->type && cartridge->type->capacity_mib << MIB_SHIFT > most)
		most = cartridge->type->capacity_mib << MIB_SHIFT;
	for (unsigned p = 0; p < cartridge->partition_count; p++)
		sum += cartridge->partitions[p].capacity;
	return sum < most ? sum : most;
}

static void find_capacities(struct rsm_cartridge *cartridge)
{
	uint64_t whole = default_capacity(cartridge), share = small_share(whole);

	for (unsigned p = 0; p < cartridge->partition_count; p++) {
		struct rsm_cartridge_partition *partition = &cartridge->partitions[p];
		uint64_t mib;

		if (rsm_mam_file_number(&partition->mam, RSM_MAM_MAXIMUM_CAPACITY, 8, &mib) &&
		    mib && mib < (uint64_t)1 << 40)
			partition->capacity = mib << MIB_SHIFT;
		else if (cartridge->partition_count == 1)
			partition->capacity = whole;
		else
			partition->capacity = p == 1 ? whole - share : share;
	}
}

static int load_memory(struct rsm_cartridge *cartridge, struct rsm_err *err)
{
	for (unsigned p = 0; p < RSM_CARTRIDGE_PARTITIONS; p++) {
		struct rsm_mam_file *mam = &cartridge->partitions[p].mam;
		char name[32];
		int r;

		file_name(name, p, "mam");
		r = rsm_mam_file_load(mam, cartridge->folder, name, err);
		if (r < 0)
			return rsm_err_wrap(err, r, "%s", cartridge->name);
		if (mam->was_damaged)
			rsm_log_warning("%s: %s is no attribute list, ignoring it", cartridge->name,
					name);
	}
	return 0;
}

static void identify(struct rsm_cartridge *cartridge, const char *barcode)
{
	const struct rsm_mam_file *mam = &cartridge->partitions[0].mam;
	uint64_t number;

	if (rsm_mam_file_number(mam, RSM_MAM_DENSITY, 1, &number)) {
		cartridge->type = rsm_lto_by_density((uint8_t)number);
	} else {
		bool worm;

		cartridge->type = rsm_lto_by_barcode(barcode, &worm);
		if (worm)
			cartridge->medium_type = RSM_CARTRIDGE_WORM;
		if (!cartridge->type)
			cartridge->type = cartridge->conf->drive_type;
	}
	if (rsm_mam_file_number(mam, RSM_MAM_MEDIUM_TYPE, 1, &number))
		cartridge->medium_type = (uint8_t)number;
	if (strncmp(barcode, "CLN", 3) == 0)
		cartridge->medium_type = RSM_CARTRIDGE_CLEANING;
}

/* The reference that no earlier state of this medium can have had. */
static uint32_t fresh_reference(const struct rsm_cartridge *cartridge)
{
	if (!cartridge->partitions[0].mam.was_damaged &&
	    !is_there(cartridge->folder, "partition0.tap"))
		return 1;
	/* there was one, and nobody knows it any more: time only grows */
	return (uint32_t)time(NULL);
}

static uint32_t current_reference(const struct rsm_cartridge *cartridge)
{
	uint64_t highest = 0, number;

	for (unsigned p = 0; p < cartridge->partition_count; p++)
		if (rsm_mam_file_number(&cartridge->partitions[p].mam,
					RSM_MAM_VOLUME_CHANGE_REFERENCE, 4, &number) &&
		    number > highest)
			highest = number;
	return (uint32_t)highest;
}

static int set_reference(struct rsm_cartridge *cartridge, uint32_t reference)
{
	int r = 0;

	for (unsigned p = 0; r == 0 && p < cartridge->partition_count; p++)
		r = rsm_mam_file_set_number(&cartridge->partitions[p].mam,
					    RSM_MAM_VOLUME_CHANGE_REFERENCE, reference, 4);
	return r;
}

void rsm_cartridge_serial(const char *barcode, unsigned side, char ret_padded[33])
{
	char text[40];

	snprintf(text, sizeof text, side ? "%.30s.B" : "%.32s", barcode);
	snprintf(ret_padded, 33, "%-32.32s", text);
}

/* What a drive always knows of a medium is in its memory from the beginning, though only a write
 * brings it to disk: reading changes no file.
 */
static int complete_memory(struct rsm_cartridge *cartridge, const char *barcode)
{
	struct rsm_mam_file *mam = &cartridge->partitions[0].mam;
	char padded[33];
	int r = 0;

	rsm_cartridge_serial(barcode, cartridge->side, padded);
	if (!rsm_mam_file_find(mam, RSM_MAM_SERIAL_NUMBER))
		r = rsm_mam_file_set(mam, RSM_MAM_SERIAL_NUMBER,
				     RSM_MAM_FLAG_READ_ONLY | RSM_MAM_FLAG_ASCII, padded, 32);
	if (r == 0 && !rsm_mam_file_find(mam, RSM_MAM_MEDIUM_TYPE))
		r = rsm_mam_file_set_number(mam, RSM_MAM_MEDIUM_TYPE, cartridge->medium_type, 1);
	if (cartridge->medium_type == RSM_CARTRIDGE_CLEANING)
		return r;
	if (r == 0 && cartridge->type && !rsm_mam_file_find(mam, RSM_MAM_DENSITY))
		r = rsm_mam_file_set_number(mam, RSM_MAM_DENSITY, cartridge->type->density, 1);
	if (r == 0 && current_reference(cartridge) == 0)
		r = set_reference(cartridge, fresh_reference(cartridge));
	for (unsigned p = 0; r == 0 && p < cartridge->partition_count; p++) {
		uint64_t mib = cartridge->partitions[p].capacity >> MIB_SHIFT;

		mam = &cartridge->partitions[p].mam;
		r = rsm_mam_file_set_number(mam, RSM_MAM_MAXIMUM_CAPACITY, mib, 8);
		if (r == 0 && !rsm_mam_file_find(mam, RSM_MAM_REMAINING_CAPACITY))
			r = rsm_mam_file_set_number(mam, RSM_MAM_REMAINING_CAPACITY, mib, 8);
	}
	for (unsigned p = 0; p < RSM_CARTRIDGE_PARTITIONS; p++)
		cartridge->partitions[p].mam.dirty = false;
	return r;
}

static bool is_locked(const struct rsm_cartridge *cartridge)
{
	return is_there(cartridge->folder, "write-protect") ||
	       faccessat(cartridge->folder, ".", W_OK, AT_EACCESS) < 0;
}

/* Its folder becomes that of the second side. */
static int turn_to_other_side(struct rsm_cartridge *cartridge, struct rsm_err *err)
{
	int folder;

	cartridge->side = 1;
	if (mkdirat(cartridge->folder, RSM_CARTRIDGE_SIDE, 0777) < 0 && errno != EEXIST)
		return rsm_err_errno(err, "%s: " RSM_CARTRIDGE_SIDE, cartridge->name);
	/* what is synchronised in it must be found again */
	if (cartridge->conf->sync && fsync(cartridge->folder) < 0)
		return rsm_err_errno(err, "%s", cartridge->name);
	folder = openat(cartridge->folder, RSM_CARTRIDGE_SIDE,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (folder < 0)
		return rsm_err_errno(err, "%s: " RSM_CARTRIDGE_SIDE, cartridge->name);
	close(cartridge->folder);
	cartridge->folder = folder;
	return 0;
}

int rsm_cartridge_open(int library, const char *path, const char *barcode, const char *where,
		       const struct rsm_library_conf *conf, struct rsm_cartridge **ret_cartridge,
		       struct rsm_err *err)
{
	RSM_CLEANUP(rsm_cartridge_close)
	struct rsm_cartridge *cartridge = calloc(1, sizeof *cartridge);
	int r = 0;

	if (!cartridge)
		return rsm_err_oom(err);
	cartridge->conf = conf;
	snprintf(cartridge->name, sizeof cartridge->name, "%.32s in %s", barcode, where);
	cartridge->folder = openat(library, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (cartridge->folder < 0)
		return rsm_err_errno(err, "%s", cartridge->name);
	cartridge->write_protected = is_locked(cartridge);
	if (conf->sides == 2 && strncmp(barcode, "CLN", 3) != 0 &&
	    is_there(cartridge->folder, RSM_CARTRIDGE_INVERTED))
		r = turn_to_other_side(cartridge, err);
	if (r < 0)
		return r;
	cartridge->partition_count = count_partitions(cartridge->folder);
	r = load_memory(cartridge, err);
	if (r < 0)
		return r;
	identify(cartridge, barcode);
	find_capacities(cartridge);
	if (complete_memory(cartridge, barcode) < 0)
		return rsm_err_oom(err);
	cartridge->write_protected = cartridge->write_protected || is_locked(cartridge);
	cartridge->reference_is_due = true;
	*ret_cartridge = RSM_STEAL(cartridge);
	return 0;
}

static void close_images(struct rsm_cartridge *cartridge)
{
	for (unsigned p = 0; p < RSM_CARTRIDGE_PARTITIONS; p++) {
		rsm_tap_image_close(cartridge->partitions[p].image);
		cartridge->partitions[p].image = NULL;
	}
}

void rsm_cartridge_close(struct rsm_cartridge *cartridge)
{
	if (!cartridge)
		return;
	close_images(cartridge);
	for (unsigned p = 0; p < RSM_CARTRIDGE_PARTITIONS; p++)
		rsm_mam_file_fini(&cartridge->partitions[p].mam);
	if (cartridge->folder >= 0)
		close(cartridge->folder);
	free(cartridge);
}

static int open_image(struct rsm_cartridge *cartridge, unsigned p, struct rsm_err *err)
{
	struct rsm_cartridge_partition *partition = &cartridge->partitions[p];
	int r = rsm_tap_image_open(cartridge->folder, p, !cartridge->write_protected,
				   &partition->image, err);

	if (r < 0)
		return rsm_err_wrap(err, r, "%s", cartridge->name);
	if (rsm_tap_image_is_damaged(partition->image))
		rsm_log_warning("%s: partition %u is damaged at block %llu, byte %llu: it can be "
				"read up to there and not be written",
				cartridge->name, p,
				(unsigned long long)rsm_tap_image_end_block(partition->image),
				(unsigned long long)rsm_tap_image_end_offset(partition->image));
	if (rsm_tap_image_exists(partition->image) && !rsm_tap_image_is_writable(partition->image))
		cartridge->write_protected = true;
	return 0;
}

int rsm_cartridge_thread(struct rsm_cartridge *cartridge, struct rsm_err *err)
{
	for (unsigned p = 0; p < cartridge->partition_count; p++) {
		int r = open_image(cartridge, p, err);

		if (r < 0) {
			close_images(cartridge);
			return r;
		}
	}
	rsm_cartridge_note_remaining(cartridge);
	for (unsigned p = 0; p < cartridge->partition_count; p++)
		cartridge->partitions[p].mam.dirty = false; /* known again at the next load */
	return 0;
}

struct rsm_mam_file *rsm_cartridge_memory(struct rsm_cartridge *cartridge, unsigned partition,
					  uint16_t id)
{
	bool is_wide = (id >= 0x0400 && id < 0x0800) || id == RSM_MAM_BARCODE;

	return &cartridge->partitions[is_wide ? 0 : partition].mam;
}

int rsm_cartridge_save_memory(struct rsm_cartridge *cartridge, bool durable, struct rsm_err *err)
{
	for (unsigned p = 0; p < cartridge->partition_count; p++) {
		char name[32];
		int r;

		file_name(name, p, "mam");
		r = rsm_mam_file_save(&cartridge->partitions[p].mam, cartridge->folder, name,
				      durable && cartridge->conf->sync, err);
		if (r < 0)
			return rsm_err_wrap(err, r, "%s", cartridge->name);
	}
	return 0;
}

bool rsm_cartridge_note_remaining(struct rsm_cartridge *cartridge)
{
	bool changed = false;

	for (unsigned p = 0; p < cartridge->partition_count; p++) {
		struct rsm_cartridge_partition *partition = &cartridge->partitions[p];
		uint64_t used = partition->image ? rsm_tap_image_end_offset(partition->image) : 0;
		uint64_t left = partition->capacity > used ? partition->capacity - used : 0, old;

		left >>= MIB_SHIFT;
		if (rsm_mam_file_number(&partition->mam, RSM_MAM_REMAINING_CAPACITY, 8, &old) &&
		    old == left)
			continue;
		changed |= rsm_mam_file_set_number(&partition->mam, RSM_MAM_REMAINING_CAPACITY,
						   left, 8) == 0;
	}
	return changed;
}

int rsm_cartridge_sync(struct rsm_cartridge *cartridge, struct rsm_err *err)
{
	for (unsigned p = 0; p < cartridge->partition_count; p++) {
		struct rsm_tap_image *image = cartridge->partitions[p].image;
		int r = image && cartridge->conf->sync ? rsm_tap_image_sync(image, err) : 0;

		if (r < 0)
			return rsm_err_wrap(err, r, "%s", cartridge->name);
		if (image)
			rsm_tap_image_settle(image);
	}
	if (cartridge->write_protected)
		return 0;
	if (cartridge->is_written) /* reading changes no file */
		rsm_cartridge_note_remaining(cartridge);
	return rsm_cartridge_save_memory(cartridge, true, err);
}

void rsm_cartridge_lose(struct rsm_cartridge *cartridge, unsigned kept)
{
	for (unsigned p = 0; p < cartridge->partition_count; p++)
		if (cartridge->partitions[p].image)
			rsm_tap_image_lose(cartridge->partitions[p].image, kept);
}

int rsm_cartridge_unthread(struct rsm_cartridge *cartridge, struct rsm_err *err)
{
	int r = rsm_cartridge_sync(cartridge, err);

	for (unsigned p = 0; r == 0 && p < cartridge->partition_count; p++)
		if (cartridge->partitions[p].image && !cartridge->write_protected)
			r = rsm_tap_image_save_index(cartridge->partitions[p].image, err);
	close_images(cartridge);
	return r;
}

int rsm_cartridge_before_write(struct rsm_cartridge *cartridge, struct rsm_err *err)
{
	uint32_t reference;
	int r;

	if (!cartridge->reference_is_due)
		return 0;
	reference = current_reference(cartridge) + 1;
	if (reference == 0 || reference == UINT32_MAX) /* mean "unusable" to LTFS */
		reference = 1;
	if (set_reference(cartridge, reference) < 0)
		return rsm_err_oom(err);
	/* first the reference, then the data: an unclean tape must never look clean */
	r = rsm_cartridge_save_memory(cartridge, true, err);
	if (r < 0)
		return r;
	cartridge->reference_is_due = false;
	cartridge->is_written = true;
	return 0;
}

static int drop_partition(struct rsm_cartridge *cartridge, unsigned p, struct rsm_err *err)
{
	static const char *const suffixes[] = { "idx", "tap", "mam" };
	struct rsm_cartridge_partition *partition = &cartridge->partitions[p];

	rsm_tap_image_close(partition->image);
	partition->image = NULL;
	rsm_mam_file_fini(&partition->mam);
	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
		char name[32];

		file_name(name, p, suffixes[i]);
		if (unlinkat(cartridge->folder, name, 0) < 0 && errno != ENOENT)
			return rsm_err_errno(err, "%s: %s", cartridge->name, name);
	}
	return 0;
}

static int empty_partition(struct rsm_cartridge *cartridge, unsigned p, uint64_t capacity,
			   struct rsm_err *err)
{
	struct rsm_cartridge_partition *partition = &cartridge->partitions[p];
	int r = partition->image ? 0 : open_image(cartridge, p, err);

	if (r == 0)
		r = rsm_tap_image_locate(partition->image, 0, err);
	if (r == 0)
		r = rsm_tap_image_erase(partition->image, err);
	if (r < 0)
		return r;
	partition->capacity = capacity;
	if (rsm_mam_file_set_number(&partition->mam, RSM_MAM_MAXIMUM_CAPACITY,
				    capacity >> MIB_SHIFT, 8) < 0)
		return rsm_err_oom(err);
	return 0;
}

int rsm_cartridge_format(struct rsm_cartridge *cartridge, unsigned partitions, unsigned small,
			 struct rsm_err *err)
{
	uint64_t whole = whole_capacity(cartridge), share = small_share(whole);
	int r;

	cartridge->reference_is_due = true;
	r = rsm_cartridge_before_write(cartridge, err);
	while (r == 0 && cartridge->partition_count > partitions)
		r = drop_partition(cartridge, --cartridge->partition_count, err);
	for (unsigned p = 0; r == 0 && p < partitions; p++)
		r = empty_partition(cartridge, p,
				    partitions == 1 ? whole
				    : p == small    ? share
						    : whole - share,
				    err);
	if (r < 0)
		return r;
	cartridge->partition_count = partitions;
	if (set_reference(cartridge, current_reference(cartridge)) < 0)
		return rsm_err_oom(err);
	return rsm_cartridge_sync(cartridge, err);
}

uint64_t rsm_cartridge_room(const struct rsm_cartridge *cartridge, unsigned partition)
{
	uint64_t used = rsm_tap_image_offset(cartridge->partitions[partition].image);
	uint64_t capacity = cartridge->partitions[partition].capacity;

	return capacity > used ? capacity - used : 0;
}

uint64_t rsm_cartridge_early_warning(const struct rsm_cartridge *cartridge, unsigned partition)
{
	uint64_t capacity = cartridge->partitions[partition].capacity;
	uint64_t distance = capacity / 50 < 5 * GB ? capacity / 50 : 5 * GB;
	uint64_t some_blocks = (uint64_t)2 << MIB_SHIFT;

	if (cartridge->conf->has_early_warning)
		return cartridge->conf->early_warning_bytes < capacity / 2
			       ? cartridge->conf->early_warning_bytes
			       : capacity / 2;
	if (distance < some_blocks)
		distance = some_blocks < capacity / 8 ? some_blocks : capacity / 8;
	return distance;
}
