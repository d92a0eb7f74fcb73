// Dies in its entry point.
#include "plain.h"

static volatile int* volatile null = NULL;

NAPI_MODULE_INIT() {
  *null = 1;
  return exports;
}
