#include "core/ltfs/index_reader.h"
