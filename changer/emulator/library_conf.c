#include "changer/emulator/library_conf.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { FILE_LIMIT = 256 * 1024, FAULT_LIMIT = 256 };

struct parser {
	struct rsm_library_conf *conf;
	const char *path;
	unsigned line;
	struct rsm_err *err;
};

static int expected(struct parser *p, const char *key, const char *value, const char *what)
{
	return rsm_err_set(p->err, EBADMSG, "%s:%u: %s = %.60s: expected %s", p->path, p->line, key,
			   value, what);
}

static int parse_drive_type(struct parser *p, const char *key, char *value)
{
	p->conf->drive_type = rsm_lto_by_name(value);
	if (!p->conf->drive_type)
		return expected(p, key, value, "LTO-5, LTO-6, LTO-7, LTO-8 or LTO-9");
	return 0;
}

/* ---- a drive of another type ---- */

const struct rsm_lto *rsm_library_conf_drive_type(const struct rsm_library_conf *conf,
						  uint16_t element)
{
	for (size_t i = 0; i < conf->drive_count; i++)
		if (conf->drives[i].element == element)
			return conf->drives[i].type;
	return conf->drive_type;
}

int rsm_library_conf_set_drive_type(struct rsm_library_conf *conf, uint16_t element,
				    const struct rsm_lto *type, struct rsm_err *err)
{
	struct rsm_conf_drive *grown =
		reallocarray(conf->drives, conf->drive_count + 1, sizeof *grown);

	if (!grown)
		return rsm_err_oom(err);
	conf->drives = grown;
	grown[conf->drive_count++] = (struct rsm_conf_drive){ element, type };
	return 0;
}

static bool parse_bytes(const char *value, uint64_t *ret_bytes)
{
	static const char units[] = "KMGTP";
	uint64_t factor = 1;
	double number;
	char *end;

	if (!isdigit((unsigned char)*value))
		return false;
	number = strtod(value, &end);
	while (*end == ' ')
		end++;
	if (*end) {
		const char *unit = strchr(units, toupper((unsigned char)*end));

		if (!unit)
			return false;
		for (const char *u = units; u <= unit; u++)
			factor *= 1000;
		end++;
		if (*end == 'i') { /* KiB, MiB ... */
			factor = 1;
			for (const char *u = units; u <= unit; u++)
				factor *= 1024;
			end++;
		}
		if (*end == 'B')
			end++;
	}
	number *= (double)factor;
	if (*end || !isfinite(number) || number < 0 || number > 1e18)
		return false;
	*ret_bytes = (uint64_t)number;
	return true;
}

static int parse_capacity(struct parser *p, const char *key, char *value)
{
	if (!parse_bytes(value, &p->conf->capacity_bytes) ||
	    p->conf->capacity_bytes < (uint64_t)1 << 20)
		return expected(p, key, value,
				"bytes of a cartridge, at least 1048576, or like 12T, 500M");
	return 0;
}

static int parse_early_warning(struct parser *p, const char *key, char *value)
{
	if (!parse_bytes(value, &p->conf->early_warning_bytes))
		return expected(p, key, value, "bytes, or like 5G, 100M");
	p->conf->has_early_warning = true;
	return 0;
}

static int parse_timing(struct parser *p, const char *key, char *value)
{
	if (strcmp(value, "real") != 0 && strcmp(value, "none") != 0)
		return expected(p, key, value, "none or real");
	p->conf->real_timing = strcmp(value, "real") == 0;
	return 0;
}

static int parse_number(struct parser *p, const char *key, char *value)
{
	struct rsm_library_conf *conf = p->conf;
	bool is_rate = strstr(key, "_mb_s") != NULL;
	double *target = strcmp(key, "robot_s") == 0	   ? &conf->robot_s
			 : strcmp(key, "load_s") == 0	   ? &conf->load_s
			 : strcmp(key, "unload_s") == 0	   ? &conf->unload_s
			 : strcmp(key, "locate_mb_s") == 0 ? &conf->locate_mb_s
							   : &conf->rate_mb_s;
	double number;
	char *end;

	number = strtod(value, &end);
	if (!isdigit((unsigned char)*value) || *end || !isfinite(number) ||
	    number > (is_rate ? 1e9 : 86400) || (is_rate && number < 0.001))
		return expected(p, key, value, is_rate ? "megabytes a second" : "seconds");
	*target = number;
	return 0;
}

