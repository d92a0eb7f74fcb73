// The deaths that C cannot die.
#include "crash.h"

#include <stdexcept>

namespace {

struct Base {
  Base() { early(); }
  virtual ~Base() = default;
  void early() { late(); }
  virtual void late() = 0;
};

struct Derived : Base {
  void late() override {}
};

}  // namespace

void crash_throw_cpp_exception(void) { throw std::runtime_error("thrown by the addon"); }

void crash_pure_virtual_call(void) { Derived derived; }
