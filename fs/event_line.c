#include "fs/event_line.h"

#include <string.h>

size_t rsmfs_event_line_time(const char *line)
{
	return strcspn(line, " \n");
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* One character of a quoted value, behind its backslash. Returns how much of it was taken. */
static size_t unescape(const char *p, struct rsm_text *value)
{
	char c = *p;

	if (c == 'x' && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
		c = (char)(hex_digit(p[1]) << 4 | hex_digit(p[2]));
		rsm_text_append(value, &c, 1);
		return 3;
	}
	if (c == 'n')
		c = '\n';
	else if (c == 't')
		c = '\t';
	rsm_text_append(value, &c, 1);
	return 1;
}

static const char *take_value(const char *p, struct rsm_text *value)
{
	rsm_text_reset(value);
	rsm_text_add(value, "");
	if (*p != '"') {
		size_t length = strcspn(p, " \n");

		rsm_text_append(value, p, length);
		return p + length;
	}
	for (p++; *p && *p != '"' && *p != '\n';) {
		if (*p == '\\' && p[1]) {
			p++;
			p += unescape(p, value);
		} else {
			rsm_text_append(value, p++, 1);
		}
	}
	return *p == '"' ? p + 1 : p;
}

bool rsmfs_event_line_next(const char **at, char ret_key[RSMFS_EVENT_KEY_SIZE],
			   struct rsm_text *value)
{
	const char *p = *at;

	for (;;) {
		p += strspn(p, " ");
		size_t length = strcspn(p, "= \n");

		if (!*p || *p == '\n') {
			*at = p;
			return false;
		}
		if (p[length] != '=') {
			p += length;
			continue;
		}
		const char *key = p;

		p = take_value(p + length + 1, value);
		if (length >= RSMFS_EVENT_KEY_SIZE)
			continue;
		memcpy(ret_key, key, length);
		ret_key[length] = '\0';
		*at = p;
		return true;
	}
}

void rsmfs_event_line_field(const char *line, const char *key, struct rsm_text *value)
{
	char name[RSMFS_EVENT_KEY_SIZE];

	while (rsmfs_event_line_next(&line, name, value))
		if (!strcmp(name, key))
			return;
	rsm_text_reset(value);
	rsm_text_add(value, "");
}

bool rsmfs_event_is_known(const char *name)
{
	static const char *const names[] = {
		"allocate",	 "deallocate",	 "undelete",
		"rename",	 "pool",	 "swap",
		"complete",	 "decommission", "free",
		"erase",	 "forget",	 "format",
		"rollback",	 "verify",	 "damage",
		"repair",	 "conflict",	 "duplicate",
		"due",		 "move",	 "load",
		"unload",	 "turn",	 "identify",
		"wrong_label",	 "type",	 "arrive",
		"relocate",	 "depart",	 "inject",
		"eject",	 "clean",	 "cleaning-needed",
		"cleaner-spent", "door",	 "import",
		"copy",		 "copy-ahead",	 "copy-behind",
		"copy-read",	 "createpool",	 "renamepool",
		"setpool",	 "deletepool",	 "enable",
		"disable",	 "request",	 "error",
		"lost",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}
