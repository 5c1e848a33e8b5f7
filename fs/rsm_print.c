#include "fs/rsm_print.h"

#include <inttypes.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Rows of a table are shown in pieces of so many, the widths of a drawn one's first being kept
 * where they suffice: a table of a million rows needs neither memory nor patience.
 */
enum { ROWS_AT_ONCE = 1000 };

struct rsmfs_printer {
	enum rsmfs_print_mode mode;
	bool terse, guids;
	FILE *out;
	struct rsmfs_reply_table shape;
	struct libscols_table *table; /* NULL: none, or one that is not collected */
	size_t rows;		      /* in `table` */
	unsigned pieces;	      /* of this table that were shown */
	size_t widths[RSMFS_REPLY_COLUMNS];
	unsigned drawn; /* tables shown so far */
	struct rsm_text json;
	bool json_begun; /* some of it has gone out */
};

int rsmfs_printer_new(enum rsmfs_print_mode mode, FILE *out, struct rsmfs_printer **ret_printer,
		      struct rsm_err *err)
{
	struct rsmfs_printer *printer = calloc(1, sizeof(*printer));

	if (!printer)
		return rsm_err_oom(err);
	printer->mode = mode;
	printer->out = out;
	*ret_printer = printer;
	return 0;
}

void rsmfs_printer_set_terse(struct rsmfs_printer *printer, bool terse, bool guids)
{
	printer->terse = terse && printer->mode != RSMFS_PRINT_JSON;
	printer->guids = guids;
}

static bool is_guid(const char *column)
{
	return !strcmp(column, "guid") || !strcmp(column, "lmid");
}

static bool is_hidden(const struct rsmfs_printer *printer, const struct rsmfs_column *column)
{
	return column->json_only && !(printer->guids && is_guid(column->name));
}

void rsmfs_printer_free(struct rsmfs_printer *printer)
{
	if (!printer)
		return;
	scols_unref_table(printer->table);
	rsm_text_fini(&printer->json);
	free(printer);
}

void rsmfs_print_size(uint64_t bytes, char *text, size_t size)
{
	static const char units[] = "KMGTPE";
	uint64_t unit = 1000;
	size_t i = 0;

	if (bytes < 1000) {
		snprintf(text, size, "%" PRIu64, bytes);
		return;
	}
	while (i + 2 < sizeof(units) && bytes / unit >= 1000) {
		unit *= 1000;
		i++;
	}
	uint64_t tenths = bytes % unit / (unit / 10);

	if (bytes / unit < 100 && tenths)
		snprintf(text, size, "%" PRIu64 ".%" PRIu64 "%c", bytes / unit, tenths, units[i]);
	else
		snprintf(text, size, "%" PRIu64 "%c", bytes / unit, units[i]);
}

