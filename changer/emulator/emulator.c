#include "changer/emulator/emulator.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "changer/emulator/emulator_private.h"

enum { FAULT_LIMIT = 1024 };

bool rsm_emulator_strikes(struct rsm_emulator *emulator, uint16_t element, uint8_t opcode,
			  struct rsm_emulator_fault *ret_fault)
{
	RSM_LOCK_SCOPE(&emulator->fault_lock);

	for (size_t i = 0; i < emulator->fault_count; i++) {
		struct rsm_emulator_fault *fault = &emulator->faults[i];

		if (fault->times == 0 || (fault->element && fault->element != element) ||
		    (fault->opcode != 0xFFFF &&
		     rsm_library_conf_opcode(fault->opcode) != rsm_library_conf_opcode(opcode)))
			continue;
		if (fault->skip) {
			fault->skip--;
			continue;
		}
		fault->times--;
		*ret_fault = *fault;
		return true;
	}
	return false;
}

int rsm_emulator_inject(struct rsm_emulator *emulator, const struct rsm_emulator_fault *fault,
			struct rsm_err *err)
{
	struct rsm_emulator_fault *grown;
	RSM_LOCK_SCOPE(&emulator->fault_lock);

	/* a spent one makes room */
	for (size_t i = 0; i < emulator->fault_count; i++) {
		if (emulator->faults[i].times == 0) {
			emulator->faults[i] = *fault;
			return 0;
		}
	}
	if (emulator->fault_count == FAULT_LIMIT)
		return rsm_err_set(err, ENOSPC, "more than %d scripted faults", FAULT_LIMIT);
	grown = reallocarray(emulator->faults, emulator->fault_count + 1, sizeof *grown);
	if (!grown)
		return rsm_err_oom(err);
	emulator->faults = grown;
	grown[emulator->fault_count++] = *fault;
	atomic_store_explicit(&emulator->has_faults, true, memory_order_release);
	return 0;
}

/* Drives that are busy with a command of their own lose their buffers when they are closed. */
void rsm_emulator_cut_power(struct rsm_emulator *emulator, struct rsm_device *device,
			    const struct rsm_emulator_fault *fault)
{
	atomic_store_explicit(&emulator->kept, fault->asc ? fault->ascq : 256,
			      memory_order_relaxed);
	atomic_store_explicit(&emulator->powerless, true, memory_order_release);
	for (size_t i = 0; i < emulator->drive_count; i++) {
		struct rsm_device *drive = rsm_emulated_drive_device(emulator->drives[i]);

		if (drive == device) {
			rsm_emulated_drive_lose(emulator->drives[i]);
		} else if (device->element == 0) { /* the changer's lock goes before a drive's */
			rsm_mutex_lock(&drive->lock);
			rsm_emulated_drive_lose(emulator->drives[i]);
			rsm_mutex_unlock(&drive->lock);
		}
	}
	/* who opens the folder next finds it as it is now */
	flock(emulator->lock_fd, LOCK_UN);
	if (emulator->on_power_cut)
		emulator->on_power_cut(emulator->on_power_cut_context);
}

void rsm_emulator_on_power_cut(struct rsm_emulator *emulator, void (*call)(void *context),
			       void *context)
{
	emulator->on_power_cut = call;
	emulator->on_power_cut_context = context;
}

void rsm_emulator_take_time(struct rsm_emulator *emulator, double seconds)
{
	if (emulator->conf.real_timing && seconds > 0)
		rsm_clock_sleep_ns(emulator->clock, (int64_t)(seconds * 1e9));
}

struct rsm_emulated_drive *rsm_emulator_find_drive(struct rsm_emulator *emulator, uint16_t address)
{
	for (size_t i = 0; i < emulator->drive_count; i++)
		if (emulator->drive_addresses[i] == address)
			return emulator->drives[i];
	return NULL;
}

