#include "changer/tape_drive.h"

#include <time.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "changer/scsi_device.h"
#include "changer/tape_drive_private.h"

enum {
	LOAD_TIMEOUT_MS = 10 * 60 * 1000,
	POLL_PAUSE_MS = 100,
	ATTENTION_TRIES = 8, /* several attentions may be queued */

	SPACE_FILEMARKS = 1,
	SPACE_END_OF_DATA = 3,
};

/* ---- commands ---- */

static bool is_end_of_data(const struct rsm_sense *sense)
{
	return sense->cause == RSM_CAUSE_END_OF_DATA || sense->cause == RSM_CAUSE_BLANK ||
	       sense->cause == RSM_CAUSE_END_OF_PARTITION;
}

int rsm_tape_drive_refuse(const struct rsm_tape_drive *drive,
			  const struct rsm_scsi_command *command, const struct rsm_sense *sense,
			  struct rsm_err *err)
{
	if (rsm_sense_unknown_command(sense))
		return rsm_err_set(err, EOPNOTSUPP, "%s: the drive does not know %s",
				   drive->transport->name, rsm_scsi_command_name(command->cdb[0]));
	return rsm_scsi_device_err(err, drive->transport, command, sense);
}

/* The medium or the position is not what the caller believes: nothing may be written on a guess. */
static int surprise(struct rsm_tape_drive *drive, const struct rsm_scsi_command *command,
		    const struct rsm_sense *sense, struct rsm_err *err)
{
	drive->in_use = false;
	drive->changed = drive->lost = drive->adrift = true;
	rsm_err_set(err, EIO, "%s: %s: %s (%02X/%02X/%02X)", drive->transport->name,
		    rsm_scsi_command_name(command->cdb[0]),
		    sense->cause == RSM_CAUSE_RESET
			    ? "the drive was reset, the medium may have been changed"
			    : "the medium may have been changed",
		    sense->key, sense->asc, sense->ascq);
	if (err) {
		err->key = sense->key;
		err->asc = sense->asc;
		err->ascq = sense->ascq;
	}
	return -EIO;
}

static int deferred(const struct rsm_tape_drive *drive, const struct rsm_sense *sense,
		    struct rsm_err *err)
{
	rsm_err_sense(err, sense, "an earlier write was lost");
	if (err)
		err->code = EIO;
	return rsm_err_wrap(err, -EIO, "%s", drive->transport->name);
}

/* Whoever met the surprise may have had no use for its error (a look into a log); what others do
 * next counts on a medium and a position that may not be there.
 */
static int check_trust(const struct rsm_tape_drive *drive, const struct rsm_scsi_command *command,
		       struct rsm_err *err)
{
	bool distrusted = false;

	switch (command->cdb[0]) {
	case 0x08: distrusted = drive->adrift; break; /* READ */
	case 0x04:				      /* FORMAT MEDIUM */
	case 0x0A:				      /* WRITE */
	case 0x10:				      /* WRITE FILEMARKS */
	case 0x19:				      /* ERASE */
	case 0x8D: distrusted = drive->lost; break;   /* WRITE ATTRIBUTE */
	default: break;
	}
	return distrusted
		       ? rsm_err_set(err, EIO,
				     "%s: %s: the drive was reset or its medium changed since "
				     "it was loaded",
				     drive->transport->name, rsm_scsi_command_name(command->cdb[0]))
		       : 0;
}

/* A unit attention or a deferred error means that the command itself was not executed, so that it
 * can be sent again where that is safe.
 */
static int run(struct rsm_tape_drive *drive, const struct rsm_scsi_command *command,
	       struct rsm_sense *ret_sense, size_t *ret_transferred, struct rsm_err *err)
{
	int r = check_trust(drive, command, err);

