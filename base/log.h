/* log.h - the log: who lost something, what was handled, what happened, and details by room.
 *
 * Only edges log (a FUSE operation, a control verb, a worker's loop); everything below returns.
 * Lines about media begin with barcode and element. Lines go to stderr while in the foreground,
 * to syslog (LOG_DAEMON) otherwise, and to a file if one was named. Any thread may log.
 */
#ifndef RSM_BASE_LOG_H
#define RSM_BASE_LOG_H

#include <stdbool.h>

#include "base/err.h"

enum rsm_log_level { RSM_LOG_ERROR, RSM_LOG_WARNING, RSM_LOG_INFO, RSM_LOG_DEBUG };

/* Rooms whose debug lines can be asked for (-o debug=scsi,queue). */
enum rsm_log_room {
	RSM_ROOM_SCSI = 1 << 0,
	RSM_ROOM_EMULATOR = 1 << 1,
	RSM_ROOM_CATALOG = 1 << 2,
	RSM_ROOM_QUEUE = 1 << 3,
	RSM_ROOM_DRIVE = 1 << 4,
	RSM_ROOM_VOLUME = 1 << 5,
	RSM_ROOM_STAGING = 1 << 6,
	RSM_ROOM_FUSE = 1 << 7,
	RSM_ROOM_CONTROL = 1 << 8,
};

enum rsm_log_target { RSM_LOG_TO_STDERR, RSM_LOG_TO_SYSLOG };

/* Where lines go; `file` (may be NULL) gets them as well, opened for appending. */
int rsm_log_open(enum rsm_log_target target, const char *file, struct rsm_err *err);

/* Parses "scsi,queue", "all"; -EINVAL with the list of known rooms otherwise. */
int rsm_log_parse_rooms(const char *text, unsigned *ret_rooms, struct rsm_err *err);

void rsm_log_set_rooms(unsigned rooms);
bool rsm_log_wants(enum rsm_log_room room);

void rsm_log(enum rsm_log_level level, const char *format, ...) RSM_PRINTF(2, 3);

#define rsm_log_error(...)   rsm_log(RSM_LOG_ERROR, __VA_ARGS__)
#define rsm_log_warning(...) rsm_log(RSM_LOG_WARNING, __VA_ARGS__)
#define rsm_log_info(...)    rsm_log(RSM_LOG_INFO, __VA_ARGS__)

#define rsm_log_debug(room, ...)                                                                   \
	do {                                                                                       \
		if (rsm_log_wants(room))                                                           \
			rsm_log(RSM_LOG_DEBUG, __VA_ARGS__);                                       \
	} while (0)

#endif
