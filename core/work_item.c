#include "core/work_item.h"
