/* index_stream.h - an index on its way between a drive and its XML: the caller's thread moves the
 * records, a helper parses or writes the document meanwhile, so that the tape need not stop.
 */
#ifndef RSM_CORE_LTFS_INDEX_STREAM_H
#define RSM_CORE_LTFS_INDEX_STREAM_H

#include "core/ltfs/index_reader.h"
#include "core/ltfs/index_writer.h"

struct rsm_index_stream;

/* A document for this reader (and its loader), which are the stream's until _end or _free. What
 * comes first is parsed at once; the helper comes with the second piece, for most indexes have only
 * one.
 */
RSM_MUST_CHECK int rsm_index_stream_new(struct rsm_ltfs_index_reader *reader,
					struct rsm_index_stream **ret_stream, struct rsm_err *err);
/* The bytes are the caller's again when it returns. A negative result is the reader's, perhaps of
 * what was put before.
 */
RSM_MUST_CHECK int rsm_index_stream_put(struct rsm_index_stream *stream, const void *bytes,
					size_t length, struct rsm_err *err);
/* All that was put is parsed when this returns; rsm_ltfs_index_reader_finish is the caller's. */
RSM_MUST_CHECK int rsm_index_stream_end(struct rsm_index_stream *stream, struct rsm_err *err);
void rsm_index_stream_free(struct rsm_index_stream *stream);
RSM_DEFINE_CLEANUP(rsm_index_stream_free, struct rsm_index_stream)

/* As rsm_ltfs_index_write, with a helper that writes ahead of the sink; the sink is called by the
 * caller's thread. The snapshot is the helper's until this returns.
 */
RSM_MUST_CHECK int rsm_index_stream_write(const struct rsm_ltfs_index_source *source,
					  rsm_ltfs_index_sink *sink, void *context,
					  struct rsm_err *err);

#endif
