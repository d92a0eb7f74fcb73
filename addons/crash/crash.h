// The deaths that need C++, and the greed that may lead to others.
#ifndef CRASH_H
#define CRASH_H

#include <node_api.h>

#ifdef __cplusplus
extern "C" {
#endif
void crash_throw_cpp_exception(void);
void crash_pure_virtual_call(void);
bool crash_export_greedy(napi_env env, napi_value exports);
#ifdef __cplusplus
}
#endif

#endif
