#include "fs/rsm_slash.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "fs/rsm_slash_private.h"

struct old_verb {
	const char *name;
	const struct rsmfs_slash_letter *letters; /* ends with NULL letters */
	int (*translate)(const struct rsmfs_slash_call *call, struct rsmfs_slash *slash,
			 struct rsm_err *err);
	const char *help;    /* NULL: rsm has the verb itself */
	const char *options; /* what /o may say, between blanks; NULL: anything */
};

/* ---- tables ---- */

#define LOGICAL                                                                                    \
	{ "lg", S_LOGICAL, true },                                                                 \
	{                                                                                          \
		"lf", S_LOGICAL, true                                                              \
	}
#define SIDE                                                                                       \
	{ "pg", S_SIDE, true },                                                                    \
	{                                                                                          \
		"pf", S_SIDE, true                                                                 \
	}
#define LIBRARY                                                                                    \
	{ "lg", S_LIBRARY, true }, { "lf", S_LIBRARY, true },                                      \
	{                                                                                          \
		"l", S_LIBRARY, true                                                               \
	}
#define SLOT                                                                                       \
	{ "sg", S_SLOT, true }, { "sf", S_SLOT, true },                                            \
	{                                                                                          \
		"s", S_SLOT, true                                                                  \
	}
#define DRIVE                                                                                      \
	{ "dg", S_DRIVE, true }, { "df", S_DRIVE, true },                                          \
	{                                                                                          \
		"d", S_DRIVE, true                                                                 \
	}
#define OPTION                                                                                     \
	{                                                                                          \
		"o", S_OPTION, true                                                                \
	}
#define TERSE                                                                                      \
	{                                                                                          \
		"b", S_TERSE, false                                                                \
	}
#define END                                                                                        \
	{                                                                                          \
		NULL, S_COUNT, false                                                               \
	}

static const struct rsmfs_slash_letter allocate_letters[] = { { "m", S_POOL, true },
							      OPTION,
							      LOGICAL,
							      SIDE,
							      { "ln", S_NAME, true },
							      { "ld", S_DESCRIPTION, true },
							      { "pn", S_SIDE_NAME, true },
							      { "pd", S_SIDE_DESCRIPTION, true },
							      { "t", S_TIMEOUT, true },
							      TERSE,
							      END };
static const struct rsmfs_slash_letter createpool_letters[] = { { "m", S_POOL, true },
								{ "a", S_ACTION, true },
								{ "tg", S_TYPE, true },
								{ "tf", S_TYPE, true },
								{ "d", S_DRAW, false },
								{ "r", S_RETURN, false },
								END };
static const struct rsmfs_slash_letter medium_letters[] = { LOGICAL, SIDE, END };
static const struct rsmfs_slash_letter pool_letters[] = { { "m", S_POOL, true }, END };
static const struct rsmfs_slash_letter dismount_letters[] = { LOGICAL, SIDE, OPTION, END };
static const struct rsmfs_slash_letter eject_letters[] = {
	SIDE, SLOT, LIBRARY, DRIVE, { "a", S_ACTION, true }, OPTION, TERSE, END
};
static const struct rsmfs_slash_letter erase_letters[] = {
	LOGICAL, SIDE, { "r", S_RETURN, false }, { "t", S_TIMEOUT, true }, TERSE, END
};
static const struct rsmfs_slash_letter freemedia_letters[] = { SIDE,  SLOT,  LIBRARY,
							       DRIVE, TERSE, END };
static const struct rsmfs_slash_letter inventory_letters[] = { LIBRARY,
							       { "a", S_ACTION, true },
							       END };
static const struct rsmfs_slash_letter mount_letters[] = { LOGICAL,
							   SIDE,
							   SLOT,
							   { "cg", S_CHANGER, true },
							   { "cf", S_CHANGER, true },
							   { "c", S_CHANGER, true },
							   DRIVE,
							   OPTION,
							   { "r", S_PRIORITY, true },
							   { "t", S_TIMEOUT, true },
							   TERSE,
							   END };
