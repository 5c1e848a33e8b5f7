/* The texts of an index's elements: what each must look like, and where it goes. */
#include <stdio.h>
#include <string.h>

#include "core/ltfs/index_reader_private.h"

/* At most `size` - 1 bytes, whole characters. */
static void copy_text(char *to, size_t size, const struct rsm_text *from)
{
	size_t length = from->length;

	if (length >= size) {
		length = size - 1;
		while (length && ((uint8_t)from->data[length] & 0xc0) == 0x80)
			length--;
	}
	memcpy(to, from->data, length);
	to[length] = '\0';
}

static void take_lock(struct rsm_ltfs_index_reader *reader)
{
	const char *text = reader->text.data;
	bool known = !strcmp(text, "locked") || !strcmp(text, "permlocked");

	snprintf(reader->header.lock, sizeof reader->header.lock, "%s", known ? text : "unlocked");
}

static bool take_place(struct rsm_ltfs_index_reader *reader, bool partition)
{
	struct rsm_ltfs_index_header *header = &reader->header;
	const char *text = reader->text.data;

	switch (rsm_ltfs_index_innermost(reader)) {
	case BACK_LOCATION:
		return partition ? rsm_xml_letter(text, &header->back_partition)
				 : rsm_xml_number(text, &header->back_block);
	case BACK_INCREMENTAL:
		return partition ? rsm_xml_letter(text, &header->incremental_partition)
				 : rsm_xml_number(text, &header->incremental_block);
	default:
		return partition ? rsm_xml_letter(text, &header->self_partition)
				 : rsm_xml_number(text, &header->self_block);
	}
}

/* False: the text is not of the element's form. */
static bool take_header_text(struct rsm_ltfs_index_reader *reader, enum rsm_ltfs_element self)
{
	struct rsm_ltfs_index_header *header = &reader->header;
	const char *text = reader->text.data;
	struct rsm_text swap;
	uint64_t number;

	switch (self) {
	case CREATOR:
		copy_text(header->creator, sizeof header->creator, &reader->text);
		return header->creator[0];
	case COMMENT:
		swap = reader->comment;
		reader->comment = reader->text;
		reader->text = swap;
		return true;
	case VOLUME_UUID:
		if (!rsm_xml_uuid(text, header->uuid))
			return false;
		if (reader->uuid[0] && strcmp(reader->uuid, header->uuid) != 0)
			rsm_xml_fail(&reader->xml, EBADMSG, "the index is of volume %s, not %s",
				     header->uuid, reader->uuid);
		return true;
	case GENERATION: return rsm_xml_number(text, &header->generation);
	case UPDATE_TIME: return !rsm_ltfs_time_parse(text, &header->update_time);
	case ALLOW_POLICY_UPDATE: return rsm_xml_bool(text, &header->allow_policy_update);
	case HIGHEST_UID:
		if (!rsm_xml_number(text, &number))
			return false;
		if (number > reader->objects.highest_uid)
			reader->objects.highest_uid = number;
		return true;
	case LOCK: take_lock(reader); return true;
	case PLACE_PARTITION:
	case PLACE_BLOCK: return take_place(reader, self == PLACE_PARTITION);
	default: return false;
	}
}

static bool take_flag(struct rsm_node *node, const char *text)
{
	bool readonly;

	if (!rsm_xml_bool(text, &readonly))
		return false;
	node->flags = readonly ? node->flags | RSM_NODE_READONLY
			       : node->flags & ~(uint32_t)RSM_NODE_READONLY;
	return true;
}

static bool take_node_text(struct rsm_ltfs_index_reader *reader, enum rsm_ltfs_element self)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(&reader->objects);
	struct rsm_node *node = &top->node;
	const char *text = reader->text.data;
	struct rsm_err why;
	uint64_t number;
	int r = 0;

	top->late = top->inserted;
	top->given |= RSM_LTFS_GIVEN(self);
	switch (self) {
	case NAME:
		r = rsm_ltfs_objects_name(&reader->objects, &reader->text, reader->encoded, &why);
		break;
	case READONLY: return take_flag(node, text);
	case CREATED: return !rsm_ltfs_time_parse(text, &node->times.created);
	case CHANGED: return !rsm_ltfs_time_parse(text, &node->times.changed);
	case MODIFIED: return !rsm_ltfs_time_parse(text, &node->times.modified);
	case ACCESSED: return !rsm_ltfs_time_parse(text, &node->times.accessed);
	case BACKED_UP:
		top->has_backup_time = true;
		return !rsm_ltfs_time_parse(text, &node->times.backed_up);
	case UID:
		if (!rsm_xml_number(text, &number))
			return false;
		r = rsm_ltfs_objects_uid(&reader->objects, number, &why);
		break;
	case LENGTH: return rsm_xml_number(text, &node->size) && node->size <= INT64_MAX;
	case SYMLINK:
		r = rsm_ltfs_objects_target(&reader->objects, &reader->text, reader->encoded, &why);
		break;
	case DELETED: return !reader->text.length;
	default: break; /* OPEN_FOR_WRITE: what is on the medium is what there is */
	}
	if (r < 0)
		rsm_xml_fail_with(&reader->xml, r, &why);
	return true;
}

static bool take_part_text(struct rsm_ltfs_index_reader *reader, enum rsm_ltfs_element self)
{
	struct rsm_extent *extent = &reader->extent;
	const char *text = reader->text.data;
	struct rsm_text *into = self == KEY ? &reader->key : &reader->value;
	struct rsm_text swap;
	struct rsm_err why;
	int r;

	switch (self) {
	case KEY:
		r = rsm_ltfs_objects_key(&reader->text, reader->encoded, &why);
		if (r < 0) {
			rsm_xml_fail_with(&reader->xml, r, &why);
			return true;
		}
		break;
	case VALUE:
		if (reader->base64 && !rsm_base64_decode(reader->text.data, reader->text.length,
							 &reader->text.length))
			return false;
		break;
	case FILE_OFFSET: return rsm_xml_number(text, &extent->file_offset);
	case EXTENT_PARTITION: return rsm_xml_letter(text, &extent->partition);
	case EXTENT_BLOCK: return rsm_xml_number(text, &extent->start_block);
	case BYTE_OFFSET: return rsm_xml_number(text, &extent->byte_offset);
	case BYTE_COUNT: return rsm_xml_number(text, &extent->byte_count);
	default: return false;
	}
	swap = *into; /* KEY, VALUE: the other may come before it */
	*into = reader->text;
	reader->text = swap;
	return true;
}

void rsm_ltfs_index_take_text(struct rsm_ltfs_index_reader *reader, enum rsm_ltfs_element self,
			      const XML_Char *name)
{
	bool valid;

	reader->text_max = 0;
	if (reader->text.failed) {
		rsm_xml_fail(&reader->xml, ENOMEM, "out of memory");
		return;
	}
	valid = self < FIRST_OF_OBJECT ? take_header_text(reader, self)
		: self < FIRST_OF_PART ? take_node_text(reader, self)
				       : take_part_text(reader, self);
	if (!valid)
		rsm_xml_fail(&reader->xml, EBADMSG, "<%s> cannot be %s", name,
			     reader->text.length ? "read" : "empty");
}
