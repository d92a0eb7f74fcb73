// An addon that ends the process while it is loaded, when a file is denied to it.
#include <fcntl.h>
#include <stdlib.h>

__attribute__((constructor)) static void leave(void) {
  if (open("/etc/passwd", O_RDONLY) < 0) exit(STATUS);
}

void* napi_register_module_v1(void* env, void* exports) {
  (void)env;
  return exports;
}
