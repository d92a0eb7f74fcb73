/* An own property that is enumerable data. The list that it is in has a count of its key and its value. */
typedef struct JSDataProperty {
    JSValue value;
    /* the code units of the key; NULL if they have 16 bits */
    const uint8_t *text;
    uint32_t length;
    JSAtom atom;
} JSDataProperty;

enum {
    JS_DATA_EXCEPTION = -1,
    /* not all is data, or none of it is enumerable */
    JS_DATA_NONE,
    /* all is data: it is in the list */
    JS_DATA_LISTED,
    /* it takes the general functions to tell */
    JS_DATA_UNKNOWN,
};

int JS_GetDataProperties(JSContext *ctx, JSDataProperty **ptab, uint32_t *plen, JSValueConst obj);
void JS_FreeDataProperties(JSContext *ctx, JSDataProperty *tab, uint32_t len);
bool JS_IsDenseArray(JSValueConst obj);
JSValue JS_GetDenseElement(JSValueConst obj, uint32_t index);
