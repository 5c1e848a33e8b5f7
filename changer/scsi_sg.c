#include "changer/scsi_sg.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <scsi/sg_pt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/list.h"
#include "changer/scsi_transport.h"

enum { SG_MAJOR = 21, HOST_NO_CONNECT = 0x01, HOST_TIME_OUT = 0x03, HOST_BAD_TARGET = 0x04 };

/* ---- from nodes to sg nodes ---- */

/* "sg" and digits only: the name becomes part of a path. */
static bool is_sg_name(const char *name)
{
	size_t digits;

	if (strncmp(name, "sg", 2) != 0)
		return false;
	digits = strspn(name + 2, "0123456789");
	return digits > 0 && digits < 8 && name[2 + digits] == '\0';
}

static bool link_names(const char *path, const char *name)
{
	char target[PATH_MAX];
	ssize_t length = readlink(path, target, sizeof target - 1);
	const char *base;

	if (length < 0)
		return false;
	target[length] = '\0';
	base = strrchr(target, '/');
	return strcmp(base ? base + 1 : target, name) == 0;
}

static int find_sg_below(const char *folder, const char *node, char *ret_node, struct rsm_err *err)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	int r = -ENODEV;

	if (!dir)
		return rsm_err_set(err, ENODEV,
				   "%s: has no sg node (is the kernel module sg loaded?)", node);
	while (r < 0 && (entry = readdir(dir)))
		if (is_sg_name(entry->d_name)) {
			snprintf(ret_node, RSM_SCSI_SG_NODE_SIZE, "/dev/%.16s", entry->d_name);
			r = 0;
		}
	closedir(dir);
	if (r < 0)
		return rsm_err_set(err, ENODEV,
				   "%s: has no sg node (is the kernel module sg loaded?)", node);
	return 0;
}

int rsm_scsi_sg_find(const char *sysfs, const char *node, char ret_node[RSM_SCSI_SG_NODE_SIZE],
		     struct rsm_err *err)
{
	char device[PATH_MAX], path[PATH_MAX + 32];
	struct stat st;

	if (stat(node, &st) < 0)
		return rsm_err_errno(err, "%s", node);
	if (!S_ISCHR(st.st_mode))
		return rsm_err_set(err, ENODEV, "%s: is not a SCSI tape drive or medium changer",
				   node);
	if (major(st.st_rdev) == SG_MAJOR) {
		snprintf(ret_node, RSM_SCSI_SG_NODE_SIZE, "/dev/sg%u", minor(st.st_rdev));
		return 0;
	}
	if (snprintf(device, sizeof device, "%s/dev/char/%u:%u", sysfs, major(st.st_rdev),
		     minor(st.st_rdev)) >= (int)sizeof device)
		return rsm_err_set(err, ENAMETOOLONG, "%s: name too long", sysfs);
	snprintf(path, sizeof path, "%s/subsystem", device);
	if (!link_names(path, "scsi_tape") && !link_names(path, "scsi_changer"))
		return rsm_err_set(err, ENODEV, "%s: is not a SCSI tape drive or medium changer",
				   node);
	snprintf(path, sizeof path, "%s/device/scsi_generic", device);
	return find_sg_below(path, node, ret_node, err);
}

static int compare_nodes(const void *a, const void *b)
{
	long left = strtol((const char *)a + strlen("/dev/sg"), NULL, 10);
	long right = strtol((const char *)b + strlen("/dev/sg"), NULL, 10);

	return (left > right) - (left < right);
}

static bool is_tape(const char *folder, const char *name)
{
	RSM_FREE char *type = NULL;
	char path[PATH_MAX];
	size_t length;

	if (snprintf(path, sizeof path, "%s/%s/device/type", folder, name) >= (int)sizeof path)
		return false;
	/* files in sysfs claim the size of a memory page */
	if (rsm_file_load(path, 65536, &type, &length, NULL) < 0)
		return false;
	return strtol(type, NULL, 10) == 1;
}

int rsm_scsi_sg_list_tapes(const char *sysfs, char (**ret_nodes)[RSM_SCSI_SG_NODE_SIZE],
			   size_t *ret_count, struct rsm_err *err)
{
	char(*nodes)[RSM_SCSI_SG_NODE_SIZE] = NULL, (*more)[RSM_SCSI_SG_NODE_SIZE];
	char folder[PATH_MAX];
	const struct dirent *entry;
	size_t count = 0;
	DIR *dir;

	*ret_nodes = NULL;
	*ret_count = 0;
	if (snprintf(folder, sizeof folder, "%s/class/scsi_generic", sysfs) >= (int)sizeof folder)
		return rsm_err_set(err, ENAMETOOLONG, "%s: name too long", sysfs);
	dir = opendir(folder);
	if (!dir)
		return errno == ENOENT ? 0 : rsm_err_errno(err, "%s", folder);
	while ((entry = readdir(dir))) {
		if (!is_sg_name(entry->d_name) || !is_tape(folder, entry->d_name))
			continue;
		more = realloc(nodes, (count + 1) * sizeof *nodes);
		if (!more) {
			free(nodes);
			closedir(dir);
			return rsm_err_oom(err);
		}
		nodes = more;
		snprintf(nodes[count++], sizeof *nodes, "/dev/%.16s", entry->d_name);
	}
	closedir(dir);
	if (count)
		qsort(nodes, count, sizeof *nodes, compare_nodes);
	*ret_nodes = nodes;
	*ret_count = count;
	return 0;
}

/* ---- the transport ---- */

