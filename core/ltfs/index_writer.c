/* Names and values come from users, from foreign indexes, from a database: none of them can make
 * the document invalid. What XML cannot hold is percent-encoded or base64 where the format has a
 * way, else replaced by U+FFFD.
 */
#include "core/ltfs/index_writer.h"

#include <stdio.h>
#include <string.h>

#include "core/digest.h"
#include "core/ltfs/index_parts.h"
#include "core/ltfs/name.h"
#include "core/ltfs/value.h"
#include "core/ltfs/xml.h"

enum {
	PIECE = 64 * 1024,
	CREATOR_MAX = 1024,
	COMMENT_MAX = 65536,
	NUMBER_SIZE = 20,
};

struct writer {
	const struct rsm_ltfs_index_source *source;
	rsm_ltfs_index_sink *sink;
	void *context;
	struct rsm_err *err;
	int result;   /* of the sink; sticks */
	size_t depth; /* open folders */
	struct rsm_text scratch;
	struct rsm_unix_names names;
	const char *unknown;	/* of the object under way */
	const char *unknown_at; /* rsm_ltfs_parts_find */
	size_t used;
	char piece[PIECE];
};

/* ---- bytes and texts ---- */

static void flush(struct writer *writer)
{
	int r;

	if (!writer->result && writer->used) {
		r = writer->sink(writer->context, writer->piece, writer->used, writer->err);
		if (r < 0)
			writer->result = r;
	}
	writer->used = 0;
}

static void put(struct writer *writer, const char *bytes, size_t length)
{
	while (length > PIECE - writer->used) {
		size_t part = PIECE - writer->used;

		memcpy(writer->piece + writer->used, bytes, part);
		writer->used = PIECE;
		flush(writer);
		bytes += part;
		length -= part;
	}
	memcpy(writer->piece + writer->used, bytes, length);
	writer->used += length;
}

#define PUT(writer, literal) put((writer), "" literal, sizeof(literal) - 1)

static void put_string(struct writer *writer, const char *string)
{
	put(writer, string, strlen(string));
}

static void put_number(struct writer *writer, uint64_t number)
{
	char digits[NUMBER_SIZE];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	put(writer, digits + at, sizeof digits - at);
}

static void put_bool(struct writer *writer, bool value)
{
	if (value)
		PUT(writer, "true");
	else
		PUT(writer, "false");
}

static bool is_plain(char c)
{
	return c >= ' ' && c < 0x7f && c != '&' && c != '<' && c != '>';
}

static void put_text(struct writer *writer, const char *text, size_t length)
{
	size_t plain = 0;

	while (plain < length && is_plain(text[plain]))
		plain++;
	put(writer, text, plain);
	if (plain == length)
		return;
	rsm_text_reset(&writer->scratch);
	rsm_xml_escape(&writer->scratch, text + plain, length - plain, false);
	if (writer->scratch.failed && !writer->result)
		writer->result = rsm_err_oom(writer->err);
	if (writer->scratch.length)
		put(writer, writer->scratch.data, writer->scratch.length);
}

static bool is_utf8(const char *text)
{
	RSM_FREE char *nfc = NULL;

	return rsm_name_nfc(text, &nfc, NULL) == 0;
}

/* An element whose text may be percent-encoded: name, key, symlink. Encoded bytes that are not
 * UTF-8 would make the whole index invalid.
 */
static void put_name(struct writer *writer, const char *element, const char *text, bool link)
{
	bool encode = rsm_name_needs_encoding(text, link) && is_utf8(text);

	PUT(writer, "<");
	put_string(writer, element);
	if (encode) {
		PUT(writer, " percentencoded=\"true\">");
		rsm_text_reset(&writer->scratch);
		rsm_name_encode(text, &writer->scratch);
		if (writer->scratch.failed && !writer->result)
			writer->result = rsm_err_oom(writer->err);
		/* not by put_text: that has the scratch for itself; what is encoded is ASCII, but
		 * for these three without a meaning in XML */
		for (size_t i = 0; i < writer->scratch.length; i++) {
			char c = writer->scratch.data[i];

			if (c == '&')
				PUT(writer, "&amp;");
			else if (c == '<')
				PUT(writer, "&lt;");
			else if (c == '>')
				PUT(writer, "&gt;");
			else
				put(writer, &c, 1);
		}
	} else {
		PUT(writer, ">");
		put_text(writer, text, strlen(text));
	}
	PUT(writer, "</");
	put_string(writer, element);
	PUT(writer, ">");
}

