#include <stdio.h>
#include <string.h>

#include "core/ltfs/index_change.h"
#include "core/ltfs/index_parts.h"
#include "core/ltfs/index_reader_private.h"

/* ---- the beginnings of elements ---- */

static uint32_t *seen_in(struct rsm_ltfs_index_reader *reader, enum rsm_ltfs_element parent)
{
	if (parent == DIRECTORY || parent == PLAIN_FILE)
		return &rsm_ltfs_objects_top(&reader->objects)->seen;
	return &reader->seen[parent];
}

/* Writers keep to an order: the rule behind the last one is tried first. */
static const struct rsm_ltfs_rule *find_rule(struct rsm_ltfs_index_reader *reader,
					     enum rsm_ltfs_element parent, const XML_Char *name,
					     uint32_t *ret_bit)
{
	const struct rsm_ltfs_rules *table = &rsm_ltfs_index_grammar[parent];
	size_t at = reader->hint[parent];

	for (size_t i = 0; i < table->count; i++, at++) {
		if (at >= table->count)
			at = 0;
		if (!strcmp(table->rules[at].name, name)) {
			if (table->rules[at].need == CHANGE_ONLY && !reader->header.incremental)
				return NULL;
			reader->hint[parent] = (uint8_t)(at + (table->rules[at].need != MANY));
			*ret_bit = 1U << at;
			return &table->rules[at];
		}
	}
	return NULL;
}

static const char *attribute(const XML_Char **attributes, const char *name)
{
	for (; attributes[0]; attributes += 2) {
		if (!strcmp(attributes[0], name))
			return attributes[1];
	}
	return NULL;
}

static void start_document(struct rsm_ltfs_index_reader *reader, enum rsm_ltfs_element self,
			   const XML_Char **attributes)
{
	const char *version = attribute(attributes, "version");

	if (!version || !rsm_xml_version(version, &reader->version)) {
		rsm_xml_fail(&reader->xml, EBADMSG, "index version %.16s cannot be read",
			     version ? version : "(none)");
		return;
	}
	snprintf(reader->header.version, sizeof reader->header.version, "%s", version);
	rsm_ltfs_index_needed(reader->version, self == INCREMENTAL, reader->needed,
			      reader->needed_of_new);
	if (self == INCREMENTAL) {
		reader->header.incremental = reader->objects.incremental = true;
		if (!reader->expects_changes)
			reader->objects.loader = NULL;
	} else if (reader->expects_changes) {
		rsm_xml_fail(&reader->xml, EBADMSG, "it is not an incremental index");
	} else {
		snprintf(reader->header.lock, sizeof reader->header.lock, "unlocked");
	}
}

static void start_text(struct rsm_ltfs_index_reader *reader, enum rsm_ltfs_element self,
		       const XML_Char **attributes)
{
	const char *form;

	if (reader->text.room > 2 * (size_t)RSM_LTFS_TEXT_MAX) /* it held a very large value */
		rsm_text_fini(&reader->text);
	rsm_text_reset(&reader->text);
	rsm_text_append(&reader->text, "", 0); /* also an empty text is a string */
	reader->text_max = self == VALUE ? RSM_LTFS_VALUE_MAX : RSM_LTFS_TEXT_MAX;
	if (!attributes[0])
		return;
	form = attribute(attributes, "percentencoded");
	reader->encoded = form && !strcmp(form, "true");
	form = self == VALUE ? attribute(attributes, "type") : NULL;
	reader->base64 = form && !strcmp(form, "base64");
	if (form && !reader->base64 && strcmp(form, "text") != 0)
		rsm_xml_fail(&reader->xml, EBADMSG, "a value of type %.32s", form);
}

/* Before 2.0 there was none. */
static void settle_backup_time(struct rsm_ltfs_index_reader *reader)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(&reader->objects);
	struct rsm_node_times *times = &top->node.times;

	if (!top->has_backup_time && !reader->objects.incremental)
		times->backed_up = times->created;
}

