/* rsm check: what state a volume is in, and its repair. The tape is looked at and written by the
 * drive's worker (volume_work.h); what it found is shown here when it is done.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/ltfs/ltfs_check.h"
#include "core/ltfs/ltfs_scan.h"
#include "core/volume_work.h"
#include "fs/control_request.h"

enum stage { STAGE_REPAIR, STAGE_SCAN, STAGE_OFFER, STAGE_EXAMINE };

struct check {
	struct rsmfs_request *request;
	struct rsm_medium medium;
	bool deep, repair;
	/* the worker's, until the work is done */
	enum stage stage;
	unsigned reopened;
	struct rsm_ltfs_scan *_Atomic scan; /* whoever shows progress looks at it meanwhile */
	struct rsm_ltfs_report report;
	bool is_ltfs;
	struct rsm_text done; /* what was repaired, a line each */
};

static void check_fini(struct check *check)
{
	rsm_ltfs_scan_free(check->scan);
	rsm_text_fini(&check->done);
}

/* ---- in the drive's worker ---- */

static int not_ours(const struct rsm_volume_session *session, struct rsm_err *err)
{
	return rsm_err_set(err, EROFS,
			   "%s belongs to no pool here: move it to one first (rsm move), then "
			   "repair it",
			   session->barcode);
}

static int repair(struct check *check, struct rsm_volume_session *session, struct rsm_err *err)
{
	int r;

	if (!session->identity)
		return not_ours(session, err);
	r = rsm_ltfs_repair(session->volume, session->identity, check->deep, &check->done, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "%s", session->barcode);
	if (r == RSM_LTFS_REOPEN && check->reopened++)
		return rsm_err_set(err, EIO, "%s: there is still no end of data", session->barcode);
	if (r == RSM_LTFS_REOPEN) {
		session->reopen = true;
		return RSM_VOLUME_WORK_MORE;
	}
	check->stage = check->deep ? STAGE_SCAN : STAGE_EXAMINE;
	return RSM_VOLUME_WORK_MORE;
}

static int scan(struct check *check, struct rsm_volume_session *session, struct rsm_err *err)
{
	struct rsm_ltfs_scan *begun;
	int r = 0;

	if (!check->scan) {
		r = rsm_ltfs_scan_new(session->volume, &begun, err);
		if (r == 0)
			check->scan = begun;
	}
	if (r == 0)
		r = rsm_ltfs_scan_step(check->scan, session->volume, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "%s", session->barcode);
	if (r == 0)
		check->stage = check->repair ? STAGE_OFFER : STAGE_EXAMINE;
	return RSM_VOLUME_WORK_MORE;
}

static int offer(struct check *check, struct rsm_volume_session *session, struct rsm_err *err)
{
	int r;

	if (!session->identity)
		return not_ours(session, err);
	r = rsm_ltfs_scan_offer(check->scan, session->volume, session->identity, &check->done, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "%s", session->barcode);
	check->stage = STAGE_EXAMINE;
	return RSM_VOLUME_WORK_MORE;
}

static int step(void *context, struct rsm_volume_session *session, struct rsm_err *err)
{
	struct check *check = context;
	int r = 1;

	switch (check->stage) {
	case STAGE_REPAIR: return repair(check, session, err);
	case STAGE_SCAN: return scan(check, session, err);
	case STAGE_OFFER: return offer(check, session, err);
	case STAGE_EXAMINE: break;
	}
	if (session->volume)
		r = rsm_ltfs_examine(session->volume, &check->report, err);
	if (r < 0)
		return rsm_err_wrap(err, r, "%s", session->barcode);
	check->is_ltfs = r == 0;
	return 0;
}

static void tick(void *context)
{
	struct check *check = context;
	uint64_t done, total;

	if (!check->deep)
		return;
	rsm_ltfs_scan_progress(check->scan, &done, &total);
	if (total)
		rsmfs_request_progress(check->request, done, total, "reading the tape");
}

/* ---- the answer ---- */

static void show_block(struct rsmfs_request *request, char partition, uint64_t block)
{
	char text[32];

	snprintf(text, sizeof text, "%c:%" PRIu64, partition, block);
	rsmfs_row_text(request, block && partition ? text : "");
}

