/* options.h - the command line of rsmfs, also as mount(8) and fstab give it.
 *
 * Parses only: nothing is opened, made or looked at but the environment.
 */
#ifndef RSMFS_OPTIONS_H
#define RSMFS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "core/digest.h"

enum rsmfs_action { RSMFS_ACTION_MOUNT, RSMFS_ACTION_HELP, RSMFS_ACTION_VERSION };

struct rsmfs_options {
	enum rsmfs_action action;
	char **libraries; /* at least one; the first is the one named on the command line */
	size_t library_count;
	bool library_default;		      /* none was named: the user's own */
	char *mountpoint;		      /* as given */
	char *state, *staging, *drives, *log; /* NULL: not given */
	char *hook;			      /* a program that is told of requests; NULL: none */
	char *fsname;			      /* NULL: the first library */
	char **deny_recall;		      /* names of programs */
	size_t deny_recall_count;
	unsigned mount_timeout_s; /* 0: none */
	unsigned dismount_delay_s, migrate_delay_ms, label_delay_ms, index_interval_s;
	uint64_t staging_limit; /* 0: by the file system */
	uint64_t stream_size;	/* 0: the default */
	uint64_t index_bytes;	/* 0: none */
	enum rsm_digest_kind hash;
	unsigned debug_rooms;
	uid_t uid;
	gid_t gid;
	mode_t umask;
	gid_t admin_group;
	bool has_admin_group;
	bool browse_mount, offline_wait, no_recovery, nonblock_eagain, inject_manual, autoclean;
	bool read_only, nonempty, allow_other;
	bool foreground, fuse_debug;
	struct rsm_text kernel; /* ",ro,nodev": what libfuse is handed */
};

/* -EINVAL: usage, in words. The caller frees (also after a failure). */
RSM_MUST_CHECK int rsmfs_options_parse(struct rsmfs_options *options, int argc, char **argv,
				       struct rsm_err *err);
void rsmfs_options_fini(struct rsmfs_options *options);

/* $XDG_DATA_HOME/rsmfs/library, ~/.local/share/rsmfs/library; root: /var/lib/rsmfs/library. The
 * caller's. */
RSM_MUST_CHECK int rsmfs_default_library(char **ret_path, struct rsm_err *err);
/* Where state of a device library is kept without -o state. The caller's. */
RSM_MUST_CHECK int rsmfs_default_state(const char *device, char **ret_path, struct rsm_err *err);

/* Whether LIBRARY names a device, not a folder. */
bool rsmfs_is_device(const char *library);

#endif
