#include "fs/rsm_print.h"
#include "fs/rsm_progress.h"
#include "tests/base/test.h"

static const char canned[] = "table\tmedia\tpath:s\tlmid:S\tmounted:b\tcapacity:z\tqueued:t\n"
			     "row\tBackup/a%09b\tl-1\t1\t12000000000000\t0\n"
			     "row\t\t\t0\t\t\n"
			     "progress\t1\t2\treading %25\n"
			     "text\thello%0Aworld\n"
			     "table\tpools\tpath:s\tmedia:n\n"
			     "row\tBackup\t4\n"
			     "table\tempty\tpath:s\n"
			     "list\tfiles\tpath:s\tsize:Z\n"
			     "row\tBackup/x\t12\n"
			     "done\tmove\tpath:s\n"
			     "row\tBackup/y\n"
			     "end\t0\n";

static struct rsmfs_printer *printer;

static int on_table(void *context, const struct rsmfs_reply_table *table, struct rsm_err *err)
{
	(void)context;
	return rsmfs_printer_table(printer, table, err);
}

static int on_row(void *context, char *const *fields, struct rsm_err *err)
{
	(void)context;
	return rsmfs_printer_row(printer, fields, err);
}

static void on_text(void *context, const char *text)
{
	(void)context;
	rsmfs_printer_text(printer, text);
}

static int on_data(void *context, const void *data, size_t length, struct rsm_err *err)
{
	(void)context;
	(void)data;
	(void)length;
	(void)err;
	return 0;
}

static void on_progress(void *context, uint64_t done, uint64_t total, const char *what)
{
	(void)context;
	assert_int_equal(done, 1);
	assert_int_equal(total, 2);
	assert_string_equal(what, "reading %");
}

static const struct rsmfs_reply_sink sink = { .table = on_table,
					      .row = on_row,
					      .text = on_text,
					      .note = on_text,
					      .data = on_data,
					      .progress = on_progress };

/* Fed in pieces of `piece` bytes, so that lines are cut anywhere. */
static int feed(enum rsmfs_print_mode mode, const char *reply_text, size_t piece, char **ret_shown)
{
	struct rsmfs_reply reply = { .sink = &sink };
	size_t length = strlen(reply_text), size = 0;
	struct rsm_err err;
	FILE *out = open_memstream(ret_shown, &size);
	int r = 0;

	assert_non_null(out);
	assert_done(rsmfs_printer_new(mode, out, &printer, &err), &err);
	for (size_t at = 0; at < length && r == 0; at += piece)
		r = rsmfs_reply_feed(&reply, reply_text + at,
				     length - at < piece ? length - at : piece, &err);
	if (r == 0)
		r = rsmfs_printer_end(printer, &err);
	if (r == 0)
		assert_true(reply.ended);
	rsmfs_printer_free(printer);
	rsmfs_reply_fini(&reply);
	fclose(out);
	return r;
}

static void plain_tables_have_tabs_and_no_headings(void **state)
{
	char *shown;

	(void)state;
	assert_int_equal(feed(RSMFS_PRINT_PLAIN, canned, 7, &shown), 0);
	assert_string_equal(shown, "Backup/a\tb\t1\t12000000000000\t1970-01-01T00:00:00Z\n"
				   "\t0\t\t\n"
				   "hello\nworld\n"
				   "Backup\t4\n"
				   "Backup/x\n");
	free(shown);
}

static void drawn_tables_have_headings_and_sizes_for_people(void **state)
{
	char *shown;

	(void)state;
	assert_int_equal(feed(RSMFS_PRINT_TABLE, canned, 1000, &shown), 0);
	assert_non_null(strstr(shown, "PATH"));
	assert_non_null(strstr(shown, "12T"));
	assert_non_null(strstr(shown, "yes"));
	assert_null(strstr(shown, "LMID"));
	assert_null(strstr(shown, "l-1"));
	assert_non_null(strstr(shown, "\nBackup/x\n"));
	assert_null(strstr(shown, "Backup/y"));
	free(shown);
}

/* The same rows, however many pieces they are sent in, as one text. */
static void long_json_is_what_short_json_is(void **state)
{
	RSM_TEXT struct rsm_text text = { 0 };
	static const unsigned counts[] = { 1000, 1001, 2000, 2500 };

	(void)state;
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		RSM_TEXT struct rsm_text expected = { 0 };
		char *shown;

		rsm_text_reset(&text);
		rsm_text_add(&text, "table\tmedia\tpath:s\n");
		rsm_text_add(&expected, "{\n   \"media\": [\n");
		for (unsigned n = 0; n < counts[i]; n++) {
			rsm_text_printf(&text, "row\t%u\n", n);
			rsm_text_printf(&expected, "%s{\n         \"path\": \"%u\"\n      }",
					n == 0		? "      "
					: n % 1000 == 0 ? ",\n      "
							: ",",
					n);
		}
		rsm_text_add(&text, "table\tpools\tpath:s\nrow\tx\nend\t0\n");
		rsm_text_add(&expected, "\n   ],\n   \"pools\": [\n      {\n         \"path\": "
					"\"x\"\n      }\n   ]\n}\n");
		assert_int_equal(feed(RSMFS_PRINT_JSON, text.data, 4000, &shown), 0);
		assert_string_equal(shown, expected.data);
		free(shown);
	}
}

