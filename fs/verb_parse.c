/* How a call of a verb is parsed, and written as a request; the table of verbs is in verb.c. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/event_line.h"
#include "fs/verb.h"

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

/* Is `word` one of those that `separators` part in `list`? */
static bool is_one_of(const char *list, const char *separators, const char *word)
{
	size_t wanted = strlen(word);

	while (*list) {
		size_t length = strcspn(list, separators);

		if (length == wanted && !memcmp(list, word, length))
			return true;
		list += length + (list[length] != '\0');
	}
	return false;
}

static int check_choice(const struct rsmfs_verb *verb, const struct rsmfs_option *option,
			const char *value, struct rsm_err *err)
{
	if (is_one_of(option->value, "|", value))
		return 0;
	return rsm_err_set(err, EINVAL, "%s: --%s is one of %s, not '%s'", verb->name, option->name,
			   option->value, value);
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
	case RSMFS_OPTION_CHOICE: return check_choice(verb, option, value, err);
	case RSMFS_OPTION_SECONDS_OR_FLAG:
		if (!*value)
			break;
		__attribute__((fallthrough));
	case RSMFS_OPTION_NUMBER:
		r = parse_integer(value, &number);
		if (!r && (number < 0 || number > INT32_MAX / 1000))
			r = -ERANGE;
		break;
	case RSMFS_OPTION_PRIORITY:
		r = parse_integer(value, &number);
		if (r < 0 || number < -15 || number > 15)
			return rsm_err_set(err, EINVAL, "%s: --%s is a number from -15 to 15",
					   verb->name, option->name);
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

/* Of the options of a group one may be given. */
static int check_group(const struct rsmfs_verb_call *call, const char *group, struct rsm_err *err)
{
	const char *given = NULL;

	for (size_t i = 0; i < RSMFS_VERB_OPTIONS && call->verb->options[i].name; i++) {
		const char *name = call->verb->options[i].name;

		if (!call->values[i] || !is_one_of(group, " ", name))
			continue;
		if (given)
			return rsm_err_set(err, EINVAL, "%s: --%s or --%s, not both",
					   call->verb->name, given, name);
		given = name;
	}
	return 0;
}

static int check_rules(const struct rsmfs_verb_call *call, struct rsm_err *err)
{
	bool is_enough = call->operand_count >= call->verb->least;
	int r = 0;

	for (const struct rsmfs_verb_rule *rule = rsmfs_verb_rules; r == 0 && rule->verb; rule++) {
		if (strcmp(rule->verb, call->verb->name) != 0)
			continue;
		if (rule->instead && rsmfs_verb_flag(call, rule->instead))
			is_enough = true;
		r = check_group(call, rule->apart, err);
	}
	if (r == 0 && !is_enough)
		r = rsm_err_set(err, EINVAL, "%s: an operand is missing: %s", call->verb->name,
				call->verb->operands);
	return r;
}

/* What follows the word that a verb begins with. */
static int check_word(const struct rsmfs_verb_call *call, const struct rsmfs_verb_word *word,
		      struct rsm_err *err)
{
	size_t count = call->operand_count - 1;

	if (count < word->least)
		return rsm_err_set(err, EINVAL, "%s %s: %s is missing", word->verb, word->word,
				   word->what);
	if (count > word->most)
		return rsm_err_set(err, EINVAL, "%s %s: '%s' is one operand too many", word->verb,
				   word->word, call->operands[word->most + 1]);
	for (size_t i = 1; word->numbers && i <= count; i++) {
		int64_t number;

		if (parse_integer(call->operands[i], &number) < 0 || number < 1)
			return rsm_err_set(err, EINVAL, "%s %s: '%s' is not %s", word->verb,
					   word->word, call->operands[i], word->what);
	}
	return 0;
}

static int check_words(const struct rsmfs_verb_call *call, struct rsm_err *err)
{
	RSM_TEXT struct rsm_text known = { 0 };

	if (!call->operand_count)
		return 0;
	for (const struct rsmfs_verb_word *word = rsmfs_verb_words; word->verb; word++) {
		if (strcmp(word->verb, call->verb->name) != 0)
			continue;
		if (!strcmp(word->word, call->operands[0]))
			return check_word(call, word, err);
		rsm_text_printf(&known, "%s%s", known.length ? ", " : "", word->word);
	}
	if (!known.length)
		return 0;
	return rsm_err_set(err, EINVAL, "%s: '%s' is none of %s", call->verb->name,
			   call->operands[0], known.failed ? "its words" : known.data);
}

static int check_events(const struct rsmfs_verb_call *call, struct rsm_err *err)
{
	if (strcmp(call->verb->name, "events") != 0)
		return 0;
	for (size_t i = 0; i < call->operand_count; i++)
		if (!rsmfs_event_is_known(call->operands[i]))
			return rsm_err_set(err, EINVAL, "events: there is no event '%s'",
					   call->operands[i]);
	return 0;
}

static int check_count(const struct rsmfs_verb_call *call, struct rsm_err *err)
{
	const struct rsmfs_verb *verb = call->verb;

	if (call->operand_count > verb->most)
		return rsm_err_set(err, EINVAL, "%s: '%s' is one operand too many", verb->name,
				   call->operands[verb->most]);
	for (size_t i = 0; i < call->operand_count; i++)
		if (!*call->operands[i])
			return rsm_err_set(err, EINVAL, "%s: an operand is empty", verb->name);
	return 0;
}

int rsmfs_verb_parse(int argc, char *const *argv, struct rsmfs_verb_call *ret_call,
		     struct rsm_err *err)
{
	struct rsmfs_verb_call call = { 0 };
	int r;

	if (argc < 1)
		return rsm_err_set(err, EINVAL, "a verb is needed");
	call.verb = rsmfs_verb_find(argv[0]);
	if (!call.verb)
		return rsm_err_set(err, ENOSYS, "there is no verb '%s'", argv[0]);
	call.operands = calloc((size_t)argc, sizeof(*call.operands));
	if (!call.operands)
		return rsm_err_oom(err);
	r = take_arguments(&call, argc, argv, err);
	if (!r)
		r = check_count(&call, err);
	if (!r)
		r = check_rules(&call, err);
	if (!r)
		r = check_words(&call, err);
	if (!r)
		r = check_events(&call, err);
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

bool rsmfs_verb_names(const struct rsmfs_verb_call *call, const char *verb, const char *word)
{
	if (strcmp(call->verb->name, verb) != 0 || !call->operand_count)
		return true;
	for (size_t i = 0; i < call->operand_count; i++)
		if (!strcmp(call->operands[i], word))
			return true;
	return false;
}

char rsmfs_verb_kind(const struct rsmfs_verb_call *call, size_t i)
{
	const char *kinds = call->verb->kinds;
	size_t last = strlen(kinds);

	if (!strcmp(call->verb->name, "view")) {
		const struct rsmfs_view_word *word = rsmfs_view_find(call->operands[0]);

		/* "rsm view Backup" is short for "rsm view media Backup" */
		if (i == 0)
			return word ? 'n' : 'o';
		return word && word->container == 'o' ? 'o' : 'n';
	}
	if (!last)
		return 'n';
	return kinds[i < last ? i : last - 1];
}

/* Of the whole process, without touching it: other threads may be making files. */
static int current_umask(unsigned *ret_mask, struct rsm_err *err)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[128];
	int found = 0;

	if (!status)
		return rsm_err_errno(err, "/proc/self/status");
	while (!found && fgets(line, sizeof(line), status))
		found = sscanf(line, "Umask: %o", ret_mask) == 1;
	fclose(status);
	return found ? 0 : rsm_err_set(err, EIO, "/proc/self/status: has no umask");
}

int rsmfs_verb_set_umask(struct rsmfs_verb_call *call, char text[16], struct rsm_err *err)
{
	for (size_t i = 0; i < RSMFS_VERB_OPTIONS && call->verb->options[i].name; i++) {
		unsigned mask = 0;
		int r;

		if (strcmp(call->verb->options[i].name, "umask") != 0)
			continue;
		r = current_umask(&mask, err);
		if (r < 0)
			return r;
		snprintf(text, 16, "%u", mask & 0777);
		call->values[i] = text;
	}
	return 0;
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
