#include "changer/emulator/emulator.h"
