/* What each verb of rsm.exe becomes; how its switches are read is in rsm_slash.c. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/rsm_slash_private.h"

/* ---- building the new call ---- */

static void add(struct rsmfs_slash *slash, struct rsm_err *err, int *r, const char *format, ...)
	RSM_PRINTF(4, 5);
static void add(struct rsmfs_slash *slash, struct rsm_err *err, int *r, const char *format, ...)
{
	char *word = NULL;
	va_list args;

	if (*r < 0)
		return;
	va_start(args, format);
	if (slash->count == RSMFS_SLASH_WORDS)
		*r = rsm_err_set(err, E2BIG, "too many switches");
	else if (vasprintf(&word, format, args) < 0)
		*r = rsm_err_oom(err);
	else
		slash->words[slash->count++] = word;
	va_end(args);
}

static bool has_option(const struct rsmfs_slash_call *call, const char *option)
{
	for (size_t i = 0; i < call->option_count; i++)
		if (!strcasecmp(call->options[i], option))
			return true;
	return false;
}

/* Pools of rsm.exe are separated by backslashes. */
static void add_pool(struct rsmfs_slash *slash, const char *pool, const char *name,
		     struct rsm_err *err, int *r)
{
	int first = slash->count;

	if (name)
		add(slash, err, r, "%s/%s", pool, name);
	else
		add(slash, err, r, "%s", pool);
	for (char *p = *r < 0 ? NULL : slash->words[first]; p && *p; p++)
		if (*p == '\\')
			*p = '/';
}

/* POOL/NAME is a path, a name alone that of whatever has it. */
static void add_logical_name(struct rsmfs_slash *slash, const char *name, struct rsm_err *err,
			     int *r)
{
	if (strpbrk(name, "/\\"))
		add_pool(slash, name, NULL, err, r);
	else
		add(slash, err, r, "name:%s", name);
}

/* A GUID without its braces, in small letters. */
static void add_guid(struct rsmfs_slash *slash, const char *guid, struct rsm_err *err, int *r)
{
	size_t length = strlen(guid);
	int first = slash->count;

	if (length > 1 && guid[0] == '{' && guid[length - 1] == '}') {
		guid++;
		length -= 2;
	}
	add(slash, err, r, "%.*s", (int)length, guid);
	for (char *p = *r < 0 ? NULL : slash->words[first]; p && *p; p++)
		*p = (char)tolower((unsigned char)*p);
}

/* A cartridge that is named by its logical medium, its side, or where it lies. */
static void add_medium(struct rsmfs_slash *slash, const struct rsmfs_slash_call *call,
		       struct rsm_err *err, int *r)
{
	const char *library = call->values[S_LIBRARY];

	if (call->values[S_LOGICAL] && call->by_name[S_LOGICAL])
		add_logical_name(slash, call->values[S_LOGICAL], err, r);
	else if (call->values[S_LOGICAL])
		add_guid(slash, call->values[S_LOGICAL], err, r);
	else if (call->values[S_SIDE] && call->by_name[S_SIDE])
		add(slash, err, r, "%s", call->values[S_SIDE]);
	else if (call->values[S_SIDE])
		add_guid(slash, call->values[S_SIDE], err, r);
	else if (call->values[S_SLOT] || call->values[S_DRIVE])
		add(slash, err, r, "%s:%s%s%s", call->values[S_SLOT] ? "slot" : "drive",
		    library ? library : "", library ? ":" : "",
		    call->values[S_SLOT] ? call->values[S_SLOT] : call->values[S_DRIVE]);
	else if (*r == 0)
		*r = rsm_err_set(err, EINVAL, "%s: which medium? /l or /p is missing",
				 slash->words[0]);
}

/* Milliseconds; 0 and none at all wait for ever. */
static int seconds_of(const struct rsmfs_slash_call *call, unsigned long *ret_seconds,
		      struct rsm_err *err)
{
	const char *text = call->values[S_TIMEOUT];
	char *end;

	*ret_seconds = 0;
	if (!text)
		return 0;
	errno = 0;
	unsigned long ms = strtoul(text, &end, 10);

