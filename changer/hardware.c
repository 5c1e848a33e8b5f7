#include "changer/hardware.h"
