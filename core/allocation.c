#include "core/allocation.h"
