// Dies in a constructor of the shared object, before anybody asks for its entry point.
#include "plain.h"

static volatile int* volatile null = NULL;

__attribute__((constructor)) static void die(void) { *null = 1; }

NAPI_MODULE_INIT() { return exports; }
