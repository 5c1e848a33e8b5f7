#include "core/ltfs/label.h"
