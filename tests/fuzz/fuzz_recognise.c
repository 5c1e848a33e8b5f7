/* Who labelled a medium: whatever is in its first records, what people are shown is clean text, and
 * only a record of 80 bytes or more that says so is an LTFS volume or free.
 */
#include <string.h>
#include <utf8proc.h>

#include "core/recognise/recognise.h"
#include "tests/fuzz/fuzz.h"

enum { LABEL = 80 };

static void check_text(const char *text, size_t room)
{
	const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
	size_t left = strnlen(text, room);

	FUZZ_PROMISE(left < room, "not terminated");
	while (left) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n = utf8proc_iterate(at, (utf8proc_ssize_t)left, &c);

		FUZZ_PROMISE(n > 0, "not UTF-8: %s", text);
		FUZZ_PROMISE(c >= 0x20 && (c < 0x7f || c >= 0xa0), "a control character: %x",
			     (unsigned)c);
		at += n;
		left -= (size_t)n;
	}
}

static void check(const struct rsm_first_record *records, size_t count)
{
	struct rsm_recognised found, again;

	memset(&found, 0xaa, sizeof found);
	memset(&again, 0x55, sizeof again);
	rsm_recognise(records, count, &found);
	rsm_recognise(records, count, &again);
	check_text(found.type, sizeof found.type);
	check_text(found.info, sizeof found.info);
	FUZZ_PROMISE(found.type[0], "no type");
	FUZZ_PROMISE(strcmp(found.type, again.type) == 0 && strcmp(found.info, again.info) == 0 &&
			     found.kind == again.kind,
		     "%s and %s", found.type, again.type);
	FUZZ_PROMISE(found.kind == RSM_RECOGNISED_FOREIGN || (count && records[0].length >= LABEL),
		     "%s by a short record", found.type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rsm_first_record records[RSM_FIRST_RECORDS] = { { data, size } };
	size_t count = 1;

	check(records, 0);
	check(records, 1);
	if (!rsm_recognise_wants_more(data, size))
		return 0;
	/* labels, one behind the other */
	records[0].length = LABEL;
	for (size_t at = LABEL; at < size && count < RSM_FIRST_RECORDS; at += LABEL)
		records[count++] =
			(struct rsm_first_record){ data + at,
						   size - at < LABEL ? size - at : LABEL };
	check(records, count);
	return 0;
}
