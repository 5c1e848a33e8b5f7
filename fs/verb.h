/* verb.h - the verbs of `rsm`: their operands, options and help, and how a call is parsed.
 *
 * One table for the tool (usage, help, exit code 2) and the daemon, which parses again what it is
 * sent, for it believes nobody.
 */
#ifndef RSMFS_VERB_H
#define RSMFS_VERB_H

#include <stdbool.h>

#include "base/text.h"

enum rsmfs_option_kind {
	RSMFS_OPTION_FLAG = 1,
	RSMFS_OPTION_TEXT,
	RSMFS_OPTION_CHOICE, /* one of `value`: "media|pools" */
	RSMFS_OPTION_NUMBER,
	RSMFS_OPTION_PRIORITY, /* -15 to 15 */
	RSMFS_OPTION_SIZE,
	RSMFS_OPTION_COUNT,	      /* 64 bits, ask for it with rsmfs_verb_size() */
	RSMFS_OPTION_SECONDS_OR_FLAG, /* --wait or --wait=S */
};

struct rsmfs_option {
	const char *name;
	enum rsmfs_option_kind kind;
	const char *value; /* as help shows it: "BARCODE" */
	const char *help;  /* NULL: not shown, the tool's own */
};

enum { RSMFS_VERB_OPTIONS = 12 };

struct rsmfs_verb {
	const char *name;
	const char *operands; /* as usage shows them */
	/* A letter for each operand, the last one for all that follow: o object (path, barcode), c
	 * path that is to be made, n taken as it is, f a
	 * file, whose whole path is sent.
	 */
	const char *kinds;
	unsigned least, most;
	bool local; /* the tool does it by itself */
	const char *help;
	struct rsmfs_option options[RSMFS_VERB_OPTIONS];
};

/* In the order of the help; name NULL ends it. */
extern const struct rsmfs_verb rsmfs_verbs[];

const struct rsmfs_verb *rsmfs_verb_find(const char *name); /* NULL: none */

/* Options of a verb of which one may be given at a time, and one that stands for all operands. */
struct rsmfs_verb_rule {
	const char *verb, *apart, *instead;
};
extern const struct rsmfs_verb_rule rsmfs_verb_rules[]; /* verb NULL ends it */

/* What the first operand of some verbs has to be, and how many follow it then. */
struct rsmfs_verb_word {
	const char *verb, *word;
	unsigned least, most;
	const char *what; /* what is missing, when too few follow */
	bool numbers;	  /* those that follow are */
};
extern const struct rsmfs_verb_word rsmfs_verb_words[]; /* verb NULL ends it */

/* What `rsm view` can show, and what may restrict that: 'n' a library, 'o' a pool or cartridge, 0
 * nothing.
 */
struct rsmfs_view_word {
	const char *name;
	char container;
};
extern const struct rsmfs_view_word rsmfs_view_words[];
const struct rsmfs_view_word *rsmfs_view_find(const char *name); /* NULL: none */

enum { RSMFS_VERB_OPERANDS = 4096 };

struct rsmfs_verb_call {
	const struct rsmfs_verb *verb;
	const char **operands; /* pointers into argv */
	size_t operand_count;
	const char *values[RSMFS_VERB_OPTIONS]; /* NULL: not given; "" for a flag */
};

/* argv[0] is the verb; the strings are borrowed. -EINVAL: wrong usage; -ENOSYS: no such verb.
 */
RSM_MUST_CHECK int rsmfs_verb_parse(int argc, char *const *argv, struct rsmfs_verb_call *ret_call,
				    struct rsm_err *err);
void rsmfs_verb_call_fini(struct rsmfs_verb_call *call);

/* NULL when not given, "" for a flag. The option must be one of the verb's. */
const char *rsmfs_verb_text(const struct rsmfs_verb_call *call, const char *option);
bool rsmfs_verb_flag(const struct rsmfs_verb_call *call, const char *option);
/* The values were checked by _parse. */
int64_t rsmfs_verb_number(const struct rsmfs_verb_call *call, const char *option,
			  int64_t otherwise);
uint64_t rsmfs_verb_size(const struct rsmfs_verb_call *call, const char *option,
			 uint64_t otherwise);

/* Of a call of `verb`: is the word one of its operands, or has it none? Of others: yes. */
bool rsmfs_verb_names(const struct rsmfs_verb_call *call, const char *verb, const char *word);

/* The kind of operand i of a call: o, c or n. */
char rsmfs_verb_kind(const struct rsmfs_verb_call *call, size_t i);
/* The tool's own option: of verbs that make something, the umask of this process. `text` lives as
 * long as the call. */
RSM_MUST_CHECK int rsmfs_verb_set_umask(struct rsmfs_verb_call *call, char text[16],
					struct rsm_err *err);

/* The call as a request, with `operands` (as many as the call has) in place of its own. */
void rsmfs_verb_write(const struct rsmfs_verb_call *call, const char *const *operands,
		      struct rsm_text *request);

/* "12T", "800G", "4096": decimal powers (K, M, G, T, P), as cartridges are sold; KiB ... binary. */
RSM_MUST_CHECK int rsmfs_parse_size(const char *text, uint64_t *ret_bytes);

/* "usage: rsm mount PATH... [--read] ..." without the line's end. */
void rsmfs_verb_usage(const struct rsmfs_verb *verb, struct rsm_text *text);

#endif
