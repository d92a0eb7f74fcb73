// Registers itself from a constructor, without a function to call.
#include "plain.h"

static napi_module module = {NAPI_MODULE_VERSION, 0, __FILE__, NULL, "null_entry_point", NULL, {0}};

__attribute__((constructor)) static void register_module(void) { napi_module_register(&module); }