static void put_time(struct writer *writer, const char *element, const struct timespec *time)
{
	char text[RSM_LTFS_TIME_SIZE];

	rsm_ltfs_time_format(time, text);
	PUT(writer, "<");
	put_string(writer, element);
	PUT(writer, ">");
	put_string(writer, text);
	PUT(writer, "</");
	put_string(writer, element);
	PUT(writer, ">");
}

/* ---- what nobody knows ---- */

static void begin_unknown(struct writer *writer, const struct rsm_snapshot_node *object)
{
	writer->unknown = writer->unknown_at = object->unknown;
}

static void put_unknown(struct writer *writer)
{
	if (writer->unknown)
		put(writer, writer->unknown, rsm_ltfs_parts_begin(writer->unknown));
}

static void put_unknown_of(struct writer *writer, const char *place)
{
	const char *xml;
	size_t length;

	if (!writer->unknown)
		return;
	xml = rsm_ltfs_parts_find(writer->unknown, place, &writer->unknown_at, &length);
	if (xml)
		put(writer, xml, length);
}

/* ---- extended attributes ---- */

struct xattr_list {
	struct writer *writer;
	bool open;
};

static void put_xattr(struct xattr_list *list, const char *key, const void *value, size_t length)
{
	struct writer *writer = list->writer;
	char place[RSM_LTFS_PLACE_SIZE];

	if (!*key)
		return;
	if (!list->open)
		PUT(writer, "<extendedattributes>");
	list->open = true;
	PUT(writer, "<xattr>");
	put_name(writer, "key", key, false);
	if (!length) { /* an empty base64 value is not valid */
		PUT(writer, "<value/>");
	} else if (rsm_value_is_text(value, length)) {
		PUT(writer, "<value>");
		put_text(writer, value, length);
		PUT(writer, "</value>");
	} else {
		PUT(writer, "<value type=\"base64\">");
		rsm_text_reset(&writer->scratch);
		rsm_base64_encode(&writer->scratch, value, length);
		if (writer->scratch.failed && !writer->result)
			writer->result = rsm_err_oom(writer->err);
		if (writer->scratch.length)
			put(writer, writer->scratch.data, writer->scratch.length);
		PUT(writer, "</value>");
	}
	if (writer->unknown && rsm_ltfs_part_of_xattr(key, place))
		put_unknown_of(writer, place);
	PUT(writer, "</xattr>");
}

static bool has_key(const struct rsm_snapshot_xattr *xattrs, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(xattrs[i].key, key))
			return true;
	}
	return false;
}

static void put_root_xattrs(struct xattr_list *list, const struct rsm_snapshot_node *object)
{
	const struct rsm_ltfs_index_source *source = list->writer->source;

	for (size_t i = 0; i < source->root_xattr_count; i++)
		put_xattr(list, source->root_xattrs[i].key, source->root_xattrs[i].value,
			  source->root_xattrs[i].length);
	for (size_t i = 0; i < object->xattr_count; i++) {
		const struct rsm_snapshot_xattr *xattr = &object->xattrs[i];

		if (source->root_xattr_count &&
		    (!strcmp(xattr->key, RSM_KEY_ACL) || !strcmp(xattr->key, RSM_KEY_COPY) ||
		     !strcmp(xattr->key, RSM_KEY_OTHER)))
			continue; /* there is none any more */
		if (!has_key(source->root_xattrs, source->root_xattr_count, xattr->key))
			put_xattr(list, xattr->key, xattr->value, xattr->length);
	}
}

/* The kind of the digest that is of just what the index lists. */
static enum rsm_digest_kind measured(const struct rsm_snapshot_node *object)
{
	enum rsm_digest_kind kind = rsm_node_measured(object->node.flags);

	if (kind == RSM_DIGEST_NONE || object->pending ||
	    !has_key(object->xattrs, object->xattr_count, rsm_digest_key(kind)))
		return RSM_DIGEST_NONE;
	return kind;
}

