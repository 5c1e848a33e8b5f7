#include "fs/options.h"

#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"

/* Thumbnailers and indexers, as comm shows them (15 bytes). */
static const char default_deny_recall[] =
	"tumblerd:gnome-thumbnail:gdk-pixbuf-thum:evince-thumbnai:totem-video-thu:ffmpegthumbnai:"
	"thumbnail.so:kde-thumbnailer:tracker-extract:tracker-miner-f:localsearch-3:localsearch-"
	"ext:"
	"baloo_file:baloo_file_extr:updatedb:updatedb.plocat:updatedb.mlocat:updatedb.findut";

bool rsmfs_is_device(const char *library)
{
	struct stat st;

	if (stat(library, &st) == 0)
		return S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode);
	return strncmp(library, "/dev/", 5) == 0;
}

/* "<data folder of the user>/<tail>" */
static int data_path(const char *tail, char **ret_path, struct rsm_err *err)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	RSM_TEXT struct rsm_text path = { 0 };

	if (getuid() == 0)
		rsm_text_printf(&path, "/var/lib/rsmfs/%s", tail);
	else if (data && data[0] == '/')
		rsm_text_printf(&path, "%s/rsmfs/%s", data, tail);
	else if (home && home[0] == '/')
		rsm_text_printf(&path, "%s/.local/share/rsmfs/%s", home, tail);
	else
		return rsm_err_set(err, EINVAL,
				   "no LIBRARY given, and neither XDG_DATA_HOME nor HOME is set");
	return rsm_text_take(&path, ret_path, err);
}

int rsmfs_default_library(char **ret_path, struct rsm_err *err)
{
	return data_path("library", ret_path, err);
}

int rsmfs_default_state(const char *device, char **ret_path, struct rsm_err *err)
{
	const char *base = strrchr(device, '/');
	RSM_TEXT struct rsm_text tail = { 0 };
	RSM_FREE char *name = NULL;
	int r;

	rsm_text_printf(&tail, "state-%s", base ? base + 1 : device);
	r = rsm_text_take(&tail, &name, err);
	if (r < 0)
		return r;
	return data_path(name, ret_path, err);
}

static int parse_number(const char *name, const char *value, uint64_t limit, uint64_t *ret,
			struct rsm_err *err)
{
	char *end;
	unsigned long long number;

	errno = 0;
	number = strtoull(value, &end, 10);
	if (errno || end == value || *end || *value == '-' || *value == '+' || number > limit)
		return rsm_err_set(err, EINVAL, "-o %s=%s: a number up to %llu is expected", name,
				   value, (unsigned long long)limit);
	*ret = number;
	return 0;
}

static int parse_size(const char *name, const char *value, uint64_t *ret, struct rsm_err *err)
{
	static const char units[] = "KMGTP";
	char *end;
	const char *unit;
	unsigned long long number;
	unsigned shift = 0;

	errno = 0;
	number = strtoull(value, &end, 10);
	if (*end && (unit = strchr(units, *end & ~0x20)) && *unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
		if (strcmp(end, "iB") == 0)
			end += 2;
	}
	if (errno || end == value || *end || *value == '-' || *value == '+' ||
	    number > UINT64_MAX >> shift)
		return rsm_err_set(err, EINVAL, "-o %s=%s: a size is expected, such as 500M or 20G",
				   name, value);
	*ret = (uint64_t)number << shift;
	return 0;
}

static int set_string(char **field, const char *value, struct rsm_err *err)
{
	char *copy = strdup(value);

	if (!copy)
		return rsm_err_oom(err);
	free(*field);
	*field = copy;
	return 0;
}

static int append_string(char ***list, size_t *count, const char *value, size_t length,
			 struct rsm_err *err)
{
	char **grown = realloc(*list, (*count + 1) * sizeof(*grown));

	if (!grown)
		return rsm_err_oom(err);
	*list = grown;
	grown[*count] = strndup(value, length);
	if (!grown[*count])
		return rsm_err_oom(err);
	++*count;
	return 0;
}

static void clear_strings(char ***list, size_t *count)
{
	while (*count)
		free((*list)[--*count]);
	free(*list);
	*list = NULL;
}

static int set_deny_recall(struct rsmfs_options *o, const char *value, struct rsm_err *err)
{
	clear_strings(&o->deny_recall, &o->deny_recall_count);
	while (*value) {
		size_t length = strcspn(value, ":");
		int r = length ? append_string(&o->deny_recall, &o->deny_recall_count, value,
					       length, err)
			       : 0;

		if (r < 0)
			return r;
		value += length + (value[length] == ':');
	}
	return 0;
}

