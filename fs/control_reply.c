#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fs/control_request.h"
#include "fs/wire.h"

/* A reply is a convenience for people and scripts: a line for which there is no memory is left
 * out by the stream, which then fails as a whole (control.c).
 */
static void send_line(struct rsmfs_request *request, struct rsm_text *line)
{
	rsm_text_add(line, "\n");
	if (!line->failed)
		request->send(request->context, line->data, line->length);
	rsm_text_reset(line);
}

void rsmfs_request_table(struct rsmfs_request *request, const char *style, const char *name,
			 const char *columns)
{
	RSM_TEXT struct rsm_text line = { 0 };

	rsm_text_printf(&line, "%s\t%s\t%s", style, name, columns);
	send_line(request, &line);
}

void rsmfs_row_begin(struct rsmfs_request *request)
{
	rsm_text_reset(&request->row);
	rsm_text_add(&request->row, "row");
}

void rsmfs_row_text(struct rsmfs_request *request, const char *text)
{
	rsm_text_add(&request->row, "\t");
	if (text)
		rsmfs_wire_escape(&request->row, text, strlen(text));
}

void rsmfs_row_number(struct rsmfs_request *request, uint64_t number)
{
	rsm_text_printf(&request->row, "\t%" PRIu64, number);
}

void rsmfs_row_signed(struct rsmfs_request *request, int64_t number)
{
	rsm_text_printf(&request->row, "\t%" PRId64, number);
}

void rsmfs_row_null(struct rsmfs_request *request)
{
	rsm_text_add(&request->row, "\t");
}

void rsmfs_row_time(struct rsmfs_request *request, const struct timespec *time)
{
	if (time->tv_sec || time->tv_nsec)
		rsmfs_row_signed(request, time->tv_sec);
	else
		rsmfs_row_null(request);
}

void rsmfs_row_end(struct rsmfs_request *request)
{
	send_line(request, &request->row);
}

static void send_words(struct rsmfs_request *request, const char *kind, const char *format,
		       va_list args) RSM_PRINTF(3, 0);
static void send_words(struct rsmfs_request *request, const char *kind, const char *format,
		       va_list args)
{
	RSM_TEXT struct rsm_text line = { 0 };
	char text[1024];

	vsnprintf(text, sizeof(text), format, args);
	rsm_text_printf(&line, "%s\t", kind);
	rsmfs_wire_escape(&line, text, strlen(text));
	send_line(request, &line);
}

void rsmfs_request_text(struct rsmfs_request *request, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	send_words(request, "text", format, args);
	va_end(args);
}

void rsmfs_request_note(struct rsmfs_request *request, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	send_words(request, "note", format, args);
	va_end(args);
}

void rsmfs_request_data(struct rsmfs_request *request, const void *data, size_t length)
{
	RSM_TEXT struct rsm_text line = { 0 };

	rsm_text_add(&line, "data\t");
	rsmfs_wire_escape(&line, data, length);
	send_line(request, &line);
}

void rsmfs_request_progress(void *context, uint64_t done, uint64_t total, const char *what)
{
	RSM_TEXT struct rsm_text line = { 0 };

	rsm_text_printf(&line, "progress\t%" PRIu64 "\t%" PRIu64 "\t", done, total);
	if (what)
		rsmfs_wire_escape(&line, what, strlen(what));
	send_line(context, &line);
}
