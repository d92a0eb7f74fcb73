call("napi_open_handle_scope");
call("napi_open_escapable_handle_scope");
for (const count of [1, 1000, 100000]) call("napi_close_handle_scope", count);
for (const value of [1, "text", null, undefined, { a: 1 }]) call("napi_escape_handle", value);
cases("twice", addon.escapeTwice());
standard();
