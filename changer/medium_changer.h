/* medium_changer.h - a library's robot: elements, inventory, moves (SMC-3).
 *
 * Turns calls into CDBs on a scsi_transport. Knows nothing of pools or volumes.
 * Threads: any; calls are serialised inside, and _move may take minutes.
 */
#ifndef RSM_CHANGER_MEDIUM_CHANGER_H
#define RSM_CHANGER_MEDIUM_CHANGER_H

#include <stdbool.h>

#include "changer/scsi_transport.h"

/* SMC-3 element type codes. */
enum rsm_element_type {
	RSM_ELEMENT_TRANSPORT = 1,
	RSM_ELEMENT_STORAGE = 2,
	RSM_ELEMENT_IMPORT_EXPORT = 3,
	RSM_ELEMENT_DATA_TRANSFER = 4,
};

enum { RSM_VOLUME_TAG_SIZE = 33, RSM_SERIAL_SIZE = 37 };

struct rsm_element {
	enum rsm_element_type type;
	uint16_t address;
	bool full;
	bool accessible;   /* ACCESS */
	bool exception;	   /* EXCEPT; asc and ascq say why */
	bool by_operator;  /* IMPEXP: placed in the port by a person */
	bool source_valid; /* SVALID */
	uint16_t source;   /* storage element that it was last moved from */
	bool inverted;	   /* INVERT: turned over since; no more than source_valid */
	bool two_sided;	   /* what is in it can be turned over */
	uint8_t asc, ascq;
	char volume_tag[RSM_VOLUME_TAG_SIZE]; /* trimmed, "" if none */
	char serial[RSM_SERIAL_SIZE]; /* of the drive in a data transfer element, "" if unknown */
};

/* False: its magazine is out (3B/11, 3B/12). */
bool rsm_element_is_present(const struct rsm_element *element);

struct rsm_device_identity { /* INQUIRY and VPD page 80h; trimmed */
	char vendor[9], product[17], revision[5], serial[RSM_SERIAL_SIZE];
	uint8_t device_type; /* 01h sequential access, 08h medium changer */
};

struct rsm_medium_changer;

/* INQUIRY, element address assignment (mode page 1Dh). Takes the transport, also on failure. */
RSM_MUST_CHECK int rsm_medium_changer_new(struct rsm_scsi_transport *transport,
					  struct rsm_medium_changer **ret_changer,
					  struct rsm_err *err);
void rsm_medium_changer_free(struct rsm_medium_changer *changer);
RSM_DEFINE_CLEANUP(rsm_medium_changer_free, struct rsm_medium_changer)

/* Valid as long as the changer. */
const struct rsm_device_identity *
rsm_medium_changer_identity(const struct rsm_medium_changer *changer);

/* Asks whether the transport can turn media over (transport geometry, mode page 1Eh; SMC-3 7.3.4).
 * One that does not know the page cannot. To be called once, before the first inventory: then the
 * elements that hold something say that it has two sides. No standard tells that of each cartridge.
 */
RSM_MUST_CHECK int rsm_medium_changer_learn_rotation(struct rsm_medium_changer *changer,
						     struct rsm_err *err);
bool rsm_medium_changer_rotates(const struct rsm_medium_changer *changer);

enum rsm_changer_outcome {
	RSM_CHANGER_CHANGED = 1, /* unit attention: a port or door was used; take an inventory */
	RSM_CHANGER_NOT_READY,	 /* initializing, or a door is open */
	RSM_CHANGER_SOURCE_EMPTY,
	RSM_CHANGER_DESTINATION_FULL,
	RSM_CHANGER_NO_MAGAZINE, /* that of source or destination is out */
};

/* TEST UNIT READY. 0: ready, nothing happened. Outcomes: CHANGED, NOT_READY. */
RSM_MUST_CHECK int rsm_medium_changer_poll(struct rsm_medium_changer *changer, struct rsm_err *err);

/* All elements, ordered by type (storage, import/export, data transfer, transport), then address
 * (READ ELEMENT STATUS with VOLTAG and DVCID, one type a command). The array is the caller's.
 */
RSM_MUST_CHECK int rsm_medium_changer_inventory(struct rsm_medium_changer *changer,
						struct rsm_element **ret_elements,
						size_t *ret_count, struct rsm_err *err);

/* INITIALIZE ELEMENT STATUS: has the robot look into every element. May take minutes. */
RSM_MUST_CHECK int rsm_medium_changer_initialize(struct rsm_medium_changer *changer,
						 struct rsm_err *err);

/* MOVE MEDIUM with the default transport. Outcomes: SOURCE_EMPTY, DESTINATION_FULL, NO_MAGAZINE,
 * NOT_READY (nothing moved).
 * -EBUSY: the drive prevents removal. -ENXIO: no such element.
 */
RSM_MUST_CHECK int rsm_medium_changer_move(struct rsm_medium_changer *changer, uint16_t source,
					   uint16_t destination, struct rsm_err *err);

/* The same, and turns it over on the way (INVERT). */
RSM_MUST_CHECK int rsm_medium_changer_move_inverted(struct rsm_medium_changer *changer,
						    uint16_t source, uint16_t destination,
						    struct rsm_err *err);

/* PREVENT ALLOW MEDIUM REMOVAL: locks or unlocks doors and ports. -EOPNOTSUPP if it cannot. */
RSM_MUST_CHECK int rsm_medium_changer_prevent(struct rsm_medium_changer *changer, bool prevent,
					      struct rsm_err *err);

#endif
