/* memfs.c - the least that a FUSE file system can do: the ceiling for rsmfs on a machine.
 *
 *   memfs MOUNTPOINT [FILE]
 *
 * With FILE, what is read comes from that file of the disk, whatever was written: the ceiling for
 * data that is on no memory but a medium.
 *
 * In memory, with libfuse's low-level API, and asking the kernel for just what rsmfs asks for
 * (fs/frontend.c: op_init; fs/session.c: serve): the same capabilities, sizes, threads, timeouts,
 * and the same answers about extended attributes. What it is quicker at than rsmfs is what keeping
 * data costs; what both are slow at is FUSE's. For benchmarks: one lock for everything, and it
 * stays in the foreground.
 */
#define FUSE_USE_VERSION 314
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 128 << 10, TIMEOUT_S = 86400, THREADS_MIN = 4, THREADS_MAX = 10 };

struct node {
	struct stat st;
	uint64_t lookups;
	char *name;
	char *target; /* of a link */
	struct node *parent, *same_hash;
	/* a folder's, each at its place until it goes; a place is never used again */
	struct node **children;
	size_t place, places, room;
	unsigned char **chunks; /* a file's */
	size_t chunk_count, first_size;
};

struct memfs {
	pthread_rwlock_t lock;
	struct node root;
	struct node **hash;
	size_t hash_size, count;
	ino_t last_ino;
	int disk; /* what is read comes from it; -1: from memory */
};

static struct memfs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static struct node *node_of(struct memfs *fs, fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &fs->root : (struct node *)(uintptr_t)ino;
}

static void write_lock(struct memfs *fs)
{
	pthread_rwlock_wrlock(&fs->lock);
}

static void read_lock(struct memfs *fs)
{
	pthread_rwlock_rdlock(&fs->lock);
}

static void unlock(struct memfs *fs)
{
	pthread_rwlock_unlock(&fs->lock);
}

/* ---- names ---- */

static size_t hash_of(const struct memfs *fs, const struct node *parent, const char *name)
{
	uint64_t h = (uintptr_t)parent * 0x9E3779B97F4A7C15u;

	while (*name)
		h = (h ^ (unsigned char)*name++) * 0x100000001B3u;
	return (h ^ h >> 29) & (fs->hash_size - 1);
}

static struct node *find(struct memfs *fs, struct node *parent, const char *name)
{
	struct node *node = fs->hash[hash_of(fs, parent, name)];

	while (node && (node->parent != parent || strcmp(node->name, name) != 0))
		node = node->same_hash;
	return node;
}

static void grow_hash(struct memfs *fs)
{
	size_t size = fs->hash_size * 2;
	struct node **grown = calloc(size, sizeof(struct node *)), **old = fs->hash;

	if (!grown)
		return; /* slower, that is all */
	fs->hash = grown;
	fs->hash_size = size;
	for (size_t i = 0; i < size / 2; i++) {
		while (old[i]) {
			struct node *node = old[i];
			size_t at = hash_of(fs, node->parent, node->name);

			old[i] = node->same_hash;
			node->same_hash = grown[at];
			grown[at] = node;
		}
	}
	free(old);
}

static int link_node(struct memfs *fs, struct node *parent, const char *name, struct node *node)
{
	size_t at;

	if (parent->places == parent->room) {
		size_t room = parent->room ? parent->room * 2 : 16;
		struct node **grown = realloc(parent->children, room * sizeof(struct node *));

		if (!grown)
			return ENOMEM;
		parent->children = grown;
		parent->room = room;
	}
	node->name = strdup(name);
	if (!node->name)
		return ENOMEM;
	if (++fs->count > fs->hash_size)
		grow_hash(fs);
	node->parent = parent;
	node->place = parent->places;
	parent->children[parent->places++] = node;
	at = hash_of(fs, parent, name);
	node->same_hash = fs->hash[at];
	fs->hash[at] = node;
	parent->st.st_size++;
	clock_gettime(CLOCK_REALTIME, &parent->st.st_mtim);
	parent->st.st_ctim = parent->st.st_mtim;
	return 0;
}

static void unlink_node(struct memfs *fs, struct node *node)
{
	struct node **at = &fs->hash[hash_of(fs, node->parent, node->name)];

	while (*at != node)
		at = &(*at)->same_hash;
	*at = node->same_hash;
	node->parent->children[node->place] = NULL;
	node->parent->st.st_size--;
	clock_gettime(CLOCK_REALTIME, &node->parent->st.st_mtim);
	node->parent->st.st_ctim = node->parent->st.st_mtim;
	free(node->name);
	node->name = NULL;
	node->parent = NULL;
	fs->count--;
}

