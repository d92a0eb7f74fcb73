//! What is changed in the engine's source before it is compiled: promises keep continuation data, the
//! data properties of an object are listed in one pass, and a hook runs the collections that the engine
//! begins.

/// A text of the source, how often it is there, and what takes its place.
struct Change {
    old: &'static str,
    count: usize,
    new: &'static str,
}

const CHANGES: [Change; 12] = [
    Change {
        old: "#include \"quickjs.h\"\n",
        count: 1,
        new: concat!(
            "#include \"quickjs.h\"\n",
            "JSValue JS_GetContinuationData(JSRuntime *rt);\n",
            "void JS_SetContinuationData(JSRuntime *rt, JSValue data);\n",
            "void JS_SetCollectionHook(JSRuntime *rt, void (*run)(JSRuntime *));\n",
            include_str!("data_properties.h"),
        ),
    },
    // A field of the runtime, made and freed with it.
    Change {
        old: "    JSPromiseHook *promise_hook;\n",
        count: 1,
        new: "    JSValue continuation_data;\n    void (*on_collection)(JSRuntime *);\n    \
              JSPromiseHook *promise_hook;\n",
    },
    Change {
        old: "    rt->current_exception = JS_UNINITIALIZED;\n\n    return rt;\n",
        count: 1,
        new: "    rt->current_exception = JS_UNINITIALIZED;\n    \
              rt->continuation_data = JS_UNDEFINED;\n    rt->on_collection = NULL;\n    return rt;\n",
    },
    Change {
        old: "    rt->in_free = true;\n",
        count: 1,
        new: "    rt->in_free = true;\n    JS_SetContinuationData(rt, JS_UNDEFINED);\n",
    },
    Change {
        old: "        JS_RunGC(rt);\n        rt->malloc_gc_threshold",
        count: 1,
        new: "        if (rt->on_collection)\n            rt->on_collection(rt);\n        \
              else\n            JS_RunGC(rt);\n        rt->malloc_gc_threshold",
    },
    // A field of a reaction, set where the reaction is made.
    Change {
        old: "    JSValue handler;\n} JSPromiseReactionData;\n",
        count: 1,
        new: "    JSValue handler;\n    JSValue continuation_data;\n} JSPromiseReactionData;\n",
    },
    Change {
        old: "    JS_FreeValueRT(rt, rd->handler);\n",
        count: 1,
        new: "    JS_FreeValueRT(rt, rd->handler);\n    \
              JS_FreeValueRT(rt, rd->continuation_data);\n",
    },
    Change {
        old: "JS_MarkValue(rt, rd->handler, mark_func);\n",
        count: 1,
        new: "JS_MarkValue(rt, rd->handler, mark_func);\n            \
              JS_MarkValue(rt, rd->continuation_data, mark_func);\n",
    },
    Change {
        old: "        rd->handler = js_dup(handler);\n",
        count: 1,
        new: "        rd->handler = js_dup(handler);\n        \
              rd->continuation_data = js_dup(ctx->rt->continuation_data);\n",
    },
    // The jobs carry it.
    Change {
        old: "void JS_SetPromiseHook(JSRuntime *rt,",
        count: 1,
        new: concat!(
            include_str!("continuation.c"),
            include_str!("data_properties.c"),
            "void JS_SetPromiseHook(JSRuntime *rt,"
        ),
    },
    Change {
        old: "JS_EnqueueJob(ctx, promise_reaction_job, 5, args);",
        count: 2,
        new: "enqueue_reaction(ctx, args, rd->continuation_data);",
    },
    Change {
        old: "JS_EnqueueJob(ctx, js_promise_resolve_thenable_job, 3, args);",
        count: 1,
        new: "enqueue_thenable(ctx, args);",
    },
];

/// The source with all changes.
///
/// # Errors
/// The source is that of another version: a text that is replaced is not there as often as expected.
pub(crate) fn apply(source: &str) -> Result<String, String> {
    let mut text = source.to_owned();
    for Change { old, count, new } in CHANGES {
        let found = text.matches(old).count();
        if found != count {
            return Err(format!(
                "cannot change the engine's source: {old:?} is there {found} times, not {count}; \
                 adapt server/quickjs/src/changes.rs to this version of the engine"
            ));
        }
        text = text.replace(old, new);
    }
    Ok(text)
}