static void start_known(struct rsm_ltfs_index_reader *reader, enum rsm_ltfs_element self,
			const XML_Char **attributes)
{
	struct rsm_err why;
	int r = 0;

	reader->encoded = false;
	if (self < PARENTS && self != DIRECTORY && self != PLAIN_FILE)
		reader->seen[self] = 0;
	if (self < PARENTS)
		reader->hint[self] = 0;
	switch (self) {
	case INDEX:
	case INCREMENTAL: start_document(reader, self, attributes); break;
	case DIRECTORY:
	case PLAIN_FILE:
		r = rsm_ltfs_objects_push(&reader->objects, self == DIRECTORY, &why);
		reader->extents_end = 0;
		break;
	case CONTENTS:
		settle_backup_time(reader);
		r = rsm_ltfs_objects_open(&reader->objects, &why);
		break;
	case XATTRS:
		if (reader->objects.incremental)
			r = rsm_ltfs_change_xattrs(&reader->objects, &why);
		break;
	case XATTR: reader->base64 = false; break;
	case EXTENTS:
		rsm_ltfs_objects_top(&reader->objects)->given |= RSM_LTFS_GIVEN_EXTENTS;
		break;
	case EXTENT: reader->extent = (struct rsm_extent){ .indexed = true }; break;
	default:
		if (self >= FIRST_TEXT)
			start_text(reader, self, attributes);
		break;
	}
	if (r < 0)
		rsm_xml_fail_with(&reader->xml, r, &why);
}

/* Begins to pass over the element, or to keep it. */
static void start_skipping(struct rsm_ltfs_index_reader *reader, enum rsm_ltfs_element parent,
			   enum rsm_ltfs_element self, const XML_Char *name,
			   const XML_Char **attributes)
{
	struct rsm_text *into = NULL;

	if (self == POLICY)
		into = &reader->policy;
	else if (self == IGNORED)
		into = NULL;
	else if (parent == INDEX)
		into = &reader->unknown;
	else if (parent == DIRECTORY || parent == PLAIN_FILE)
		into = &rsm_ltfs_objects_top(&reader->objects)->unknown;
	else if (parent == CONTENTS || (parent >= XATTRS && parent <= EXTENT))
		into = &reader->part;
	rsm_ltfs_keeper_begin(&reader->keeper, into, self == POLICY);
	rsm_ltfs_keeper_start(&reader->keeper, name, attributes);
}

static void XMLCALL start_element(void *data, const XML_Char *name, const XML_Char **attributes)
{
	struct rsm_ltfs_index_reader *reader = data;
	enum rsm_ltfs_element parent = rsm_ltfs_index_innermost(reader);
	const struct rsm_ltfs_rule *rule;
	uint32_t *seen, bit;

	reader->xml.events++;
	if (reader->xml.result)
		return;
	if (reader->keeper.depth) {
		rsm_ltfs_keeper_start(&reader->keeper, name, attributes);
		return;
	}
	rule = parent < PARENTS ? find_rule(reader, parent, name, &bit) : NULL;
	if (!rule && parent == DOCUMENT) {
		rsm_xml_fail(&reader->xml, EBADMSG, "<%.64s> is not an LTFS index", name);
		return;
	}
	if (!rule) {
		start_skipping(reader, parent, UNKNOWN, name, attributes);
		return;
	}
	seen = seen_in(reader, parent);
	if ((*seen & bit) && rule->need != MANY) {
		rsm_xml_fail(&reader->xml, EBADMSG, "<%s> is there twice", name);
		return;
	}
	*seen |= bit;
	if (reader->depth == 1 && !strcmp(name, "directory"))
		reader->at_tree = true;
	if (rule->self == IGNORED || rule->self == POLICY) {
		start_skipping(reader, parent, rule->self, name, attributes);
	} else if (reader->depth == RSM_LTFS_NESTED_MAX) {
		rsm_xml_fail(&reader->xml, EBADMSG, "too many elements within each other");
	} else {
		reader->path[reader->depth++] = (uint8_t)rule->self;
		start_known(reader, rule->self, attributes);
	}
}

static void XMLCALL add_text(void *data, const XML_Char *text, int length)
{
	struct rsm_ltfs_index_reader *reader = data;

	reader->xml.events++;
	if (reader->xml.result)
		return;
	if (reader->keeper.depth) {
		rsm_ltfs_keeper_text(&reader->keeper, text, (size_t)length);
	} else if (reader->text_max) {
		if ((size_t)length > reader->text_max - reader->text.length)
			rsm_xml_fail(&reader->xml, EBADMSG, "a text is too long");
		else
			rsm_text_append(&reader->text, text, (size_t)length);
	}
}

