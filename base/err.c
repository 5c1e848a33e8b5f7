#include "base/err.h"

#include <stdio.h>
#include <string.h>

static void start(struct rsm_err *err, const char *file, int line, int code)
{
	*err = (struct rsm_err){ .code = code, .file = file, .line = line };
}

int rsm_err_set_at(struct rsm_err *err, const char *file, int line, int code, const char *format,
		   ...)
{
	va_list args;

	if (!err)
		return -code;
	start(err, file, line, code);
	va_start(args, format);
	vsnprintf(err->msg, sizeof err->msg, format, args);
	va_end(args);
	return -code;
}

int rsm_err_errno_at(struct rsm_err *err, const char *file, int line, int code, const char *format,
		     ...)
{
	va_list args;
	size_t used;

	if (code <= 0)
		code = EIO;
	if (!err)
		return -code;
	start(err, file, line, code);
	va_start(args, format);
	vsnprintf(err->msg, sizeof err->msg, format, args);
	va_end(args);
	used = strlen(err->msg);
	snprintf(err->msg + used, sizeof err->msg - used, ": %s", strerror(code));
	return -code;
}

int rsm_err_fold_at(struct rsm_err *err, const char *file, int line, int r, const char *format, ...)
{
	char what[256];
	va_list args;

	if (r < 0)
		return r;
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	return rsm_err_set_at(err, file, line, EIO, "%s: unexpected outcome %d", what, r);
}

int rsm_err_wrap(struct rsm_err *err, int r, const char *format, ...)
{
	char prefix[RSM_ERR_MSG_SIZE];
	va_list args;
	size_t room, cause, length;

	if (!err)
		return r;
	va_start(args, format);
	vsnprintf(prefix, sizeof prefix, format, args);
	va_end(args);

	/* the cause is what matters most: cut the prefix, never the cause */
	cause = strlen(err->msg);
	room = sizeof err->msg - 1 - cause;
	length = strlen(prefix);
	if (room < 3)
		return r;
	if (length > room - 2)
		length = room - 2;
	memmove(err->msg + length + 2, err->msg, cause + 1);
	memcpy(err->msg, prefix, length);
	memcpy(err->msg + length, ": ", 2);
	return r;
}
