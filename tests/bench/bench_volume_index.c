/* What the volume index costs: per file in use, and per file in bulk. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "core/volume_index.h"

enum { FOLDERS = 1000, FILES_A_FOLDER = 100, FILES = FOLDERS * FILES_A_FOLDER };

static void must(int r, const struct rsm_err *err)
{
	if (r == 0)
		return;
	fprintf(stderr, "bench: %d %s\n", r, r < 0 ? err->msg : "unexpected outcome");
	exit(1);
}

static int64_t now(void)
{
	return rsm_clock_now_ns(rsm_clock_real());
}

static void tell(const char *what, int64_t since, unsigned count)
{
	double ns = (double)(now() - since);

	printf("%-44s %8.2f us each %10.0f /s\n", what, ns / 1000 / count, count * 1e9 / ns);
	fflush(stdout);
}

static struct rsm_node new_node(enum rsm_node_kind kind)
{
	struct rsm_node node = { .kind = kind, .mode = 0644, .flags = RSM_NODE_HAS_UNIX };
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	node.times = (struct rsm_node_times){ t, t, t, t, t };
	return node;
}

static void bench_untar(struct rsm_volume_index *index, uint64_t *folders, bool commit_each)
{
	struct rsm_err err;
	uint64_t order = rsm_volume_index_last_close_order(index), offset = 0;

	for (int d = 0; d < FOLDERS; d++) {
		struct rsm_node folder = new_node(RSM_NODE_FOLDER);
		char name[64];

		snprintf(name, sizeof name, "%s-%04d", commit_each ? "folder" : "batch", d);
		must(rsm_volume_index_create(index, RSM_NODE_ROOT, name, &folder, NULL, &err),
		     &err);
		folders[d] = folder.id;
		for (int f = 0; f < FILES_A_FOLDER; f++) {
			struct rsm_node node = new_node(RSM_NODE_FILE);
			struct rsm_staged_range range = { 0, 1024, 1, offset, false };

			snprintf(name, sizeof name, "file-%05d.txt", f);
			must(rsm_volume_index_create(index, folder.id, name, &node, NULL, &err),
			     &err);
			node.size = 1024;
			node.data_version = 1;
			node.times.modified.tv_nsec = f;
			must(rsm_volume_index_stage(index, &node, &range, 1, ++order, &err), &err);
			if (commit_each)
				must(rsm_volume_index_commit(index, false, &err), &err);
			offset += 1024;
		}
	}
	must(rsm_volume_index_commit(index, false, &err), &err);
}

static void bench_lookups(struct rsm_volume_index *index, const uint64_t *folders)
{
	struct rsm_err err;

	for (int d = 0; d < FOLDERS; d++) {
		for (int f = 0; f < FILES_A_FOLDER; f++) {
			struct rsm_node node;
			char name[64];

			snprintf(name, sizeof name, "file-%05d.txt", f);
			must(rsm_volume_index_lookup(index, folders[d], name, &node, &err), &err);
		}
	}
}

static bool count_one(void *context, const struct rsm_node *node, const char *name, const char *key)
{
	(void)node, (void)name, (void)key;
	++*(unsigned *)context;
	return true;
}

static bool count_found(void *context, const struct rsm_node *node, const char *path)
{
	(void)node, (void)path;
	++*(unsigned *)context;
	return true;
}

static void ignore(void *context, uint64_t id, const struct rsm_staged_range *range)
{
	(void)id, (void)range;
	++*(unsigned *)context;
}

static void bench_migration(struct rsm_volume_index *index)
{
	struct rsm_index_snapshot *snapshot;
	struct rsm_snapshot_node walked;
	uint64_t after = 0, block = 5;
	unsigned count = 0;
	struct rsm_node node;
	struct rsm_err err;
	int64_t since = now();
	int r;

	while (rsm_volume_index_next_staged(index, after, &node, &after, &err) == 0) {
		struct rsm_extent e = { .start_block = block++,
					.byte_count = 1024,
					.partition = 'b' };

		must(rsm_volume_index_migrated(index, node.id, node.data_version, &e, 1, &err),
		     &err);
		if (++count % 100 == 0)
			must(rsm_volume_index_commit(index, false, &err), &err);
	}
	must(rsm_volume_index_commit(index, false, &err), &err);
	tell("next_staged + migrated, commit per 100", since, count);

	since = now();
	count = 0;
	must(rsm_volume_index_snapshot(index, &snapshot, &err), &err);
	while ((r = rsm_index_snapshot_walk(snapshot, &walked, &err)) != RSM_WALK_END) {
		must(r < 0 ? r : 0, &err);
		count += r != RSM_WALK_LEAVE;
	}
	tell("snapshot walk", since, count);

	since = now();
	count = 0;
	must(rsm_volume_index_indexed(index, snapshot, ignore, &count, &err), &err);
	must(rsm_volume_index_commit(index, true, &err), &err);
	tell("indexed + durable commit", since, count);
	rsm_index_snapshot_close(snapshot);
}

static void bench_loader(const char *path, bool sorted)
{
	struct rsm_index_loader *loader;
	struct rsm_volume_index *index;
	struct rsm_node node = new_node(RSM_NODE_FOLDER);
	struct rsm_text conflicts = { 0 };
	struct rsm_err err;
	int64_t since = now();
	uint64_t uid = 1;

	must(rsm_index_loader_new(path, &loader, &err), &err);
	must(rsm_index_loader_node(loader, 0, NULL, &node, NULL, NULL, 0, &err), &err);
	for (int d = 0; d < FOLDERS; d++) {
		struct rsm_node folder = new_node(RSM_NODE_FOLDER);
		char name[64];

		snprintf(name, sizeof name, "folder-%04d", d);
		folder.uid = ++uid;
		must(rsm_index_loader_node(loader, 1, name, &folder, NULL, NULL, 0, &err), &err);
		for (int f = 0; f < FILES_A_FOLDER; f++) {
			struct rsm_extent e = { .start_block = uid,
						.byte_count = 1024,
						.partition = 'b' };

			snprintf(name, sizeof name, "file-%05d.txt",
				 sorted ? f : f * 7919 % 100000);
			node = new_node(RSM_NODE_FILE);
			node.uid = ++uid;
			node.size = 1024;
			must(rsm_index_loader_node(loader, folder.id, name, &node, NULL, &e, 1,
						   &err),
			     &err);
		}
	}
	tell("load: nodes", since, FILES);
	must(rsm_index_loader_finish(loader, uid, &err), &err);
	tell("load: with finish", since, FILES);

	must(rsm_volume_index_open(path, &index, &err), &err);
	since = now();
	must(rsm_volume_index_replace(index, loader, &conflicts, &err), &err);
	tell("replace of the same tree", since, FILES);
	rsm_text_fini(&conflicts);
	rsm_volume_index_close(index);
}

int main(void)
{
	static uint64_t folders[FOLDERS];
	char folder[] = "/tmp/rsm-bench-XXXXXX", path[64];
	struct rsm_volume_index *index;
	unsigned count = 0;
	struct rsm_err err;
	int64_t since;

	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof path, "%s/index.db", folder);
	must(rsm_volume_index_open(path, &index, &err), &err);
	since = now();
	bench_untar(index, folders, true);
	tell("create + stage + commit", since, FILES);
	since = now();
	bench_lookups(index, folders);
	tell("lookup", since, FILES);
	since = now();
	for (int d = 0; d < FOLDERS; d++)
		must(rsm_volume_index_list(index, folders[d], "", count_one, &count, &err), &err);
	tell("list", since, count);
	since = now();
	count = 0;
	must(rsm_volume_index_find(index, "*99.txt", count_found, &count, &err), &err);
	tell("find *99.txt over all", since, FILES);
	bench_migration(index);
	since = now();
	bench_untar(index, folders, false);
	tell("create + stage, one commit for all", since, FILES);
	rsm_volume_index_close(index);
	bench_loader(path, true);
	must(rsm_file_remove_tree(folder, &err), &err);
	return 0;
}
