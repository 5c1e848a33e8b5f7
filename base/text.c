#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct rsm_text *text, size_t extra)
{
	size_t room = text->room ? text->room : 64;
	char *data;

	if (text->failed)
		return false;
	while (room < text->length + extra + 1)
		room *= 2;
	if (room == text->room)
		return true;
	data = realloc(text->data, room);
	if (!data) {
		text->failed = true;
		return false;
	}
	text->data = data;
	text->room = room;
	return true;
}

void rsm_text_append(struct rsm_text *text, const void *bytes, size_t length)
{
	if (!reserve(text, length))
		return;
	if (length)
		memcpy(text->data + text->length, bytes, length);
	text->length += length;
	text->data[text->length] = '\0';
}

void rsm_text_add(struct rsm_text *text, const char *string)
{
	rsm_text_append(text, string, strlen(string));
}

void rsm_text_printf(struct rsm_text *text, const char *format, ...)
{
	va_list args, again;
	int length;

	va_start(args, format);
	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length >= 0 && reserve(text, (size_t)length)) {
		vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
		text->length += (size_t)length;
	}
	va_end(again);
}

void rsm_text_reset(struct rsm_text *text)
{
	text->length = 0;
	text->failed = false;
	if (text->data)
		text->data[0] = '\0';
}

void rsm_text_fini(struct rsm_text *text)
{
	free(text->data);
	*text = (struct rsm_text){ 0 };
}

int rsm_text_take(struct rsm_text *text, char **ret_string, struct rsm_err *err)
{
	rsm_text_append(text, "", 0);
	if (text->failed) {
		rsm_text_fini(text);
		return rsm_err_oom(err);
	}
	*ret_string = text->data;
	*text = (struct rsm_text){ 0 };
	return 0;
}