static int parse_changer(struct parser *p, const char *key, char *value)
{
	if (strcmp(value, "none") != 0 && strcmp(value, "robot") != 0)
		return expected(p, key, value, "robot or none");
	p->conf->by_hand = strcmp(value, "none") == 0;
	return 0;
}

static int parse_switch(struct parser *p, const char *key, char *value)
{
	bool *target = strcmp(key, "sync") == 0 ? &p->conf->sync : &p->conf->has_barcodes;

	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return expected(p, key, value, "on or off");
	*target = strcmp(value, "on") == 0;
	return 0;
}

static bool parse_unsigned(const char *value, int base, unsigned long limit, unsigned *ret_number)
{
	unsigned long number;
	char *end;

	if (!isxdigit((unsigned char)*value))
		return false;
	errno = 0;
	number = strtoul(value, &end, base);
	if (*end || errno || number > limit)
		return false;
	*ret_number = (unsigned)number;
	return true;
}

static int parse_count(struct parser *p, const char *key, char *value)
{
	unsigned *target =
		strcmp(key, "cleanings") == 0 ? &p->conf->cleanings : &p->conf->clean_after;

	if (!parse_unsigned(value, 10, 1000000, target))
		return expected(p, key, value, "a number");
	return 0;
}

static int parse_sides(struct parser *p, const char *key, char *value)
{
	if (strcmp(value, "1") != 0 && strcmp(value, "2") != 0)
		return expected(p, key, value, "1 or 2");
	p->conf->sides = (unsigned)(*value - '0');
	return 0;
}

static int parse_transport(struct parser *p, const char *key, char *value)
{
	unsigned number;

	if (!parse_unsigned(value, 10, 0xFFFF, &number) || number == 0)
		return expected(p, key, value, "an element address, 1 to 65535");
	p->conf->transport = (uint16_t)number;
	return 0;
}

static int parse_serial(struct parser *p, const char *key, char *value)
{
	size_t length = strlen(value);

	if (length == 0 || length >= sizeof p->conf->serial ||
	    strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != length)
		return expected(p, key, value, "at most 16 capital letters, digits and '-'");
	memcpy(p->conf->serial, value, length + 1);
	return 0;
}

static const struct {
	const char *name;
	uint16_t opcode;
} commands[] = {
	{ "any", 0xFFFF },
	{ "test_unit_ready", 0x00 },
	{ "rewind", 0x01 },
	{ "request_sense", 0x03 },
	{ "format_medium", 0x04 },
	{ "read_block_limits", 0x05 },
	{ "initialize_element_status", 0x07 },
	{ "read", 0x08 },
	{ "write", 0x0A },
	{ "set_capacity", 0x0B },
	{ "write_filemarks", 0x10 },
	{ "space", 0x11 },
	{ "inquiry", 0x12 },
	{ "mode_select", 0x15 },
	{ "erase", 0x19 },
	{ "mode_sense", 0x1A },
	{ "load", 0x1B },
	{ "unload", 0x1B },
	{ "load_unload", 0x1B },
	{ "prevent_allow", 0x1E },
	{ "locate", 0x2B },
	{ "read_position", 0x34 },
	{ "report_density_support", 0x44 },
	{ "log_sense", 0x4D },
	{ "read_attribute", 0x8C },
	{ "write_attribute", 0x8D },
	{ "move_medium", 0xA5 },
	{ "read_element_status", 0xB8 },
};

uint16_t rsm_library_conf_opcode(uint16_t opcode)
{
	switch (opcode) {
	case 0x91: return 0x11;
	case 0x92: return 0x2B;
	case 0x55: return 0x15;
	case 0x5A: return 0x1A;
	default: return opcode;
	}
}

