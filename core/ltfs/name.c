#include "core/ltfs/name.h"