	if (errno || end == text || *end || !isdigit((unsigned char)*text))
		return rsm_err_set(err, EINVAL, "/t%s: milliseconds are expected", text);
	if (ms == 0xFFFFFFFFul) /* INFINITE */
		return 0;
	*ret_seconds = ms / 1000 + (ms % 1000 != 0);
	return 0;
}

/* ---- the verbs ---- */

RSMFS_SLASH_VERB(allocate)
{
	unsigned long seconds;
	int r = seconds_of(call, &seconds, err);

	if (r == 0 && !call->values[S_POOL])
		r = rsm_err_set(err, EINVAL, "allocate: /m, the pool, is missing");
	add(slash, err, &r, "allocate");
	if (has_option(call, "new"))
		add(slash, err, &r, "--new");
	if (has_option(call, "next")) {
		add(slash, err, &r, "--next");
		add_medium(slash, call, err, &r);
	} else if (call->values[S_SIDE]) {
		add(slash, err, &r, "--medium");
		add_medium(slash, call, err, &r);
	}
	/* there, waiting for an operator is what happens unless one says no */
	if (!has_option(call, "errunavail") && seconds)
		add(slash, err, &r, "--wait=%lu", seconds);
	else if (!has_option(call, "errunavail"))
		add(slash, err, &r, "--wait");
	if (call->values[S_DESCRIPTION])
		add(slash, err, &r, "--description=%s", call->values[S_DESCRIPTION]);
	add(slash, err, &r, "--");
	if (r == 0)
		add_pool(slash, call->values[S_POOL], call->values[S_NAME], err, &r);
	return r;
}

RSMFS_SLASH_VERB(createpool)
{
	const char *action = call->values[S_ACTION];
	int r = call->values[S_POOL]
			? 0
			: rsm_err_set(err, EINVAL, "createpool: /m, the pool, is missing");

	add(slash, err, &r, "createpool");
	if (action && !strcasecmp(action, "always"))
		add(slash, err, &r, "--always");
	else if (action && !strcasecmp(action, "existing"))
		add(slash, err, &r, "--existing");
	else if (r == 0 && action && strcasecmp(action, "new") != 0)
		r = rsm_err_set(err, EINVAL, "createpool: /a%s: existing, always or new", action);
	if (call->values[S_TYPE])
		add(slash, err, &r, "--type=%s", call->values[S_TYPE]);
	/* to draw and to return is asked for there, and refused here */
	if (!call->values[S_DRAW])
		add(slash, err, &r, "--no-draw");
	if (!call->values[S_RETURN])
		add(slash, err, &r, "--no-return");
	add(slash, err, &r, "--");
	if (r == 0)
		add_pool(slash, call->values[S_POOL], NULL, err, &r);
	return r;
}

RSMFS_SLASH_VERB(deallocate)
{
	int r = 0;

	add(slash, err, &r, "deallocate");
	add(slash, err, &r, "--");
	add_medium(slash, call, err, &r);
	return r;
}

RSMFS_SLASH_VERB(deletepool)
{
	int r = call->values[S_POOL]
			? 0
			: rsm_err_set(err, EINVAL, "deletepool: /m, the pool, is missing");

	add(slash, err, &r, "deletepool");
	add(slash, err, &r, "--");
	if (r == 0)
		add_pool(slash, call->values[S_POOL], NULL, err, &r);
	return r;
}

RSMFS_SLASH_VERB(dismount)
{
	int r = 0;

	add(slash, err, &r, "dismount");
	/* "/o" alone, too */
	if (has_option(call, "deferred") || has_option(call, ""))
		add(slash, err, &r, "--deferred");
	add(slash, err, &r, "--");
	add_medium(slash, call, err, &r);
	return r;
}