/* A library that has no serial number of its own gets one from where it is. */
static void default_serial(struct rsm_emulator *emulator)
{
	uint32_t hash = 2166136261u;

	if (emulator->conf.serial[0])
		return;
	for (const char *c = emulator->folder; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619u;
	snprintf(emulator->conf.serial, sizeof emulator->conf.serial, "VL%08X", hash);
}

/* Everything the robot changes must be writable, or the first move would be the one to fail. */
static int check_folders(struct rsm_emulator *emulator, struct rsm_err *err)
{
	static const char *const names[] = { "slots", "drives", "ports", "." };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct stat st;

		if (fstatat(emulator->folder_fd, names[i], &st, 0) < 0 && errno == ENOENT &&
		    (strcmp(names[i], "ports") == 0 ||
		     (emulator->conf.by_hand && strcmp(names[i], "slots") == 0)))
			continue;
		if (faccessat(emulator->folder_fd, names[i], R_OK | W_OK | X_OK, AT_EACCESS) == 0)
			continue;
		if (errno == EACCES || errno == EROFS || errno == EPERM)
			return rsm_err_set(err, errno == EROFS ? EROFS : EACCES,
					   "%s: the library cannot be used read-only (%s%s)",
					   emulator->folder, names[i][0] == '.' ? "" : names[i],
					   names[i][0] == '.' ? "its folder" : "/");
		return rsm_err_errno(err, "%s/%s", emulator->folder, names[i]);
	}
	return 0;
}

