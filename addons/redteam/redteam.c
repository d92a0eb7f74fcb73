// An addon that wants out: one function for each attack of tests/redteam, named as there.
//
// Each returns "allowed" or "denied: " and the name of the error. `names` lists them. `atLoad` is
// what the attacks answered that a constructor made, where REDTEAM_AT_LOAD asked for them, and
// `atRelocation` what an attempt to read answered that ran before any constructor; `atInit`,
// `atThreadEnd` and `atNeeded` are the same from other places that run while it is loaded.
#include "redteam.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <node_api.h>

static const struct attack* const ALL[] = {FILES,  SOCKETS, PROCESSES, QUERIES,
                                            KERNEL, MEMORY,  RESOURCES, PROTOCOL};
#define FOR_EACH(attack)                                             \
  for (size_t topic = 0; topic < sizeof ALL / sizeof *ALL; topic++) \
    for (const struct attack* attack = ALL[topic]; attack->name != NULL; attack++)

static char at_load[1 << 16], every[1 << 14];

static const char* in_words(int error, char* text, size_t size) {
  if (error == 0) return "allowed";
  const char* name = strerrorname_np(error);
  snprintf(text, size, "denied: %s", name != NULL ? name : "?");
  return text;
}

static const char* outcome(const struct attack* attack, char* text, size_t size) {
  errno = 0;
  return in_words(attack->run(), text, size);
}

__attribute__((constructor)) static void before_everything(void) {
  char text[64];
  // "1", or the name of an attack that is left out.
  const char* but = getenv("REDTEAM_AT_LOAD");
  if (but == NULL) return;
  char* end = at_load;
  FOR_EACH(attack) {
    if (attack->late || strcmp(attack->name, but) == 0) continue;
    end += snprintf(end, (size_t)(at_load + sizeof at_load - end), "%s %s\n", attack->name,
                    outcome(attack, text, sizeof text));
  }
}

#ifdef __x86_64__
// Resolving a name is the first thing of an addon that runs. Nothing else of it works yet, so the
// call is made by hand.
static long relocation = -ENOSYS;

static int nobody(void) { return 0; }

static int (*resolve(void))(void) {
  long result;
  static const char path[] = "/etc/passwd";
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(SYS_open), "D"(path), "S"(O_RDONLY), "d"(0)
                   : "rcx", "r11", "memory");
  relocation = result;
  return nobody;
}

int redteam_resolved(void) __attribute__((ifunc("resolve")));
#else
static long relocation = -ENOSYS;
static int redteam_resolved(void) { return 0; }
#endif

static napi_value run(napi_env env, napi_callback_info info) {
  void* attack;
  char text[64];
  napi_value result = NULL;
  if (napi_get_cb_info(env, info, NULL, NULL, NULL, &attack) != napi_ok) return NULL;
  napi_create_string_utf8(env, outcome(attack, text, sizeof text), NAPI_AUTO_LENGTH, &result);
  return result;
}

static int say(napi_env env, napi_value exports, const char* name, const char* text) {
  napi_value value;
  return napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value) == napi_ok &&
         napi_set_named_property(env, exports, name, value) == napi_ok;
}

NAPI_MODULE_INIT() {
  char text[64];
  char* end = every;
  redteam_resolved();
  int first = relocation < 0 ? (int)-relocation : 0;
  FOR_EACH(attack) {
    napi_value function;
    end += snprintf(end, (size_t)(every + sizeof every - end), "%s ", attack->name);
    if (napi_create_function(env, attack->name, NAPI_AUTO_LENGTH, run, (void*)attack, &function) !=
            napi_ok ||
        napi_set_named_property(env, exports, attack->name, function) != napi_ok) {
      return NULL;
    }
  }
  return say(env, exports, "names", every) && say(env, exports, "atLoad", at_load) &&
                 say(env, exports, "atRelocation", in_words(first, text, sizeof text)) &&
                 say(env, exports, "atInit", in_words(answer_at_init(), text, sizeof text)) &&
                 say(env, exports, "atThreadEnd",
                     in_words(answer_at_thread_end(), text, sizeof text)) &&
                 say(env, exports, "atNeeded", in_words(answer_at_needed(), text, sizeof text))
             ? exports
             : NULL;
}
