for (const time of [0, -0, 1.9, -1.9, 1e12, NaN, Infinity, 8.64e15, 8.64e15 + 1, -8.64e15]) {
  call("napi_create_date", time);
}
op("is a Date", () => addon.napi_create_date(0).result instanceof Date);
op("text", () => addon.napi_create_date(1234567890123).result.toISOString());
for (const value of [new Date(5), new Date(NaN), {}, 5, null, undefined, "2020-01-01", Date]) {
  call("napi_is_date", value);
  call("napi_get_date_value", value);
}
op("an heir of a date", () => {
  const heir = Object.create(new Date(5));
  return [Reflect.get(addon.napi_is_date(heir), "result"), addon.napi_get_date_value(heir).status];
});
op("a subclass", () => {
  const date = new (class extends Date {})(7);
  return [outcome(addon.napi_is_date(date)), outcome(addon.napi_get_date_value(date))];
});
op("a changed valueOf", () => {
  const date = new Date(9);
  date.valueOf = () => 1;
  return addon.napi_get_date_value(date);
});
standard();