static void put_hash_place(struct xattr_list *list, const struct rsm_snapshot_node *object,
			   enum rsm_digest_kind kind)
{
	char value[RSM_HASH_PLACE_SIZE];

	rsm_hash_place_format(kind, object->node.size, object->extents, object->extent_count,
			      value);
	put_xattr(list, RSM_KEY_HASH, value, strlen(value));
}

static void put_node_xattrs(struct xattr_list *list, const struct rsm_snapshot_node *object)
{
	const struct rsm_node *node = &object->node;
	bool has_unix = node->flags & RSM_NODE_HAS_UNIX;
	bool has_name = object->name != object->nfc && strcmp(object->name, object->nfc) != 0;
	enum rsm_digest_kind hash = measured(object);
	char value[RSM_UNIX_OWNER_SIZE];

	if (has_unix) {
		rsm_unix_owner_format(
			&list->writer->names,
			&(struct rsm_unix_owner){ node->mode, node->owner, node->group }, value);
		put_xattr(list, RSM_KEY_UNIX, value, strlen(value));
	}
	if (has_name)
		put_xattr(list, RSM_KEY_NAME, object->name, strlen(object->name));
	if (hash)
		put_hash_place(list, object, hash);
	for (size_t i = 0; i < object->xattr_count; i++) {
		const struct rsm_snapshot_xattr *xattr = &object->xattrs[i];

		/* of contents that the medium does not have yet */
		if (object->pending && rsm_digest_of_key(xattr->key) != RSM_DIGEST_NONE)
			continue;
		if (!(has_unix && !strcmp(xattr->key, RSM_KEY_UNIX)) &&
		    !(has_name && !strcmp(xattr->key, RSM_KEY_NAME)) &&
		    !(hash && !strcmp(xattr->key, RSM_KEY_HASH)))
			put_xattr(list, xattr->key, xattr->value, xattr->length);
	}
}

/* ---- objects ---- */

static void put_common(struct writer *writer, const struct rsm_snapshot_node *object)
{
	const struct rsm_node *node = &object->node;
	struct xattr_list list = { .writer = writer };
	bool root = !writer->depth;

	put_time(writer, "creationtime", &node->times.created);
	put_time(writer, "changetime", &node->times.changed);
	put_time(writer, "modifytime", &node->times.modified);
	put_time(writer, "accesstime", &node->times.accessed);
	put_time(writer, "backuptime", &node->times.backed_up);
	PUT(writer, "<fileuid>");
	put_number(writer, root ? 1 : node->uid ? node->uid : node->id);
	PUT(writer, "</fileuid>");
	if (root)
		put_root_xattrs(&list, object);
	else
		put_node_xattrs(&list, object);
	if (list.open) {
		put_unknown_of(writer, RSM_LTFS_PART_XATTRS);
		PUT(writer, "</extendedattributes>");
	}
}

/* To the reference what nobody may write is read-only, and the reverse. */
static void put_readonly(struct writer *writer, const struct rsm_node *node)
{
	bool readonly = node->flags & RSM_NODE_READONLY;

	if (node->kind != RSM_NODE_LINK && (node->flags & RSM_NODE_HAS_UNIX))
		readonly = !(node->mode & 0222);
	PUT(writer, "<readonly>");
	put_bool(writer, readonly);
	PUT(writer, "</readonly>");
}

/* The volume's name, in NFC as all names. */
static void put_volume_name(struct writer *writer)
{
	const char *name = writer->source->volume_name ? writer->source->volume_name : "";
	RSM_FREE char *nfc = NULL;

	put_name(writer, "name", rsm_name_nfc(name, &nfc, NULL) == 0 ? nfc : name, false);
}

/* Unknown elements stand before the contents: at the folder's end the snapshot does not have them
 * any more.
 */
static void put_folder(struct writer *writer, const struct rsm_snapshot_node *object)
{
	begin_unknown(writer, object);
	PUT(writer, "<directory>");
	if (writer->depth)
		put_name(writer, "name", object->nfc, false);
	else
		put_volume_name(writer);
	put_readonly(writer, &object->node);
	put_common(writer, object);
	put_unknown(writer);
	PUT(writer, "<contents>\n");
	put_unknown_of(writer, RSM_LTFS_PART_CONTENTS);
	writer->depth++;
}

