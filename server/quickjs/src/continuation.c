/* Continuation data: a value of the embedder that a promise's reaction keeps from where it was made,
   and that is current while it runs. A job's last argument is its data. */

static JSValue run_with_data(JSContext *ctx, JSJobFunc *job, int argc, JSValueConst *argv)
{
    JSRuntime *rt = ctx->rt;
    JSValue outer = rt->continuation_data;
    JSValue result, inner;

    rt->continuation_data = js_dup(argv[argc - 1]);
    result = job(ctx, argc - 1, argv);
    inner = rt->continuation_data;
    rt->continuation_data = outer;
    JS_FreeValue(ctx, inner);
    return result;
}

static JSValue reaction_job_with_data(JSContext *ctx, int argc, JSValueConst *argv)
{
    return run_with_data(ctx, promise_reaction_job, argc, argv);
}

static JSValue thenable_job_with_data(JSContext *ctx, int argc, JSValueConst *argv)
{
    return run_with_data(ctx, js_promise_resolve_thenable_job, argc, argv);
}

static void enqueue_reaction(JSContext *ctx, JSValueConst *args, JSValueConst data)
{
    JSValueConst all[6] = { args[0], args[1], args[2], args[3], args[4], data };
    JS_EnqueueJob(ctx, reaction_job_with_data, 6, all);
}

static void enqueue_thenable(JSContext *ctx, JSValueConst *args)
{
    JSValueConst all[4] = { args[0], args[1], args[2], ctx->rt->continuation_data };
    JS_EnqueueJob(ctx, thenable_job_with_data, 4, all);
}

/* Has `run` called for each collection that an allocation begins; it calls JS_RunGC. */
void JS_SetCollectionHook(JSRuntime *rt, void (*run)(JSRuntime *))
{
    rt->on_collection = run;
}

/* The current data; the caller frees it. */
JSValue JS_GetContinuationData(JSRuntime *rt)
{
    return js_dup(rt->continuation_data);
}

/* Makes it the current data; takes the caller's count. */
void JS_SetContinuationData(JSRuntime *rt, JSValue data)
{
    JSValue before = rt->continuation_data;
    rt->continuation_data = data;
    JS_FreeValueRT(rt, before);
}

