/* err.h - one error idiom: an int that tells what happened, a value that tells people why.
 *
 * A function that can fail returns 0 (done), a positive outcome that its header lists (the caller
 * handles it and never forwards it), or a negative errno. Its last parameter is a struct rsm_err
 * that is set if and only if the result is negative; NULL when nobody wants the words. The value
 * owns nothing and belongs to no thread: copy it across queues, threads and into replies.
 *
 * Messages are one line, without final dot, without "error:"; objects as people see them
 * (barcode, "drive 256", path). Wrap where a new name becomes known, outermost first; the cause
 * stays last and is never cut off.
 *
 * The errno values in use, and what they mean here:
 *   ENOENT no such name            EEXIST name taken            ENOTEMPTY still holds something
 *   EBUSY in use                   EPERM nobody may             EACCES this caller may not
 *   EROFS medium takes no changes  ENOSPC no medium, or full    EDQUOT the pool's limit
 *   ENOMEDIUM not in the library   EMEDIUMTYPE wrong type       EIO drive or medium error
 *   EINVAL bad argument            EILSEQ name not allowed      ENAMETOOLONG name too long
 *   EBADMSG damaged data           EXDEV other cartridge        ETIMEDOUT, ECANCELED, EINTR waits
 *   ENODEV device gone             ENXIO no such element        EOPNOTSUPP the device cannot
 */
#ifndef RSM_BASE_ERR_H
#define RSM_BASE_ERR_H

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define RSM_MUST_CHECK	       __attribute__((warn_unused_result))
#define RSM_PRINTF(text, args) __attribute__((format(printf, text, args)))

enum { RSM_ERR_MSG_SIZE = 512 };

struct rsm_err {
	int code;    /* errno, positive */
	uint8_t key; /* sense key, additional sense code and qualifier; all 0 if no sense data */
	uint8_t asc;
	uint8_t ascq;
	const char *file; /* where it was raised; static storage */
	int line;
	char msg[RSM_ERR_MSG_SIZE];
};

/* Raises: fills *err (if not NULL) and returns -code. `code` is a positive errno. */
#define rsm_err_set(err, code, ...) rsm_err_set_at((err), __FILE__, __LINE__, (code), __VA_ARGS__)

/* Raises from errno: the text is followed by ": " and strerror(errno). Returns -errno. */
#define rsm_err_errno(err, ...) rsm_err_errno_at((err), __FILE__, __LINE__, errno, __VA_ARGS__)

/* Turns an outcome (> 0) that cannot happen here into -EIO with its origin; negative r passes. */
#define rsm_err_fold(err, r, ...) rsm_err_fold_at((err), __FILE__, __LINE__, (r), __VA_ARGS__)

int rsm_err_set_at(struct rsm_err *err, const char *file, int line, int code, const char *format,
		   ...) RSM_PRINTF(5, 6);
int rsm_err_errno_at(struct rsm_err *err, const char *file, int line, int code, const char *format,
		     ...) RSM_PRINTF(5, 6);
int rsm_err_fold_at(struct rsm_err *err, const char *file, int line, int r, const char *format, ...)
	RSM_PRINTF(5, 6);

/* Puts "text: " before the message and returns r, which must be negative. */
int rsm_err_wrap(struct rsm_err *err, int r, const char *format, ...) RSM_PRINTF(3, 4);

/* Out of memory, in the one spelling. Returns -ENOMEM. */
#define rsm_err_oom(err) rsm_err_set((err), ENOMEM, "out of memory")

#endif