static int lock(struct rsm_emulator *emulator, struct rsm_err *err)
{
	emulator->lock_fd =
		openat(emulator->folder_fd, "drives", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (emulator->lock_fd < 0)
		return rsm_err_errno(err, "%s/drives", emulator->folder);
	if (flock(emulator->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return rsm_err_set(err, EBUSY, "%s: the library is in use", emulator->folder);
	return 0; /* a file system without locks: the upper floors have theirs */
}

static int check_drive_types(struct rsm_emulator *emulator, struct rsm_err *err)
{
	for (size_t i = 0; i < emulator->conf.drive_count; i++)
		if (!rsm_emulator_find_drive(emulator, emulator->conf.drives[i].element))
			return rsm_err_set(err, EBADMSG,
					   "%s/library.conf: drive_type@%u: there is no drive %u",
					   emulator->folder, emulator->conf.drives[i].element,
					   emulator->conf.drives[i].element);
	return 0;
}

static int open_drives(struct rsm_emulator *emulator, struct rsm_elements *elements,
		       struct rsm_err *err)
{
	size_t count;
	struct rsm_emulated_element *list =
		rsm_elements_of_type(elements, RSM_ELEMENT_DATA_TRANSFER, &count);

	if (emulator->conf.by_hand && count != 1)
		return rsm_err_set(err, EBADMSG,
				   "%s/library.conf: changer = none: expected one drive, not %zu",
				   emulator->folder, count);
	emulator->drives = calloc(count, sizeof(struct rsm_emulated_drive *));
	emulator->drive_addresses = calloc(count, sizeof *emulator->drive_addresses);
	if (!emulator->drives || !emulator->drive_addresses)
		return rsm_err_oom(err);
	for (size_t i = 0; i < count; i++) {
		int r = rsm_emulated_drive_new(emulator, list[i].address, &emulator->drives[i],
					       err);

		if (r < 0)
			return r;
		emulator->drive_addresses[i] = list[i].address;
		emulator->drive_count++;
		if (list[i].cartridge &&
		    rsm_emulated_drive_insert(emulator->drives[i], list[i].cartridge) < 0)
			return rsm_err_oom(err);
	}
	return 0;
}

static int open_parts(struct rsm_emulator *emulator, const char *folder, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_elements_close) struct rsm_elements *elements = NULL;
	char conf[PATH_MAX + 16];
	int r;

	if (!realpath(folder, emulator->folder))
		return rsm_err_errno(err, "%s", folder);
	emulator->folder_fd = open(emulator->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (emulator->folder_fd < 0)
		return rsm_err_errno(err, "%s", emulator->folder);
	snprintf(conf, sizeof conf, "%s/library.conf", emulator->folder);
	r = rsm_library_conf_load(&emulator->conf, conf, err);
	if (r == 0)
		r = check_folders(emulator, err);
	if (r == 0)
		r = lock(emulator, err);
	if (r == 0)
		r = rsm_elements_open(emulator->folder_fd, emulator->folder,
				      emulator->conf.transport, emulator->conf.sync,
				      emulator->clock, &elements, err);
	if (r < 0)
		return r;
	default_serial(emulator);
	emulator->faults = emulator->conf.faults;
	emulator->fault_count = emulator->conf.fault_count;
	emulator->conf.faults = NULL;
	atomic_init(&emulator->has_faults, emulator->fault_count > 0);
	r = open_drives(emulator, elements, err);
	if (r == 0)
		r = check_drive_types(emulator, err);
	if (r < 0)
		return r;
	return rsm_emulated_changer_new(emulator, RSM_STEAL(elements), &emulator->changer, err);
}

int rsm_emulator_open(const char *folder, struct rsm_clock *clock,
		      struct rsm_emulator **ret_emulator, struct rsm_err *err)
{
	RSM_CLEANUP(rsm_emulator_close) struct rsm_emulator *emulator = calloc(1, sizeof *emulator);
	int r;

	if (!emulator)
		return rsm_err_oom(err);
	emulator->clock = clock;
	emulator->folder_fd = emulator->lock_fd = -1;
	rsm_mutex_init(&emulator->fault_lock);
	rsm_library_conf_init(&emulator->conf);
	r = open_parts(emulator, folder, err);
	if (r < 0)
		return r;
	*ret_emulator = RSM_STEAL(emulator);
	return 0;
}

void rsm_emulator_close(struct rsm_emulator *emulator)
{
	if (!emulator)
		return;
	rsm_emulated_changer_free(emulator->changer);
	for (size_t i = 0; i < emulator->drive_count; i++)
		rsm_emulated_drive_free(emulator->drives[i]);
	free(emulator->drives);
	free(emulator->drive_addresses);
	free(emulator->faults);
	if (emulator->lock_fd >= 0)
		close(emulator->lock_fd);
	if (emulator->folder_fd >= 0)
		close(emulator->folder_fd);
	rsm_library_conf_fini(&emulator->conf);
	rsm_mutex_fini(&emulator->fault_lock);
	free(emulator);
}

int rsm_emulator_changer(struct rsm_emulator *emulator, struct rsm_scsi_transport **ret_transport,
			 struct rsm_err *err)
{
	return rsm_device_transport(&emulator->changer->device, ret_transport, err);
}

bool rsm_emulator_has_changer(const struct rsm_emulator *emulator)
{
	return !emulator->conf.by_hand;
}

bool rsm_emulator_takes_time(const struct rsm_emulator *emulator)
{
	return emulator->conf.real_timing;
}

const uint16_t *rsm_emulator_drives(const struct rsm_emulator *emulator, size_t *ret_count)
{
	*ret_count = emulator->drive_count;
	return emulator->drive_addresses;
}

int rsm_emulator_drive(struct rsm_emulator *emulator, uint16_t address,
		       struct rsm_scsi_transport **ret_transport, struct rsm_err *err)
{
	struct rsm_emulated_drive *drive = rsm_emulator_find_drive(emulator, address);

	if (!drive)
		return rsm_err_set(err, ENXIO, "%s: there is no drive %u", emulator->folder,
				   address);
	return rsm_device_transport(rsm_emulated_drive_device(drive), ret_transport, err);
}

uint64_t rsm_emulator_command_count(const struct rsm_emulator *emulator)
{
	return atomic_load_explicit(&emulator->commands, memory_order_relaxed);
}
