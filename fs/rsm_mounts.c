#include "fs/rsm_mounts.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"

enum { MOUNTINFO_LIMIT = 16 * 1024 * 1024, MOUNTINFO_FIELDS = 64 };

/* \040 and the like, as the kernel writes blanks. */
static void decode_octal(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
		    from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
			*to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
				       (from[3] - '0'));
			from += 3;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
}

static int add_mount(struct rsmfs_mounts *mounts, const char *device, char *path, char *source,
		     struct rsm_err *err)
{
	struct rsmfs_mount *grown, mount = { 0 };

	decode_octal(path);
	decode_octal(source);
	/* A bind mount of it is the same rsmfs; a mount over it hides it. */
	for (size_t i = 0; i < mounts->count; i++)
		if (!strcmp(mounts->mounts[i].device, device))
			return 0;
	grown = reallocarray(mounts->mounts, mounts->count + 1, sizeof(*grown));
	if (!grown)
		return rsm_err_oom(err);
	mounts->mounts = grown;
	mount.path = strdup(path);
	mount.source = strdup(source);
	snprintf(mount.device, sizeof(mount.device), "%s", device);
	grown[mounts->count++] = mount;
	return mount.path && mount.source ? 0 : rsm_err_oom(err);
}

/* "36 35 0:52 / /mnt/rsm rw,nosuid shared:1 - fuse.rsmfs SOURCE rw,..." */
static int parse_line(struct rsmfs_mounts *mounts, char *line, struct rsm_err *err)
{
	char *fields[MOUNTINFO_FIELDS], *rest = NULL;
	size_t count = 0, dash;

	for (char *field = strtok_r(line, " ", &rest); field && count < MOUNTINFO_FIELDS;
	     field = strtok_r(NULL, " ", &rest))
		fields[count++] = field;
	for (dash = 6; dash < count; dash++)
		if (!strcmp(fields[dash], "-"))
			break;
	if (dash + 2 >= count || strcmp(fields[dash + 1], "fuse.rsmfs") != 0)
		return 0;
	return add_mount(mounts, fields[2], fields[4], fields[dash + 2], err);
}

int rsmfs_mounts_parse(const char *mountinfo, struct rsmfs_mounts *ret_mounts, struct rsm_err *err)
{
	RSM_FREE char *copy = strdup(mountinfo);
	struct rsmfs_mounts mounts = { 0 };
	char *rest = NULL;

	if (!copy)
		return rsm_err_oom(err);
	for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		int r = parse_line(&mounts, line, err);

		if (r < 0) {
			rsmfs_mounts_fini(&mounts);
			return r;
		}
	}
	*ret_mounts = mounts;
	return 0;
}

int rsmfs_mounts_load(struct rsmfs_mounts *ret_mounts, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text text = { 0 };
	char block[8192];
	size_t length;
	FILE *file = fopen("/proc/self/mountinfo", "re");

	if (!file)
		return rsm_err_errno(err, "/proc/self/mountinfo");
	while ((length = fread(block, 1, sizeof(block), file)) && text.length < MOUNTINFO_LIMIT)
		rsm_text_append(&text, block, length);
	fclose(file);
	if (text.failed)
		return rsm_err_oom(err);
	return rsmfs_mounts_parse(text.data ? text.data : "", ret_mounts, err);
}

void rsmfs_mounts_fini(struct rsmfs_mounts *mounts)
{
	for (size_t i = 0; i < mounts->count; i++) {
		free(mounts->mounts[i].path);
		free(mounts->mounts[i].source);
	}
	free(mounts->mounts);
	*mounts = (struct rsmfs_mounts){ 0 };
}

/* What is behind the mount point in a path; NULL if it is not below it. */
static const char *below(const char *mountpoint, const char *path)
{
	size_t length = strlen(mountpoint);

	while (length > 1 && mountpoint[length - 1] == '/')
		length--;
	if (strncmp(path, mountpoint, length) != 0)
		return NULL;
	path += length;
	if (*path && *path != '/' && length > 1)
		return NULL;
	return path + strspn(path, "/");
}

static const char *only_mount(const struct rsmfs_mounts *mounts, const char *path)
{
	for (size_t i = 0; path && i < mounts->count; i++)
		if (below(mounts->mounts[i].path, path))
			return mounts->mounts[i].path;
	return NULL;
}

/* Takes "." and ".." and double slashes out of an absolute path, by its letters alone: a symbolic
 * link on a cartridge is not followed, for that might move a robot.
 */
static char *normalise(const char *path)
{
	char *clean = malloc(strlen(path) + 2);
	size_t length = 0;

	if (!clean)
		return NULL;
	while (*path) {
		path += strspn(path, "/");
		size_t name = strcspn(path, "/");

		if (name == 2 && !strncmp(path, "..", 2)) {
			while (length && clean[--length] != '/')
				;
		} else if (name && !(name == 1 && *path == '.')) {
			clean[length++] = '/';
			memcpy(clean + length, path, name);
			length += name;
		}
		path += name;
	}
	if (!length)
		clean[length++] = '/';
	clean[length] = '\0';
	return clean;
}

