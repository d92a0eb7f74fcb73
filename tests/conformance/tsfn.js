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
op("released by all and used again", () => {
  const seen = [addon.napi_create_threadsafe_function(7, undefined, "released", 0, 2)];
  for (const mode of [0, 0, 0]) seen.push(addon.napi_release_threadsafe_function(7, mode));
  // It closes when the loop finds nobody that uses it.
  seen.push(addon.napi_acquire_threadsafe_function(7), addon.napi_release_threadsafe_function(7, 0));
  return seen.map(outcome);
});
later.op("each call of a closing function is one thread less", () => {
  const seen = [
    addon.napi_create_threadsafe_function(6, undefined, "closing", 0, 3),
    addon.napi_release_threadsafe_function(6, 1),
    addon.napi_acquire_threadsafe_function(6),
  ];
  for (const number of [1, 2, 3]) seen.push(addon.napi_call_threadsafe_function(6, number));
  seen.push(addon.napi_release_threadsafe_function(6, 0), addon.napi_get_threadsafe_function_context(6));
  return seen.map(outcome);
});
standard();
