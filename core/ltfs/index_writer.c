#include "core/ltfs/index_writer.h"
