later.call("napi_create_async_work", 0, "name", undefined);
later.call("napi_create_async_work", 1, 5, undefined);
later.call("napi_create_async_work", 2, {}, undefined);
later.call("napi_create_async_work", 3, "name", undefined, {});
later.call("napi_create_async_work", 4, "name", undefined, 5);
later.call("napi_create_async_work", 5, Symbol("s"), undefined);
later.call("napi_cancel_async_work", 0);
later.call("cancelTooEarly", 0);
for (const number of [0, 1, 2, 3]) later.call("napi_delete_async_work", number);
later.call("napi_create_async_work", 6, "name", undefined);
later.call("napi_queue_async_work", 6);
later.op("standard", () => standard());

// Cancelling: what runs, what waits, what is done. The pool has four threads.
async function cancelling() {
  const done = [];
  const make = (number, callback) => {
    addon.napi_create_async_work(number, "work", (...words) => {
      done.push(words.join(" "));
      callback?.(number);
    });
    return addon.napi_queue_async_work(number);
  };
  const rounds = async (count) => {
    while (done.length < count) await new Promise((resolve) => setImmediate(resolve));
  };
  for (const number of [32, 33, 34, 35]) make(number);
  addon.waitForRunning(4);
  make(1);
  make(2);
  make(3, (number) => op("cancel one that is completed", () => addon.napi_cancel_async_work(number)));
  call("napi_cancel_async_work", 32);
  call("napi_cancel_async_work", 2);
  call("napi_cancel_async_work", 1);
  await rounds(2);
  op("what was cancelled completes while others run", () => done.splice(0).sort());
  addon.letThemGo();
  await rounds(5);
  op("the others complete", () => done.splice(0).sort());
  for (const number of [32, 33, 34, 35, 2, 3]) call("napi_delete_async_work", number);

  call("napi_queue_async_work", 1);
  await rounds(1);
  op("queued again", () => done.splice(0));
  call("napi_delete_async_work", 1);

  call("queueWithoutCompletion", 4);
  while (!addon.isExecuted(4)) await new Promise((resolve) => setImmediate(resolve));
  for (let round = 0; round < 3; round++) await new Promise((resolve) => setTimeout(resolve, 2));
  call("napi_delete_async_work", 4);

  make(5, () => {
    op("deleted in its completion", () => addon.napi_delete_async_work(5));
  });
  await rounds(1);
  return lines;
}
if (LATER) return cancelling();
