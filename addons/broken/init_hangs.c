// Never returns from its entry point.
#include "plain.h"

#include <unistd.h>

NAPI_MODULE_INIT() {
  for (;;) pause();
  return exports;
}