	if (r < 0)
		return r;
	for (int i = 0;; i++) {
		r = rsm_scsi_device_run(drive->transport, command, ret_sense, ret_transferred, err);
		if (r < 0)
			return r;
		if (ret_sense->cause == RSM_CAUSE_NONE)
			return 0;
		if (ret_sense->deferred && ret_sense->key > 0x1)
			return deferred(drive, ret_sense, err);
		if ((!ret_sense->deferred && ret_sense->key != 0x6) || i == ATTENTION_TRIES)
			return 0;
		if (ret_sense->cause != RSM_CAUSE_MEDIUM_CHANGED &&
		    ret_sense->cause != RSM_CAUSE_RESET)
			continue;
		if (drive->in_use)
			return surprise(drive, command, ret_sense, err);
		if (ret_sense->cause == RSM_CAUSE_MEDIUM_CHANGED)
			drive->changed = true;
	}
}

int rsm_tape_drive_execute(struct rsm_tape_drive *drive, const struct rsm_scsi_command *command,
			   struct rsm_sense *ret_sense, size_t *ret_transferred,
			   struct rsm_err *err)
{
	return run(drive, command, ret_sense, ret_transferred, err);
}

int rsm_tape_drive_run_plainly(struct rsm_tape_drive *drive, const struct rsm_scsi_command *command,
			       struct rsm_err *err)
{
	struct rsm_sense sense;
	int r = run(drive, command, &sense, NULL, err);

	if (r < 0)
		return r;
	return rsm_tape_is_good(&sense) ? 0 : rsm_tape_drive_refuse(drive, command, &sense, err);
}

/* ---- life ---- */

void rsm_tape_drive_free(struct rsm_tape_drive *drive)
{
	if (!drive)
		return;
	rsm_scsi_transport_free(drive->transport);
	free(drive);
}

int rsm_tape_drive_new(struct rsm_scsi_transport *transport, struct rsm_tape_drive **ret_drive,
		       struct rsm_err *err)
{
	RSM_CLEANUP(rsm_tape_drive_free) struct rsm_tape_drive *drive = calloc(1, sizeof *drive);
	int r;

	if (!drive) {
		rsm_scsi_transport_free(transport);
		return rsm_err_oom(err);
	}
	drive->transport = transport;
	r = rsm_scsi_device_identify(transport, &drive->identity, err);
	if (r < 0)
		return r;
	if (drive->identity.device_type != 0x01)
		return rsm_err_set(err, ENODEV, "%s: is not a tape drive", transport->name);
	*ret_drive = RSM_STEAL(drive);
	return 0;
}

const struct rsm_device_identity *rsm_tape_drive_identity(const struct rsm_tape_drive *drive)
{
	return &drive->identity;
}

struct rsm_scsi_transport *rsm_tape_drive_transport(struct rsm_tape_drive *drive)
{
	return drive->transport;
}

bool rsm_tape_drive_is_lost(const struct rsm_tape_drive *drive)
{
	return drive->lost;
}

/* ---- ready or not ---- */

static int test_ready(struct rsm_tape_drive *drive, struct rsm_sense *ret_sense,
		      struct rsm_err *err)
{
	const struct rsm_scsi_command command = rsm_tape_command(0x00, 6, RSM_TAPE_QUICK_MS);

	return run(drive, &command, ret_sense, NULL, err);
}

/* 04/00 is how some drives say that a cartridge is on its way, 04/02 that it is not threaded. */
static int readiness(const struct rsm_sense *sense)
{
	if (rsm_tape_is_good(sense))
		return 0;
	if (sense->cause == RSM_CAUSE_BECOMING_READY ||
	    (sense->cause == RSM_CAUSE_NOT_READY && sense->asc == 0x04 && sense->ascq == 0x00))
		return RSM_TAPE_BECOMING_READY;
	if (sense->cause == RSM_CAUSE_NO_MEDIUM ||
	    (sense->cause == RSM_CAUSE_NOT_READY && sense->asc == 0x04 && sense->ascq == 0x02))
		return RSM_TAPE_NO_MEDIUM;
	return -EIO;
}

/* 3A/03: it can be loaded; 3A/04: its memory can be read; 04/02: it is not threaded. */
static bool stands(const struct rsm_sense *sense)
{
	return sense->asc == 0x04 ||
	       (sense->asc == 0x3A && (sense->ascq == 0x03 || sense->ascq == 0x04));
}

