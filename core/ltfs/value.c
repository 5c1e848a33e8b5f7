#include "core/ltfs/value.h"

#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "core/ltfs/xml.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* White space alone does not count as text: XML libraries like to drop it. */
bool rsm_value_is_text(const void *value, size_t length)
{
	const char *text = value;
	bool visible = !length;

	for (size_t i = 0; i < length;) {
		size_t size = rsm_xml_character(text + i, length - i);

		if (!size)
			return false;
		visible |= !is_space(text[i]);
		i += size;
	}
	return visible;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* In one run: the reference refuses a line break behind the padding. */
void rsm_base64_encode(struct rsm_text *out, const void *bytes, size_t length)
{
	const uint8_t *in = bytes;
	char piece[1024];
	size_t used = 0;

	for (size_t i = 0; i < length; i += 3) {
		size_t left = length - i;
		uint32_t bits = (uint32_t)in[i] << 16;

		if (left > 1)
			bits |= (uint32_t)in[i + 1] << 8;
		if (left > 2)
			bits |= in[i + 2];
		piece[used++] = alphabet[bits >> 18];
		piece[used++] = alphabet[bits >> 12 & 63];
		piece[used++] = left > 1 ? alphabet[bits >> 6 & 63] : '=';
		piece[used++] = left > 2 ? alphabet[bits & 63] : '=';
		if (used == sizeof piece) {
			rsm_text_append(out, piece, used);
			used = 0;
		}
	}
	rsm_text_append(out, piece, used);
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool rsm_base64_decode(char *text, size_t length, size_t *ret_length)
{
	uint32_t bits = 0;
	size_t digits = 0, padding = 0, out = 0;

	for (size_t i = 0; i < length; i++) {
		int digit = base64_digit(text[i]);

		if (is_space(text[i]))
			continue;
		if (text[i] == '=' && ++padding <= 2)
			continue;
		if (digit < 0 || padding)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		if (digits++ % 4)
			text[out++] = (char)(bits >> (2 * (3 - (digits - 1) % 4)));
	}
	if (digits % 4 == 1 || (padding && (digits + padding) % 4))
		return false;
	if (out < length)
		text[out] = '\0';
	*ret_length = out;
	return true;
}

/* ---- mode and owners ---- */

static struct rsm_unix_name *new_slot(struct rsm_unix_names *names, bool group)
{
	struct rsm_unix_name *slot = &names->slots[names->next++ % RSM_UNIX_NAME_SLOTS];

	*slot = (struct rsm_unix_name){ .used = true, .group = group };
	return slot;
}

static void look_up_name(struct rsm_unix_name *slot)
{
	char buffer[16384];
	struct passwd user, *found_user = NULL;
	struct group group, *found_group = NULL;

	if (slot->group) {
		getgrnam_r(slot->name, &group, buffer, sizeof buffer, &found_group);
		slot->known = found_group;
		slot->id = found_group ? group.gr_gid : 0;
	} else {
		getpwnam_r(slot->name, &user, buffer, sizeof buffer, &found_user);
		slot->known = found_user;
		slot->id = found_user ? user.pw_uid : 0;
	}
}

static void look_up_id(struct rsm_unix_name *slot)
{
	char buffer[16384];
	struct passwd user, *found_user = NULL;
	struct group group, *found_group = NULL;
	const char *name = NULL;

	if (slot->group) {
		getgrgid_r(slot->id, &group, buffer, sizeof buffer, &found_group);
		name = found_group ? group.gr_name : NULL;
	} else {
		getpwuid_r(slot->id, &user, buffer, sizeof buffer, &found_user);
		name = found_user ? user.pw_name : NULL;
	}
	slot->known = name && *name && strlen(name) < sizeof slot->name &&
		      !strpbrk(name, " \t\r\n") && rsm_value_is_text(name, strlen(name));
	snprintf(slot->name, sizeof slot->name, "%s", slot->known ? name : "-");
}

static uint32_t id_of_name(struct rsm_unix_names *names, bool group, const char *name,
			   uint32_t otherwise)
{
	struct rsm_unix_name *slot;

	if (!*name || !strcmp(name, "-") || strlen(name) >= sizeof slot->name)
		return otherwise;
	for (size_t i = 0; i < RSM_UNIX_NAME_SLOTS; i++) {
		slot = &names->slots[i];
		if (slot->used && slot->group == group && !strcmp(slot->name, name))
			return slot->known ? slot->id : otherwise;
	}
	slot = new_slot(names, group);
	snprintf(slot->name, sizeof slot->name, "%s", name);
	look_up_name(slot);
	return slot->known ? slot->id : otherwise;
}

static const char *name_of_id(struct rsm_unix_names *names, bool group, uint32_t id)
{
	struct rsm_unix_name *slot;

	for (size_t i = 0; i < RSM_UNIX_NAME_SLOTS; i++) {
		slot = &names->slots[i];
		if (slot->used && slot->group == group && slot->id == id)
			return slot->name;
	}
	slot = new_slot(names, group);
	slot->id = id;
	look_up_id(slot);
	return slot->name;
}

static bool take_number(const char **at, unsigned base, uint32_t limit, uint32_t *ret_number)
{
	uint64_t number = 0;
	const char *start = *at;

	for (; **at && (unsigned)(**at - '0') < base; (*at)++) {
		number = number * base + (unsigned)(**at - '0');
		if (number > limit)
			return false;
	}
	*ret_number = (uint32_t)number;
	return *at > start;
}

bool rsm_unix_owner_parse(struct rsm_unix_names *names, const char *value, size_t length,
			  struct rsm_unix_owner *ret_owner)
{
	char text[RSM_UNIX_OWNER_SIZE], *user = NULL, *group = NULL;
	struct rsm_unix_owner owner;
	const char *at = text;

	if (length >= sizeof text || memchr(value, '\0', length))
		return false;
	memcpy(text, value, length);
	text[length] = '\0';
	if (!take_number(&at, 8, 07777, &owner.mode) || *at++ != ' ' ||
	    !take_number(&at, 10, UINT32_MAX - 1, &owner.owner) || *at++ != ' ' ||
	    !take_number(&at, 10, UINT32_MAX - 1, &owner.group))
		return false;
	if (*at) { /* the names are there, or none of them */
		user = text + (at - text);
		if (*user++ != ' ')
			return false;
		group = strchr(user, ' ');
		if (!group)
			return false;
		*group++ = '\0';
		if (!*user || !*group || strchr(group, ' '))
			return false;
		owner.owner = id_of_name(names, false, user, owner.owner);
		owner.group = id_of_name(names, true, group, owner.group);
	}
	*ret_owner = owner;
	return true;
}

void rsm_unix_owner_format(struct rsm_unix_names *names, const struct rsm_unix_owner *owner,
			   char ret_value[RSM_UNIX_OWNER_SIZE])
{
	char user[RSM_UNIX_NAME_SIZE];

	/* looking up the group may reuse the slot of the user */
	snprintf(user, sizeof user, "%s", name_of_id(names, false, owner->owner));
	snprintf(ret_value, RSM_UNIX_OWNER_SIZE, "%04o %u %u %s %s", owner->mode & 07777U,
		 owner->owner, owner->group, user, name_of_id(names, true, owner->group));
}

static uint64_t add_to_print(uint64_t print, uint64_t number)
{
	for (int i = 0; i < 8; i++, number >>= 8)
		print = (print ^ (number & 0xff)) * UINT64_C(0x100000001b3);
	return print;
}

/* As an index lists them: none of no bytes, none beyond the length. */
void rsm_hash_place_format(enum rsm_digest_kind kind, uint64_t length,
			   const struct rsm_extent *extents, size_t count,
			   char ret_value[RSM_HASH_PLACE_SIZE])
{
	uint64_t print = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < count; i++) {
		const struct rsm_extent *extent = &extents[i];
		uint64_t bytes = extent->byte_count;

		if (!bytes || extent->file_offset >= length)
			continue;
		if (bytes > length - extent->file_offset)
			bytes = length - extent->file_offset;
		print = add_to_print(print, extent->file_offset);
		print = add_to_print(print, (unsigned char)extent->partition);
		print = add_to_print(print, extent->start_block);
		print = add_to_print(print, extent->byte_offset);
		print = add_to_print(print, bytes);
	}
	snprintf(ret_value, RSM_HASH_PLACE_SIZE, "%s %" PRIu64 " %016" PRIx64,
		 rsm_digest_key(kind) + strlen(RSM_DIGEST_PREFIX), length, print);
}

enum rsm_digest_kind rsm_hash_place_match(const char *value, size_t value_length, uint64_t length,
					  const struct rsm_extent *extents, size_t count)
{
	for (int kind = RSM_DIGEST_CRC32; kind < RSM_DIGEST_KINDS; kind++) {
		const char *name = rsm_digest_key((enum rsm_digest_kind)kind);
		size_t name_length;
		char expected[RSM_HASH_PLACE_SIZE];

		name += strlen(RSM_DIGEST_PREFIX);
		name_length = strlen(name);
		if (value_length <= name_length || memcmp(value, name, name_length) != 0 ||
		    value[name_length] != ' ')
			continue;
		rsm_hash_place_format((enum rsm_digest_kind)kind, length, extents, count, expected);
		return value_length == strlen(expected) &&
				       memcmp(value, expected, value_length) == 0
			       ? (enum rsm_digest_kind)kind
			       : RSM_DIGEST_NONE;
	}
	return RSM_DIGEST_NONE;
}
