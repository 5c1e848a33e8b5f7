#include "fs/verb.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FLAG(name, help)                                                                           \
	{                                                                                          \
		name, RSMFS_OPTION_FLAG, NULL, help                                                \
	}
#define TEXT(name, value, help)                                                                    \
	{                                                                                          \
		name, RSMFS_OPTION_TEXT, value, help                                               \
	}
#define NUMBER(name, value, help)                                                                  \
	{                                                                                          \
		name, RSMFS_OPTION_NUMBER, value, help                                             \
	}
#define UMASK                                                                                      \
	{                                                                                          \
		"umask", RSMFS_OPTION_NUMBER, NULL, NULL                                           \
	}

const struct rsmfs_verb rsmfs_verbs[] = {
	{ "view",
	  "[libraries|drives|slots|media|pools|queue|requests] [PATH]",
	  "no",
	  0,
	  2,
	  false,
	  "status; alone: an overview",
	  {} },
	{ "allocate",
	  "POOL[/NAME]",
	  "c",
	  1,
	  1,
	  false,
	  "takes a cartridge for oneself; prints PATH, a tab, its LMID",
	  { TEXT("medium", "BARCODE", "exactly this one"),
	    { "wait", RSMFS_OPTION_SECONDS_OR_FLAG, "SECONDS",
	      "wait for one when there is none (for good, or so long)" },
	    UMASK } },
	{ "deallocate",
	  "PATH...",
	  "o",
	  1,
	  RSMFS_VERB_OPERANDS,
	  false,
	  "gives a cartridge back",
	  { FLAG("force", "also when it holds files") } },
	{ "mount",
	  "PATH...",
	  "o",
	  1,
	  RSMFS_VERB_OPERANDS,
	  false,
	  "brings cartridges into drives and keeps them there: all of them or none",
	  { FLAG("read", "for reading (as without)"),
	    FLAG("write", "for writing, too"),
	    NUMBER("drive", "N", "in this drive (its element address)"),
	    { "priority", RSMFS_OPTION_INTEGER, "N", "-15 to 15, higher goes first" },
	    FLAG("nowait", "fail when no drive is free now (the mount stays queued)"),
	    NUMBER("timeout", "S", "give up after so many seconds") } },
	{ "dismount",
	  "PATH...",
	  "o",
	  1,
	  RSMFS_VERB_OPERANDS,
	  false,
	  "writes what is to be written and sends cartridges home",
	  { FLAG("deferred", "only when the drive is wanted or dismount_delay is over") } },
	{ "createpool",
	  "PATH",
	  "c",
	  1,
	  1,
	  false,
	  "makes a pool",
	  { TEXT("holds", "media|pools", "what it holds (media)"),
	    TEXT("type", "TYPE", "media type, like LTO-8"),
	    FLAG("no-draw", "takes no cartridges from Free by itself"),
	    FLAG("no-return", "keeps deallocated cartridges"),
	    NUMBER("limit", "N", "how many media may be allocated in it"), UMASK } },
	{ "deletepool",
	  "PATH",
	  "o",
	  1,
	  1,
	  false,
	  "removes a pool that holds nothing allocated",
	  {} },
	{ "move",
	  "PATH POOL",
	  "oo",
	  2,
	  2,
	  false,
	  "moves a cartridge (or pool) to another pool",
	  {} },
	{ "rename",
	  "OBJECT NAME",
	  "on",
	  2,
	  2,
	  false,
	  "gives a cartridge or pool another name",
	  {} },
	{ "swap",
	  "PATH PATH",
	  "oo",
	  2,
	  2,
	  false,
	  "exchanges the media under two names of a pool",
	  {} },
	{ "complete", "PATH", "o", 1, 1, false, "no more writes; stays readable", {} },
	{ "decommission", "PATH", "o", 1, 1, false, "never allocate it again", {} },
	{ "free",
	  "PATH...",
	  "o",
	  1,
	  RSMFS_VERB_OPERANDS,
	  false,
	  "writes a free label and moves to Free: destroys what is on it; asks first",
	  { FLAG("yes", "do not ask") } },
	{ "inventory",
	  "[LIBRARY]",
	  "n",
	  0,
	  1,
	  false,
	  "finds out which cartridges are where",
	  { FLAG("fast", "by their barcodes (as without)"),
	    FLAG("full", "mount and identify each") } },
	{ "inject",
	  "",
	  "",
	  0,
	  0,
	  false,
	  "takes in cartridges from the ports",
	  { NUMBER("timeout", "S", "wait so many seconds for one to appear") } },
	{ "eject",
	  "PATH...",
	  "o",
	  0,
	  RSMFS_VERB_OPERANDS,
	  false,
	  "puts cartridges into ports, in loads where they are more",
	  { FLAG("force", "also with open files"),
	    FLAG("cancel", "those that wait stay, what lies in a port is taken in again") } },
	{ "door",
	  "lock|unlock [LIBRARY]",
	  "n",
	  1,
	  2,
	  false,
	  "locks the doors of a library, or has them opened",
	  { TEXT("inventory", "fast|full|none", "what follows when it is closed again (fast)") } },
	{ "enable",
	  "MEDIUM | drive N | library [LIBRARY]",
	  "on",
	  1,
	  2,
	  false,
	  "takes it into use",
	  {} },
	{ "disable",
	  "MEDIUM | drive N | library [LIBRARY]",
	  "on",
	  1,
	  2,
	  false,
	  "takes it out of use",
	  {} },
	{ "find",
	  "PATTERN [POOL]",
	  "no",
	  1,
	  2,
	  false,
	  "searches the names on all cartridges, online or not",
	  {} },
	{ "sync",
	  "[PATH]",
	  "o",
	  0,
	  1,
	  false,
	  "waits until all is on the medium and indexed there",
	  {} },
	{ "verify",
	  "PATH...",
	  "o",
	  1,
	  RSMFS_VERB_OPERANDS,
	  false,
	  "rereads files, folders or cartridges and compares with their checksums",
	  { { "update", RSMFS_OPTION_FLAG, NULL,
	      "store checksums where they are missing or stale" } } },
	{ "check",
	  "PATH",
	  "o",
	  1,
	  1,
	  false,
	  "looks for damage of a volume, and repairs it; its older generations",
	  { FLAG("deep", "reads all of the data partition, not only its end"),
	    FLAG("repair", "does what no mount would do without asking; asks first"),
	    FLAG("list", "shows the generations that are on the medium"),
	    { "rollback", RSMFS_OPTION_COUNT, "GENERATION",
	      "makes this generation the newest one; asks first" },
	    { "view", RSMFS_OPTION_COUNT, "GENERATION",
	      "shows this generation, read-only, in .rsm/views" },
	    { "unview", RSMFS_OPTION_COUNT, "GENERATION", "ends that" },
	    FLAG("yes", "do not ask") } },
	{ "wait",
	  "LIBRARY",
	  "n",
	  1,
	  1,
	  true,
	  "waits until the rsmfs that served it has ended",
	  {} },
	{ "log", "PATH", "o", 1, 1, false, "what happened to this cartridge", {} },
	{ "events",
	  "",
	  "",
	  0,
	  0,
	  false,
	  "notifications, one a line",
	  { FLAG("follow", "those to come, as they come") } },
	{ "requests", "[satisfy N | refuse N]", "n", 0, 2, false, "what only a person can do", {} },
	{ "queue", "", "", 0, 0, false, "work items that wait or run", {} },
	{ "export", "FILE", "n", 1, 1, false, "a copy of the catalogue, for backup", {} },
	{ "library",
	  "create DIR",
	  "n",
	  2,
	  2,
	  true,
	  "makes a virtual library",
	  { TEXT("type", "TYPE", "LTO-5 to LTO-9 (LTO-8), or disk"),
	    NUMBER("drives", "N", "(2)"),
	    NUMBER("slots", "N", "(24, or as many as needed)"),
	    NUMBER("ports", "N", "(4)"),
	    NUMBER("cartridges", "N", "(16)"),
	    { "capacity", RSMFS_OPTION_SIZE, "SIZE", "of each (the type's own: 12T for LTO-8)" },
	    FLAG("blank", "without free labels") } },
	{ "help", "[VERB]", "n", 0, 1, true, "this, or more about a verb", {} },
	{ .name = NULL },
};

