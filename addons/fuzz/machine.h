// The machine that the fuzz addon is: a byte string is its program, a file of values its memory, a
// text its output. It stays inside what Node defines whatever the bytes are, unless `misuse` is on.
#ifndef MACHINE_H
#define MACHINE_H

#include "addon.h"

#include <stdarg.h>

enum {
  REGISTERS = 48,
  BASE = 24,        // The registers that keep what the sequence was given.
  REFERENCES = 8,
  DEFERREDS = 8,
  SCOPES = 8,
  KEPT = 4096,
  DEPTH = 3,
  STALE = 32,
  PROGRAM = 4096,
  LOG = 1 << 16
};

typedef enum {
  ANY,
  OBJECT,    // whatever takes properties, functions included
  FUNCTION,
  STRING,
  NUMBER,
  SYMBOL,
  BIGINT,
  EXTERNAL,
  ARRAY,
  ARRAYBUFFER,
  VIEW,      // typed arrays and data views
  DATE,
  PROMISE,
  NAME,      // strings and symbols
} Kind;

typedef struct {
  napi_value value;
  unsigned kinds;  // A bit per Kind.
  int level;       // The scope that it lives in.
} Register;

typedef struct {
  napi_handle_scope plain;
  napi_escapable_handle_scope escapable;
} Scope;

typedef struct {
  napi_env env;
  uint8_t program[PROGRAM];
  const uint8_t* at;
  const uint8_t* end;
  Register registers[REGISTERS];
  int next_register;
  napi_ref references[REFERENCES];
  napi_deferred deferreds[DEFERREDS];
  // Everything that came up is kept alive: the timing of the garbage collector must not show.
  napi_ref kept[KEPT];
  int kept_count;
  Scope scopes[SCOPES];
  int scope_count;
  int scope_floor;
  int level;
  int depth;
  napi_value show;
  napi_value show_names;
  napi_value info_this;
  napi_callback_info info;
  unsigned theme;
  bool misuse;
  bool late;  // Whether this is the program of a part that runs later.
  int own;    // The threadsafe function that called the part, or -1.
  bool trace;  // Whether the values that are passed are logged, for somebody who looks for a cause.
  uintptr_t stale[STALE];  // Ids of all kinds that were once good.
  int stale_count;
  char log[LOG];
  size_t logged;
} Machine;

// NULL while no sequence is run: callbacks that come later do nothing.
static Machine* machine;

static void say(const char* format, ...) {
  if (machine == NULL || machine->logged + 512 > LOG) return;
  va_list list;
  va_start(list, format);
  int count = vsnprintf(machine->log + machine->logged, 500, format, list);
  va_end(list);
  machine->logged += count < 500 ? (size_t)count : 499;
}

// The program.

static uint8_t byte(void) {
  if (machine->at == machine->end) return 0;
  return *machine->at++;
}

static unsigned below(unsigned limit) { return byte() % limit; }

// True once in `times`.
static bool rarely(unsigned times) { return below(times) == times - 1; }

#define CHOOSE(table) ((table)[below(sizeof(table) / sizeof((table)[0]))])

static const double DOUBLES[] = {
    0.0, -0.0, 1, -1, 1.5, -1.5, 42, 255, 256, 65536, 2147483647.0, 2147483648.0, -2147483648.0,
    -2147483649.0, 4294967295.0, 4294967296.0, 4294967301.0, 9007199254740991.0,
    9007199254740993.0, 9223372036854775807.0, -9223372036854775808.0, 18446744073709551616.0,
    1e21, 1e-7, 1e300, -1e300, 5e-324, 8.64e15, 8.64e15 + 1, __builtin_inf(), -__builtin_inf(),
    __builtin_nan("")};
static const int64_t INTEGERS[] = {0, 1, -1, 2, 7, 255, -256, INT32_MAX, INT32_MIN,
                                   (int64_t)INT32_MAX + 1, UINT32_MAX, (int64_t)UINT32_MAX + 1,
                                   9007199254740991, 9007199254740993, INT64_MAX, INT64_MIN};
