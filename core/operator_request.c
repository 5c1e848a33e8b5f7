#include "core/operator_request.h"