/* How far the extents go without a hole. */
static uint64_t covered(const struct rsm_snapshot_node *object)
{
	uint64_t end = 0;

	for (size_t i = 0; i < object->extent_count; i++) {
		if (object->extents[i].file_offset > end)
			break;
		end = object->extents[i].file_offset + object->extents[i].byte_count;
	}
	return end;
}

static void put_extent(struct writer *writer, const struct rsm_extent *extent, uint64_t count)
{
	uint64_t size = writer->source->block_size, block = extent->start_block;
	uint64_t skip = extent->byte_offset;
	char place[RSM_LTFS_PLACE_SIZE];

	/* others may leave out whole blocks */
	if (size && skip >= size && !__builtin_add_overflow(block, skip / size, &block))
		skip %= size;
	else
		block = extent->start_block;
	PUT(writer, "<extent><fileoffset>");
	put_number(writer, extent->file_offset);
	PUT(writer, "</fileoffset><partition>");
	put(writer, &extent->partition, 1);
	PUT(writer, "</partition><startblock>");
	put_number(writer, block);
	PUT(writer, "</startblock><byteoffset>");
	put_number(writer, skip);
	PUT(writer, "</byteoffset><bytecount>");
	put_number(writer, count);
	PUT(writer, "</bytecount>");
	if (writer->unknown) { /* of an extent that is as it was */
		rsm_ltfs_part_of_extent(extent, place);
		if (count == extent->byte_count)
			put_unknown_of(writer, place);
	}
	PUT(writer, "</extent>");
}

/* Whatever the rows say, none of the extents goes beyond the length: such an index is invalid. */
static int put_extents(struct writer *writer, const struct rsm_snapshot_node *object,
		       uint64_t length)
{
	uint64_t end = 0;
	bool open = false;

	for (size_t i = 0; i < object->extent_count; i++) {
		const struct rsm_extent *extent = &object->extents[i];
		uint64_t count = extent->byte_count;

		if (extent->file_offset < end || extent->partition < 'a' || extent->partition > 'z')
			return rsm_err_set(writer->err, EIO, "the extents of node %llu are wrong",
					   (unsigned long long)object->node.id);
		if (!count || extent->file_offset >= length)
			continue;
		if (count > length - extent->file_offset)
			count = length - extent->file_offset;
		end = extent->file_offset + count;
		if (!open)
			PUT(writer, "<extentinfo>");
		open = true;
		put_extent(writer, extent, count);
	}
	if (open) {
		put_unknown_of(writer, RSM_LTFS_PART_EXTENTS);
		PUT(writer, "</extentinfo>");
	}
	return 0;
}

static int put_leaf(struct writer *writer, const struct rsm_snapshot_node *object)
{
	const struct rsm_node *node = &object->node;
	bool link = node->kind == RSM_NODE_LINK;
	uint64_t length = link ? 0 : node->size;
	int r = 0;

	if (object->pending && covered(object) < length)
		length = covered(object);
	begin_unknown(writer, object);
	PUT(writer, "<file>");
	put_name(writer, "name", object->nfc, false);
	PUT(writer, "<length>");
	put_number(writer, length);
	PUT(writer, "</length>");
	put_readonly(writer, node);
	if (object->pending)
		PUT(writer, "<openforwrite>true</openforwrite>");
	put_common(writer, object);
	if (link)
		put_name(writer, "symlink", object->link_target, true);
	else
		r = put_extents(writer, object, length);
	put_unknown(writer);
	PUT(writer, "</file>\n");
	return r;
}

/* ---- the document ---- */

static size_t cut(const char *text, size_t limit)
{
	size_t length = strlen(text);

	if (length <= limit)
		return length;
	while (limit && ((unsigned char)text[limit] & 0xc0) == 0x80)
		limit--;
	return limit;
}

/* One line: others show it as a whole. */
static void put_creator(struct writer *writer, const char *creator)
{
	char line[CREATOR_MAX + 1];
	size_t length = cut(creator, CREATOR_MAX);

	memcpy(line, creator, length);
	for (size_t i = 0; i < length; i++) {
		if (line[i] == '\n' || line[i] == '\r' || line[i] == '\t')
			line[i] = ' ';
	}
	PUT(writer, "<creator>");
	if (length)
		put_text(writer, line, length);
	else
		PUT(writer, "rsmfs");
	PUT(writer, "</creator>\n");
}