bool rsm_tape_drive_is_seated(const struct rsm_tape_drive *drive, bool *ret_anew)
{
	*ret_anew = drive->anew;
	return drive->seated;
}

int rsm_tape_drive_poll(struct rsm_tape_drive *drive, struct rsm_err *err)
{
	const struct rsm_scsi_command command = rsm_tape_command(0x00, 6, RSM_TAPE_QUICK_MS);
	struct rsm_sense sense;
	struct rsm_err own;
	int r;

	/* run() makes an error of an attention in the middle of use; here it is the answer */
	r = test_ready(drive, &sense, &own);
	if (r == -EIO && drive->changed)
		r = test_ready(drive, &sense, &own);
	if (r < 0) {
		if (err)
			*err = own;
		return r;
	}
	r = readiness(&sense);
	if (r < 0)
		return rsm_tape_drive_refuse(drive, &command, &sense, err);
	if (r == RSM_TAPE_BECOMING_READY)
		return r;
	drive->in_use = r == 0;
	drive->seated = r == RSM_TAPE_NO_MEDIUM && stands(&sense);
	drive->anew = drive->seated && drive->changed;
	if (r == RSM_TAPE_NO_MEDIUM || !drive->changed) {
		drive->changed = false;
		return r;
	}
	drive->changed = false;
	return RSM_TAPE_MEDIUM_CHANGED;
}

static void pause_between_polls(void)
{
	static const struct timespec pause = { .tv_nsec = POLL_PAUSE_MS * 1000 * 1000 };

	nanosleep(&pause, NULL);
}

static int no_medium(const struct rsm_tape_drive *drive, struct rsm_err *err)
{
	return rsm_err_set(err, ENOMEDIUM, "%s: no medium", drive->transport->name);
}

static int wait_until_ready(struct rsm_tape_drive *drive, int64_t deadline_ns, struct rsm_err *err)
{
	const struct rsm_scsi_command command = rsm_tape_command(0x00, 6, RSM_TAPE_QUICK_MS);
	struct rsm_sense sense;
	int r;

	for (;;) {
		r = test_ready(drive, &sense, err);
		if (r < 0)
			return r;
		r = readiness(&sense);
		if (r == 0)
			return 0;
		if (r == RSM_TAPE_NO_MEDIUM)
			return no_medium(drive, err);
		if (r < 0)
			return rsm_tape_drive_refuse(drive, &command, &sense, err);
		if (rsm_clock_now_ns(rsm_clock_real()) >= deadline_ns)
			return rsm_err_set(err, ETIMEDOUT,
					   "%s: the medium did not become ready in time",
					   drive->transport->name);
		pause_between_polls();
	}
}

int rsm_tape_drive_load(struct rsm_tape_drive *drive, unsigned timeout_ms, struct rsm_err *err)
{
	int64_t start = rsm_clock_now_ns(rsm_clock_real());
	struct rsm_scsi_command command = rsm_tape_command(0x1B, 6, LOAD_TIMEOUT_MS);
	struct rsm_sense sense;
	int r;

	/* not immediate, so that the drive can say what is wrong with the cartridge */
	command.cdb[4] = 0x01;
	if (command.timeout_ms < timeout_ms)
		command.timeout_ms = timeout_ms;
	drive->in_use = false;
	r = run(drive, &command, &sense, NULL, err);
	if (r < 0)
		return r;
	if (sense.cause == RSM_CAUSE_NO_MEDIUM)
		return no_medium(drive, err);
	/* a drive that loads by itself need not take LOAD while it does so, or know it at all */
	if (!rsm_tape_is_good(&sense) && readiness(&sense) != RSM_TAPE_BECOMING_READY &&
	    !rsm_sense_unknown_command(&sense))
		return rsm_tape_drive_refuse(drive, &command, &sense, err);
	r = wait_until_ready(drive, start + (int64_t)timeout_ms * 1000000, err);
	if (r < 0)
		return r;
	r = rsm_tape_drive_set_block_mode(drive, err);
	if (r < 0)
		return r;
	drive->changed = drive->lost = drive->adrift = false;
	drive->in_use = true;
	return 0;
}

