/* element_memo.h - what a big library's slots held when they were last looked into, kept in a file.
 *
 * Opening tens of thousands of folders at each start takes long where each is a block of a disk. A
 * folder that has neither got another inode nor been changed since (ctime, which no copying tool
 * can set) holds what it held; any other is looked into. So a file that is missing, old, or of
 * another library costs time only.
 *
 * `.elements` of the library: a line "rsmfs elements 1 DEVICE", lines "ADDRESS INODE CTIME_NS NAME"
 * (no name: empty), and at last "end COUNT".
 * Threads: the changer's.
 */
#ifndef RSM_CHANGER_EMULATOR_ELEMENT_MEMO_H
#define RSM_CHANGER_EMULATOR_ELEMENT_MEMO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/text.h"

struct rsm_element_memo;

/* NULL: there is none that can be used. `library`: its folder. */
struct rsm_element_memo *rsm_element_memo_load(int library);
void rsm_element_memo_free(struct rsm_element_memo *memo);
RSM_DEFINE_CLEANUP(rsm_element_memo_free, struct rsm_element_memo)

/* The name of the cartridge in the slot whose folder is like that, "" for none; NULL: not known. It
 * lives as long as the memo.
 */
const char *rsm_element_memo_find(const struct rsm_element_memo *memo, uint16_t address,
				  const struct stat *folder);

/* Whether a folder that is like that when it is looked into at `seen` (of the wall clock) can be
 * told from one that is changed right afterwards.
 */
bool rsm_element_memo_is_settled(const struct stat *folder, const struct timespec *seen);

/* To be saved: begin, lines, save. */
void rsm_element_memo_begin(int library, struct rsm_text *text);
void rsm_element_memo_add(struct rsm_text *text, uint16_t address, uint64_t inode, int64_t ctime_ns,
			  const char *name);
RSM_MUST_CHECK int rsm_element_memo_save(int library, struct rsm_text *text, size_t count,
					 struct rsm_err *err);

#endif
