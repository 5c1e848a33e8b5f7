#include "core/content.h"
