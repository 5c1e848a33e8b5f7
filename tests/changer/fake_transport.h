/* fake_transport.h - a device by script: the commands it expects, in order, and what it answers.
 *
 * The script outlives the transport. A command that does not fit the script is noted and answered
 * with -EIO; fake_check() at the end of a test fails for it, and for what was never asked.
 */
#ifndef RSM_TESTS_FAKE_TRANSPORT_H
#define RSM_TESTS_FAKE_TRANSPORT_H

#include <stdbool.h>

#include "changer/scsi_transport.h"

enum { FAKE_STEPS = 64, FAKE_DATA = 2048 };

struct fake_step {
	uint8_t cdb[16];
	size_t cdb_length; /* bytes of the CDB that are compared: a beginning will do */
	struct rsm_scsi_answer answer;
	uint8_t data[FAKE_DATA]; /* given to the host, or (compared, if expected) taken from it */
	size_t data_length;
	size_t residual_lie; /* added to the true residual */
	bool compare_data;
	int result;
};

struct fake_script {
	struct fake_step steps[FAKE_STEPS];
	size_t count, next;
	unsigned freed;
	char trouble[256];
};

/* The transport is called "fake". */
struct rsm_scsi_transport *fake_transport_new(struct fake_script *script);

/* Expects a command whose CDB begins with these bytes ("1b 00 00 00 01"), and answers GOOD. What
 * follows changes the answer of the last expected command.
 */
void fake_expect(struct fake_script *script, const char *cdb);
void fake_data(struct fake_script *script, const void *data, size_t length);
void fake_data_hex(struct fake_script *script, const char *hex);
void fake_takes(struct fake_script *script, const char *hex); /* data from the host must be this */
void fake_sense(struct fake_script *script, uint8_t key, uint8_t asc, uint8_t ascq);
/* Filemark 80h, EOM 40h, ILI 20h and INFORMATION, after fake_sense(). */
void fake_stream(struct fake_script *script, uint8_t bits, int32_t information);
void fake_deferred(struct fake_script *script);
void fake_status(struct fake_script *script, uint8_t status);
void fake_fails(struct fake_script *script, int result); /* not delivered */

/* INQUIRY and VPD 80h of a device of this type. */
void fake_expect_identity(struct fake_script *script, uint8_t type);

/* Fails the test unless everything was asked as expected; forgets the script. */
void fake_check(struct fake_script *script);

#endif
