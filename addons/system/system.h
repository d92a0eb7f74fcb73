// What ordinary addons ask of the system, by the functions of the C library.
#ifndef SYSTEM_H
#define SYSTEM_H

#define _GNU_SOURCE
#include "plain.h"

napi_value init_threads(napi_env env, napi_value exports);
napi_value init_network(napi_env env, napi_value exports);
napi_value init_denied(napi_env env, napi_value exports);

#endif