/* One of two words; *ret_second tells which. */
static int parse_choice(const char *name, const char *value, const char *first, const char *second,
			bool *ret_second, struct rsm_err *err)
{
	if (strcmp(value, first) != 0 && strcmp(value, second) != 0)
		return rsm_err_set(err, EINVAL, "-o %s=%s: %s or %s is expected", name, value,
				   first, second);
	*ret_second = strcmp(value, second) == 0;
	return 0;
}

static int parse_umask(const char *value, mode_t *ret, struct rsm_err *err)
{
	char *end;
	unsigned long mask = strtoul(value, &end, 8);

	if (end == value || *end || mask > 0777)
		return rsm_err_set(err, EINVAL,
				   "-o umask=%s: an octal number up to 777 is expected", value);
	*ret = (mode_t)mask;
	return 0;
}

static int parse_group(const char *value, gid_t *ret, struct rsm_err *err)
{
	struct group *group = getgrnam(value);
	uint64_t number;
	int r;

	if (group) {
		*ret = group->gr_gid;
		return 0;
	}
	r = parse_number("admin_group", value, UINT32_MAX - 1, &number, NULL);
	if (r < 0)
		return rsm_err_set(err, EINVAL, "-o admin_group=%s: no such group", value);
	*ret = (gid_t)number;
	return 0;
}

static int parse_hash(const char *value, enum rsm_digest_kind *ret, struct rsm_err *err)
{
	if (strcmp(value, "sha256") == 0)
		*ret = RSM_DIGEST_SHA256;
	else if (strcmp(value, "crc32") == 0)
		*ret = RSM_DIGEST_CRC32;
	else if (strcmp(value, "none") == 0)
		*ret = RSM_DIGEST_NONE;
	else
		return rsm_err_set(err, EINVAL, "-o hash=%s: sha256, crc32 or none is expected",
				   value);
	return 0;
}

/* Options that take a value. Outcome 1: not one of them. */
static int set_valued(struct rsmfs_options *o, const char *name, const char *value,
		      struct rsm_err *err)
{
	static const struct {
		const char *name;
		size_t offset;
		uint64_t limit;
	} numbers[] = {
		{ "dismount_delay", offsetof(struct rsmfs_options, dismount_delay_s), INT_MAX },
		{ "mount_timeout", offsetof(struct rsmfs_options, mount_timeout_s), INT_MAX },
		{ "migrate_delay", offsetof(struct rsmfs_options, migrate_delay_ms), INT_MAX },
		{ "label_delay", offsetof(struct rsmfs_options, label_delay_ms), INT_MAX },
		{ "index_interval", offsetof(struct rsmfs_options, index_interval_s), INT_MAX },
		{ "uid", offsetof(struct rsmfs_options, uid), UINT32_MAX - 1 },
		{ "gid", offsetof(struct rsmfs_options, gid), UINT32_MAX - 1 },
	};
	static const struct {
		const char *name;
		size_t offset;
	} strings[] = {
		{ "state", offsetof(struct rsmfs_options, state) },
		{ "staging", offsetof(struct rsmfs_options, staging) },
		{ "drives", offsetof(struct rsmfs_options, drives) },
		{ "log", offsetof(struct rsmfs_options, log) },
		{ "hook", offsetof(struct rsmfs_options, hook) },
		{ "fsname", offsetof(struct rsmfs_options, fsname) },
	};
	uint64_t number;
	int r;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(name, numbers[i].name) != 0)
			continue;
		r = parse_number(name, value, numbers[i].limit, &number, err);
		if (r == 0)
			*(unsigned *)(void *)((char *)o + numbers[i].offset) = (unsigned)number;
		return r;
	}
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		if (strcmp(name, strings[i].name) != 0)
			continue;
		if (!*value)
			return rsm_err_set(err, EINVAL, "-o %s= needs a value", name);
		return set_string((char **)(void *)((char *)o + strings[i].offset), value, err);
	}
	if (strcmp(name, "library") == 0 && !*value)
		return rsm_err_set(err, EINVAL, "-o library= needs a value");
	if (strcmp(name, "library") == 0)
		return append_string(&o->libraries, &o->library_count, value, strlen(value), err);
	if (strcmp(name, "browse") == 0)
		return parse_choice(name, value, "catalog", "mount", &o->browse_mount, err);
	if (strcmp(name, "offline") == 0)
		return parse_choice(name, value, "fail", "wait", &o->offline_wait, err);
	if (strcmp(name, "inject") == 0)
		return parse_choice(name, value, "auto", "manual", &o->inject_manual, err);
	if (strcmp(name, "hash") == 0)
		return parse_hash(value, &o->hash, err);
	if (strcmp(name, "recovery") == 0)
		return parse_choice(name, value, "full", "none", &o->no_recovery, err);
	if (strcmp(name, "nonblock") == 0)
		return parse_choice(name, value, "wait", "eagain", &o->nonblock_eagain, err);
	if (strcmp(name, "deny_recall") == 0)
		return set_deny_recall(o, value, err);
	if (strcmp(name, "staging_limit") == 0)
		return parse_size(name, value, &o->staging_limit, err);
	if (strcmp(name, "stream_size") == 0)
		return parse_size(name, value, &o->stream_size, err);
	if (strcmp(name, "index_bytes") == 0)
		return parse_size(name, value, &o->index_bytes, err);
	if (strcmp(name, "umask") == 0)
		return parse_umask(value, &o->umask, err);
	if (strcmp(name, "debug") == 0)
		return rsm_log_parse_rooms(value, &o->debug_rooms, err);
	if (strcmp(name, "admin_group") == 0) {
		o->has_admin_group = true;
		return parse_group(value, &o->admin_group, err);
	}
	/* mount(8)'s own */
	if (strcmp(name, "comment") == 0 || strncmp(name, "x-", 2) == 0 ||
	    strncmp(name, "X-", 2) == 0 || strcmp(name, "subtype") == 0)
		return 0;
	return 1;
}

