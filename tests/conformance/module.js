call("napi_get_version");
op("node version", () => {
  const report = addon.napi_get_node_version();
  return [report.status, report.release, typeof report.major, report.major >= 20];
});
op("file name", () => {
  const report = addon.node_api_get_module_file_name();
  return [report.status, /^file:\/\/\/.*\.node$/.test(report.result)];
});
call("grantedVersion");
op("exports", () => Object.keys(addon));
op("exports are", () => [typeof addon, typeof addon === "function" ? addon() : null]);
later.call("napi_get_uv_event_loop");
later.op("no loop", () => addon.nullLoop());
standard();
