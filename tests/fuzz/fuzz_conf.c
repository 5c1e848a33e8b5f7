/* library.conf: what is read can be written, and reads the same again. */
#include <string.h>

#include "changer/emulator/library_conf.h"
#include "tests/fuzz/fuzz.h"

static int load(const char *name, struct rsm_library_conf *conf, struct rsm_err *err)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
	rsm_library_conf_init(conf);
	return rsm_library_conf_load(conf, path, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	RSM_LIBRARY_CONF struct rsm_library_conf conf, again = { 0 };
	RSM_TEXT struct rsm_text once = { 0 }, twice = { 0 };
	struct rsm_err err;
	int r;

	fuzz_put_file("library.conf", data, size);
	r = load("library.conf", &conf, &err);
	FUZZ_PROMISE(r == 0 || r == -EBADMSG, "%d %s", r, err.msg);
	if (r < 0)
		return 0;
	rsm_library_conf_write(&conf, &once);
	fuzz_put_file("again.conf", once.data, once.length);
	r = load("again.conf", &again, &err);
	FUZZ_PROMISE(r == 0, "%s in:\n%s", err.msg, once.data);
	rsm_library_conf_write(&again, &twice);
	FUZZ_PROMISE(strcmp(once.data, twice.data) == 0, "%s\n%s", once.data, twice.data);
	return 0;
}
