// Which network interfaces there are.
#include "system.h"

#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>

// The names of the interfaces, each once, or an exception with the error.
static napi_value interfaces(napi_env env, napi_callback_info info) {
  struct ifaddrs* list = NULL;
  napi_value result, name;
  if (getifaddrs(&list) != 0) {
    char text[64];
    snprintf(text, sizeof text, "getifaddrs: %s", strerror(errno));
    napi_throw_error(env, NULL, text);
    return NULL;
  }
  uint32_t count = 0;
  napi_status status = napi_create_array(env, &result);
  for (struct ifaddrs* one = list; one != NULL && status == napi_ok; one = one->ifa_next) {
    int seen = 0;
    for (struct ifaddrs* before = list; before != one; before = before->ifa_next) {
      seen |= strcmp(before->ifa_name, one->ifa_name) == 0;
    }
    if (seen) continue;
    status = napi_create_string_utf8(env, one->ifa_name, NAPI_AUTO_LENGTH, &name);
    if (status == napi_ok) status = napi_set_element(env, result, count++, name);
  }
  freeifaddrs(list);
  return status == napi_ok ? result : NULL;
}

napi_value init_network(napi_env env, napi_value exports) {
  return plain_export(env, exports, "interfaces", interfaces);
}