/* 30/03: a cleaning cartridge is in it, at work or done; 30/07: it did not clean. */
static bool is_cleaner(const struct rsm_sense *sense)
{
	return sense->asc == 0x30 && (sense->ascq == 0x03 || sense->ascq == 0x07);
}

static bool has_failed(const struct rsm_sense *sense)
{
	return sense->asc == 0x30 && sense->ascq == 0x07;
}

/* Drives begin by themselves when the cartridge comes in, or with LOAD; they answer 30/03 or
 * "becoming ready" meanwhile, and let go of the cartridge at the end.
 */
int rsm_tape_drive_clean(struct rsm_tape_drive *drive, unsigned timeout_ms, struct rsm_err *err)
{
	int64_t deadline = rsm_clock_now_ns(rsm_clock_real()) + (int64_t)timeout_ms * 1000000;
	struct rsm_scsi_command command = rsm_tape_command(0x1B, 6, LOAD_TIMEOUT_MS);
	struct rsm_sense sense;
	bool failed = false;
	uint64_t alerts = 0;
	int r;

	command.cdb[4] = 0x01;
	drive->in_use = false;
	r = run(drive, &command, &sense, NULL, err);
	if (r == 0 && rsm_tape_is_good(&sense))
		return rsm_err_set(err, EMEDIUMTYPE, "%s: is loaded, and no cleaning cartridge",
				   drive->transport->name);
	while (r == 0) {
		failed = failed || has_failed(&sense);
		if (failed || readiness(&sense) == RSM_TAPE_NO_MEDIUM)
			break;
		if (!is_cleaner(&sense) && readiness(&sense) != RSM_TAPE_BECOMING_READY)
			return rsm_tape_drive_refuse(drive, &command, &sense, err);
		if (rsm_clock_now_ns(rsm_clock_real()) >= deadline)
			return rsm_err_set(err, ETIMEDOUT, "%s: cleaning did not end in time",
					   drive->transport->name);
		pause_between_polls();
		r = test_ready(drive, &sense, err);
	}
	if (r == 0)
		r = rsm_tape_drive_alerts(drive, &alerts, err);
	drive->changed = false;
	if (r < 0)
		return r;
	if (alerts & RSM_ALERT_BIT(RSM_ALERT_NUMBER_CLEANER_EXPIRED))
		return RSM_TAPE_CLEANER_SPENT;
	return failed ? rsm_err_set(err, EIO, "%s: cleaning failed", drive->transport->name) : 0;
}

int rsm_tape_drive_unload(struct rsm_tape_drive *drive, struct rsm_err *err)
{
	const struct rsm_scsi_command rewind = rsm_tape_command(0x01, 6, RSM_TAPE_MOTION_MS);
	const struct rsm_scsi_command unload = rsm_tape_command(0x1B, 6, RSM_TAPE_MOTION_MS);
	struct rsm_sense sense = { 0 };
	int lost = 0, r;

	/* The cartridge has to come out, also when rewinding it failed; but an earlier write that
	 * was lost must not go unheard.
	 */
	drive->in_use = false;
	r = run(drive, &rewind, &sense, NULL, err);
	if (r == -EIO && sense.deferred)
		lost = r;
	else if (r < 0)
		return r;
	/* it cannot, or has nothing to allow: if that matters, UNLOAD will say so */
	r = rsm_tape_drive_prevent_removal(drive, false, NULL);
	r = run(drive, &unload, &sense, NULL, lost ? NULL : err);
	if (r < 0)
		return r;
	if (!rsm_tape_is_good(&sense) && readiness(&sense) != RSM_TAPE_NO_MEDIUM)
		return rsm_tape_drive_refuse(drive, &unload, &sense, err);
	drive->changed = false;
	return lost;
}

