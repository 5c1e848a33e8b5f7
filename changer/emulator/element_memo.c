#include "changer/emulator/element_memo.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "changer/emulator/folder_file.h"

enum {
	ADDRESSES = 0x10000,
	LIMIT = 64 << 20, /* of the file */
	TICK_S = 2,	  /* no file system's times are coarser */
};

static const char file_name[] = ".elements";

struct remembered {
	uint64_t inode;
	int64_t ctime_ns;
	const char *name; /* within text; NULL: nothing is known of the address */
};

struct rsm_element_memo {
	char *text;
	struct remembered by_address[ADDRESSES];
};

void rsm_element_memo_free(struct rsm_element_memo *memo)
{
	if (!memo)
		return;
	free(memo->text);
	free(memo);
}

static int64_t ctime_of(const struct stat *st)
{
	return (int64_t)st->st_ctim.tv_sec * RSM_SECOND_NS + st->st_ctim.tv_nsec;
}

static bool is_cartridge_name(const char *name)
{
	return name[0] != '.' && !strchr(name, '/') && strlen(name) <= NAME_MAX;
}

/* "ADDRESS INODE CTIME NAME", the end of the line cut off. */
static bool take_line(struct rsm_element_memo *memo, char *line)
{
	char *at = line;
	uint64_t address = strtoull(at, &at, 10), inode;
	int64_t ctime_ns;

	if (*at++ != ' ' || address == 0 || address >= ADDRESSES)
		return false;
	inode = strtoull(at, &at, 10);
	if (*at++ != ' ')
		return false;
	ctime_ns = strtoll(at, &at, 10);
	if (*at++ != ' ' || !is_cartridge_name(at))
		return false;
	memo->by_address[address] = (struct remembered){ inode, ctime_ns, at };
	return true;
}

static bool parse(struct rsm_element_memo *memo, uint64_t device)
{
	unsigned version = 0;
	uint64_t of = 0, told = 0, count = 0;
	char *line = memo->text, *end;

	end = strchr(line, '\n');
	if (!end || sscanf(line, "rsmfs elements %u %" SCNu64, &version, &of) != 2 ||
	    version != 1 || of != device)
		return false;
	for (line = end + 1; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (strncmp(line, "end ", 4) == 0) {
			told = strtoull(line + 4, NULL, 10);
			return told == count && end[1] == '\0';
		}
		if (!take_line(memo, line))
			return false;
		count++;
	}
	return false; /* cut off */
}

struct rsm_element_memo *rsm_element_memo_load(int library)
{
	RSM_CLEANUP(rsm_element_memo_free)
	struct rsm_element_memo *memo = calloc(1, sizeof *memo);
	void *data = NULL;
	size_t length;
	struct stat st;

	if (!memo || fstat(library, &st) < 0 ||
	    rsm_folder_file_load(library, file_name, LIMIT, &data, &length, NULL) != 0)
		return NULL;
	memo->text = realloc(data, length + 1);
	if (!memo->text) {
		free(data);
		return NULL;
	}
	memo->text[length] = '\0';
	return parse(memo, st.st_dev) ? RSM_STEAL(memo) : NULL;
}

const char *rsm_element_memo_find(const struct rsm_element_memo *memo, uint16_t address,
				  const struct stat *folder)
{
	const struct remembered *known = &memo->by_address[address];

	return known->name && known->inode == folder->st_ino && known->ctime_ns == ctime_of(folder)
		       ? known->name
		       : NULL;
}

bool rsm_element_memo_is_settled(const struct stat *folder, const struct timespec *seen)
{
	return ctime_of(folder) < ((int64_t)seen->tv_sec - TICK_S) * RSM_SECOND_NS;
}

void rsm_element_memo_begin(int library, struct rsm_text *text)
{
	struct stat st;

	if (fstat(library, &st) == 0)
		rsm_text_printf(text, "rsmfs elements 1 %" PRIu64 "\n", (uint64_t)st.st_dev);
}

void rsm_element_memo_add(struct rsm_text *text, uint16_t address, uint64_t inode, int64_t ctime_ns,
			  const char *name)
{
	rsm_text_printf(text, "%u %" PRIu64 " %" PRId64 " %s\n", address, inode, ctime_ns, name);
}

int rsm_element_memo_save(int library, struct rsm_text *text, size_t count, struct rsm_err *err)
{
	rsm_text_printf(text, "end %zu\n", count);
	if (text->failed)
		return rsm_err_oom(err);
	return rsm_folder_file_save(library, file_name, text->data, text->length, false, err);
}