/* ---- the ends of elements ---- */

static int end_extent(struct rsm_ltfs_index_reader *reader, struct rsm_err *why)
{
	bool placed = reader->seen[EXTENT] & 1;
	char place[RSM_LTFS_PLACE_SIZE];
	int r;

	if (!placed) /* before 2.0 */
		reader->extent.file_offset = reader->extents_end;
	if (__builtin_add_overflow(reader->extent.file_offset, reader->extent.byte_count,
				   &reader->extents_end))
		return rsm_err_set(why, EBADMSG, "an extent ends beyond all files");
	rsm_ltfs_part_of_extent(&reader->extent, place);
	r = rsm_ltfs_objects_part(&reader->objects, place, &reader->part, why);
	return r ? r : rsm_ltfs_objects_extent(&reader->objects, &reader->extent, why);
}

static int end_xattr(struct rsm_ltfs_index_reader *reader, struct rsm_err *why)
{
	char place[RSM_LTFS_PLACE_SIZE];
	int r;

	if (!rsm_ltfs_part_of_xattr(reader->key.data, place)) {
		reader->objects.unknown_bytes -= reader->part.length;
		rsm_text_reset(&reader->part);
	}
	r = rsm_ltfs_objects_part(&reader->objects, place, &reader->part, why);
	return r ? r
		 : rsm_ltfs_objects_xattr(&reader->objects, reader->key.data, reader->value.data,
					  reader->value.length, why);
}

/* An unknown element is over. What is in an extent or attribute waits for that to be known. */
static void end_part(struct rsm_ltfs_index_reader *reader)
{
	enum rsm_ltfs_element parent = rsm_ltfs_index_innermost(reader);
	struct rsm_err why;
	int r;

	if (parent != CONTENTS && parent != XATTRS && parent != EXTENTS)
		return;
	r = rsm_ltfs_objects_part(&reader->objects,
				  parent == CONTENTS ? RSM_LTFS_PART_CONTENTS
				  : parent == XATTRS ? RSM_LTFS_PART_XATTRS
						     : RSM_LTFS_PART_EXTENTS,
				  &reader->part, &why);
	if (r < 0)
		rsm_xml_fail_with(&reader->xml, r, &why);
}

static int end_object(struct rsm_ltfs_index_reader *reader, enum rsm_ltfs_element self,
		      struct rsm_err *why)
{
	struct rsm_ltfs_object *top = rsm_ltfs_objects_top(&reader->objects);
	uint32_t missing = reader->needed_of_new[self] & ~top->seen;

	if (missing)
		top->missing = rsm_ltfs_index_grammar[self].rules[__builtin_ctz(missing)].name;
	settle_backup_time(reader);
	if (top->node.kind == RSM_NODE_FILE && !top->linked) {
		reader->header.files++;
		reader->header.bytes += top->node.size;
	}
	return rsm_ltfs_objects_pop(&reader->objects, why);
}

static bool check_complete(struct rsm_ltfs_index_reader *reader, enum rsm_ltfs_element self,
			   const XML_Char *name)
{
	uint32_t missing = reader->needed[self] & ~*seen_in(reader, self);

	if (!missing)
		return true;
	rsm_xml_fail(&reader->xml, EBADMSG, "<%s> is missing in <%s>",
		     rsm_ltfs_index_grammar[self].rules[__builtin_ctz(missing)].name, name);
	return false;
}

static void XMLCALL end_element(void *data, const XML_Char *name)
{
	struct rsm_ltfs_index_reader *reader = data;
	enum rsm_ltfs_element self;
	struct rsm_err why;
	int r = 0;

	reader->xml.events++;
	if (reader->xml.result)
		return;
	if (reader->keeper.depth) {
		rsm_ltfs_keeper_end(&reader->keeper, name);
		if (!reader->keeper.depth)
			end_part(reader);
		return;
	}
	self = reader->path[--reader->depth];
	if (self >= FIRST_TEXT) {
		rsm_ltfs_index_take_text(reader, self, name);
		return;
	}
	if (!check_complete(reader, self, name))
		return;
	switch (self) {
	case DIRECTORY:
	case PLAIN_FILE: r = end_object(reader, self, &why); break;
	case XATTR: r = end_xattr(reader, &why); break;
	case EXTENT: r = end_extent(reader, &why); break;
	default: break;
	}
	if (r < 0)
		rsm_xml_fail_with(&reader->xml, r, &why);
}