static void show_partitions(struct check *check)
{
	struct rsmfs_request *request = check->request;

	rsmfs_request_table(request, "table", "partitions",
			    "partition:s\trole:s\tstate:s\tgeneration:n\tindex:s\tend:n");
	for (int i = 0; i < 2; i++) {
		const struct rsm_ltfs_partition_report *part = &check->report.partitions[i];
		char letter[2] = { part->letter, '\0' };

		rsmfs_row_begin(request);
		rsmfs_row_text(request, letter);
		rsmfs_row_text(request, part->role);
		rsmfs_row_text(request, part->state);
		if (part->index_block)
			rsmfs_row_number(request, part->index_generation);
		else
			rsmfs_row_null(request);
		show_block(request, part->letter, part->index_block);
		if (part->end)
			rsmfs_row_number(request, part->end);
		else
			rsmfs_row_null(request);
		rsmfs_row_end(request);
	}
}

static void show_findings(struct check *check)
{
	static const char *const kinds[] = {
		[RSM_FINDING_NOTE] = "note",
		[RSM_FINDING_MENDS] = "mends",
		[RSM_FINDING_REPAIR] = "repair",
		[RSM_FINDING_LOSS] = "loss",
	};
	struct rsmfs_request *request = check->request;

	rsmfs_request_table(request, "table", "findings", "severity:s\tblock:s\ttext:s");
	for (size_t i = 0; i < check->report.finding_count; i++) {
		const struct rsm_volume_finding *finding = &check->report.findings[i];

		rsmfs_row_begin(request);
		rsmfs_row_text(request, kinds[finding->kind]);
		show_block(request, finding->partition, finding->block);
		rsmfs_row_text(request, finding->text);
		rsmfs_row_end(request);
	}
}

static void show_done(struct check *check)
{
	struct rsmfs_request *request = check->request;
	char *place = NULL;

	if (!check->done.length)
		return;
	rsmfs_request_table(request, "list", "repaired", "text:s");
	for (char *line = strtok_r(check->done.data, "\n", &place); line;
	     line = strtok_r(NULL, "\n", &place)) {
		rsmfs_row_begin(request);
		rsmfs_row_text(request, line);
		rsmfs_row_end(request);
	}
}

static void show_file(void *context, const char *path, const char *text)
{
	struct check *check = context;
	struct rsmfs_request *request = check->request;

	rsmfs_row_begin(request);
	rsmfs_row_text(request, path);
	rsmfs_row_text(request, text);
	rsmfs_row_end(request);
}

static int show_scan(struct check *check, struct rsm_content *content, struct rsm_err *err)
{
	struct rsmfs_request *request = check->request;
	struct rsm_ltfs_scan_result result;
	int r;

	rsm_ltfs_scan_result(check->scan, &result);
	rsmfs_request_table(request, "table", "files", "path:s\ttext:s");
	r = rsm_ltfs_scan_files(check->scan, content, show_file, check, err);
	rsmfs_request_table(request, "done", "scan",
			    "blocks:n\tunreadable:n\tindexes:n\tdamaged_indexes:n\t"
			    "damaged_files:n\tunreferenced_blocks:n\tunreferenced_bytes:z");
	rsmfs_row_begin(request);
	rsmfs_row_number(request, result.blocks);
	rsmfs_row_number(request, result.unreadable);
	rsmfs_row_number(request, result.indexes);
	rsmfs_row_number(request, result.damaged_indexes);
	rsmfs_row_number(request, result.damaged_files);
	rsmfs_row_number(request, result.lost_blocks);
	rsmfs_row_number(request, result.lost_bytes);
	rsmfs_row_end(request);
	rsmfs_request_text(request,
			   "%" PRIu64 " blocks were read, %" PRIu64 " could not be; %" PRIu64
			   " whole indexes, %" PRIu64 " damaged ones; %" PRIu64
			   " damaged files; %" PRIu64 " blocks belong to no file%s",
			   result.blocks, result.unreadable, result.indexes, result.damaged_indexes,
			   result.damaged_files, result.lost_blocks,
			   result.lost_blocks && !check->repair ? " (--repair makes files of them)"
								: "");
	return r;
}

static unsigned count_kind(const struct check *check, enum rsm_finding_kind kind)
{
	unsigned count = 0;

	for (size_t i = 0; i < check->report.finding_count; i++)
		count += check->report.findings[i].kind == kind;
	return count;
}