/* People get their own time, programs UTC. */
static void format_time(const char *seconds, bool drawn, char *text, size_t size)
{
	time_t at = (time_t)strtoll(seconds, NULL, 10);
	struct tm tm;
	bool known = drawn ? localtime_r(&at, &tm) : gmtime_r(&at, &tm);

	if (!known)
		snprintf(text, size, "%s", seconds);
	else if (drawn)
		strftime(text, size, "%Y-%m-%d %H:%M:%S", &tm);
	else
		strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* A field as this mode shows it; points to `field` or `text`. */
static const char *shown(const struct rsmfs_printer *printer, size_t column, const char *field,
			 char *text, size_t size)
{
	if (!*field)
		return field;
	switch (printer->shape.columns[column].type) {
	case 'z':
		if (printer->mode != RSMFS_PRINT_TABLE)
			return field;
		rsmfs_print_size(strtoull(field, NULL, 10), text, size);
		return text;
	case 'b':
		if (printer->mode != RSMFS_PRINT_TABLE)
			return field;
		return *field == '0' ? "-" : "yes";
	case 't': format_time(field, printer->mode == RSMFS_PRINT_TABLE, text, size); return text;
	default: return field;
	}
}

static int new_table(struct rsmfs_printer *printer, struct rsm_err *err)
{
	bool json = printer->mode == RSMFS_PRINT_JSON;

	scols_unref_table(printer->table);
	printer->rows = 0;
	printer->table = scols_new_table();
	if (!printer->table)
		return rsm_err_oom(err);
	scols_table_set_name(printer->table, printer->shape.name);
	scols_table_enable_json(printer->table, json);
	scols_table_enable_noheadings(printer->table, printer->pieces > 0);
	scols_table_set_stream(printer->table, printer->out);
	for (size_t i = 0; i < printer->shape.column_count; i++) {
		const struct rsmfs_column *column = &printer->shape.columns[i];
		bool number = column->type == 'n' || column->type == 'z';
		int flags = (number ? SCOLS_FL_RIGHT : 0) |
			    (!json && is_hidden(printer, column) ? SCOLS_FL_HIDDEN : 0) |
			    (!strcmp(column->name, "health") || !strcmp(column->name, "text")
				     ? SCOLS_FL_TRUNC
				     : 0);
		char heading[sizeof(column->name)];

		for (size_t k = 0; k < sizeof(heading); k++)
			heading[k] = !json && column->name[k] >= 'a' && column->name[k] <= 'z'
					     ? (char)(column->name[k] - 'a' + 'A')
					     : column->name[k];
		struct libscols_column *made = scols_table_new_column(
			printer->table, heading, (double)printer->widths[i], flags);

		if (!made)
			return rsm_err_oom(err);
		scols_column_set_json_type(made, column->type == 'b' ? SCOLS_JSON_BOOLEAN
						 : number	     ? SCOLS_JSON_NUMBER
								     : SCOLS_JSON_STRING);
	}
	return 0;
}

/* Cuts the blanks around a piece of text off. */
static void trim(char **begin, char **end)
{
	while (*begin < *end && (**begin == '\n'))
		(*begin)++;
	while (*end > *begin && ((*end)[-1] == '\n' || (*end)[-1] == ' '))
		(*end)--;
}

/* {"name": [ROW, ROW...]}: its head up to "[", its rows, and its tail from "]", of which the first
 * piece of a table has the head and the last one the tail. Several tables make one object.
 */
static int collect_json(struct rsmfs_printer *printer, bool is_last, struct rsm_err *err)
{
	RSM_FREE char *text = NULL;
	char *begin, *end, *rows, *rows_end;

	if (scols_print_table_to_string(printer->table, &text) != 0 || !text)
		return rsm_err_oom(err);
	begin = strchr(text, '{');
	end = strrchr(text, '}');
	rows = begin ? strchr(begin, '[') : NULL;
	rows_end = strrchr(text, ']');
	if (!rows || !end || !rows_end || rows_end < rows || end < rows_end)
		return rsm_err_set(err, EIO, "libsmartcols made no JSON");
	begin++;
	rows++;
	trim(&begin, &end);
	if (printer->pieces || printer->json.length || printer->json_begun)
		rsm_text_add(&printer->json, ",\n");
	if (printer->pieces)
		begin = rows;
	if (!is_last)
		end = rows_end;
	trim(&begin, &end);
	rsm_text_append(&printer->json, begin, (size_t)(end - begin));
	return printer->json.failed ? rsm_err_oom(err) : 0;
}

/* What there is of a long answer goes out: memory does not grow with it. */
static void send_json(struct rsmfs_printer *printer)
{
	if (!printer->json_begun)
		fputs("{\n", printer->out);
	printer->json_begun = true;
	fwrite(printer->json.data, 1, printer->json.length, printer->out);
	rsm_text_reset(&printer->json);
}

static int draw(struct rsmfs_printer *printer, struct rsm_err *err)
{
	if (!printer->rows)
		return 0;
	if (!printer->pieces && printer->drawn++)
		fputc('\n', printer->out);
	if (scols_print_table(printer->table) != 0)
		return rsm_err_set(err, EIO, "the table could not be shown");
	return 0;
}

static int show_piece(struct rsmfs_printer *printer, struct rsm_err *err)
{
	bool json = printer->mode == RSMFS_PRINT_JSON;
	int r = json ? collect_json(printer, false, err) : draw(printer, err);

	if (r < 0)
		return r;
	if (json)
		send_json(printer);
	printer->pieces++;
	return new_table(printer, err);
}

static int finish_table(struct rsmfs_printer *printer, struct rsm_err *err)
{
	int r = 0;

	if (!printer->table)
		return 0;
	if (printer->mode == RSMFS_PRINT_JSON)
		r = collect_json(printer, true, err);
	else
		r = draw(printer, err);
	scols_unref_table(printer->table);
	printer->table = NULL;
	return r;
}

static bool is_drawn(const struct rsmfs_printer *printer)
{
	return printer->mode == RSMFS_PRINT_JSON ||
	       (!printer->terse && printer->mode == RSMFS_PRINT_TABLE &&
		!strcmp(printer->shape.style, "table"));
}

int rsmfs_printer_table(struct rsmfs_printer *printer, const struct rsmfs_reply_table *table,
			struct rsm_err *err)
{
	int r = finish_table(printer, err);

	if (r < 0)
		return r;
	printer->shape = *table;
	printer->pieces = 0;
	memset(printer->widths, 0, sizeof(printer->widths));
	return is_drawn(printer) ? new_table(printer, err) : 0;
}

static void print_tabs(struct rsmfs_printer *printer, char *const *fields)
{
	bool first = true;
	char text[64];

	for (size_t i = 0; i < printer->shape.column_count; i++) {
		if (is_hidden(printer, &printer->shape.columns[i]))
			continue;
		fprintf(printer->out, "%s%s", first ? "" : "\t",
			shown(printer, i, fields[i], text, sizeof(text)));
		first = false;
	}
	fputc('\n', printer->out);
}

static void print_terse(struct rsmfs_printer *printer, char *const *fields)
{
	bool lmid = printer->guids || !strcmp(printer->shape.name, "allocate");
	const char *first = NULL, *guid = NULL;

	for (size_t i = 0; i < printer->shape.column_count; i++) {
		const struct rsmfs_column *column = &printer->shape.columns[i];

		if (!*fields[i])
			continue;
		if (!guid && is_guid(column->name))
			guid = fields[i];
		if (!first && !is_hidden(printer, column))
			first = fields[i];
	}
	if ((lmid && guid) || first)
		fprintf(printer->out, "%s\n", lmid && guid ? guid : first);
}

static int add_line(struct rsmfs_printer *printer, char *const *fields, struct rsm_err *err)
{
	struct libscols_line *line = scols_table_new_line(printer->table, NULL);
	char text[64];

	if (!line)
		return rsm_err_oom(err);
	for (size_t i = 0; i < printer->shape.column_count; i++) {
		const char *value = shown(printer, i, fields[i], text, sizeof(text));
		size_t width = strlen(value);

		if (width > printer->widths[i])
			printer->widths[i] = width < 60 ? width : 60;
		if (*value && scols_line_set_data(line, i, value) != 0)
			return rsm_err_oom(err);
	}
	printer->rows++;
	return 0;
}

int rsmfs_printer_row(struct rsmfs_printer *printer, char *const *fields, struct rsm_err *err)
{
	int r;

	if (!printer->table) {
		if (strcmp(printer->shape.style, "done") != 0 && printer->terse)
			print_terse(printer, fields);
		else if (strcmp(printer->shape.style, "done") != 0)
			print_tabs(printer, fields);
		return 0;
	}
	/* the last piece has a row, as it closes what the others leave open */
	r = printer->rows == ROWS_AT_ONCE ? show_piece(printer, err) : 0;
	return r < 0 ? r : add_line(printer, fields, err);
}

void rsmfs_printer_text(struct rsmfs_printer *printer, const char *text)
{
	if (printer->mode != RSMFS_PRINT_JSON)
		fprintf(printer->out, "%s\n", text);
}

int rsmfs_printer_end(struct rsmfs_printer *printer, struct rsm_err *err)
{
	int r = finish_table(printer, err);

	if (r < 0)
		return r;
	if (printer->mode == RSMFS_PRINT_JSON)
		fprintf(printer->out, "%s%s%s}\n", printer->json_begun ? "" : "{\n",
			printer->json.length ? printer->json.data : "",
			printer->json.length || printer->json_begun ? "\n" : "");
	printer->json_begun = false;
	rsm_text_reset(&printer->json);
	if (fflush(printer->out) || ferror(printer->out))
		return rsm_err_errno(err, "standard output");
	return 0;
}
