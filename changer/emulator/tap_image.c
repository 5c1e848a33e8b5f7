#include "changer/emulator/tap_image.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/log.h"
#include "changer/emulator/tap_index.h"
#include "changer/emulator/tap_scan.h"

enum {
	INDEX_PAYS = RSM_TAP_ANCHOR_EVERY, /* objects from which on an index file is kept */
	ZEROS = 4096,
	WRITE_BEHIND = 8 << 20, /* bytes written before the disk is told to begin */
};

struct rsm_tap_image {
	int folder; /* borrowed */
	char name[24], index_name[24];
	struct rsm_tap_scan scan; /* its descriptor is ours; -1: there is no file yet */
	bool writable;
	bool damaged;
	bool endless;	      /* a gap stands where the end of data should be */
	bool unsynced;	      /* written since the last sync */
	bool folder_unsynced; /* the file is new in its folder */
	bool index_is_kept;   /* the index file fits the image */
	struct rsm_tap_index index;

	uint64_t block, offset; /* the position */
	bool next_known;	/* `next` is the length word at the position */
	uint32_t next;
	bool file_number_known;
	uint64_t file_number;

	uint64_t unsettled_begin; /* what a power cut would lose begins here; UINT64_MAX: nothing */
	uint64_t written_begin;	  /* from here on the disk has not been told to begin */
};

static int fail(struct rsm_tap_image *image, struct rsm_err *err, int r)
{
	errno = -r;
	return rsm_err_errno(err, "%s", image->name);
}

/* Is there a gap behind the last object, and then nothing? */
static int look_at_end(struct rsm_tap_image *image, struct rsm_err *err)
{
	struct rsm_tap_object object;
	int r = rsm_tap_scan_look(&image->scan, image->index.end, true, &object);

	if (r < 0)
		return fail(image, err, r);
	image->endless = object.kind == RSM_TAP_IS_END && object.gap &&
			 image->index.end + object.gap >= image->scan.file_bytes;
	return 0;
}

/* Reads all headers. */
static int scan(struct rsm_tap_image *image, struct rsm_err *err)
{
	bool small = true;

	for (;;) {
		uint64_t offset = image->index.end;
		struct rsm_tap_object object;
		int r = rsm_tap_scan_look(&image->scan, offset, small, &object);

		if (r == 0 && object.kind == RSM_TAP_IS_RECORD)
			r = rsm_tap_scan_check(&image->scan, offset + object.gap, &object);
		if (r < 0)
			return fail(image, err, r);
		image->damaged = object.kind == RSM_TAP_IS_WRONG;
		if (object.kind != RSM_TAP_IS_RECORD && object.kind != RSM_TAP_IS_MARK)
			return 0;
		small = object.length < RSM_TAP_SMALL_RECORD;
		if (rsm_tap_index_append(&image->index, object.kind == RSM_TAP_IS_MARK,
					 rsm_tap_object_extent(&object)) < 0)
			return rsm_err_oom(err);
	}
}