static const uint64_t WORDS[] = {0, 1, 2, UINT32_MAX, UINT64_MAX, 1ull << 63, 1ull << 32, 12345};
// Small, for what allocates.
static const size_t SIZES[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 24, 32, 100, 1000};
static const uint32_t INDEXES[] = {0, 1, 2, 3, 7, 100, 65535, 2147483646, 2147483647, 2147483648u,
                                   4294967294u, 4294967295u};
typedef struct {
  const char* bytes;
  size_t length;
} Bytes;
#define BYTES(literal) {literal, sizeof(literal) - 1}
static const Bytes TEXTS[] = {
    BYTES(""), BYTES("a"), BYTES("b"), BYTES("key"), BYTES("length"), BYTES("name"), BYTES("0"),
    BYTES("1"), BYTES("01"), BYTES("-1"), BYTES("1.5"), BYTES("4294967294"), BYTES("4294967295"),
    BYTES("__proto__"), BYTES("prototype"), BYTES("toString"), BYTES("valueOf"), BYTES("then"),
    BYTES("code"), BYTES("h\xc3\xa9"), BYTES("\xe2\x82\xac\xc3\xbf"), BYTES("\xf0\x9f\x98\x80z"),
    BYTES("a\0b"), BYTES("\xff\xfe"), BYTES("\xed\xa0\x80"), BYTES("\xf0\x9f\x98"),
    BYTES("a longer text that no small buffer takes"), BYTES("123"), BYTES("  7 "), BYTES("0x1f")};
static const char* const NAMES[] = {"a", "b", "key", "length", "name", "0", "1", "__proto__",
                                    "prototype", "toString", "valueOf", "then", "code", "",
                                    "4294967294", "h\xc3\xa9", "2"};
static const napi_type_tag TAGS[] = {{0, 0}, {1, 0}, {0, 1}, {1, 1}, {UINT64_MAX, UINT64_MAX}};

// The memory.

static unsigned kinds_of(napi_env env, napi_value value, napi_valuetype type) {
  unsigned kinds = 1u << ANY;
  bool is = false;
  switch (type) {
    case napi_string: return kinds | 1u << STRING | 1u << NAME;
    case napi_symbol: return kinds | 1u << SYMBOL | 1u << NAME;
    case napi_number: return kinds | 1u << NUMBER;
    case napi_bigint: return kinds | 1u << BIGINT;
    case napi_external: return kinds | 1u << EXTERNAL | 1u << OBJECT;
    case napi_function: return kinds | 1u << FUNCTION | 1u << OBJECT;
    case napi_object: break;
    default: return kinds;
  }
  kinds |= 1u << OBJECT;
#define KIND(function, kind)            \
  MUST(function(env, value, &is));      \
  if (is) return kinds | 1u << (kind)
  KIND(napi_is_array, ARRAY);
  KIND(napi_is_arraybuffer, ARRAYBUFFER);
  KIND(napi_is_typedarray, VIEW);
  KIND(napi_is_dataview, VIEW);
  KIND(napi_is_date, DATE);
  KIND(napi_is_promise, PROMISE);
  return kinds;
}

static void keep(napi_value value) {
  napi_env env = machine->env;
  napi_ref reference;
  if (machine->kept_count == KEPT) return;
  MUST(napi_create_reference(env, value, 1, &reference));
  machine->kept[machine->kept_count++] = reference;
}

static void remember(uintptr_t id) {
  machine->stale[machine->stale_count++ % STALE] = id;
}

static void put(int index, napi_value value) {
  napi_env env = machine->env;
  napi_valuetype type = napi_undefined;
  MUST(napi_typeof(env, value, &type));
  unsigned kinds = kinds_of(env, value, type);
  if (kinds & (1u << OBJECT)) keep(value);
  machine->registers[index] = (Register){value, kinds, machine->level};
}