static void cut(struct node *node, off_t size)
{
	size_t keep = ((size_t)size + CHUNK - 1) / CHUNK;

	for (size_t i = keep; i < node->chunk_count; i++)
		free(node->chunks[i]);
	if (keep < node->chunk_count)
		node->chunk_count = keep;
	/* what is cut off reads as zeros when the file grows again */
	if (size % CHUNK && keep && keep <= node->chunk_count && node->chunks[keep - 1]) {
		size_t there = keep == 1 ? node->first_size : CHUNK, from = (size_t)size % CHUNK;

		if (from < there)
			memset(node->chunks[keep - 1] + from, 0, there - from);
	}
	if (keep == 0)
		node->first_size = 0;
	node->st.st_size = size;
}

static void drop(struct node *node)
{
	if (node->lookups || node->name)
		return;
	cut(node, 0);
	free(node->chunks);
	free(node->children);
	free(node->target);
	free(node);
}

static void answer_entry(fuse_req_t req, struct node *node, struct fuse_file_info *file)
{
	struct fuse_entry_param entry = {
		.ino = (uintptr_t)node,
		.attr = node->st,
		.attr_timeout = TIMEOUT_S,
		.entry_timeout = TIMEOUT_S,
	};

	node->lookups++;
	if (file)
		fuse_reply_create(req, &entry, file);
	else
		fuse_reply_entry(req, &entry);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct memfs *fs = fs_of(req);
	struct node *node;

	write_lock(fs);
	node = find(fs, node_of(fs, parent), name);
	if (node) {
		answer_entry(req, node, NULL);
	} else {
		struct fuse_entry_param nothing = { .entry_timeout = TIMEOUT_S };

		fuse_reply_entry(req, &nothing);
	}
	unlock(fs);
}

static void forget(struct memfs *fs, fuse_ino_t ino, uint64_t count)
{
	struct node *node = node_of(fs, ino);

	if (node == &fs->root)
		return;
	node->lookups -= count;
	drop(node);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	write_lock(fs_of(req));
	forget(fs_of(req), ino, count);
	unlock(fs_of(req));
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	write_lock(fs_of(req));
	for (size_t i = 0; i < count; i++)
		forget(fs_of(req), forgets[i].ino, forgets[i].nlookup);
	unlock(fs_of(req));
	fuse_reply_none(req);
}

/* ---- attributes ---- */

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct memfs *fs = fs_of(req);

	(void)file;
	read_lock(fs);
	fuse_reply_attr(req, &node_of(fs, ino)->st, TIMEOUT_S);
	unlock(fs);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		       struct fuse_file_info *file)
{
	struct memfs *fs = fs_of(req);
	struct node *node = node_of(fs, ino);

	(void)file;
	write_lock(fs);
	clock_gettime(CLOCK_REALTIME, &node->st.st_ctim);
	if (to_set & FUSE_SET_ATTR_MODE)
		node->st.st_mode = (node->st.st_mode & S_IFMT) | (attr->st_mode & 07777);
	if (to_set & FUSE_SET_ATTR_UID)
		node->st.st_uid = attr->st_uid;
	if (to_set & FUSE_SET_ATTR_GID)
		node->st.st_gid = attr->st_gid;
	if (to_set & FUSE_SET_ATTR_SIZE) {
		cut(node, attr->st_size);
		node->st.st_mtim = node->st.st_ctim;
	}
	if (to_set & FUSE_SET_ATTR_ATIME)
		node->st.st_atim =
			to_set & FUSE_SET_ATTR_ATIME_NOW ? node->st.st_ctim : attr->st_atim;
	if (to_set & FUSE_SET_ATTR_MTIME)
		node->st.st_mtim =
			to_set & FUSE_SET_ATTR_MTIME_NOW ? node->st.st_ctim : attr->st_mtim;
	fuse_reply_attr(req, &node->st, TIMEOUT_S);
	unlock(fs);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	(void)ino;
	(void)size;
	if (strncmp(name, "user.", 5) == 0 || strncmp(name, "security.", 9) == 0 ||
	    strncmp(name, "system.posix_acl_", 17) == 0)
		fuse_reply_err(req, ENODATA);
	else
		fuse_reply_err(req, EOPNOTSUPP);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
			size_t size, int flags)
{
	(void)ino;
	(void)name;
	(void)value;
	(void)size;
	(void)flags;
	fuse_reply_err(req, EOPNOTSUPP);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	(void)ino;
	if (size)
		fuse_reply_buf(req, "", 0);
	else
		fuse_reply_xattr(req, 0);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st = { .f_bsize = 4096,
			      .f_frsize = 4096,
			      .f_blocks = 1 << 28,
			      .f_bfree = 1 << 28,
			      .f_bavail = 1 << 28,
			      .f_namemax = 255 };

	(void)ino;
	fuse_reply_statfs(req, &st);
}