int rsm_tape_drive_prevent_removal(struct rsm_tape_drive *drive, bool prevent, struct rsm_err *err)
{
	struct rsm_scsi_command command = rsm_tape_command(0x1E, 6, RSM_TAPE_QUICK_MS);
	struct rsm_sense sense;
	int r;

	command.cdb[4] = prevent;
	r = run(drive, &command, &sense, NULL, err);
	if (r < 0)
		return r;
	if (rsm_tape_is_good(&sense))
		return 0;
	if (sense.cause == RSM_CAUSE_ILLEGAL_REQUEST)
		return rsm_err_set(err, EOPNOTSUPP, "%s: the drive cannot prevent removal",
				   drive->transport->name);
	return rsm_tape_drive_refuse(drive, &command, &sense, err);
}

/* ---- position ---- */

int rsm_tape_drive_position(struct rsm_tape_drive *drive, struct rsm_tape_position *ret_position,
			    struct rsm_err *err)
{
	uint8_t data[32] = { 0 };
	struct rsm_scsi_command command = rsm_tape_command(0x34, 10, RSM_TAPE_QUICK_MS);
	int r;

	command.cdb[1] = 0x06; /* long form; its allocation length is reserved */
	command.direction = RSM_SCSI_FROM_DEVICE;
	command.data = data;
	command.data_length = sizeof data;
	r = rsm_tape_drive_run_plainly(drive, &command, err);
	if (r < 0)
		return r;
	/* LONU. tgt's emulation answers 20h and zeros wherever it is: bits that are reserved, and
	 * no BOP, which belongs to block 0.
	 */
	if (data[0] & 0x04 || (data[0] & 0x30 && !(data[0] & 0x80) && rsm_get_be64(data + 8) == 0))
		return rsm_err_set(err, EIO, "%s: the drive does not know its position",
				   drive->transport->name);
	*ret_position = (struct rsm_tape_position){
		.beginning = data[0] & 0x80,
		.near_end = data[0] & 0x40,
		.partition = rsm_get_be32(data + 4),
		.block = rsm_get_be64(data + 8),
	};
	return 0;
}

int rsm_tape_drive_locate(struct rsm_tape_drive *drive, uint32_t partition, uint64_t block,
			  struct rsm_err *err)
{
	struct rsm_scsi_command command = rsm_tape_command(0x92, 16, RSM_TAPE_MOTION_MS);
	struct rsm_sense sense;
	int r;

	if (partition > 0xFF)
		return rsm_err_set(err, EINVAL, "%s: there is no partition %u",
				   drive->transport->name, partition);
	command.cdb[1] = 0x02; /* CP, by logical object identifier */
	command.cdb[3] = (uint8_t)partition;
	rsm_put_be64(command.cdb + 4, block);
	r = run(drive, &command, &sense, NULL, err);
	if (r == 0 && partition == 0 && sense.cause == RSM_CAUSE_ILLEGAL_REQUEST &&
	    !rsm_sense_unknown_command(&sense)) {
		/* generations without partitions refuse to change them */
		command.cdb[1] = 0;
		r = run(drive, &command, &sense, NULL, err);
	}
	if (r == 0 && partition == 0 && block == 0 && rsm_sense_unknown_command(&sense)) {
		command =
			rsm_tape_command(0x01, 6, RSM_TAPE_MOTION_MS); /* REWIND leads there too */
		r = run(drive, &command, &sense, NULL, err);
	}
	if (r < 0)
		return r;
	if (rsm_tape_is_good(&sense) || sense.cause == RSM_CAUSE_BEGINNING_OF_PARTITION) {
		drive->adrift = false;
		return 0;
	}
	if (is_end_of_data(&sense))
		return RSM_TAPE_END_OF_DATA;
	return rsm_tape_drive_refuse(drive, &command, &sense, err);
}

static int space(struct rsm_tape_drive *drive, uint8_t code, int64_t count,
		 struct rsm_sense *ret_sense, struct rsm_scsi_command *ret_command,
		 struct rsm_err *err)
{
	struct rsm_scsi_command command = rsm_tape_command(0x91, 16, RSM_TAPE_MOTION_MS);
	int r;

