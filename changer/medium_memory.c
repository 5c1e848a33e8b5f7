#include "changer/medium_memory.h"
