#include "core/ltfs/index_keeper.h"

#include <string.h>

void rsm_ltfs_keeper_fini(struct rsm_ltfs_keeper *keeper)
{
	rsm_text_fini(&keeper->text);
}

void rsm_ltfs_keeper_begin(struct rsm_ltfs_keeper *keeper, struct rsm_text *into, bool policy)
{
	keeper->depth = keeper->hole = 0;
	keeper->into = into;
	keeper->policy = policy;
	keeper->in_text = false;
	keeper->criteria = keeper->sizes = 0;
}

static void count(struct rsm_ltfs_keeper *keeper, size_t before)
{
	size_t more = keeper->into->length - before;

	if (keeper->into->failed)
		rsm_xml_fail(keeper->xml, ENOMEM, "out of memory");
	else if (more > RSM_LTFS_KEPT_MAX - *keeper->total)
		rsm_xml_fail(keeper->xml, EBADMSG, "unknown elements are too large");
	else
		*keeper->total += more;
}

static void keep_start(struct rsm_ltfs_keeper *keeper, const XML_Char *name,
		       const XML_Char **attributes)
{
	int specified = XML_GetSpecifiedAttributeCount(keeper->xml->parser);
	struct rsm_text *out = keeper->into;

	rsm_text_append(out, "<", 1);
	rsm_text_add(out, name);
	for (int i = 0; i < specified; i += 2) {
		if (strchr(attributes[i], ':'))
			continue;
		rsm_text_append(out, " ", 1);
		rsm_text_add(out, attributes[i]);
		rsm_text_append(out, "=\"", 2);
		rsm_xml_escape(out, attributes[i + 1], strlen(attributes[i + 1]), true);
		rsm_text_append(out, "\"", 1);
	}
	rsm_text_append(out, ">", 1);
}

static void check_policy_start(struct rsm_ltfs_keeper *keeper, const XML_Char *name)
{
	bool size = !strcmp(name, "size");

	if (keeper->depth == 2 && !strcmp(name, "indexpartitioncriteria"))
		keeper->criteria++;
	keeper->in_text = keeper->depth == 3 && (size || !strcmp(name, "name"));
	if (keeper->in_text && size)
		keeper->sizes++;
	rsm_text_reset(&keeper->text);
}

void rsm_ltfs_keeper_start(struct rsm_ltfs_keeper *keeper, const XML_Char *name,
			   const XML_Char **attributes)
{
	size_t before;

	if (++keeper->depth > RSM_LTFS_KEPT_DEPTH_MAX) {
		rsm_xml_fail(keeper->xml, EBADMSG, "too many elements within each other");
		return;
	}
	if (!keeper->into)
		return;
	/* a prefix, whose declaration would be lost, makes the reference refuse the index */
	if (keeper->hole || strchr(name, ':')) {
		keeper->hole++;
		return;
	}
	before = keeper->into->length;
	keep_start(keeper, name, attributes);
	count(keeper, before);
	if (keeper->policy)
		check_policy_start(keeper, name);
}

void rsm_ltfs_keeper_text(struct rsm_ltfs_keeper *keeper, const XML_Char *text, size_t length)
{
	size_t before;

	if (!keeper->into || keeper->hole)
		return;
	before = keeper->into->length;
	rsm_xml_escape(keeper->into, text, length, false);
	count(keeper, before);
	if (keeper->in_text)
		rsm_text_append(&keeper->text, text, length);
}

/* What the reference would refuse is refused here, too: we could not write it again. */
static void check_policy_end(struct rsm_ltfs_keeper *keeper, const XML_Char *name)
{
	uint64_t number;

	if (keeper->in_text && !keeper->text.length)
		rsm_xml_fail(keeper->xml, EBADMSG, "<%s> of the placement policy is empty", name);
	else if (keeper->in_text && !strcmp(name, "size") &&
		 !rsm_xml_number(keeper->text.data, &number))
		rsm_xml_fail(keeper->xml, EBADMSG, "<size> of the placement policy is no number");
	keeper->in_text = false;
	if (!keeper->depth && (keeper->criteria != 1 || keeper->sizes != 1))
		rsm_xml_fail(keeper->xml, EBADMSG, "<%s> is not complete", name);
}

void rsm_ltfs_keeper_end(struct rsm_ltfs_keeper *keeper, const XML_Char *name)
{
	size_t before;

	keeper->depth--;
	if (!keeper->into)
		return;
	if (keeper->hole) {
		keeper->hole--;
		return;
	}
	before = keeper->into->length;
	rsm_text_append(keeper->into, "</", 2);
	rsm_text_add(keeper->into, name);
	rsm_text_append(keeper->into, ">", 1);
	count(keeper, before);
	if (keeper->policy)
		check_policy_end(keeper, name);
}
