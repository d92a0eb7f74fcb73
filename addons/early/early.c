// An addon that says something before it is loaded, and takes its time for it: it prints a line, and
// leaves an error that nobody catches.
#include "plain.h"

#include <stdio.h>
#include <time.h>

NAPI_MODULE_INIT() {
  const struct timespec pause = {0, 400000000};
  napi_value text, error;
  printf("loading\n");
  fflush(stdout);
  nanosleep(&pause, NULL);
  TRY(env, napi_create_string_utf8(env, "said early", NAPI_AUTO_LENGTH, &text));
  TRY(env, napi_create_error(env, NULL, text, &error));
  TRY(env, napi_fatal_exception(env, error));
  return exports;
}