	command.cdb[1] = code;
	rsm_put_be64(command.cdb + 4, (uint64_t)count);
	r = run(drive, &command, ret_sense, NULL, err);
	if (r == 0 && rsm_sense_unknown_command(ret_sense) && count >= -0x800000 &&
	    count <= 0x7FFFFF) {
		command = rsm_tape_command(0x11, 6, RSM_TAPE_MOTION_MS);
		command.cdb[1] = code;
		rsm_put_be24(command.cdb + 2, (uint32_t)count & 0xFFFFFF);
		r = run(drive, &command, ret_sense, NULL, err);
	}
	*ret_command = command;
	return r;
}

int rsm_tape_drive_locate_end(struct rsm_tape_drive *drive, uint32_t partition, uint64_t *ret_block,
			      struct rsm_err *err)
{
	struct rsm_tape_position position;
	struct rsm_scsi_command command;
	struct rsm_sense sense;
	int r;

	/* a tape that is in the right partition need not go back to its beginning first */
	r = rsm_tape_drive_position(drive, &position, err);
	if (r < 0)
		return r;
	if (position.partition != partition) {
		r = rsm_tape_drive_locate(drive, partition, 0, err);
		if (r < 0)
			return r;
	}
	r = space(drive, SPACE_END_OF_DATA, 0, &sense, &command, err);
	if (r < 0)
		return r;
	/* a blank check with this code is the end of what can be read, but no end of data */
	if (sense.cause == RSM_CAUSE_END_NOT_FOUND ||
	    (sense.cause == RSM_CAUSE_BLANK && sense.asc == 0x14 && sense.ascq == 0x03))
		return RSM_TAPE_NO_END;
	if (!rsm_tape_is_good(&sense) && !is_end_of_data(&sense))
		return rsm_tape_drive_refuse(drive, &command, &sense, err);
	r = rsm_tape_drive_position(drive, &position, err);
	if (r < 0)
		return r;
	if (position.partition != partition)
		return rsm_err_set(err, EIO, "%s: the drive is in partition %u instead of %u",
				   drive->transport->name, position.partition, partition);
	*ret_block = position.block;
	return 0;
}

/* INFORMATION is what was asked for minus what was passed; some drives drop its sign. */
static int64_t passed(int64_t count, const struct rsm_sense *sense)
{
	uint64_t asked = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
	uint64_t missing = sense->information < 0 ? 0 - (uint64_t)sense->information
						  : (uint64_t)sense->information;
	int64_t moved;

	if (!sense->information_valid || missing > asked)
		return 0;
	moved = (int64_t)(asked - missing);
	return count < 0 ? -moved : moved;
}

int rsm_tape_drive_space_filemarks(struct rsm_tape_drive *drive, int64_t count, int64_t *ret_moved,
				   struct rsm_err *err)
{
	struct rsm_scsi_command command;
	struct rsm_sense sense;
	int64_t moved = count;
	int r, outcome = 0;

	r = space(drive, SPACE_FILEMARKS, count, &sense, &command, err);
	if (r < 0)
		return r;
	if (!rsm_tape_is_good(&sense)) {
		if (sense.cause == RSM_CAUSE_BEGINNING_OF_PARTITION)
			outcome = RSM_TAPE_BEGINNING;
		else if (is_end_of_data(&sense))
			outcome = RSM_TAPE_END_OF_DATA;
		else
			return rsm_tape_drive_refuse(drive, &command, &sense, err);
		moved = passed(count, &sense);
	}
	if (ret_moved)
		*ret_moved = moved;
	return outcome;
}

/* ---- blocks ---- */

int rsm_tape_drive_read(struct rsm_tape_drive *drive, void *buf, size_t size, size_t *ret_length,
			struct rsm_err *err)
{
	struct rsm_scsi_command command = rsm_tape_command(0x08, 6, RSM_TAPE_DATA_MS);
	struct rsm_sense sense;
	size_t length = 0;
	int r;