static int show(struct check *check, struct rsm_err *err)
{
	struct rsmfs_request *request = check->request;
	RSM_FREE char *path = NULL;
	const char *word = check->medium.shown;
	struct rsm_content *content = NULL;
	struct rsm_ltfs_scan_result result = { 0 };
	unsigned repair, loss;
	int r = rsmfs_medium_path(request, &check->medium, &path, err);

	if (r < 0)
		return r;
	if (*path)
		word = path;
	show_partitions(check);
	show_findings(check);
	show_done(check);
	if (check->scan) {
		r = rsm_manager_content(request->manager, check->medium.id, &content, err);
		if (r == 0)
			r = show_scan(check, content, err);
		if (content)
			rsm_manager_content_unref(request->manager, content);
		if (r < 0)
			return r;
		rsm_ltfs_scan_result(check->scan, &result);
	}
	repair = count_kind(check, RSM_FINDING_REPAIR);
	loss = count_kind(check, RSM_FINDING_LOSS);
	rsmfs_request_table(request, "done", "summary",
			    "generation:n\tread_only:n\treason:s\tconsistent:n");
	rsmfs_row_begin(request);
	rsmfs_row_number(request, check->report.generation);
	rsmfs_row_number(request, check->report.read_only);
	rsmfs_row_text(request, check->report.reason);
	rsmfs_row_number(request, !count_kind(check, RSM_FINDING_MENDS) && !repair && !loss);
	rsmfs_row_end(request);
	if (repair + loss == 0 && result.damaged_files)
		return rsm_err_set(err, EUCLEAN, "%s: %" PRIu64 " files are damaged", word,
				   result.damaged_files);
	if (repair && !loss)
		return rsm_err_set(err, EUCLEAN,
				   "%s is damaged and read-only; rsm check --repair %s puts that "
				   "right",
				   word, word);
	if (loss)
		return rsm_err_set(err, EUCLEAN,
				   "%s is damaged beyond repair and read-only; copy what can be "
				   "read to another cartridge",
				   word);
	if (count_kind(check, RSM_FINDING_MENDS))
		rsmfs_request_text(request,
				   "generation %" PRIu64
				   "; what is unfinished is written before it leaves its drive",
				   check->report.generation);
	else
		rsmfs_request_text(request, "generation %" PRIu64 ", consistent",
				   check->report.generation);
	return 0;
}

static int check_volume(struct rsmfs_request *request, const struct rsm_medium *medium,
			struct rsm_err *err)
{
	__attribute__((cleanup(check_fini))) struct check check = {
		.request = request,
		.medium = *medium,
		.deep = rsmfs_verb_flag(&request->call, "deep"),
		.repair = rsmfs_verb_flag(&request->call, "repair"),
	};
	int r;

	check.stage = check.repair ? STAGE_REPAIR : check.deep ? STAGE_SCAN : STAGE_EXAMINE;
	rsmfs_request_progress(request, 0, 0, "mounting");
	r = rsm_volume_work_watch(request->manager, medium->id, request->caller->uid, step, tick,
				  &check, &request->cancel, err);
	if (r < 0)
		return r;
	if (!check.is_ltfs)
		return rsm_err_set(err, ENOTSUP, "%s holds no volume that could be checked",
				   rsmfs_medium_word(medium));
	if (check.done.failed)
		return rsm_err_oom(err);
	return show(&check, err);
}

/* ---- the verb ---- */

/* The tool asks; who is not asked says so. */
static int check_switches(const struct rsmfs_verb_call *call, struct rsm_err *err)
{
	bool rollback = rsmfs_verb_flag(call, "rollback");

	if ((rollback || rsmfs_verb_flag(call, "repair")) && !rsmfs_verb_flag(call, "yes"))
		return rsm_err_set(err, EINVAL, "check: %s changes the cartridge; say --yes",
				   rollback ? "--rollback" : "--repair");
	return 0;
}

/* A repair is the business of who owns the cartridge: it may bring others' blocks to light. */
static int check_rights(struct rsmfs_request *request, struct rsm_medium *medium,
			struct rsm_err *err)
{
	bool repair = rsmfs_verb_flag(&request->call, "repair");
	int r = rsmfs_access_medium(request->catalog, request->caller, request->admin, medium,
				    RSMFS_READ | RSMFS_EXECUTE, err);

	if (r < 0 || !repair || rsmfs_access_is_admin(request->caller, request->admin) ||
	    request->caller->uid == medium->owner)
		return r;
	return rsm_err_set(err, EACCES, "%s: only its owner and administrators repair it",
			   rsmfs_medium_word(medium));
}

int rsmfs_run_check(struct rsmfs_request *request, struct rsm_err *err)
{
	const struct rsmfs_verb_call *call = &request->call;
	struct rsm_medium medium;
	int r = check_switches(call, err);

	if (r == 0)
		r = rsmfs_object_medium(request, call->operands[0], true, &medium, err);
	if (r < 0)
		return r;
	if (rsmfs_verb_flag(call, "list") || rsmfs_verb_flag(call, "rollback") ||
	    rsmfs_verb_flag(call, "view") || rsmfs_verb_flag(call, "unview"))
		return rsmfs_run_generations(request, &medium, err);
	r = check_rights(request, &medium, err);
	return r ? r : check_volume(request, &medium, err);
}
