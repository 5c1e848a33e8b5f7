#include "core/volume_index.h"
