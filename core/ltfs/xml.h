/* xml.h - what the two XML documents of LTFS share: a parser that hostile input cannot hurt, and
 * the text forms of ltfs-format.md 7.3.
 *
 * Entities are refused whoever declares them (a DOCTYPE alone is fine), a token that never ends is
 * refused, and the first error sticks. Name spaces are off: a prefix makes an unknown element.
 */
#ifndef RSM_CORE_LTFS_XML_H
#define RSM_CORE_LTFS_XML_H

#include <stdbool.h>
#include <stdint.h>

#include <expat.h>

#include "base/err.h"
#include "base/text.h"

struct rsm_xml {
	XML_Parser parser;
	uint64_t events; /* handlers count here: proof that the parser gets on */
	uint64_t stalled;
	int result; /* the error that sticks */
	struct rsm_err err;
};

/* The parser's user data is `xml`: embed it as the first field. */
RSM_MUST_CHECK int rsm_xml_init(struct rsm_xml *xml, struct rsm_err *err);
void rsm_xml_fini(struct rsm_xml *xml);

/* From within a handler: stops, the message begins with the line. Returns -code. */
int rsm_xml_fail(struct rsm_xml *xml, int code, const char *format, ...) RSM_PRINTF(3, 4);
/* The same with an error that is already there (of a loader, say). Returns result. */
int rsm_xml_fail_with(struct rsm_xml *xml, int result, const struct rsm_err *why);

RSM_MUST_CHECK int rsm_xml_parse(struct rsm_xml *xml, const void *bytes, size_t length, bool last,
				 struct rsm_err *err);

/* ---- texts; each returns false when the text is not of that form ---- */

/* Decimal digits; the reference also takes leading white space and a plus sign. */
bool rsm_xml_number(const char *text, uint64_t *ret_number);
bool rsm_xml_bool(const char *text, bool *ret_value);
/* "2.4.0" becomes 20400. Only what is readable: 1.0.0 to 2.99.99, and "1.0". */
bool rsm_xml_version(const char *text, unsigned *ret_version);
/* 8-4-4-4-12 hexadecimal digits; the result is in lower case, 37 bytes. */
bool rsm_xml_uuid(const char *text, char *ret_uuid);
bool rsm_xml_letter(const char *text, char *ret_letter);

/* Length in bytes of the UTF-8 character at `text` if XML 1.0 can hold it, else 0. */
size_t rsm_xml_character(const char *text, size_t length);
/* Escapes text; what XML cannot hold becomes U+FFFD. `attribute`: also quotes and white space. */
void rsm_xml_escape(struct rsm_text *out, const char *text, size_t length, bool attribute);

#endif