/* ---- names come and go ---- */

static struct node *make(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, int *ret)
{
	struct memfs *fs = fs_of(req);
	struct node *folder = node_of(fs, parent), *node;
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	*ret = EEXIST;
	if (find(fs, folder, name))
		return NULL;
	*ret = ENOMEM;
	node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	*ret = link_node(fs, folder, name, node);
	if (*ret) {
		free(node);
		return NULL;
	}
	node->st.st_ino = ++fs->last_ino;
	node->st.st_mode = S_ISLNK(mode) ? mode : mode & ~ctx->umask;
	node->st.st_nlink = S_ISDIR(mode) ? 2 : 1;
	node->st.st_uid = ctx->uid;
	node->st.st_gid = ctx->gid;
	node->st.st_blksize = 4096;
	clock_gettime(CLOCK_REALTIME, &node->st.st_mtim);
	node->st.st_atim = node->st.st_ctim = node->st.st_mtim;
	return node;
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct memfs *fs = fs_of(req);
	struct node *node;
	int r;

	write_lock(fs);
	node = make(req, parent, name, S_IFDIR | mode, &r);
	if (node)
		answer_entry(req, node, NULL);
	else
		fuse_reply_err(req, r);
	unlock(fs);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct memfs *fs = fs_of(req);
	struct node *node;
	int r;

	write_lock(fs);
	node = make(req, parent, name, S_IFLNK | 0777, &r);
	if (node && (node->target = strdup(target))) {
		node->st.st_size = (off_t)strlen(target);
		answer_entry(req, node, NULL);
	} else {
		fuse_reply_err(req, node ? ENOMEM : r);
	}
	unlock(fs);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	fuse_reply_readlink(req, node_of(fs_of(req), ino)->target);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *file)
{
	struct memfs *fs = fs_of(req);
	struct node *node;
	int r;

	write_lock(fs);
	node = make(req, parent, name, S_IFREG | (mode & 07777), &r);
	file->keep_cache = 1;
	if (node)
		answer_entry(req, node, file);
	else
		fuse_reply_err(req, r);
	unlock(fs);
}

static void remove_name(fuse_req_t req, fuse_ino_t parent, const char *name, int folder)
{
	struct memfs *fs = fs_of(req);
	struct node *node;
	int r = 0;

	write_lock(fs);
	node = find(fs, node_of(fs, parent), name);
	if (!node)
		r = ENOENT;
	else if (folder && node->st.st_size)
		r = ENOTEMPTY;
	if (r == 0) {
		unlink_node(fs, node);
		drop(node);
	}
	unlock(fs);
	fuse_reply_err(req, r);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, 0);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, 1);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
		      const char *new_name, unsigned flags)
{
	struct memfs *fs = fs_of(req);
	struct node *node, *target;
	int r = 0;

	write_lock(fs);
	node = find(fs, node_of(fs, parent), name);
	target = find(fs, node_of(fs, new_parent), new_name);
	if (!node || flags)
		r = node ? EINVAL : ENOENT;
	else if (target && S_ISDIR(target->st.st_mode) && target->st.st_size)
		r = ENOTEMPTY;
	if (r == 0 && target != node) {
		if (target) {
			unlink_node(fs, target);
			drop(target);
		}
		unlink_node(fs, node);
		r = link_node(fs, node_of(fs, new_parent), new_name, node);
	}
	unlock(fs);
	fuse_reply_err(req, r);
}

/* ---- contents ---- */

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	file->keep_cache = 1;
	file->noflush = (file->flags & (O_ACCMODE | O_TRUNC)) == O_RDONLY;
	if (file->flags & O_TRUNC) {
		write_lock(fs_of(req));
		cut(node_of(fs_of(req), ino), 0);
		unlock(fs_of(req));
	}
	fuse_reply_open(req, file);
}