// Writes a value to the log, as the script shows it. Scripts can't run with an exception pending.
static void show_with(napi_value function, napi_value value) {
  napi_env env = machine->env;
  bool pending = false;
  napi_valuetype type;
  napi_handle_scope scope;
  if (value == NULL) {
    say(" NULL");
    return;
  }
  MUST(napi_typeof(env, value, &type));
  MUST(napi_is_exception_pending(env, &pending));
  if (pending) {
    say(" type %d", type);
    return;
  }
  MUST(napi_open_handle_scope(env, &scope));
  napi_value text;
  char bytes[400];
  if (napi_call_function(env, function, function, 1, &value, &text) == napi_ok) {
    MUST(napi_get_value_string_utf8(env, text, bytes, sizeof bytes, NULL));
    say(" %s", bytes);
  } else {
    napi_value thrown;
    MUST(napi_get_and_clear_last_exception(env, &thrown));
    say(" not to be shown");
  }
  MUST(napi_close_handle_scope(env, scope));
}

static void show(napi_value value) { show_with(machine->show, value); }

// The results of calls: into a register, into the log.
static void store(napi_value value) {
  show(value);
  if (value == NULL) return;
  int index = BASE + machine->next_register++ % (REGISTERS - BASE);
  put(index, value);
}

// What ended with a scope is a value of the sequence again.
static void forget_above(int level) {
  for (int i = BASE; i < REGISTERS; i++) {
    if (machine->registers[i].level <= level) continue;
    remember((uintptr_t)machine->registers[i].value);
    machine->registers[i] = machine->registers[i % BASE];
  }
}

static const uintptr_t GARBAGE[] = {1, 8, 0xdeadbeef, UINTPTR_MAX, 0x7fffffff, 1ull << 32,
                                    (1ull << 32) | 5, 5, 0x4141414141414141};

static uintptr_t garbage(void) {
  static uint64_t memory[16];
  unsigned choice = byte();
  if (choice < 120 && machine->stale_count > 0) {
    int count = machine->stale_count < STALE ? machine->stale_count : STALE;
    return machine->stale[choice % (unsigned)count];
  }
  if (choice < 140) return (uintptr_t)memory;
  if (choice < 150) return (uintptr_t)&garbage;
  if (choice < 180) return (uintptr_t)machine->registers[choice % REGISTERS].value + choice - 160;
  return CHOOSE(GARBAGE);
}

static napi_value good(Kind kind) {
  unsigned choice = byte();
  unsigned at = choice % REGISTERS;
  if (choice < 240 && kind != ANY) {
    for (unsigned i = 0; i < REGISTERS; i++) {
      Register* candidate = &machine->registers[(at + i) % REGISTERS];
      if (candidate->kinds & (1u << kind)) return candidate->value;
    }
  }
  return machine->registers[at].value;
}

static bool is_external(napi_value given) {
  for (int i = 0; i < REGISTERS; i++) {
    if (machine->registers[i].value == given) {
      return machine->registers[i].kinds & (1u << EXTERNAL);
    }
  }
  return false;
}

// A value, mostly of the kind; sometimes NULL, where Node looks at that.
static napi_value value(Kind kind) {
  if (machine->misuse && rarely(4)) return (napi_value)garbage();
  if (rarely(64)) return NULL;
  napi_value chosen = good(kind);
  // Node ends on a good part of what is done to an external as an object.
  bool untouchable = kind == OBJECT && !machine->misuse && is_external(chosen);
  if (untouchable) chosen = machine->registers[0].value;
  if (machine->trace) show(chosen);
  return chosen;
}

// A value that Node doesn't check for NULL.
static napi_value solid(Kind kind) {
  if (machine->misuse && rarely(4)) return rarely(4) ? NULL : (napi_value)garbage();
  napi_value chosen = good(kind);
  if (machine->trace) show(chosen);
  return chosen;
}

// A value that has to be of the kind, or else the first register: for what Node doesn't check.
static napi_value strict(Kind kind) {
  if (machine->misuse) return value(kind);
  unsigned at = below(REGISTERS);
  for (unsigned i = 0; i < REGISTERS; i++) {
    Register* candidate = &machine->registers[(at + i) % REGISTERS];
    if (candidate->kinds & (1u << kind)) return candidate->value;
  }
  return NULL;
}

// What may become a prototype: Node ends where an object inherits from an external.
static napi_value inheritable(napi_value given) {
  return is_external(given) && !machine->misuse ? machine->registers[0].value : given;
}

// A place for a result, or NULL now and then.
#define OUT(place) (rarely(48) ? NULL : &(place))

#endif
