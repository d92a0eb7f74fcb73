// The deaths that need C++.
#ifndef CRASH_H
#define CRASH_H

#ifdef __cplusplus
extern "C" {
#endif
void crash_throw_cpp_exception(void);
void crash_pure_virtual_call(void);
#ifdef __cplusplus
}
#endif

#endif
