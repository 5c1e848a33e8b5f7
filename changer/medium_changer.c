#include "changer/medium_changer.h"
