#include "changer/scsi_transport.h"
