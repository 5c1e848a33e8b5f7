#include "core/staging.h"
