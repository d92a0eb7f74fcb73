call("napi_create_threadsafe_function", 0, () => 1, "name", 0, 1);
call("napi_get_threadsafe_function_context", 0);
call("napi_unref_threadsafe_function", 0);
call("napi_ref_threadsafe_function", 0);
call("napi_unref_threadsafe_function", 0);
call("napi_acquire_threadsafe_function", 0);
call("napi_release_threadsafe_function", 0, 0);
call("napi_release_threadsafe_function", 0, 0);
call("napi_create_threadsafe_function", 1, undefined, "without a function", 0, 1);
call("napi_unref_threadsafe_function", 1);
call("napi_create_threadsafe_function", 2, undefined, "bounded", 2, 1);
call("napi_unref_threadsafe_function", 2);
call("napi_create_threadsafe_function", 3, undefined, 5, 0, 1);
call("napi_unref_threadsafe_function", 3);
call("napi_create_threadsafe_function", 4, 5, "not a function", 0, 1);
call("napi_create_threadsafe_function", 5, undefined, "no threads", 0, 0);
op("a name that can't be a string", () => {
  hideWords = true;
  const report = outcome(addon.napi_create_threadsafe_function(6, undefined, Symbol("s"), 0, 1));
  hideWords = false;
  return report;
});
later.op("the queue of two is full at the third", () => {
  return [1, 2, 3].map((number) => addon.napi_call_threadsafe_function(2, number).status);
});
call("napi_release_threadsafe_function", 1, 1);
call("napi_acquire_threadsafe_function", 1);
standard();
