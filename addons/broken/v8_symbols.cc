// Registers as Node-API and needs V8's C++ symbols all the same.
#include "plain.h"

namespace v8 {
class Isolate {
 public:
  static Isolate* GetCurrent();
};
}  // namespace v8

NAPI_MODULE_INIT() { return v8::Isolate::GetCurrent() ? exports : nullptr; }