static void read_disk(fuse_req_t req, int disk, size_t size, off_t offset)
{
	char *buffer = malloc(size);
	ssize_t n = buffer ? pread(disk, buffer, size, offset) : -1;

	if (n < 0)
		fuse_reply_err(req, EIO);
	else
		fuse_reply_buf(req, buffer, (size_t)n);
	free(buffer);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *file)
{
	struct memfs *fs = fs_of(req);
	struct node *node = node_of(fs, ino);
	char *buffer;

	(void)file;
	if (fs->disk >= 0) {
		read_disk(req, fs->disk, size, offset);
		return;
	}
	read_lock(fs);
	if (offset >= node->st.st_size)
		size = 0;
	else if (size > (size_t)(node->st.st_size - offset))
		size = (size_t)(node->st.st_size - offset);
	buffer = calloc(1, size ? size : 1);
	for (size_t done = 0; buffer && done < size;) {
		size_t at = ((size_t)offset + done) / CHUNK, from = ((size_t)offset + done) % CHUNK;
		size_t part = size - done < CHUNK - from ? size - done : CHUNK - from;
		size_t there = at == 0 ? node->first_size : CHUNK;

		if (at < node->chunk_count && node->chunks[at] && from < there)
			memcpy(buffer + done, node->chunks[at] + from,
			       part < there - from ? part : there - from);
		done += part;
	}
	unlock(fs);
	if (buffer)
		fuse_reply_buf(req, buffer, size);
	else
		fuse_reply_err(req, ENOMEM);
	free(buffer);
}

/* Room for `end` bytes of the chunk; the first one of a file grows as needed. */
static int make_chunk(struct node *node, size_t at, size_t end)
{
	if (at >= node->chunk_count) {
		size_t room = node->chunk_count * 2 > at + 1 ? node->chunk_count * 2 : at + 1;
		unsigned char **grown = realloc(node->chunks, room * sizeof(unsigned char *));

		if (!grown)
			return ENOMEM;
		memset(grown + node->chunk_count, 0,
		       (room - node->chunk_count) * sizeof(unsigned char *));
		node->chunks = grown;
		node->chunk_count = room;
	}
	if (at == 0 && end > node->first_size) {
		size_t size = end > CHUNK / 4 ? CHUNK : end;
		unsigned char *grown = realloc(node->chunks[0], size);

		if (!grown)
			return ENOMEM;
		memset(grown + node->first_size, 0, size - node->first_size);
		node->chunks[0] = grown;
		node->first_size = size;
	} else if (at && !node->chunks[at]) {
		node->chunks[at] = calloc(1, CHUNK);
		if (!node->chunks[at])
			return ENOMEM;
	}
	return 0;
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
		     struct fuse_file_info *file)
{
	struct memfs *fs = fs_of(req);
	struct node *node = node_of(fs, ino);
	size_t done = 0;
	int r = 0;

	(void)file;
	write_lock(fs);
	while (r == 0 && done < size) {
		size_t at = ((size_t)offset + done) / CHUNK, from = ((size_t)offset + done) % CHUNK;
		size_t part = size - done < CHUNK - from ? size - done : CHUNK - from;

		r = make_chunk(node, at, from + part);
		if (r == 0) {
			memcpy(node->chunks[at] + from, data + done, part);
			done += part;
		}
	}
	if (offset + (off_t)done > node->st.st_size)
		node->st.st_size = offset + (off_t)done;
	node->st.st_blocks = (node->st.st_size + 511) / 512;
	clock_gettime(CLOCK_REALTIME, &node->st.st_mtim);
	node->st.st_ctim = node->st.st_mtim;
	unlock(fs);
	if (r)
		fuse_reply_err(req, r);
	else
		fuse_reply_write(req, size);
}

static void op_done(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino;
	(void)file;
	fuse_reply_err(req, 0);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *file)
{
	(void)data_only;
	op_done(req, ino, file);
}

static void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file,
		    struct fuse_pollhandle *handle)
{
	(void)ino;
	(void)file;
	if (handle)
		fuse_pollhandle_destroy(handle);
	fuse_reply_poll(req, POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
}

/* ---- folders ---- */

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino;
	file->cache_readdir = file->keep_cache = 1;
	fuse_reply_open(req, file);
}

