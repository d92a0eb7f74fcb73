// Needs a shared library that is on no machine.
#include "plain.h"

extern int hostd_absent(void);

NAPI_MODULE_INIT() { return plain_number(env, hostd_absent()); }
