// The parts of the C++ sample: each adds its exports.
#ifndef CPP_H
#define CPP_H

#include <napi.h>

void addAsync(Napi::Env env, Napi::Object exports);
void addObjects(Napi::Env env, Napi::Object exports);

#endif