static const struct rsmfs_slash_letter refresh_letters[] = {
	LIBRARY, SIDE, { "tg", S_TYPE, true }, { "tf", S_TYPE, true }, END
};
static const struct rsmfs_slash_letter rename_letters[] = { { "og", S_OBJECT, true },
							    { "of", S_OBJECT, true },
							    { "o", S_OBJECT, true },
							    { "t", S_TYPE, true },
							    { "n", S_NAME, true },
							    { "d", S_DESCRIPTION, true },
							    END };
static const struct rsmfs_slash_letter view_letters[] = { { "t", S_TYPE, true },
							  { "cg", S_CONTAINER, true },
							  { "cf", S_CONTAINER, true },
							  { "guiddisplay", S_GUIDS, false },
							  TERSE,
							  END };

static const struct old_verb old_verbs[] = {
	{ "allocate", allocate_letters, rsmfs_slash_allocate, NULL, " errunavail new next " },
	{ "createpool", createpool_letters, rsmfs_slash_createpool, NULL, NULL },
	{ "deallocate", medium_letters, rsmfs_slash_deallocate, NULL, NULL },
	{ "deletepool", pool_letters, rsmfs_slash_deletepool, NULL, NULL },
	{ "dismount", dismount_letters, rsmfs_slash_dismount, NULL, " deferred immediate " },
	{ "eject", eject_letters, rsmfs_slash_eject, NULL, NULL },
	{ "ejectatapi", NULL, rsmfs_slash_not_applicable,
	  "not applicable: ATAPI changers, which it empties without a service, are gone", NULL },
	{ "erase", erase_letters, rsmfs_slash_erase, "stands for rsm free --erase", NULL },
	{ "freemedia", freemedia_letters, rsmfs_slash_freemedia, "stands for rsm free", NULL },
	{ "inventory", inventory_letters, rsmfs_slash_inventory, NULL, NULL },
	{ "mount", mount_letters, rsmfs_slash_mount, NULL,
	  " errunavail drive read write offline " },
	{ "refresh", refresh_letters, rsmfs_slash_refresh, NULL, NULL },
	{ "rename", rename_letters, rsmfs_slash_rename_object, NULL, NULL },
	{ "ui", NULL, rsmfs_slash_not_applicable,
	  "not applicable: there are no pop-ups; rsmfs -o hook= and rsm events tell of messages",
	  NULL },
	{ "view", view_letters, rsmfs_slash_view, NULL, NULL },
};

enum { OLD_VERBS = sizeof(old_verbs) / sizeof(old_verbs[0]) };

static const struct old_verb *find_verb(const char *name)
{
	for (size_t i = 0; i < OLD_VERBS; i++)
		if (!strcasecmp(old_verbs[i].name, name))
			return &old_verbs[i];
	return NULL;
}

const char *rsmfs_slash_help(const char *verb)
{
	const struct old_verb *old = find_verb(verb);

	return old ? old->help : NULL;
}

const char *rsmfs_slash_verb(unsigned at)
{
	for (size_t i = 0; i < OLD_VERBS; i++)
		if (old_verbs[i].help && !at--)
			return old_verbs[i].name;
	return NULL;
}

/* ---- parsing ---- */

/* The switch that an argument is, and where its value begins; the longest that fits. */
static const struct rsmfs_slash_letter *find_letter(const struct rsmfs_slash_letter *letters,
						    const char *argument, const char **ret_value)
{
	const struct rsmfs_slash_letter *found = NULL;
	size_t longest = 0;

	for (; letters && letters->letters; letters++) {
		size_t length = strlen(letters->letters);

		if (length <= longest || strncasecmp(letters->letters, argument, length) != 0 ||
		    (!letters->value && argument[length]))
			continue;
		found = letters;
		longest = length;
	}
	if (found)
		*ret_value = argument + longest;
	return found;
}