RSMFS_SLASH_VERB(eject)
{
	const char *action = call->values[S_ACTION];
	int r = 0;

	add(slash, err, &r, "eject");
	if (action && !strcasecmp(action, "stop"))
		add(slash, err, &r, "--cancel");
	else if (action && strcasecmp(action, "start") != 0 && strcasecmp(action, "queue") != 0)
		return rsm_err_set(err, EINVAL, "eject: /a%s: start, stop or queue", action);
	add(slash, err, &r, "--");
	/* the operation that its /o names: all that waits, for nobody has two of them here */
	if (call->option_count && action && !strcasecmp(action, "stop") && !call->values[S_SIDE] &&
	    !call->values[S_SLOT] && !call->values[S_DRIVE])
		return r;
	add_medium(slash, call, err, &r);
	return r;
}

static int free_medium(const struct rsmfs_slash_call *call, struct rsmfs_slash *slash, bool erase,
		       struct rsm_err *err)
{
	struct rsmfs_slash_call medium = *call;
	int r = 0;

	/* /l is the library of a slot or drive, and else a logical medium */
	if (!call->values[S_SIDE] && !call->values[S_SLOT] && !call->values[S_DRIVE]) {
		medium.values[S_LOGICAL] = call->values[S_LIBRARY];
		medium.by_name[S_LOGICAL] = call->by_name[S_LIBRARY];
	}
	add(slash, err, &r, "free");
	if (erase)
		add(slash, err, &r, "--erase");
	/* a script has said what it wants; a person is asked */
	if (!isatty(STDIN_FILENO))
		add(slash, err, &r, "--yes");
	add(slash, err, &r, "--");
	add_medium(slash, &medium, err, &r);
	return r;
}

RSMFS_SLASH_VERB(freemedia)
{
	return free_medium(call, slash, false, err);
}

RSMFS_SLASH_VERB(erase)
{
	return free_medium(call, slash, true, err);
}

RSMFS_SLASH_VERB(inventory)
{
	const char *action = call->values[S_ACTION] ? call->values[S_ACTION] : "default";
	int r = 0;

	/* "none" believes what is known, which is what a view does */
	add(slash, err, &r, "%s", strcasecmp(action, "none") ? "inventory" : "view");
	if (!strcasecmp(action, "full"))
		add(slash, err, &r, "--full");
	else if (!strcasecmp(action, "fast"))
		add(slash, err, &r, "--fast");
	else if (!strcasecmp(action, "stop"))
		add(slash, err, &r, "--stop");
	else if (!strcasecmp(action, "none"))
		add(slash, err, &r, "slots");
	else if (strcasecmp(action, "default") != 0)
		return rsm_err_set(err, EINVAL, "inventory: /a%s: full, fast, default, none, stop",
				   action);
	if (call->values[S_LIBRARY])
		add(slash, err, &r, "%s", call->values[S_LIBRARY]);
	return r;
}

static int priority_of(const char *word, int *ret_priority, struct rsm_err *err)
{
	static const struct {
		const char *word;
		int priority;
	} words[] = {
		{ "highest", 15 }, { "high", 7 }, { "normal", 0 }, { "low", -7 }, { "lowest", -15 }
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(word, words[i].word) != 0)
			continue;
		*ret_priority = words[i].priority;
		return 0;
	}
	return rsm_err_set(err, EINVAL, "mount: /r%s: highest, high, normal, low or lowest", word);
}

RSMFS_SLASH_VERB(mount)
{
	struct rsmfs_slash_call medium = *call;
	unsigned long seconds;
	int priority = 0;
	int r = seconds_of(call, &seconds, err);

	if (r == 0 && call->values[S_PRIORITY])
		r = priority_of(call->values[S_PRIORITY], &priority, err);
	add(slash, err, &r, "mount");
	if (has_option(call, "read"))
		add(slash, err, &r, "--read");
	if (has_option(call, "write"))
		add(slash, err, &r, "--write");
	if (has_option(call, "errunavail"))
		add(slash, err, &r, "--nowait");
	if (has_option(call, "offline"))
		add(slash, err, &r, "--online");
	if (call->values[S_DRIVE])
		add(slash, err, &r, "--drive=%s", call->values[S_DRIVE]);
	if (call->values[S_PRIORITY])
		add(slash, err, &r, "--priority=%d", priority);
	if (seconds)
		add(slash, err, &r, "--timeout=%lu", seconds);
	add(slash, err, &r, "--");
	/* here the drive is where to, not what */
	medium.values[S_DRIVE] = NULL;
	medium.values[S_LIBRARY] = call->values[S_CHANGER];
	add_medium(slash, &medium, err, &r);
	return r;
}