static int open_file(struct rsm_tap_image *image, bool create, struct rsm_err *err)
{
	struct stat st;
	int r;

	image->scan.fd = openat(image->folder, image->name,
				(image->writable ? O_RDWR : O_RDONLY) | (create ? O_CREAT : 0) |
					O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
				0666);
	if (image->scan.fd < 0 && image->writable && (errno == EACCES || errno == EROFS)) {
		image->writable = false;
		return open_file(image, false, err);
	}
	if (image->scan.fd < 0 && errno == ENOENT && !create)
		return 0;
	if (image->scan.fd < 0 || fstat(image->scan.fd, &st) < 0)
		return rsm_err_errno(err, "%s", image->name);
	if (!S_ISREG(st.st_mode))
		return rsm_err_set(err, EINVAL, "%s is not a regular file", image->name);
	image->scan.file_bytes = (uint64_t)st.st_size;
	/* The kernel's own reading ahead beats asking for it piece by piece: its pages are larger.
	 */
	(void)posix_fadvise(image->scan.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	if (create) {
		image->unsynced = image->folder_unsynced = true;
		return 0;
	}
	r = rsm_tap_index_load(&image->index, image->folder, image->index_name, &st, err);
	if (r < 0)
		return r;
	image->index_is_kept = r == 0;
	if (r == RSM_TAP_INDEX_ABSENT)
		r = scan(image, err);
	return r ? r : look_at_end(image, err);
}

int rsm_tap_image_open(int folder, unsigned number, bool writable, struct rsm_tap_image **ret_image,
		       struct rsm_err *err)
{
	RSM_CLEANUP(rsm_tap_image_close) struct rsm_tap_image *image = calloc(1, sizeof *image);
	int r;

	if (!image)
		return rsm_err_oom(err);
	image->folder = folder;
	image->scan.fd = -1;
	image->writable = writable;
	image->unsettled_begin = UINT64_MAX;
	image->file_number_known = true;
	snprintf(image->name, sizeof image->name, "partition%u.tap", number);
	snprintf(image->index_name, sizeof image->index_name, "partition%u.idx", number);
	r = open_file(image, false, err);
	if (r < 0)
		return r;
	*ret_image = RSM_STEAL(image);
	return 0;
}

void rsm_tap_image_close(struct rsm_tap_image *image)
{
	if (!image)
		return;
	if (image->scan.fd >= 0)
		close(image->scan.fd);
	rsm_tap_index_fini(&image->index);
	free(image);
}

bool rsm_tap_image_exists(const struct rsm_tap_image *image)
{
	return image->scan.fd >= 0;
}

bool rsm_tap_image_is_writable(const struct rsm_tap_image *image)
{
	return image->writable && !image->damaged;
}

bool rsm_tap_image_is_damaged(const struct rsm_tap_image *image)
{
	return image->damaged;
}

uint64_t rsm_tap_image_block(const struct rsm_tap_image *image)
{
	return image->block;
}

uint64_t rsm_tap_image_offset(const struct rsm_tap_image *image)
{
	return image->offset;
}

uint64_t rsm_tap_image_end_block(const struct rsm_tap_image *image)
{
	return image->index.objects;
}

uint64_t rsm_tap_image_end_offset(const struct rsm_tap_image *image)
{
	return image->index.end;
}

uint64_t rsm_tap_image_file_number(struct rsm_tap_image *image)
{
	if (!image->file_number_known) {
		image->file_number = rsm_tap_index_count_marks(&image->index, image->block);
		image->file_number_known = true;
	}
	return image->file_number;
}

static void go(struct rsm_tap_image *image, uint64_t block, uint64_t offset)
{
	if (block != image->block)
		image->file_number_known = block == 0;
	if (block == 0)
		image->file_number = 0;
	image->block = block;
	image->offset = offset;
	image->next_known = false;
}

/* The end of what can be read, as an outcome. */
static int end_of(const struct rsm_tap_image *image)
{
	if (image->damaged)
		return RSM_TAP_DAMAGED;
	return image->endless ? RSM_TAP_NO_END : RSM_TAP_END;
}

/* What the index promised is not there: the image ends here. */
static int damage(struct rsm_tap_image *image, uint64_t block, uint64_t offset)
{
	rsm_tap_index_truncate(&image->index, block, offset);
	image->damaged = true;
	image->scan.window_length = 0;
	go(image, block, offset);
	return RSM_TAP_DAMAGED;
}

/* The object at the position, whose length word may be known from reading the one before. */
static int next_object(struct rsm_tap_image *image, struct rsm_tap_object *ret_object)
{
	if (image->next_known && image->next != RSM_TAP_GAP &&
	    image->next != RSM_TAP_END_OF_MEDIUM && !(image->next & RSM_TAP_CLASS_MASK) &&
	    image->next <= RSM_TAP_RECORD_LIMIT) {
		*ret_object = (struct rsm_tap_object){ .kind = image->next ? RSM_TAP_IS_RECORD
									   : RSM_TAP_IS_MARK,
						       .length = image->next };
		return 0;
	}
	return rsm_tap_scan_look(&image->scan, image->offset, false, ret_object);
}

static void pass_mark(struct rsm_tap_image *image, uint64_t bytes)
{
	image->block++;
	image->offset += bytes;
	image->next_known = false;
	image->file_number++;
}

static int read_all(int fd, struct iovec *parts, int count, uint64_t offset, size_t *ret_length)
{
	size_t done = 0;

	while (count) {
		ssize_t n = preadv(fd, parts, count, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
		while (count && (size_t)n >= parts->iov_len) {
			n -= (ssize_t)parts->iov_len;
			parts++;
			count--;
		}
		if (count && n) {
			parts->iov_base = (char *)parts->iov_base + n;
			parts->iov_len -= (size_t)n;
		}
	}
	*ret_length = done;
	return 0;
}

/* Data, padding, second length, and the length word of what follows: in one read if it all fits. */
static int read_record(struct rsm_tap_image *image, const struct rsm_tap_object *object, void *buf,
		       size_t size, struct rsm_err *err)
{
	uint64_t start = image->offset + object->gap + 4;
	size_t pad = object->length & 1, want = size < object->length ? size : object->length, got;
	uint8_t tail[1 + 4 + 4];
	struct iovec parts[2] = { { buf, want }, { tail, pad + 8 } };
	int r;

	if (want < object->length) {
		r = rsm_file_read_at(image->scan.fd, buf, want, start, &got);
		if (r == 0)
			r = rsm_file_read_at(image->scan.fd, tail, pad + 8, start + object->length,
					     &got);
	} else {
		r = read_all(image->scan.fd, parts, 2, start, &got);
		got = got < want ? 0 : got - want;
	}
	if (r < 0)
		return fail(image, err, r);
	if (got < pad + 4 || (rsm_get_le32(tail + pad) & ~RSM_TAP_CLASS_MASK) != object->length)
		return damage(image, image->block, image->offset);
	image->block++;
	image->offset = start + object->length + pad + 4;
	image->next_known = got == pad + 8;
	image->next = image->next_known ? rsm_get_le32(tail + pad + 4) : 0;
	return 0;
}

int rsm_tap_image_read(struct rsm_tap_image *image, void *buf, size_t size, size_t *ret_length,
		       struct rsm_err *err)
{
	struct rsm_tap_object object;
	int r;

	if (image->block >= image->index.objects)
		return end_of(image);
	r = next_object(image, &object);
	if (r < 0)
		return fail(image, err, r);
	if (object.kind == RSM_TAP_IS_MARK) {
		rsm_tap_image_file_number(image);
		pass_mark(image, object.gap + 4);
		return RSM_TAP_FILEMARK;
	}
	if (object.kind != RSM_TAP_IS_RECORD)
		return damage(image, image->block, image->offset);
	if (object.bad) {
		go(image, image->block + 1,
		   image->offset + object.gap + rsm_tap_extent(object.length));
		return RSM_TAP_BAD_RECORD;
	}
	r = read_record(image, &object, buf, size, err);
	if (r == 0)
		*ret_length = object.length;
	return r;
}

int rsm_tap_image_make(struct rsm_tap_image *image, struct rsm_err *err)
{
	int r;

	if (image->scan.fd >= 0)
		return 0;
	if (!image->writable)
		return rsm_err_set(err, EROFS, "%s", image->name);
	r = open_file(image, true, err);
	if (r == 0 && image->scan.fd >= 0 && !image->writable)
		r = rsm_err_set(err, EROFS, "%s", image->name);
	return r;
}

/* Cuts off what stands behind the position, be it good or torn. */
static int cut(struct rsm_tap_image *image, struct rsm_err *err)
{
	if (image->unsettled_begin > image->offset)
		image->unsettled_begin = image->offset;
	if (image->index_is_kept) {
		unlinkat(image->folder, image->index_name, 0);
		image->index_is_kept = false;
	}
	if (image->scan.file_bytes == image->offset)
		return 0;
	if (ftruncate(image->scan.fd, (off_t)image->offset) < 0)
		return rsm_err_errno(err, "%s", image->name);
	rsm_tap_index_truncate(&image->index, image->block, image->offset);
	image->scan.file_bytes = image->offset;
	image->scan.window_length = 0;
	image->endless = false;
	image->unsynced = true;
	return 0;
}

static int prepare(struct rsm_tap_image *image, struct rsm_err *err)
{
	int r;

	if (!rsm_tap_image_is_writable(image))
		return rsm_err_set(err, EROFS, "%s", image->name);
	r = rsm_tap_image_make(image, err);
	return r < 0 ? r : cut(image, err);
}

static int write_all(int fd, struct iovec *parts, int count, uint64_t offset)
{
	while (count) {
		ssize_t n = pwritev(fd, parts, count, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		offset += (uint64_t)n;
		while (count && (size_t)n >= parts->iov_len) {
			n -= (ssize_t)parts->iov_len;
			parts++;
			count--;
		}
		if (count && n) {
			parts->iov_base = (char *)parts->iov_base + n;
			parts->iov_len -= (size_t)n;
		}
	}
	return 0;
}

/* A synchronising filemark waits for the disk: let it have begun by then. */
static void begin_writing(struct rsm_tap_image *image)
{
	uint64_t end = image->scan.file_bytes;

	if (image->written_begin > end)
		image->written_begin = end;
	if (end - image->written_begin < WRITE_BEHIND)
		return;
	(void)sync_file_range(image->scan.fd, (off_t)image->written_begin,
			      (off_t)(end - image->written_begin), SYNC_FILE_RANGE_WRITE);
	image->written_begin = end;
}

/* Appends `extent` bytes that `parts` hold; they are `objects` objects of equal length. */
static int append(struct rsm_tap_image *image, struct iovec *parts, int count, uint64_t extent,
		  struct rsm_err *err)
{
	int r = write_all(image->scan.fd, parts, count, image->offset);

	if (r < 0) { /* nothing of it may stay; if it does, it is a torn record */
		if (ftruncate(image->scan.fd, (off_t)image->offset) < 0)
			image->scan.file_bytes = UINT64_MAX;
		return fail(image, err, r);
	}
	image->scan.file_bytes = image->offset + extent;
	image->next_known = false;
	image->scan.window_length = 0;
	image->unsynced = true;
	begin_writing(image);
	return 0;
}

int rsm_tap_image_write(struct rsm_tap_image *image, const void *buf, size_t size,
			struct rsm_err *err)
{
	uint8_t header[4], trailer[5] = { 0 };
	size_t pad = size & 1;
	struct iovec parts[3] = {
		{ header, sizeof header },
		{ (void *)(uintptr_t)buf, size },
		{ trailer + 1 - pad, 4 + pad },
	};
	int r;

	if (size == 0 || size > RSM_TAP_RECORD_LIMIT)
		return rsm_err_set(err, EINVAL, "%s: a record of %zu bytes", image->name, size);
	r = prepare(image, err);
	if (r < 0)
		return r;
	rsm_put_le32(header, (uint32_t)size);
	rsm_put_le32(trailer + 1, (uint32_t)size);
	r = append(image, parts, 3, rsm_tap_extent((uint32_t)size), err);
	if (r < 0)
		return r;
	if (rsm_tap_index_append(&image->index, false, rsm_tap_extent((uint32_t)size)) < 0)
		return rsm_err_oom(err);
	image->block++;
	image->offset = image->index.end;
	return 0;
}

int rsm_tap_image_write_filemarks(struct rsm_tap_image *image, unsigned count, struct rsm_err *err)
{
	static const uint8_t zeros[ZEROS];
	int r = prepare(image, err);

	if (r < 0)
		return r;
	rsm_tap_image_file_number(image);
	while (count) {
		unsigned now = count < ZEROS / 4 ? count : ZEROS / 4;
		struct iovec part = { (void *)(uintptr_t)zeros, now * (size_t)4 };

		r = append(image, &part, 1, part.iov_len, err);
		if (r < 0)
			return r;
		for (unsigned i = 0; i < now; i++) {
			if (rsm_tap_index_append(&image->index, true, 4) < 0)
				return rsm_err_oom(err);
			pass_mark(image, 4);
		}
		count -= now;
	}
	return 0;
}

int rsm_tap_image_erase(struct rsm_tap_image *image, struct rsm_err *err)
{
	return prepare(image, err);
}

/* Walks forward to a block that is at most a few hundred away. */
static int walk(struct rsm_tap_image *image, uint64_t block, struct rsm_err *err)
{
	uint64_t at = image->block, offset = image->offset;
	bool small = true;

	while (at < block) {
		struct rsm_tap_object object;
		int r = rsm_tap_scan_look(&image->scan, offset, small, &object);

		if (r < 0)
			return fail(image, err, r);
		if (object.kind != RSM_TAP_IS_RECORD && object.kind != RSM_TAP_IS_MARK)
			return damage(image, at, offset);
		if (offset + rsm_tap_object_extent(&object) > image->index.end)
			return damage(image, at, offset);
		small = object.length < RSM_TAP_SMALL_RECORD;
		offset += rsm_tap_object_extent(&object);
		at++;
	}
	go(image, at, offset);
	return 0;
}

int rsm_tap_image_locate(struct rsm_tap_image *image, uint64_t block, struct rsm_err *err)
{
	uint64_t anchor = block / RSM_TAP_ANCHOR_EVERY;

	if (block >= image->index.objects) {
		go(image, image->index.objects, image->index.end);
		/* exactly at end of data is a place like any other; of damage it is not known */
		return block == image->index.objects && !image->damaged ? 0 : end_of(image);
	}
	if (block == image->block)
		return 0;
	if (block < image->block || image->block < anchor * RSM_TAP_ANCHOR_EVERY)
		go(image, anchor * RSM_TAP_ANCHOR_EVERY, image->index.anchors[anchor]);
	return walk(image, block, err);
}

int rsm_tap_image_locate_end(struct rsm_tap_image *image, struct rsm_err *err)
{
	int r = rsm_tap_image_locate(image, image->index.objects, err);

	return r == 0 && image->endless ? RSM_TAP_NO_END : r;
}

/* To a block that is known to be there. */
static int reach(struct rsm_tap_image *image, uint64_t block, int outcome, struct rsm_err *err)
{
	int r = rsm_tap_image_locate(image, block, err);

	return r < 0 || r == RSM_TAP_DAMAGED ? r : outcome;
}

static int space_blocks_back(struct rsm_tap_image *image, uint64_t count, uint64_t *ret_moved,
			     struct rsm_err *err)
{
	uint64_t mark = rsm_tap_index_previous_mark(&image->index, image->block);
	uint64_t room = mark == UINT64_MAX ? image->block : image->block - mark - 1;

	if (count <= room) {
		*ret_moved = count;
		return reach(image, image->block - count, 0, err);
	}
	*ret_moved = room;
	if (mark == UINT64_MAX)
		return reach(image, 0, RSM_TAP_BEGINNING, err);
	return reach(image, mark, RSM_TAP_FILEMARK, err);
}

int rsm_tap_image_space_blocks(struct rsm_tap_image *image, int64_t count, uint64_t *ret_moved,
			       struct rsm_err *err)
{
	uint64_t mark, room;

	*ret_moved = 0;
	if (count < 0)
		return space_blocks_back(image, -(uint64_t)count, ret_moved, err);
	mark = rsm_tap_index_next_mark(&image->index, image->block);
	room = (mark == UINT64_MAX ? image->index.objects : mark) - image->block;
	if ((uint64_t)count <= room) {
		*ret_moved = (uint64_t)count;
		return reach(image, image->block + (uint64_t)count, 0, err);
	}
	*ret_moved = room;
	if (mark == UINT64_MAX)
		return reach(image, image->index.objects, end_of(image), err);
	return reach(image, mark + 1, RSM_TAP_FILEMARK, err);
}

int rsm_tap_image_space_filemarks(struct rsm_tap_image *image, int64_t count, uint64_t *ret_moved,
				  struct rsm_err *err)
{
	uint64_t left = count < 0 ? -(uint64_t)count : (uint64_t)count, at = image->block;

	*ret_moved = 0;
	for (; left; left--) {
		uint64_t mark = count < 0 ? rsm_tap_index_previous_mark(&image->index, at)
					  : rsm_tap_index_next_mark(&image->index, at);

		if (mark == UINT64_MAX)
			break;
		at = count < 0 ? mark : mark + 1;
		++*ret_moved;
	}
	if (left == 0)
		return reach(image, at, 0, err);
	if (count < 0)
		return reach(image, 0, RSM_TAP_BEGINNING, err);
	return reach(image, image->index.objects, end_of(image), err);
}

void rsm_tap_image_settle(struct rsm_tap_image *image)
{
	image->unsettled_begin = UINT64_MAX;
}

void rsm_tap_image_lose(struct rsm_tap_image *image, unsigned kept)
{
	uint64_t begin = image->unsettled_begin, end;

	if (image->scan.fd < 0 || begin >= image->scan.file_bytes)
		return;
	end = begin + (image->scan.file_bytes - begin) * (kept < 256 ? kept : 255) / 256;
	if (ftruncate(image->scan.fd, (off_t)end) < 0)
		rsm_log_error("%s: it cannot be cut for a power cut: %s", image->name,
			      strerror(errno));
	rsm_tap_image_settle(image); /* not twice */
}

int rsm_tap_image_sync(struct rsm_tap_image *image, struct rsm_err *err)
{
	rsm_tap_image_settle(image);
	if (!image->unsynced)
		return 0;
	if (fdatasync(image->scan.fd) < 0 || (image->folder_unsynced && fsync(image->folder) < 0))
		return rsm_err_errno(err, "%s", image->name);
	image->unsynced = image->folder_unsynced = false;
	return 0;
}

int rsm_tap_image_save_index(struct rsm_tap_image *image, struct rsm_err *err)
{
	struct stat st;
	int r;

	if (image->scan.fd < 0 || image->index_is_kept || image->damaged || !image->writable ||
	    image->index.objects < INDEX_PAYS)
		return 0;
	if (fstat(image->scan.fd, &st) < 0)
		return rsm_err_errno(err, "%s", image->name);
	r = rsm_tap_index_save(&image->index, image->folder, image->index_name, &st, err);
	image->index_is_kept = r == 0;
	return r;
}
