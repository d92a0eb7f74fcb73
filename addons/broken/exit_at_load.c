// Ends the process while it is being loaded, with a status that looks like success.
#include "plain.h"

__attribute__((constructor)) static void leave(void) { exit(0); }

NAPI_MODULE_INIT() { return exports; }
