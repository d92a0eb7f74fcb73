// Returns a primitive from its entry point: the exports are that number.
#include "plain.h"

NAPI_MODULE_INIT() { return plain_number(env, 42); }
