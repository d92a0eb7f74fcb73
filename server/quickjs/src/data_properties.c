/* Data properties: reads a whole object in one pass over its shape, and elements of arrays where they
   are. Runs no JavaScript. */

void JS_FreeDataProperties(JSContext *ctx, JSDataProperty *tab, uint32_t len)
{
    uint32_t i;

    for (i = 0; i < len; i++) {
        JS_FreeAtom(ctx, tab[i].atom);
        JS_FreeValue(ctx, tab[i].value);
    }
    js_free(ctx, tab);
}

/* Lists the own enumerable properties of an object in their order. The caller frees the list. */
int JS_GetDataProperties(JSContext *ctx, JSDataProperty **ptab, uint32_t *plen, JSValueConst obj)
{
    JSObject *p;
    JSShape *sh;
    JSShapeProperty *prs;
    JSProperty *pr;
    JSAtomStruct *name;
    JSDataProperty *tab, *entry;
    uint32_t index;
    int i, result;
    bool has_hidden = false;

    *ptab = NULL;
    *plen = 0;
    if (JS_VALUE_GET_TAG(obj) != JS_TAG_OBJECT)
        return JS_DATA_UNKNOWN;
    p = JS_VALUE_GET_OBJ(obj);
    if (p->class_id != JS_CLASS_OBJECT || p->is_exotic)
        return JS_DATA_UNKNOWN;
    sh = p->shape;
    if (sh->prop_count == 0)
        return JS_DATA_LISTED;
    tab = js_malloc(ctx, sizeof(tab[0]) * sh->prop_count);
    if (!tab)
        return JS_DATA_EXCEPTION;
    entry = tab;
    pr = p->prop;
    for (i = 0, prs = get_shape_prop(sh); i < sh->prop_count; i++, prs++, pr++) {
        if (prs->atom == JS_ATOM_NULL)
            continue;
        /* integers come first, which takes sorting */
        if (JS_AtomIsArrayIndex(ctx, &index, prs->atom)) {
            result = JS_DATA_UNKNOWN;
            goto refuse;
        }
        name = ctx->rt->atom_array[prs->atom];
        if (name->atom_type != JS_ATOM_TYPE_STRING) {
            if (JS_AtomGetKind(ctx, prs->atom) == JS_ATOM_KIND_PRIVATE)
                continue;
            result = JS_DATA_UNKNOWN;
            goto refuse;
        }
        if (unlikely(prs->flags & JS_PROP_TMASK)) {
            result = JS_DATA_UNKNOWN;
            goto refuse;
        }
        if (JS_IsFunction(ctx, pr->u.value)) {
            result = JS_DATA_NONE;
            goto refuse;
        }
        if (!(prs->flags & JS_PROP_ENUMERABLE)) {
            has_hidden = true;
            continue;
        }
        entry->atom = JS_DupAtom(ctx, prs->atom);
        entry->value = js_dup(pr->u.value);
        entry->text = name->is_wide_char ? NULL : str8(name);
        entry->length = name->len;
        entry++;
    }
    if (has_hidden && entry == tab) {
        result = JS_DATA_NONE;
        goto refuse;
    }
    *ptab = tab;
    *plen = entry - tab;
    return JS_DATA_LISTED;

refuse:
    JS_FreeDataProperties(ctx, tab, entry - tab);
    return result;
}

/* Whether all own properties of an array are elements, without holes. False if it takes long to tell. */
bool JS_IsDenseArray(JSValueConst obj)
{
    JSObject *p;

    if (JS_VALUE_GET_TAG(obj) != JS_TAG_OBJECT)
        return false;
    p = JS_VALUE_GET_OBJ(obj);
    /* the one property is the length */
    return p->class_id == JS_CLASS_ARRAY && p->fast_array && p->shape->prop_count == 1;
}

/* The element of an array that has it right there; the caller frees it. Else JS_UNINITIALIZED. */
JSValue JS_GetDenseElement(JSValueConst obj, uint32_t index)
{
    JSObject *p;

    if (JS_VALUE_GET_TAG(obj) != JS_TAG_OBJECT)
        return JS_UNINITIALIZED;
    p = JS_VALUE_GET_OBJ(obj);
    if (p->class_id != JS_CLASS_ARRAY || !p->fast_array || index >= p->u.array.count)
        return JS_UNINITIALIZED;
    return js_dup(p->u.array.u.values[index]);
}