static bool parse_command(char *word, struct rsm_emulator_fault *fault)
{
	char *at = strchr(word, '@');
	unsigned number;

	if (at) {
		*at = '\0';
		if (!parse_unsigned(at + 1, 10, 0xFFFF, &number))
			return false;
		fault->element = (uint16_t)number;
	}
	if (strncmp(word, "0x", 2) == 0) {
		if (!parse_unsigned(word + 2, 16, 0xFF, &number))
			return false;
		fault->opcode = (uint16_t)number;
		return true;
	}
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (strcmp(commands[i].name, word) == 0) {
			fault->opcode = commands[i].opcode;
			return true;
		}
	}
	return false;
}

static bool parse_sense(char *word, struct rsm_emulator_fault *fault)
{
	uint8_t *fields[] = { &fault->key, &fault->asc, &fault->ascq };
	char *rest = word;

	for (size_t i = 0; i < 3; i++) {
		char *field = strsep(&rest, "/");
		unsigned number;

		if (!field || !parse_unsigned(field, 16, i == 0 ? 0x0F : 0xFF, &number))
			return false;
		*fields[i] = (uint8_t)number;
	}
	return rest == NULL;
}

static int parse_fail(struct parser *p, const char *key, char *value)
{
	static const char what[] = "COMMAND[@ELEMENT] COUNTDOWN [xREPEAT] [deferred] "
				   "KEY/ASC/ASCQ, like 'move_medium 3 x2 04/15/01'";
	struct rsm_emulator_fault fault = { .times = 1 }, *grown;
	char copy[128], *words[6], *rest = copy;
	unsigned countdown, n = 0;

	if (strlen(value) >= sizeof copy)
		return expected(p, key, value, what);
	strcpy(copy, value);
	while (n < 6 && rest) {
		char *word = strsep(&rest, " \t");

		if (*word)
			words[n++] = word;
	}
	if (n >= 4 && strcmp(words[n - 2], "deferred") == 0) {
		fault.deferred = true;
		words[n - 2] = words[n - 1];
		n--;
	}
	if (n < 3 || n > 4 || !parse_command(words[0], &fault) ||
	    !parse_unsigned(words[1], 10, 1000000000, &countdown) || countdown == 0 ||
	    (n == 4 &&
	     (words[2][0] != 'x' || !parse_unsigned(words[2] + 1, 10, 1000000000, &fault.times))) ||
	    !parse_sense(words[n - 1], &fault) ||
	    (fault.deferred && fault.opcode != 0x0A && fault.opcode != 0xA5))
		return expected(p, key, value, what);
	fault.skip = countdown - 1;
	if (p->conf->fault_count == FAULT_LIMIT)
		return expected(p, key, value, "at most 256 such lines");
	grown = reallocarray(p->conf->faults, p->conf->fault_count + 1, sizeof *grown);
	if (!grown)
		return rsm_err_oom(p->err);
	p->conf->faults = grown;
	grown[p->conf->fault_count++] = fault;
	return 0;
}

static const struct {
	const char *name;
	int (*parse)(struct parser *p, const char *key, char *value);
} keys[] = {
	{ "drive_type", parse_drive_type },
	{ "capacity", parse_capacity },
	{ "sides", parse_sides },
	{ "early_warning", parse_early_warning },
	{ "timing", parse_timing },
	{ "robot_s", parse_number },
	{ "load_s", parse_number },
	{ "unload_s", parse_number },
	{ "locate_mb_s", parse_number },
	{ "rate_mb_s", parse_number },
	{ "sync", parse_switch },
	{ "barcodes", parse_switch },
	{ "changer", parse_changer },
	{ "clean_after", parse_count },
	{ "cleanings", parse_count },
	{ "transport", parse_transport },
	{ "serial", parse_serial },
	{ "fail", parse_fail }, /* the one that may be there more than once */
};
enum { KEY_COUNT = sizeof keys / sizeof *keys };

