// An addon of the days before Node-API: registers with the old call and knows V8 only.
struct OldModule {
  int version;
  unsigned flags;
  void* handle;
  const char* file;
  void (*initialise)();
  void (*initialise_in_context)();
  const char* name;
  void* data;
  void* link;
};

extern "C" void node_module_register(void* module);

namespace v8 {
class HandleScope {
 public:
  static int NumberOfHandles(void* isolate);
};
}  // namespace v8

static void initialise() { v8::HandleScope::NumberOfHandles(nullptr); }

static OldModule old_module = {115,     0,          nullptr, __FILE__, initialise, nullptr,
                               "nan_only", nullptr, nullptr};

__attribute__((constructor)) static void register_module() { node_module_register(&old_module); }
