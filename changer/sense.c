#include "changer/sense.h"