/* "/mnt/rsm/Backup" is a path where there is a /mnt, and a switch elsewhere. */
static bool is_path(const char *argument)
{
	char first[256];
	struct stat st;
	int n = snprintf(first, sizeof(first), "/%.*s", (int)strcspn(argument + 1, "/"),
			 argument + 1);

	return n > 1 && n < (int)sizeof(first) && lstat(first, &st) == 0;
}

static bool is_switch(const struct old_verb *verb, const char *argument)
{
	const char *value;

	return argument[0] == '/' && argument[1] && !is_path(argument) &&
	       find_letter(verb->letters, argument + 1, &value);
}

/* Words between blanks, in any case. */
static bool has_word(const char *words, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = words; (at = strchr(at, ' ')) && *++at;)
		if (strcspn(at, " ") == length && !strncasecmp(at, word, length))
			return true;
	return false;
}

static int take(const struct old_verb *verb, const char *argument, struct rsmfs_slash_call *call,
		struct rsm_err *err)
{
	const struct rsmfs_slash_letter *letter;
	const char *value = NULL;

	if (argument[0] != '/')
		return rsm_err_set(err, EINVAL, "%s: '%s' is not a switch like the others",
				   verb->name, argument);
	letter = find_letter(verb->letters, argument + 1, &value);
	if (!letter)
		return rsm_err_set(err, EINVAL, "%s: there is no switch %s", verb->name, argument);
	if (letter->place == S_OPTION) {
		if (*value && verb->options && !has_word(verb->options, value))
			return rsm_err_set(err, EINVAL, "%s: /o%s is none of:%.*s", verb->name,
					   value, (int)strlen(verb->options) - 1, verb->options);
		if (call->option_count == RSMFS_SLASH_OPTIONS)
			return rsm_err_set(err, EINVAL, "%s: too many /o", verb->name);
		call->options[call->option_count++] = value;
		return 0;
	}
	if (letter->value && !*value)
		return rsm_err_set(err, EINVAL, "%s: %s: its value is missing (it is glued to it)",
				   verb->name, argument);
	call->values[letter->place] = value;
	call->by_name[letter->place] =
		tolower((unsigned char)letter->letters[strlen(letter->letters) - 1]) != 'g';
	return 0;
}

int rsmfs_slash_parse(int argc, char *const *argv, struct rsmfs_slash *ret_slash,
		      struct rsm_err *err)
{
	const struct old_verb *verb = argc ? find_verb(argv[0]) : NULL;
	struct rsmfs_slash slash = { 0 };
	struct rsmfs_slash_call call = { 0 };
	int r = 0;

	*ret_slash = slash;
	if (!verb)
		return RSMFS_SLASH_NO;
	if (!verb->letters) {
		slash.words[0] = (char *)(uintptr_t)verb->name; /* only to be named */
		return verb->translate(&call, &slash, err);
	}
	/* a verb that rsm has as well, called as rsm has it */
	if (argc < 2 || !is_switch(verb, argv[1]))
		return verb->help ? rsm_err_set(err, EINVAL, "%s: %s", verb->name, verb->help)
				  : RSMFS_SLASH_NO;
	for (int i = 1; r == 0 && i < argc; i++)
		r = take(verb, argv[i], &call, err);
	if (r < 0)
		return r;
	slash.terse = call.values[S_TERSE] != NULL;
	slash.guids = call.values[S_GUIDS] != NULL;
	r = verb->translate(&call, &slash, err);
	if (r < 0) {
		rsmfs_slash_fini(&slash);
		return r;
	}
	*ret_slash = slash;
	return 0;
}

void rsmfs_slash_fini(struct rsmfs_slash *slash)
{
	for (int i = 0; i < slash->count; i++)
		free(slash->words[i]);
	*slash = (struct rsmfs_slash){ 0 };
}