static char *join(const char *folder, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

/* As the caller sees it from where he stands; NULL without memory, or if that is not known. */
static char *whole_path(const char *cwd, const char *operand)
{
	RSM_FREE char *path = NULL;

	if (operand[0] == '/')
		return normalise(operand);
	path = cwd ? join(cwd, operand) : NULL;
	return path ? normalise(path) : NULL;
}

int rsmfs_mounts_choose(const struct rsmfs_mounts *mounts, const char *asked, const char *cwd,
			const char *const *operands, size_t operand_count,
			const char **ret_mountpoint, struct rsm_err *err)
{
	const char *found = NULL;

	if (asked && *asked) {
		*ret_mountpoint = asked;
		return 0;
	}
	if (!mounts->count)
		return rsm_err_set(err, ENOTCONN, "no rsmfs is mounted");
	for (size_t i = 0; i < operand_count && !found; i++) {
		RSM_FREE char *path = whole_path(cwd, operands[i]);

		found = only_mount(mounts, path);
	}
	if (!found)
		found = only_mount(mounts, cwd);
	if (!found && mounts->count > 1)
		return rsm_err_set(err, EINVAL,
				   "several rsmfs are mounted (%s, %s%s), say which with -m",
				   mounts->mounts[0].path, mounts->mounts[1].path,
				   mounts->count > 2 ? " ..." : "");
	*ret_mountpoint = found ? found : mounts->mounts[0].path;
	return 0;
}

static bool is_there(const char *folder, const char *name, size_t length)
{
	struct stat st;
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%.*s", folder, (int)length, name);

	return n > 0 && (size_t)n < sizeof(path) && lstat(path, &st) == 0;
}

/* Should a relative operand be read from where the caller stands? */
static bool is_from_here(const char *mountpoint, const char *cwd, char kind, const char *operand,
			 const char *in_mount)
{
	bool dotted = operand[0] == '.' && (!operand[1] || operand[1] == '/' || operand[1] == '.');
	size_t length = strlen(operand);
	const char *slash;

	while (length > 1 && operand[length - 1] == '/')
		length--;
	slash = memrchr(operand, '/', length);
	/* From outside: a way into the mount, unless the tree has something of that name. */
	if (!below(mountpoint, cwd))
		return in_mount &&
		       (dotted || !is_there(mountpoint, operand, strcspn(operand, "/")));
	if (dotted)
		return true;
	if (is_there(cwd, operand, length))
		return true;
	if (kind != 'c')
		return false;
	/* To be made: as mkdir would, unless the operand begins at the top of the tree. */
	if (is_there(mountpoint, operand, strcspn(operand, "/")))
		return false;
	return !slash || is_there(cwd, operand, (size_t)(slash - operand));
}

static int give(const char *name, char **ret_name, struct rsm_err *err)
{
	size_t length = strlen(name);
	char *copy;

	while (length > 1 && name[length - 1] == '/')
		length--;
	copy = length ? strndup(name, length) : strdup("/");
	if (!copy)
		return rsm_err_oom(err);
	*ret_name = copy;
	return 0;
}

/* The mount point in the words that a path below it uses: it may have been named from where the
 * caller stands, or over a symbolic link, while his working directory is known by its real name.
 */
static const char *words_of_mount(const char *whole, const char *real, const char *path)
{
	return real && path && !below(whole, path) && below(real, path) ? real : whole;
}

int rsmfs_mounts_operand(const char *mountpoint, const char *cwd, char kind, const char *operand,
			 char **ret_name, struct rsm_err *err)
{
	RSM_FREE char *clean = NULL, *whole = NULL, *real_mount = NULL, *real_path = NULL;
	const char *in_mount;

	if (kind == 'n')
		return give(operand, ret_name, err);
	clean = whole_path(cwd, operand);
	whole = whole_path(cwd, mountpoint);
	if ((!clean && (operand[0] == '/' || cwd)) || (!whole && (mountpoint[0] == '/' || cwd)))
		return rsm_err_oom(err);
	real_mount = realpath(mountpoint, NULL);
	if (whole)
		mountpoint = words_of_mount(whole, real_mount, clean);
	in_mount = clean ? below(mountpoint, clean) : NULL;
	if (operand[0] != '/' && (!cwd || !is_from_here(mountpoint, cwd, kind, operand, in_mount)))
		return give(operand, ret_name, err);
	if (in_mount)
		return give(in_mount, ret_name, err);
	/* Perhaps the path is one over a symbolic link. */
	real_path = realpath(clean, NULL);
	in_mount = real_mount && real_path ? below(real_mount, real_path) : NULL;
	if (in_mount)
		return give(in_mount, ret_name, err);
	return rsm_err_set(err, EXDEV, "%s: is not in the rsmfs at %s", operand, mountpoint);
}
