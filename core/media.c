#include "core/media.h"