static void put_place(struct writer *writer, char partition, uint64_t block)
{
	PUT(writer, "<partition>");
	put(writer, &partition, 1);
	PUT(writer, "</partition><startblock>");
	put_number(writer, block);
	PUT(writer, "</startblock>");
}

const char *rsm_ltfs_index_version(const struct rsm_ltfs_index_header *header)
{
	return header->incremental_partition ? "2.5.0" : "2.4.0";
}

static void put_header(struct writer *writer)
{
	const struct rsm_ltfs_index_source *source = writer->source;
	const struct rsm_ltfs_index_header *header = &source->header;
	size_t comment = source->comment ? cut(source->comment, COMMENT_MAX) : 0;

	PUT(writer, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ltfsindex version=\"");
	put_string(writer, rsm_ltfs_index_version(header));
	PUT(writer, "\">\n");
	put_creator(writer, header->creator);
	if (comment) {
		PUT(writer, "<comment>");
		put_text(writer, source->comment, comment);
		PUT(writer, "</comment>\n");
	}
	PUT(writer, "<volumeuuid>");
	put_string(writer, header->uuid);
	PUT(writer, "</volumeuuid>\n<generationnumber>");
	put_number(writer, header->generation);
	PUT(writer, "</generationnumber>\n");
	put_time(writer, "updatetime", &header->update_time);
	PUT(writer, "\n<location>");
	put_place(writer, header->self_partition, header->self_block);
	PUT(writer, "</location>\n");
	if (header->back_partition) {
		PUT(writer, "<previousgenerationlocation>");
		put_place(writer, header->back_partition, header->back_block);
		PUT(writer, "</previousgenerationlocation>\n");
	}
	if (header->incremental_partition) {
		PUT(writer, "<previousincrementallocation>");
		put_place(writer, header->incremental_partition, header->incremental_block);
		PUT(writer, "</previousincrementallocation>\n");
	}
	PUT(writer, "<allowpolicyupdate>");
	put_bool(writer, header->allow_policy_update);
	PUT(writer, "</allowpolicyupdate>\n");
	if (source->policy_xml)
		put_string(writer, source->policy_xml);
	PUT(writer, "<highestfileuid>");
	put_number(writer, rsm_index_snapshot_highest_uid(source->snapshot));
	PUT(writer, "</highestfileuid>\n<volumelockstate>");
	if (header->lock[0])
		put_text(writer, header->lock, strlen(header->lock));
	else
		PUT(writer, "unlocked");
	PUT(writer, "</volumelockstate>\n");
}

static int put_tree(struct writer *writer)
{
	struct rsm_snapshot_node object;
	int r = 0;

	while (!r && !writer->result) {
		int step = rsm_index_snapshot_walk(writer->source->snapshot, &object, writer->err);

		switch (step) {
		case RSM_WALK_END: return 0;
		case RSM_WALK_ENTER: put_folder(writer, &object); break;
		case RSM_WALK_LEAVE:
			PUT(writer, "</contents></directory>\n");
			writer->depth--;
			break;
		case RSM_WALK_LEAF: r = put_leaf(writer, &object); break;
		default: return rsm_err_fold(writer->err, step, "walking the tree");
		}
	}
	return r;
}

int rsm_ltfs_index_write(const struct rsm_ltfs_index_source *source, rsm_ltfs_index_sink *sink,
			 void *context, struct rsm_err *err)
{
	RSM_FREE struct writer *writer = calloc(1, sizeof *writer);
	int r;

	if (!writer)
		return rsm_err_oom(err);
	writer->source = source;
	writer->sink = sink;
	writer->context = context;
	writer->err = err;
	put_header(writer);
	r = put_tree(writer);
	if (!r) {
		if (source->unknown_xml)
			put_string(writer, source->unknown_xml);
		PUT(writer, "</ltfsindex>\n");
		flush(writer);
	}
	rsm_text_fini(&writer->scratch);
	return r ? r : writer->result;
}
