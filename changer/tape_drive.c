#include "changer/tape_drive.h"