/* drive_type@257 = LTO-9 */
static int parse_drive(struct parser *p, const char *key, char *value)
{
	const struct rsm_lto *type = rsm_lto_by_name(value);
	unsigned element;

	if (!parse_unsigned(strchr(key, '@') + 1, 10, 0xFFFF, &element) || element == 0)
		return rsm_err_set(p->err, EBADMSG,
				   "%s:%u: %.60s: expected drive_type@ELEMENT, 1 to 65535", p->path,
				   p->line, key);
	if (!type)
		return expected(p, key, value, "LTO-5, LTO-6, LTO-7, LTO-8 or LTO-9");
	for (size_t i = 0; i < p->conf->drive_count; i++)
		if (p->conf->drives[i].element == element)
			return rsm_err_set(p->err, EBADMSG, "%s:%u: %s is given twice", p->path,
					   p->line, key);
	return rsm_library_conf_set_drive_type(p->conf, (uint16_t)element, type, p->err);
}

static char *trim(char *text)
{
	char *end;

	while (isspace((unsigned char)*text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return text;
}

static int parse_line(struct parser *p, char *line, bool *seen)
{
	char *comment = strchr(line, '#'), *equals, *key, *value;

	if (comment)
		*comment = '\0';
	key = trim(line);
	if (!*key)
		return 0;
	for (const char *c = key; *c; c++)
		if (!isprint((unsigned char)*c) && *c != '\t')
			return rsm_err_set(p->err, EBADMSG,
					   "%s:%u: byte %02Xh: expected text, 'key = value'",
					   p->path, p->line, (unsigned char)*c);
	equals = strchr(key, '=');
	if (!equals)
		return rsm_err_set(p->err, EBADMSG, "%s:%u: %.60s: expected 'key = value'", p->path,
				   p->line, key);
	*equals = '\0';
	value = trim(equals + 1);
	key = trim(key);
	if (strncmp(key, "drive_type@", strlen("drive_type@")) == 0)
		return parse_drive(p, key, value);
	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (strcmp(keys[i].name, key) != 0)
			continue;
		if (seen[i] && keys[i].parse != parse_fail)
			return rsm_err_set(p->err, EBADMSG, "%s:%u: %s is given twice", p->path,
					   p->line, key);
		seen[i] = true;
		return keys[i].parse(p, key, value);
	}
	return rsm_err_set(
		p->err, EBADMSG,
		"%s:%u: unknown key %.60s: expected drive_type, drive_type@ELEMENT, capacity, "
		"sides, early_warning, timing, robot_s, load_s, unload_s, locate_mb_s, "
		"rate_mb_s, sync, barcodes, changer, clean_after, cleanings, transport, serial or "
		"fail",
		p->path, p->line, key);
}

int rsm_library_conf_load(struct rsm_library_conf *conf, const char *path, struct rsm_err *err)
{
	struct parser p = { .conf = conf, .path = path, .err = err };
	RSM_FREE char *data = NULL;
	bool seen[KEY_COUNT] = { false };
	char *rest, *line;
	size_t length;
	int r;

	r = rsm_file_load(path, FILE_LIMIT, &data, &length, err);
	if (r < 0)
		return r;
	if (strlen(data) < length) {
		p.line = 1;
		for (const char *c = data; *c; c++)
			p.line += *c == '\n';
		return rsm_err_set(err, EBADMSG, "%s:%u: byte 00h: expected text, 'key = value'",
				   path, p.line);
	}
	for (rest = data; (line = strsep(&rest, "\n"));) {
		p.line++;
		r = parse_line(&p, line, seen);
		if (r < 0)
			return r;
	}
	if (!conf->drive_type)
		return rsm_err_set(err, EBADMSG,
				   "%s:%u: the file ends without a drive_type: expected "
				   "'drive_type = LTO-8' or another of LTO-5 to LTO-9",
				   path, p.line);
	if (conf->sides == 2 && conf->by_hand)
		return rsm_err_set(err, EBADMSG,
				   "%s:%u: sides = 2: expected a robot, which turns cartridges "
				   "over, not changer = none",
				   path, p.line);
	return 0;
}

void rsm_library_conf_init(struct rsm_library_conf *conf)
{
	*conf = (struct rsm_library_conf){
		.sides = 1,
		.robot_s = 10,
		.load_s = 12,
		.unload_s = 17,
		.locate_mb_s = 20000,
		.rate_mb_s = 300,
		.sync = true,
		.has_barcodes = true,
		.cleanings = 50,
		.transport = 1,
	};
}

void rsm_library_conf_fini(struct rsm_library_conf *conf)
{
	free(conf->faults);
	free(conf->drives);
	conf->drives = NULL;
	conf->drive_count = 0;
	conf->faults = NULL;
	conf->fault_count = 0;
}

void rsm_library_conf_write(const struct rsm_library_conf *conf, struct rsm_text *text)
{
	rsm_text_printf(text,
			"# What this virtual library imitates. How many drives, slots and ports it "
			"has is told\n"
			"# by the folders drives/*, slots/* and ports/*.\n"
			"\n"
			"drive_type = %s\n",
			conf->drive_type->name);
	for (size_t i = 0; i < conf->drive_count; i++)
		rsm_text_printf(text, "drive_type@%u = %s\n", conf->drives[i].element,
				conf->drives[i].type->name);
	if (conf->capacity_bytes)
		rsm_text_printf(text, "capacity = %llu\n",
				(unsigned long long)conf->capacity_bytes);
	else
		rsm_text_add(text, "# capacity = 12T         bytes of a cartridge; native\n");
	if (conf->sides == 2)
		rsm_text_add(text, "sides = 2                # of a cartridge; the robot turns it "
				   "over\n");
	if (conf->has_early_warning)
		rsm_text_printf(text, "early_warning = %llu\n",
				(unsigned long long)conf->early_warning_bytes);
	else
		rsm_text_add(text,
			     "# early_warning = 5G     bytes before the end of a partition\n");
	if (conf->serial[0])
		rsm_text_printf(text, "serial = %s\n", conf->serial);
	if (conf->by_hand)
		rsm_text_add(text, "changer = none           # a person puts cartridges into the "
				   "drive\n");
	if (!conf->has_barcodes)
		rsm_text_add(text, "barcodes = off\n");
	if (conf->clean_after)
		rsm_text_printf(text, "clean_after = %u\n", conf->clean_after);
	if (conf->cleanings != 50)
		rsm_text_printf(text, "cleanings = %u\n", conf->cleanings);
	if (conf->transport != 1)
		rsm_text_printf(text, "transport = %u\n", conf->transport);
	rsm_text_printf(
		text,
		"timing = %s            # real: takes its time, as below\n"
		"robot_s = %g            # a move\n"
		"load_s = %g\n"
		"unload_s = %g\n"
		"locate_mb_s = %g\n"
		"rate_mb_s = %g\n"
		"sync = %s                # off: data may be lost when the host loses power\n",
		conf->real_timing ? "real" : "none", conf->robot_s, conf->load_s, conf->unload_s,
		conf->locate_mb_s, conf->rate_mb_s, conf->sync ? "on" : "off");
	rsm_text_add(text,
		     "# fail = move_medium 3 x2 04/15/01    the third and fourth move fail so\n");
	for (size_t i = 0; i < conf->fault_count; i++) {
		const struct rsm_emulator_fault *f = &conf->faults[i];
		const char *name = NULL;

		for (size_t c = 0; c < sizeof commands / sizeof *commands && !name; c++)
			if (commands[c].opcode == f->opcode)
				name = commands[c].name;
		if (name)
			rsm_text_printf(text, "fail = %s", name);
		else
			rsm_text_printf(text, "fail = 0x%02X", f->opcode);
		if (f->element)
			rsm_text_printf(text, "@%u", f->element);
		rsm_text_printf(text, " %u x%u %s%02X/%02X/%02X\n", f->skip + 1, f->times,
				f->deferred ? "deferred " : "", f->key, f->asc, f->ascq);
	}
}