static void json_is_one_object_of_all_tables(void **state)
{
	char *shown;

	(void)state;
	assert_int_equal(feed(RSMFS_PRINT_JSON, canned, 1, &shown), 0);
	assert_string_equal(shown, "{\n"
				   "   \"media\": [\n"
				   "      {\n"
				   "         \"path\": \"Backup/a\\tb\",\n"
				   "         \"lmid\": \"l-1\",\n"
				   "         \"mounted\": true,\n"
				   "         \"capacity\": 12000000000000,\n"
				   "         \"queued\": \"1970-01-01T00:00:00Z\"\n"
				   "      },{\n"
				   "         \"path\": null,\n"
				   "         \"lmid\": null,\n"
				   "         \"mounted\": false,\n"
				   "         \"capacity\": null,\n"
				   "         \"queued\": null\n"
				   "      }\n"
				   "   ],\n"
				   "   \"pools\": [\n"
				   "      {\n"
				   "         \"path\": \"Backup\",\n"
				   "         \"media\": 4\n"
				   "      }\n"
				   "   ],\n"
				   "   \"empty\": [\n"
				   "\n"
				   "   ],\n"
				   "   \"files\": [\n"
				   "      {\n"
				   "         \"path\": \"Backup/x\",\n"
				   "         \"size\": 12\n"
				   "      }\n"
				   "   ],\n"
				   "   \"move\": [\n"
				   "      {\n"
				   "         \"path\": \"Backup/y\"\n"
				   "      }\n"
				   "   ]\n"
				   "}\n");
	free(shown);
}

static void a_long_table_is_shown_in_pieces_with_one_heading(void **state)
{
	struct rsm_text text = { 0 };
	char *shown, *heading;
	size_t lines = 0;

	(void)state;
	rsm_text_add(&text, "table\tmedia\tpath:s\tmounts:n\n");
	for (int i = 0; i < 5000; i++)
		rsm_text_printf(&text, "row\tBackup/%05d\t%d\n", i, i);
	rsm_text_add(&text, "end\t0\n");
	assert_int_equal(feed(RSMFS_PRINT_TABLE, text.data, 65536, &shown), 0);
	heading = strstr(shown, "PATH");
	assert_non_null(heading);
	assert_null(strstr(heading + 1, "PATH"));
	for (const char *p = shown; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 5001);
	free(shown);
	rsm_text_fini(&text);
}

static void a_garbled_reply_is_an_error(void **state)
{
	static const char *const bad[] = { "nonsense\n",
					   "\n",
					   "row\ta\tb\n",
					   "table\tx\n",
					   "table\tx\tpath:q\n",
					   "table\tx\tpath\n",
					   "table\tx\tpath:s\nrow\ta\tb\n",
					   "text\t%zz\n",
					   "progress\t1\n",
					   "end\n",
					   "end\t0\ntext\tx\n" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char *shown;

		assert_int_equal(feed(RSMFS_PRINT_TABLE, bad[i], 3, &shown), -EBADMSG);
		free(shown);
	}
}

static void sizes_are_shown_in_three_digits(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = { { 0, "0" },
		      { 999, "999" },
		      { 1000, "1K" },
		      { 1500, "1.5K" },
		      { 123456, "123K" },
		      { 12000000000000, "12T" },
		      { 11439999999999, "11.4T" },
		      { UINT64_MAX, "18.4E" } };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[16];

		rsmfs_print_size(cases[i].bytes, text, sizeof text);
		assert_string_equal(text, cases[i].text);
	}
}

static void progress_fits_the_terminal(void **state)
{
	char text[256];

	(void)state;
	rsmfs_progress_format(text, sizeof text, 80, "writing A00001L8", 1, 2, 65);
	assert_string_equal(text, "[############............] 1/2 1:05 writing A00001L8");
	rsmfs_progress_format(text, sizeof text, 12, "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 0, 0, 5);
	assert_string_equal(text, "0:05 \xc3\xa4\xc3\xa4\xc3\xa4");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(plain_tables_have_tabs_and_no_headings),
	cmocka_unit_test(drawn_tables_have_headings_and_sizes_for_people),
	cmocka_unit_test(json_is_one_object_of_all_tables),
	cmocka_unit_test(long_json_is_what_short_json_is),
	cmocka_unit_test(a_long_table_is_shown_in_pieces_with_one_heading),
	cmocka_unit_test(a_garbled_reply_is_an_error),
	cmocka_unit_test(sizes_are_shown_in_three_digits),
	cmocka_unit_test(progress_fits_the_terminal),
};

RSM_TEST_MAIN(tests)