	if (size > RSM_TAPE_MAX_TRANSFER)
		size = RSM_TAPE_MAX_TRANSFER;
	rsm_put_be24(command.cdb + 2, (uint32_t)size);
	command.direction = RSM_SCSI_FROM_DEVICE;
	command.data = buf;
	command.data_length = size;
	r = run(drive, &command, &sense, &length, err);
	if (r < 0)
		return r;
	if (sense.cause == RSM_CAUSE_FILEMARK)
		return RSM_TAPE_FILEMARK;
	if (is_end_of_data(&sense))
		return RSM_TAPE_END_OF_DATA;
	if (sense.ili && sense.key <= 0x1) {
		/* INFORMATION is size minus record; there are drivers that get the residual wrong
		 */
		if (sense.information_valid && sense.information < 0)
			return rsm_err_set(err, ENOBUFS,
					   "%s: a record of %lld bytes, where at most %zu fit",
					   drive->transport->name,
					   (long long)size - (long long)sense.information, size);
		if (sense.information_valid && (uint64_t)sense.information <= size)
			length = size - (size_t)sense.information;
	} else if (!rsm_tape_is_good(&sense)) {
		return rsm_tape_drive_refuse(drive, &command, &sense, err);
	}
	drive->bytes_read += length;
	*ret_length = length;
	return 0;
}

static int written(const struct rsm_tape_drive *drive, const struct rsm_scsi_command *command,
		   const struct rsm_sense *sense, struct rsm_err *err)
{
	if (sense->cause == RSM_CAUSE_NONE)
		return 0;
	if (sense->cause == RSM_CAUSE_EARLY_WARNING)
		return RSM_TAPE_EARLY_WARNING;
	if (sense->cause == RSM_CAUSE_END_OF_PARTITION) /* 03/00/02 for 0D/00/02 */
		return rsm_err_set(err, ENOSPC, "%s: end of medium (%02X/%02X/%02X)",
				   drive->transport->name, sense->key, sense->asc, sense->ascq);
	return rsm_tape_is_good(sense) ? 0 : rsm_tape_drive_refuse(drive, command, sense, err);
}

int rsm_tape_drive_write(struct rsm_tape_drive *drive, const void *buf, size_t size,
			 struct rsm_err *err)
{
	struct rsm_scsi_command command = rsm_tape_command(0x0A, 6, RSM_TAPE_DATA_MS);
	struct rsm_sense sense;
	int r;

	if (size == 0 || size > RSM_TAPE_MAX_TRANSFER)
		return rsm_err_set(err, EINVAL, "%s: a record of %zu bytes is not possible",
				   drive->transport->name, size);
	rsm_put_be24(command.cdb + 2, (uint32_t)size);
	command.direction = RSM_SCSI_TO_DEVICE;
	command.data = (void *)(uintptr_t)buf; /* transports do not write to it in this direction */
	command.data_length = size;
	r = run(drive, &command, &sense, NULL, err);
	if (r == 0)
		r = written(drive, &command, &sense, err);
	if (r >= 0)
		drive->bytes_written += size;
	return r;
}

void rsm_tape_drive_traffic(const struct rsm_tape_drive *drive, uint64_t *ret_read,
			    uint64_t *ret_written)
{
	*ret_read = drive->bytes_read;
	*ret_written = drive->bytes_written;
}

int rsm_tape_drive_write_filemarks(struct rsm_tape_drive *drive, unsigned count, bool immediate,
				   struct rsm_err *err)
{
	struct rsm_scsi_command command = rsm_tape_command(0x10, 6, RSM_TAPE_DATA_MS);
	struct rsm_sense sense;
	int r;

	if (count > RSM_TAPE_MAX_TRANSFER)
		return rsm_err_set(err, EINVAL, "%s: %u filemarks are not possible",
				   drive->transport->name, count);
	command.cdb[1] = immediate;
	rsm_put_be24(command.cdb + 2, count);
	/* synchronising writes out the whole buffer of the drive, possibly with many retries */
	if (!immediate)
		command.timeout_ms = RSM_TAPE_MOTION_MS;
	r = run(drive, &command, &sense, NULL, err);
	return r < 0 ? r : written(drive, &command, &sense, err);
}
