#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"

static char folder[64];
static int folder_fd = -1;

static void remove_folder(void)
{
	(void)!rsm_file_remove_tree(folder, NULL);
}

static void make_folder(void)
{
	const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	if (folder_fd >= 0)
		return;
	snprintf(folder, sizeof folder, "%s/rsm-fuzz-XXXXXX", where);
	FUZZ_PROMISE(mkdtemp(folder), "%s", folder);
	folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FUZZ_PROMISE(folder_fd >= 0, "%s", folder);
	atexit(remove_folder);
}

const char *fuzz_folder(void)
{
	make_folder();
	return folder;
}

int fuzz_folder_fd(void)
{
	make_folder();
	return folder_fd;
}

void fuzz_put_file(const char *name, const void *data, size_t size)
{
	int fd = openat(fuzz_folder_fd(), name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	FUZZ_PROMISE(fd >= 0, "%s", name);
	FUZZ_PROMISE(rsm_file_write_at(fd, data, size, 0) == 0, "%s", name);
	close(fd);
}