struct sg_transport {
	struct rsm_scsi_transport base;
	struct sg_pt_base *pt; /* used again for each command: nothing is allocated then */
	int fd;
};

static int os_error(const struct sg_transport *sg, int code, struct rsm_err *err)
{
	switch (code) {
	case ENODEV:
	case ENXIO: return rsm_err_set(err, ENODEV, "%s: the device is gone", sg->base.name);
	case ETIMEDOUT:
		return rsm_err_set(err, ETIMEDOUT, "%s: the device does not answer", sg->base.name);
	default:
		return rsm_err_set(err, EIO, "%s: command not delivered: %s", sg->base.name,
				   strerror(code));
	}
}

static int transport_error(const struct sg_transport *sg, struct rsm_err *err)
{
	switch (get_scsi_pt_transport_err(sg->pt) & 0xFF) {
	case HOST_NO_CONNECT:
	case HOST_BAD_TARGET: return os_error(sg, ENODEV, err);
	case HOST_TIME_OUT: return os_error(sg, ETIMEDOUT, err);
	default:
		return rsm_err_set(err, EIO, "%s: command not delivered: host adapter status %02Xh",
				   sg->base.name, get_scsi_pt_transport_err(sg->pt) & 0xFF);
	}
}

static int sg_execute(struct rsm_scsi_transport *transport, const struct rsm_scsi_command *command,
		      struct rsm_scsi_answer *ret_answer, struct rsm_err *err)
{
	struct sg_transport *sg = RSM_CONTAINER_OF(transport, struct sg_transport, base);
	struct sg_pt_base *pt = sg->pt;
	sigset_t all, before;
	int r, residual, timeout_s = (int)(command->timeout_ms / 1000) + 1;

	if (command->data_length > INT_MAX)
		return rsm_err_set(err, EINVAL, "%s: transfer of %zu bytes is too large",
				   transport->name, command->data_length);
	clear_scsi_pt_obj(pt);
	set_scsi_pt_cdb(pt, command->cdb, command->cdb_length);
	set_scsi_pt_sense(pt, ret_answer->sense, sizeof ret_answer->sense);
	if (command->data_length && command->direction == RSM_SCSI_FROM_DEVICE)
		set_scsi_pt_data_in(pt, command->data, (int)command->data_length);
	else if (command->data_length && command->direction == RSM_SCSI_TO_DEVICE)
		set_scsi_pt_data_out(pt, command->data, (int)command->data_length);

	/* SG_IO that a signal interrupts is abandoned or restarted by the kernel while the device
	 * goes on executing it: a record could be written twice. So no signal gets here.
	 */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = do_scsi_pt(pt, -1, timeout_s, 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r < 0)
		return os_error(sg, -r, err);
	if (r == SCSI_PT_DO_TIMEOUT)
		return os_error(sg, ETIMEDOUT, err);
	if (r > 0)
		return os_error(sg, EINVAL, err);

	ret_answer->status = (uint8_t)get_scsi_pt_status_response(pt);
	ret_answer->sense_length = (uint8_t)get_scsi_pt_sense_len(pt);
	residual = get_scsi_pt_resid(pt);
	ret_answer->residual = residual > 0 ? (size_t)residual : 0;
	switch (get_scsi_pt_result_category(pt)) {
	case SCSI_PT_RESULT_GOOD:
	case SCSI_PT_RESULT_STATUS: return 0;
	case SCSI_PT_RESULT_SENSE:
		/* some host adapters deliver sense data and leave the status at GOOD */
		ret_answer->status = RSM_SCSI_CHECK_CONDITION;
		return 0;
	case SCSI_PT_RESULT_TRANSPORT_ERR: return transport_error(sg, err);
	default: return os_error(sg, get_scsi_pt_os_err(pt), err);
	}
}

static void sg_free(struct rsm_scsi_transport *transport)
{
	struct sg_transport *sg = RSM_CONTAINER_OF(transport, struct sg_transport, base);

	if (sg->pt)
		destruct_scsi_pt_obj(sg->pt);
	if (sg->fd >= 0)
		scsi_pt_close_device(sg->fd);
	free(sg);
}

static const struct rsm_scsi_transport_ops sg_ops = { .execute = sg_execute, .free = sg_free };

int rsm_scsi_sg_open(const char *node, struct rsm_scsi_transport **ret_transport,
		     struct rsm_err *err)
{
	char name[RSM_SCSI_SG_NODE_SIZE];
	struct sg_transport *sg;
	int r;

	r = rsm_scsi_sg_find("/sys", node, name, err);
	if (r < 0)
		return r;
	sg = calloc(1, sizeof *sg);
	if (!sg)
		return rsm_err_oom(err);
	sg->base.ops = &sg_ops;
	snprintf(sg->base.name, sizeof sg->base.name, "%s", name);
	/* O_NONBLOCK: never wait for somebody else's exclusive open */
	sg->fd = scsi_pt_open_flags(name, O_RDWR | O_NONBLOCK | O_CLOEXEC, 0);
	if (sg->fd < 0) {
		int code = sg->fd == -1 && errno ? errno : -sg->fd;

		sg_free(&sg->base);
		return rsm_err_set(err, code == ENXIO ? ENODEV : code, "%s: %s", name,
				   strerror(code));
	}
	sg->pt = construct_scsi_pt_obj_with_fd(sg->fd, 0);
	if (!sg->pt) {
		sg_free(&sg->base);
		return rsm_err_oom(err);
	}
	*ret_transport = &sg->base;
	return 0;
}