/* Verbs of the contract that this version does not have. */
static const char *const later[] = { "undelete", "clean", "import", "fork", "erase", NULL };

const struct rsmfs_verb *rsmfs_verb_find(const char *name)
{
	for (const struct rsmfs_verb *verb = rsmfs_verbs; verb->name; verb++)
		if (!strcmp(verb->name, name))
			return verb;
	return NULL;
}

int rsmfs_parse_size(const char *text, uint64_t *ret_bytes)
{
	static const char units[] = "KMGTP";
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	uint64_t factor = 1;

	if (errno)
		return -ERANGE;
	if (*end) {
		const char *unit = strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end);

		if (!unit)
			return -EINVAL;
		end++;
		bool binary = *end == 'i';

		if (binary)
			end++;
		if (*end == 'B')
			end++;
		for (const char *p = units; p <= unit; p++)
			factor *= binary ? 1024 : 1000;
	}
	if (*end)
		return -EINVAL;
	if (__builtin_mul_overflow((uint64_t)value, factor, ret_bytes))
		return -ERANGE;
	return 0;
}

static int parse_integer(const char *text, int64_t *ret_value)
{
	char *end;

	if (*text != '-' && (*text < '0' || *text > '9'))
		return -EINVAL;
	errno = 0;
	long long value = strtoll(text, &end, 10);

	if (errno || *end || end == text)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

static int check_value(const struct rsmfs_verb *verb, const struct rsmfs_option *option,
		       const char *value, struct rsm_err *err)
{
	uint64_t bytes;
	int64_t number = 0;
	int r = 0;

	switch (option->kind) {
	case RSMFS_OPTION_FLAG: break;
	case RSMFS_OPTION_TEXT: r = *value ? 0 : -EINVAL; break;
	case RSMFS_OPTION_SECONDS_OR_FLAG:
		if (!*value)
			break;
		__attribute__((fallthrough));
	case RSMFS_OPTION_NUMBER:
	case RSMFS_OPTION_INTEGER:
		r = parse_integer(value, &number);
		if (!r && number < (option->kind == RSMFS_OPTION_INTEGER ? -INT32_MAX : 0))
			r = -ERANGE;
		if (!r && number > INT32_MAX / 1000)
			r = -ERANGE;
		break;
	case RSMFS_OPTION_COUNT:
		r = value[strspn(value, "0123456789")] ? -EINVAL : rsmfs_parse_size(value, &bytes);
		break;
	case RSMFS_OPTION_SIZE: r = rsmfs_parse_size(value, &bytes); break;
	}
	if (r < 0)
		return rsm_err_set(err, EINVAL, "%s: --%s: '%s' is not a value for it", verb->name,
				   option->name, value);
	return 0;
}

/* One argument that begins with "--". *at is moved on when the value is the next argument. */
static int take_option(struct rsmfs_verb_call *call, int argc, char *const *argv, int *at,
		       struct rsm_err *err)
{
	const char *name = argv[*at] + 2;
	size_t length = strcspn(name, "=");
	const char *value = name[length] ? name + length + 1 : NULL;

	for (size_t i = 0; i < RSMFS_VERB_OPTIONS; i++) {
		const struct rsmfs_option *option = &call->verb->options[i];

		if (!option->name || strlen(option->name) != length ||
		    strncmp(option->name, name, length) != 0)
			continue;
		bool flag = option->kind == RSMFS_OPTION_FLAG;

		if (flag && value)
			return rsm_err_set(err, EINVAL, "%s: --%s takes no value", call->verb->name,
					   option->name);
		if (!value && !flag && option->kind != RSMFS_OPTION_SECONDS_OR_FLAG) {
			if (*at + 1 >= argc)
				return rsm_err_set(err, EINVAL, "%s: --%s needs a value",
						   call->verb->name, option->name);
			value = argv[++*at];
		}
		call->values[i] = value ? value : "";
		return check_value(call->verb, option, call->values[i], err);
	}
	return rsm_err_set(err, EINVAL, "%s: there is no option --%.*s", call->verb->name,
			   (int)length, name);
}

static int find_verb(const char *name, const struct rsmfs_verb **ret_verb, struct rsm_err *err)
{
	*ret_verb = rsmfs_verb_find(name);
	if (*ret_verb)
		return 0;
	for (size_t i = 0; later[i]; i++)
		if (!strcmp(later[i], name))
			return rsm_err_set(err, EOPNOTSUPP, "%s is not available in this version",
					   name);
	return rsm_err_set(err, ENOSYS, "there is no verb '%s'", name);
}

static int take_arguments(struct rsmfs_verb_call *call, int argc, char *const *argv,
			  struct rsm_err *err)
{
	bool only_operands = false;

	for (int i = 1; i < argc; i++) {
		const char *argument = argv[i];
		int r;

		if (only_operands || argument[0] != '-' || !argument[1]) {
			call->operands[call->operand_count++] = argument;
			continue;
		}
		if (!strcmp(argument, "--")) {
			only_operands = true;
			continue;
		}
		if (argument[1] != '-')
			return rsm_err_set(err, EINVAL, "%s: there is no option %s",
					   call->verb->name, argument);
		r = take_option(call, argc, argv, &i, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int rsmfs_verb_parse(int argc, char *const *argv, struct rsmfs_verb_call *ret_call,
		     struct rsm_err *err)
{
	struct rsmfs_verb_call call = { 0 };
	int r;

	if (argc < 1)
		return rsm_err_set(err, EINVAL, "a verb is needed");
	r = find_verb(argv[0], &call.verb, err);
	if (r < 0)
		return r;
	call.operands = calloc((size_t)argc, sizeof(*call.operands));
	if (!call.operands)
		return rsm_err_oom(err);
	r = take_arguments(&call, argc, argv, err);
	if (!r && call.operand_count < call.verb->least)
		r = rsm_err_set(err, EINVAL, "%s: an operand is missing: %s", call.verb->name,
				call.verb->operands);
	if (!r && call.operand_count > call.verb->most)
		r = rsm_err_set(err, EINVAL, "%s: '%s' is one operand too many", call.verb->name,
				call.operands[call.verb->most]);
	for (size_t i = 0; !r && i < call.operand_count; i++)
		if (!*call.operands[i])
			r = rsm_err_set(err, EINVAL, "%s: an operand is empty", call.verb->name);
	if (r < 0) {
		rsmfs_verb_call_fini(&call);
		return r;
	}
	*ret_call = call;
	return 0;
}

void rsmfs_verb_call_fini(struct rsmfs_verb_call *call)
{
	free(call->operands);
	memset(call, 0, sizeof(*call));
}

const char *rsmfs_verb_text(const struct rsmfs_verb_call *call, const char *option)
{
	for (size_t i = 0; i < RSMFS_VERB_OPTIONS && call->verb->options[i].name; i++)
		if (!strcmp(call->verb->options[i].name, option))
			return call->values[i];
	assert(!"an option of the verb");
	return NULL;
}

bool rsmfs_verb_flag(const struct rsmfs_verb_call *call, const char *option)
{
	return rsmfs_verb_text(call, option) != NULL;
}

int64_t rsmfs_verb_number(const struct rsmfs_verb_call *call, const char *option, int64_t otherwise)
{
	const char *text = rsmfs_verb_text(call, option);
	int64_t value;

	return text && !parse_integer(text, &value) ? value : otherwise;
}

uint64_t rsmfs_verb_size(const struct rsmfs_verb_call *call, const char *option, uint64_t otherwise)
{
	const char *text = rsmfs_verb_text(call, option);
	uint64_t value;

	return text && !rsmfs_parse_size(text, &value) ? value : otherwise;
}

void rsmfs_verb_write(const struct rsmfs_verb_call *call, const char *const *operands,
		      struct rsm_text *request)
{
	rsm_text_append(request, call->verb->name, strlen(call->verb->name) + 1);
	for (size_t i = 0; i < RSMFS_VERB_OPTIONS; i++) {
		if (!call->values[i])
			continue;
		rsm_text_printf(request, "--%s%s%s", call->verb->options[i].name,
				*call->values[i] ? "=" : "", call->values[i]);
		rsm_text_append(request, "", 1);
	}
	rsm_text_append(request, "--", 3);
	for (size_t i = 0; i < call->operand_count; i++)
		rsm_text_append(request, operands[i], strlen(operands[i]) + 1);
	rsm_text_append(request, "", 1);
}

void rsmfs_verb_usage(const struct rsmfs_verb *verb, struct rsm_text *text)
{
	rsm_text_printf(text, "usage: rsm %s", verb->name);
	if (*verb->operands)
		rsm_text_printf(text, " %s", verb->operands);
	for (size_t i = 0; i < RSMFS_VERB_OPTIONS && verb->options[i].name; i++) {
		const struct rsmfs_option *option = &verb->options[i];

		if (!option->help)
			continue;
		rsm_text_printf(text, " [--%s", option->name);
		if (option->kind == RSMFS_OPTION_SECONDS_OR_FLAG)
			rsm_text_printf(text, "[=%s]", option->value);
		else if (option->value)
			rsm_text_printf(text, " %s", option->value);
		rsm_text_add(text, "]");
	}
}