static size_t add_child(fuse_req_t req, char *buffer, size_t size, struct node *child, size_t next,
			int plus)
{
	struct fuse_entry_param entry = {
		.ino = (uintptr_t)child,
		.attr = child->st,
		.attr_timeout = TIMEOUT_S,
		.entry_timeout = TIMEOUT_S,
	};
	size_t length;

	if (!plus)
		return fuse_add_direntry(req, buffer, size, child->name, &child->st, (off_t)next);
	length = fuse_add_direntry_plus(req, buffer, size, child->name, &entry, (off_t)next);
	if (length <= size)
		child->lookups++;
	return length;
}

static void read_folder(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, int plus)
{
	struct memfs *fs = fs_of(req);
	struct node *folder = node_of(fs, ino);
	char *buffer = malloc(size);
	size_t used = 0;

	if (!buffer) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	write_lock(fs);
	for (size_t i = (size_t)offset; i < folder->places; i++) {
		size_t length;

		if (!folder->children[i])
			continue;
		length = add_child(req, buffer + used, size - used, folder->children[i], i + 1,
				   plus);
		if (length > size - used)
			break;
		used += length;
	}
	unlock(fs);
	fuse_reply_buf(req, buffer, used);
	free(buffer);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		       struct fuse_file_info *file)
{
	(void)file;
	read_folder(req, ino, size, offset, 0);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			   struct fuse_file_info *file)
{
	(void)file;
	read_folder(req, ino, size, offset, 1);
}

/* As fs/frontend.c: op_init. */
static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	unsigned want = FUSE_CAP_ASYNC_READ | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_PARALLEL_DIROPS |
			FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_CACHE_SYMLINKS |
			FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK |
			FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_ASYNC_DIO;

	(void)userdata;
	conn->want = want & conn->capable;
	conn->max_write = 1 << 20;
	conn->max_readahead = 8 << 20;
	conn->max_background = 64;
	conn->congestion_threshold = 48;
}

static const struct fuse_lowlevel_ops operations = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.open = op_open,
	.create = op_create,
	.read = op_read,
	.write = op_write,
	.flush = op_done,
	.release = op_done,
	.fsync = op_fsync,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.releasedir = op_done,
	.fsyncdir = op_fsync,
	.statfs = op_statfs,
	.getxattr = op_getxattr,
	.setxattr = op_setxattr,
	.listxattr = op_listxattr,
	.poll = op_poll,
};

static int serve(struct fuse_session *session)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned threads = processors < THREADS_MIN   ? THREADS_MIN
			   : processors > THREADS_MAX ? THREADS_MAX
						      : (unsigned)processors;
	int r;

	if (!config)
		return -ENOMEM;
	fuse_loop_cfg_set_max_threads(config, threads);
	fuse_loop_cfg_set_idle_threads(config, threads);
	fuse_loop_cfg_set_clone_fd(config, 0);
	r = fuse_session_loop_mt(session, config);
	fuse_loop_cfg_destroy(config);
	return r;
}

int main(int argc, char **argv)
{
	char program[] = "memfs", options[] = "-ofsname=memfs,subtype=memfs,default_permissions";
	char *mount_argv[] = { program, options };
	struct fuse_args args = FUSE_ARGS_INIT(2, mount_argv);
	struct memfs fs = { .lock = PTHREAD_RWLOCK_INITIALIZER,
			    .hash_size = 1 << 16,
			    .last_ino = 1,
			    .disk = -1,
			    .root.st = { .st_mode = S_IFDIR | 0777, .st_nlink = 2, .st_ino = 1 } };
	struct fuse_session *session;
	int r = 1;

	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: memfs MOUNTPOINT [FILE]\n");
		return 2;
	}
	if (argc == 3 && (fs.disk = open(argv[2], O_RDONLY | O_CLOEXEC)) < 0) {
		perror(argv[2]);
		return 1;
	}
	fs.hash = calloc(fs.hash_size, sizeof(struct node *));
	session = fs.hash ? fuse_session_new(&args, &operations, sizeof(operations), &fs) : NULL;
	if (!session)
		return 1;
	if (fuse_set_signal_handlers(session) == 0 && fuse_session_mount(session, argv[1]) == 0) {
		r = serve(session) != 0;
		fuse_session_unmount(session);
	}
	fuse_remove_signal_handlers(session);
	fuse_session_destroy(session);
	fuse_opt_free_args(&args);
	return r; /* the system takes the tree back quicker than we could */
}