/* Words without a value. Outcome 1: not one of them. */
static int set_word(struct rsmfs_options *o, const char *word)
{
	static const char *const kernel[] = { "ro",	"rw",	 "dev",	    "nodev", "suid",
					      "nosuid", "exec",	 "noexec",  "atime", "noatime",
					      "sync",	"async", "dirsync", NULL };
	static const char *const ignored[] = {
		"defaults",	 "auto",       "noauto",     "user",	   "nouser",
		"users",	 "owner",      "group",	     "_netdev",	   "nofail",
		"relatime",	 "norelatime", "diratime",   "nodiratime", "strictatime",
		"nostrictatime", "lazytime",   "nolazytime", "loud",	   "silent",
		"mand",		 "nomand",     "iversion",   "noiversion", "default_permissions",
		"private",	 NULL
	};

	if (strcmp(word, "nonempty") == 0)
		o->nonempty = true;
	else if (strcmp(word, "autoclean") == 0)
		o->autoclean = true;
	else if (strcmp(word, "allow_other") == 0)
		o->allow_other = true;
	else if (strcmp(word, "debug") == 0)
		o->debug_rooms = ~0u;
	else {
		for (size_t i = 0; ignored[i]; i++)
			if (strcmp(word, ignored[i]) == 0)
				return 0;
		if (strncmp(word, "x-", 2) == 0 || strncmp(word, "X-", 2) == 0)
			return 0;
		for (size_t i = 0; kernel[i]; i++) {
			if (strcmp(word, kernel[i]) != 0)
				continue;
			if (strcmp(word, "ro") == 0 || strcmp(word, "rw") == 0)
				o->read_only = word[1] == 'o';
			rsm_text_printf(&o->kernel, ",%s", word);
			return 0;
		}
		return 1;
	}
	return 0;
}

static int set_option(struct rsmfs_options *o, char *option, struct rsm_err *err)
{
	char *equals = strchr(option, '=');
	int r;

	if (!*option)
		return 0;
	if (equals) {
		*equals = '\0';
		r = set_valued(o, option, equals + 1, err);
		if (r == 1)
			return rsm_err_set(err, EINVAL, "unknown option -o %s=%s", option,
					   equals + 1);
		return r;
	}
	if (set_word(o, option) == 0)
		return 0;
	/* help is not worth a mount */
	if (strcmp(option, "allow_root") == 0)
		return rsm_err_set(err, EINVAL, "-o allow_root is not supported: use allow_other");
	if (strcmp(option, "remount") == 0)
		return rsm_err_set(err, EINVAL,
				   "-o remount is not supported: unmount it and mount it again");
	if (set_valued(o, option, "", NULL) != 1)
		return rsm_err_set(err, EINVAL, "-o %s needs a value", option);
	return rsm_err_set(err, EINVAL, "unknown option -o %s", option);
}

