#include "base/text.h"
#include "tests/base/test.h"

static void text_grows_as_needed(void **state)
{
	RSM_TEXT struct rsm_text text = { 0 };
	struct rsm_err err;
	char *whole;

	(void)state;
	for (int i = 0; i < 1000; i++)
		rsm_text_printf(&text, "%03d,", i);
	assert_int_equal(text.length, 4000);
	assert_memory_equal(text.data + 3996, "999,", 5);
	assert_done(rsm_text_take(&text, &whole, &err), &err);
	assert_int_equal(strlen(whole), 4000);
	free(whole);
	assert_null(text.data);
}

static void an_empty_text_is_a_string_too(void **state)
{
	struct rsm_text text = { 0 };
	struct rsm_err err;
	char *whole;

	(void)state;
	assert_done(rsm_text_take(&text, &whole, &err), &err);
	assert_string_equal(whole, "");
	free(whole);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(text_grows_as_needed),
	cmocka_unit_test(an_empty_text_is_a_string_too),
};
RSM_TEST_MAIN(tests)
