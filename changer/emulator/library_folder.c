#include "changer/emulator/library_folder.h"