/* Commas separate, a backslash takes the next character as it is. */
static int parse_list(struct rsmfs_options *o, const char *list, struct rsm_err *err)
{
	RSM_FREE char *word = malloc(strlen(list) + 1);
	size_t length = 0;

	if (!word)
		return rsm_err_oom(err);
	for (;; list++) {
		if (*list == '\\' && list[1]) {
			word[length++] = *++list;
		} else if (*list == ',' || !*list) {
			int r;

			word[length] = '\0';
			r = set_option(o, word, err);
			if (r < 0)
				return r;
			length = 0;
			if (!*list)
				return 0;
		} else {
			word[length++] = *list;
		}
	}
}

static int parse_switches(struct rsmfs_options *o, int argc, char **argv, struct rsm_err *err)
{
	static const struct option longs[] = { { "help", no_argument, NULL, 'h' },
					       { "version", no_argument, NULL, 'V' },
					       { NULL, 0, NULL, 0 } };
	int c, r;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":o:fdhVnsvt:", longs, NULL)) != -1) {
		switch (c) {
		case 'o':
			r = parse_list(o, optarg, err);
			if (r < 0)
				return r;
			break;
		case 'f': o->foreground = true; break;
		case 'd': o->foreground = o->fuse_debug = true; break;
		case 'h': o->action = RSMFS_ACTION_HELP; return 0;
		case 'V': o->action = RSMFS_ACTION_VERSION; return 0;
		case 'n': /* as mount(8) hands them on */
		case 's':
		case 'v':
		case 't': break;
		case ':': return rsm_err_set(err, EINVAL, "-%c needs a value", optopt);
		default:
			if (optopt)
				return rsm_err_set(err, EINVAL, "unknown switch -%c", optopt);
			return rsm_err_set(err, EINVAL, "unknown switch %s", argv[optind - 1]);
		}
	}
	return 0;
}

static int parse_places(struct rsmfs_options *o, int argc, char **argv, struct rsm_err *err)
{
	RSM_FREE char *library = NULL;
	char **all = NULL;
	int left = argc - optind, r;

	if (left < 1)
		return rsm_err_set(err, EINVAL, "no mount point given");
	if (left > 2)
		return rsm_err_set(err, EINVAL, "%s: one argument too many", argv[optind + 2]);
	if (left == 2 && *argv[optind]) {
		library = strdup(argv[optind]);
		if (!library)
			return rsm_err_oom(err);
	} else if (o->library_count == 0) {
		r = rsmfs_default_library(&library, err);
		if (r < 0)
			return r;
		o->library_default = true;
	}
	r = set_string(&o->mountpoint, argv[argc - 1], err);
	if (r < 0 || !library)
		return r;
	/* the one of the command line goes first: its folder keeps the state */
	all = realloc(o->libraries, (o->library_count + 1) * sizeof(*all));
	if (!all)
		return rsm_err_oom(err);
	memmove(all + 1, all, o->library_count * sizeof(*all));
	all[0] = RSM_STEAL(library);
	o->libraries = all;
	o->library_count++;
	return 0;
}

int rsmfs_options_parse(struct rsmfs_options *options, int argc, char **argv, struct rsm_err *err)
{
	mode_t mask = umask(022);
	int r;

	umask(mask);
	*options = (struct rsmfs_options){
		.dismount_delay_s = 60,
		.migrate_delay_ms = 2000,
		.hash = RSM_DIGEST_SHA256,
		.label_delay_ms = 10000,
		.index_interval_s = 300,
		.uid = getuid(),
		.gid = getgid(),
		.umask = mask & 0777,
		.allow_other = getuid() == 0,
	};
	r = set_deny_recall(options, default_deny_recall, err);
	if (r < 0)
		return r;
	r = parse_switches(options, argc, argv, err);
	if (r < 0 || options->action != RSMFS_ACTION_MOUNT)
		return r;
	r = parse_places(options, argc, argv, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < options->library_count; i++)
		for (size_t j = 0; j < i; j++)
			if (strcmp(options->libraries[i], options->libraries[j]) == 0)
				return rsm_err_set(err, EINVAL, "library %s is named twice",
						   options->libraries[i]);
	if (options->kernel.failed)
		return rsm_err_oom(err);
	/* whatever was asked for: umount and rsm find the library by the source of its mount */
	return set_string(&options->fsname, options->libraries[0], err);
}

void rsmfs_options_fini(struct rsmfs_options *options)
{
	clear_strings(&options->libraries, &options->library_count);
	clear_strings(&options->deny_recall, &options->deny_recall_count);
	free(options->mountpoint);
	free(options->state);
	free(options->staging);
	free(options->drives);
	free(options->log);
	free(options->hook);
	free(options->fsname);
	rsm_text_fini(&options->kernel);
	*options = (struct rsmfs_options){ 0 };
}