RSMFS_SLASH_VERB(refresh)
{
	int r = 0;

	add(slash, err, &r, "refresh");
	add(slash, err, &r, "--");
	if (call->values[S_LIBRARY])
		add(slash, err, &r, "library:%s", call->values[S_LIBRARY]);
	else if (call->values[S_TYPE])
		add(slash, err, &r, "%s", call->values[S_TYPE]);
	else if (call->values[S_SIDE])
		add_medium(slash, call, err, &r);
	return r;
}

RSMFS_SLASH_VERB(rename_object)
{
	const char *name = call->values[S_NAME], *object = call->values[S_OBJECT];
	const char *type = call->values[S_TYPE];
	bool logical = type && !strncasecmp(type, "logical", 7) && call->by_name[S_OBJECT];
	int r = 0;

	if (!object)
		return rsm_err_set(err, EINVAL, "rename: /o, the object, is missing");
	if (!name && !call->values[S_DESCRIPTION])
		return rsm_err_set(err, EINVAL, "rename: /n or /d is missing");
	add(slash, err, &r, "%s", name ? "rename" : "set");
	if (name && call->values[S_DESCRIPTION])
		add(slash, err, &r, "--description=%s", call->values[S_DESCRIPTION]);
	add(slash, err, &r, "--");
	if (call->by_name[S_OBJECT] && logical)
		add_logical_name(slash, object, err, &r);
	else if (call->by_name[S_OBJECT])
		add_pool(slash, object, NULL, err, &r);
	else
		add_guid(slash, object, err, &r);
	if (name)
		add(slash, err, &r, "%s", name);
	else
		add(slash, err, &r, "description=%s", call->values[S_DESCRIPTION]);
	return r;
}

/* NTMS_OBJECT types, as /t has them. */
static const char *view_word(const char *type)
{
	static const struct {
		const char *type, *word;
	} words[] = {
		{ "changer", "changers" },	 { "changer_type", "changers" },
		{ "computer", "computer" },	 { "drive", "drives" },
		{ "drive_type", "drive-types" }, { "iedoor", "doors" },
		{ "ieport", "ports" },		 { "library", "libraries" },
		{ "librequest", "queue" },	 { "logical_media", "logical" },
		{ "media_pool", "pools" },	 { "media_type", "media-types" },
		{ "partition", "sides" },	 { "physical_media", "media" },
		{ "storageslot", "slots" },	 { "opreq", "requests" },
		{ "oprequest", "requests" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcasecmp(words[i].type, type))
			return words[i].word;
	return NULL;
}

RSMFS_SLASH_VERB(view)
{
	const char *type = call->values[S_TYPE], *word = type ? view_word(type) : NULL;
	int r = 0;

	if (type && !strcasecmp(type, "ui_destination"))
		return rsm_err_set(err, EOPNOTSUPP, "view /t%s: %s", type, rsmfs_slash_help("ui"));
	if (type && !word && strcasecmp(type, "object") != 0)
		return rsm_err_set(err, EINVAL, "view: /t%s: no such type of objects", type);
	add(slash, err, &r, "view");
	if (word)
		add(slash, err, &r, "%s", word);
	if (word && call->values[S_CONTAINER] && call->by_name[S_CONTAINER])
		add_pool(slash, call->values[S_CONTAINER], NULL, err, &r);
	else if (word && call->values[S_CONTAINER])
		add_guid(slash, call->values[S_CONTAINER], err, &r);
	return r;
}

RSMFS_SLASH_VERB(not_applicable)
{
	(void)call;
	return rsm_err_set(err, EOPNOTSUPP, "%s: %s", slash->words[0],
			   rsmfs_slash_help(slash->words[0]));
}
