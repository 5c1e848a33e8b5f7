#include "core/catalog.h"
