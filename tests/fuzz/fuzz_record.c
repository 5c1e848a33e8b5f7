/* Small things of the core that come from media or from files that may be damaged: names and
 * percent-encoding, base64, owners, and the packed lists in a volume index.
 */
#include <string.h>

#include "core/ltfs/name.h"
#include "core/ltfs/value.h"
#include "core/volume_index_private.h"
#include "tests/fuzz/fuzz.h"

static void check_name(const char *name)
{
	RSM_TEXT struct rsm_text encoded = { 0 };
	struct rsm_err err;
	char *nfc, *again;
	size_t length;

	if (rsm_name_nfc(name, &nfc, &err) == 0) {
		FUZZ_PROMISE(rsm_name_nfc(nfc, &again, &err) == 0, "%s", err.msg);
		FUZZ_PROMISE(strcmp(nfc, again) == 0, "%s", nfc);
		free(again);
		free(nfc);
	} else {
		FUZZ_PROMISE(rsm_name_check(name, &err) < 0, "%s", name);
	}
	if (strchr(name, '/') || rsm_name_check(name, &err) < 0)
		return;
	rsm_name_encode(name, &encoded);
	length = rsm_name_decode(encoded.data, encoded.length);
	FUZZ_PROMISE(length == strlen(name) && memcmp(encoded.data, name, length) == 0, "%s", name);
}

static void check_base64(const uint8_t *data, size_t size)
{
	RSM_TEXT struct rsm_text encoded = { 0 };
	char *text = malloc(size + 1);
	size_t length = 0;

	FUZZ_PROMISE(text, "out of memory");
	memcpy(text, data, size);
	text[size] = '\0';
	if (rsm_base64_decode(text, size, &length))
		FUZZ_PROMISE(length <= size, "%zu of %zu", length, size);
	free(text);
	rsm_base64_encode(&encoded, data, size);
	if (!encoded.data)
		return;
	FUZZ_PROMISE(rsm_base64_decode(encoded.data, encoded.length, &length), "%zu", size);
	FUZZ_PROMISE(length == size && memcmp(encoded.data, data, size) == 0, "%zu", size);
}

static void check_owner(const uint8_t *data, size_t size)
{
	struct rsm_unix_names names = { 0 };
	struct rsm_unix_owner owner, again;
	char value[RSM_UNIX_OWNER_SIZE];

	(void)!rsm_value_is_text(data, size);
	if (!rsm_unix_owner_parse(&names, (const char *)data, size, &owner))
		return;
	FUZZ_PROMISE((owner.mode & ~07777U) == 0, "%o", owner.mode);
	rsm_unix_owner_format(&names, &owner, value);
	FUZZ_PROMISE(rsm_unix_owner_parse(&names, value, strlen(value), &again), "%s", value);
	FUZZ_PROMISE(again.mode == owner.mode, "%s", value);
}

static void check_extents(const uint8_t *data, size_t size)
{
	RSM_VI_EXTENTS struct rsm_vi_extents extents = { 0 }, again = { 0 };
	RSM_VI_PACKED struct rsm_vi_packed packed = { 0 };
	struct rsm_extent above = { .file_offset = size * 7,
				    .byte_count = size * 3 + 1,
				    .start_block = 9,
				    .partition = 'b' };
	struct rsm_err err;
	int r = rsm_vi_unpack_extents(data, size, &extents, &err);

	FUZZ_PROMISE(r == 0 || r == -EBADMSG, "%d", r);
	if (r < 0)
		return;
	FUZZ_PROMISE(rsm_vi_pack_extents(&extents, &packed, &err) == 0, "%s", err.msg);
	FUZZ_PROMISE(rsm_vi_unpack_extents(packed.data, packed.length, &again, &err) == 0, "%s",
		     err.msg);
	FUZZ_PROMISE(again.count == extents.count, "%zu %zu", again.count, extents.count);
	(void)!rsm_vi_overlay(&extents, &above, 1, 5, 524288, &err);
	rsm_vi_join_extents(&extents, 3, 524288);
	rsm_vi_cut_extents(&extents, size * 8);
}

static void check_ranges(const uint8_t *data, size_t size)
{
	RSM_VI_PACKED struct rsm_vi_packed packed = { 0 };
	struct rsm_vi_ranges ranges = { 0 }, again = { 0 };
	struct rsm_err err;
	int r = rsm_vi_unpack_ranges(data, size, &ranges, &err);

	FUZZ_PROMISE(r == 0 || r == -EBADMSG, "%d", r);
	(void)rsm_vi_sum_ranges(data, size);
	if (r == 0) {
		r = rsm_vi_pack_ranges(ranges.items, ranges.count, &packed, &err);
		FUZZ_PROMISE(r == 0, "%s", err.msg);
		r = rsm_vi_unpack_ranges(packed.data, packed.length, &again, &err);
		FUZZ_PROMISE(r == 0 && again.count == ranges.count, "%zu %zu", again.count,
			     ranges.count);
	}
	rsm_vi_ranges_fini(&ranges);
	rsm_vi_ranges_fini(&again);
}

static void check_times(const uint8_t *data, size_t size)
{
	uint8_t packed[RSM_VI_TIMES_MAX];
	struct rsm_node_times times, again;
	size_t length;

	if (rsm_vi_unpack_times(data, size, &times) < 0)
		return;
	length = rsm_vi_pack_times(&times, packed);
	FUZZ_PROMISE(length <= sizeof packed, "%zu", length);
	FUZZ_PROMISE(rsm_vi_unpack_times(packed, length, &again) == 0, "%zu", length);
	FUZZ_PROMISE(again.created.tv_sec == times.created.tv_sec &&
			     again.modified.tv_nsec == times.modified.tv_nsec,
		     "%lld", (long long)times.created.tv_sec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);

	FUZZ_PROMISE(text, "out of memory");
	check_name(text);
	free(text);
	check_base64(data, size);
	check_owner(data, size);
	check_extents(data, size);
	check_ranges(data, size);
	check_times(data, size);
	return 0;
}
