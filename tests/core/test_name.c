#include "core/ltfs/name.h"
#include "tests/base/test.h"

static void a_usual_name_is_allowed(void **state)
{
	struct rsm_err err;

	(void)state;
	assert_done(rsm_name_check("report 2024.txt", &err), &err);
	assert_done(rsm_name_check("a\\:*?\"<>|\t\n ", &err), &err);
	assert_done(rsm_name_check("\xe6\x97\xa5\xe6\x9c\xac", &err), &err);
	assert_done(rsm_name_check("...", &err), &err);
}

static void names_that_the_format_cannot_hold_are_refused(void **state)
{
	static const char *const bad[] = { "a/b",	    "a\x1f",	    "\xef\xbf\xbe",
					   "x\xef\xbf\xbf", "\xed\xa0\x80", "\xc0\xaf",
					   "\xff",	    "cut\xe6\x97" };
	struct rsm_err err;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(rsm_name_check(bad[i], &err), -EILSEQ);
	assert_int_equal(rsm_name_check("", &err), -EINVAL);
	assert_int_equal(rsm_name_check(".", &err), -EINVAL);
	assert_int_equal(rsm_name_check("..", &err), -EINVAL);
}

static void the_limit_is_255_characters_after_composition(void **state)
{
	RSM_TEXT struct rsm_text text = { 0 };
	struct rsm_err err;

	(void)state;
	for (int i = 0; i < 255; i++)
		rsm_text_add(&text, "e\xcc\x81");
	assert_done(rsm_name_check(text.data, &err), &err);
	rsm_text_add(&text, "x");
	assert_int_equal(rsm_name_check(text.data, &err), -ENAMETOOLONG);

	rsm_text_reset(&text);
	for (int i = 0; i < 255; i++)
		rsm_text_add(&text, "\xf0\x9f\x93\xbc");
	assert_done(rsm_name_check(text.data, &err), &err);

	/* U+0958 is one character that NFC makes two */
	rsm_text_reset(&text);
	for (int i = 0; i < 200; i++)
		rsm_text_add(&text, "\xe0\xa5\x98");
	assert_int_equal(rsm_name_check(text.data, &err), -ENAMETOOLONG);
}

static void a_name_with_a_suffix_is_as_short_as_it_must_be(void **state)
{
	RSM_TEXT struct rsm_text text = { 0 };
	struct rsm_err err;
	char *longer = NULL;

	(void)state;
	assert_done(rsm_name_add("file", "~kept", &longer, &err), &err);
	assert_string_equal(longer, "file~kept");
	free(longer);
	for (int i = 0; i < 250; i++)
		rsm_text_add(&text, "e\xcc\x81");
	assert_done(rsm_name_add(text.data, "~kept", &longer, &err), &err);
	assert_int_equal(strlen(longer), 250 * 3 + 5);
	free(longer);
	rsm_text_add(&text, "\xf0\x9f\x93\xbc\xf0\x9f\x93\xbc");
	assert_done(rsm_name_add(text.data, "~kept", &longer, &err), &err);
	assert_int_equal(strlen(longer), 250 * 3 + 5);
	assert_string_equal(longer + 250 * 3 - 3, "e\xcc\x81~kept");
	free(longer);
	assert_int_equal(rsm_name_add("cut\xe6\x97", "~kept", &longer, &err), -EILSEQ);
}

static void both_spellings_have_one_form(void **state)
{
	struct rsm_err err;
	char *nfc;

	(void)state;
	assert_done(rsm_name_nfc("cafe\xcc\x81", &nfc, &err), &err);
	assert_string_equal(nfc, "caf\xc3\xa9");
	free(nfc);
	assert_done(rsm_name_nfc("plain", &nfc, &err), &err);
	assert_string_equal(nfc, "plain");
	free(nfc);
	assert_int_equal(rsm_name_nfc("\xff", &nfc, &err), -EILSEQ);
	assert_true(rsm_name_is_ascii("plain"));
	assert_false(rsm_name_is_ascii("caf\xc3\xa9"));
}

static void colons_and_controls_are_encoded_but_not_a_links_colon(void **state)
{
	(void)state;
	assert_true(rsm_name_needs_encoding("a:b", false));
	assert_false(rsm_name_needs_encoding("dir/with:colon", true));
	assert_true(rsm_name_needs_encoding("a\x01", true));
	assert_false(rsm_name_needs_encoding("a\tb\nc\r%", false));
	assert_true(rsm_name_needs_encoding("\xef\xbf\xbf", true));
}

static void encoding_is_the_references(void **state)
{
	RSM_TEXT struct rsm_text text = { 0 };

	(void)state;
	rsm_name_encode("\xe6\x97\xa5\xe6\x9c\xac:x /%", &text);
	assert_string_equal(text.data, "%E6%97%A5%E6%9C%AC%3Ax%20/%25");
}

static void decoding_keeps_what_is_no_code_and_what_no_name_may_have(void **state)
{
	char text[] = "a%3Ab%2f%00%zz%4", all[] = "%e6%97%A5", end[] = "%";

	(void)state;
	assert_int_equal(rsm_name_decode(text, strlen(text)), 14);
	assert_string_equal(text, "a:b%2f%00%zz%4");
	assert_int_equal(rsm_name_decode(all, strlen(all)), 3);
	assert_string_equal(all, "\xe6\x97\xa5");
	assert_int_equal(rsm_name_decode(end, 1), 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_usual_name_is_allowed),
	cmocka_unit_test(names_that_the_format_cannot_hold_are_refused),
	cmocka_unit_test(the_limit_is_255_characters_after_composition),
	cmocka_unit_test(a_name_with_a_suffix_is_as_short_as_it_must_be),
	cmocka_unit_test(both_spellings_have_one_form),
	cmocka_unit_test(colons_and_controls_are_encoded_but_not_a_links_colon),
	cmocka_unit_test(encoding_is_the_references),
	cmocka_unit_test(decoding_keeps_what_is_no_code_and_what_no_name_may_have),
};
RSM_TEST_MAIN(tests)