/* ---- the reader ---- */

int rsm_ltfs_index_reader_new(struct rsm_index_loader *loader, const char *uuid,
			      struct rsm_ltfs_index_reader **ret_reader, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_ltfs_index_reader_free)
	struct rsm_ltfs_index_reader *reader = calloc(1, sizeof *reader);
	int r;

	if (!reader)
		return rsm_err_oom(err);
	if (uuid && !rsm_xml_uuid(uuid, reader->uuid))
		return rsm_err_set(err, EINVAL, "%s is not a UUID", uuid);
	reader->objects.loader = loader;
	reader->keeper.xml = &reader->xml;
	reader->keeper.total = &reader->objects.unknown_bytes;
	r = rsm_xml_init(&reader->xml, err);
	if (r < 0)
		return r;
	XML_SetElementHandler(reader->xml.parser, start_element, end_element);
	XML_SetCharacterDataHandler(reader->xml.parser, add_text);
	*ret_reader = RSM_STEAL(reader);
	return 0;
}

void rsm_ltfs_index_reader_expect_changes(struct rsm_ltfs_index_reader *reader)
{
	reader->expects_changes = true;
}

void rsm_ltfs_index_reader_free(struct rsm_ltfs_index_reader *reader)
{
	if (!reader)
		return;
	rsm_xml_fini(&reader->xml);
	rsm_ltfs_objects_fini(&reader->objects);
	rsm_text_fini(&reader->text);
	rsm_text_fini(&reader->key);
	rsm_text_fini(&reader->value);
	rsm_text_fini(&reader->comment);
	rsm_text_fini(&reader->unknown);
	rsm_text_fini(&reader->policy);
	rsm_text_fini(&reader->part);
	rsm_ltfs_keeper_fini(&reader->keeper);
	free(reader);
}

int rsm_ltfs_index_reader_feed(struct rsm_ltfs_index_reader *reader, const void *bytes,
			       size_t length, struct rsm_err *err)
{
	return rsm_xml_parse(&reader->xml, bytes, length, false, err);
}

static int set_facts(struct rsm_ltfs_index_reader *reader, struct rsm_err *err)
{
	const struct rsm_ltfs_index_header *header = &reader->header;
	char time[RSM_LTFS_TIME_SIZE];
	const struct {
		const char *key, *value;
	} facts[] = {
		{ "comment", reader->comment.length ? reader->comment.data : NULL },
		{ "policy", reader->policy.length ? reader->policy.data : NULL },
		{ "unknown", reader->unknown.length ? reader->unknown.data : NULL },
		{ "allow_policy_update", header->incremental	       ? NULL
					 : header->allow_policy_update ? "true"
								       : "false" },
		{ "volume_name", reader->objects.stack[0].name.data },
		{ "lock", header->lock[0] ? header->lock : NULL },
		{ "index_creator", header->creator },
		{ "update_time", time },
	};
	int r = 0;

	rsm_ltfs_time_format(&header->update_time, time);
	for (size_t i = 0; !r && i < sizeof facts / sizeof facts[0]; i++) {
		if (facts[i].value)
			r = rsm_index_loader_set_fact(reader->objects.loader, facts[i].key,
						      facts[i].value, err);
	}
	return r;
}

int rsm_ltfs_index_reader_peek(const struct rsm_ltfs_index_reader *reader,
			       struct rsm_ltfs_index_header *ret_header)
{
	const struct rsm_ltfs_index_header *header = &reader->header;

	if (reader->xml.result || !reader->at_tree || !header->creator[0] || !header->uuid[0] ||
	    !header->generation || !header->self_partition || !header->self_block)
		return 1;
	*ret_header = *header;
	return 0;
}

int rsm_ltfs_index_reader_finish(struct rsm_ltfs_index_reader *reader,
				 struct rsm_ltfs_index_header *ret_header, struct rsm_err *err)
{
	int r = rsm_xml_parse(&reader->xml, "", 0, true, err);

	if (!r && reader->objects.loader)
		r = set_facts(reader, err);
	if (r < 0)
		return r;
	reader->header.highest_uid = reader->objects.highest_uid;
	*ret_header = reader->header;
	return 0;
}
