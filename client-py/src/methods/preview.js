"use strict"; (object) => {
    const PROPERTIES = 5, CHARACTERS = 40, PROTOTYPES = 64;
    const { isProxy } = process.getBuiltinModule("util/types");
    const { getOwnPropertyDescriptor, getPrototypeOf } = Object;
    const cut = (text) => text.length > CHARACTERS ? `${text.slice(0, CHARACTERS)}...` : text;
    const find = (holder, key) => {
        for (let depth = 0; depth < PROTOTYPES && holder !== null; depth++) {
            if (isProxy(holder)) return undefined;
            const found = getOwnPropertyDescriptor(holder, key);
            if (found !== undefined) return found.value;
            holder = getPrototypeOf(holder);
        }
        return undefined;
    };
    const nameOf = (value) => {
        const name = find(value, "name");
        return typeof name === "string" ? cut(name) : "";
    };
    const classOf = (value) => {
        const made = find(value, "constructor");
        return typeof made === "function" ? nameOf(made) : "";
    };
    // A value that Python shows, or a text that stands for one.
    const shown = (value) => {
        if (typeof value === "string") return [cut(value), false];
        if (typeof value === "symbol") return ["<symbol>", true];
        if (typeof value === "function") return [`<function ${nameOf(value)}>`, true];
        if (typeof value === "bigint")
            return value >= -(1n << 64n) && value <= 1n << 64n ? [value, false] : ["<bigint>", true];
        if (typeof value !== "object" || value === null) return [value, false];
        return [isProxy(value) ? "<Proxy>" : `<${classOf(value) || "object"}>`, true];
    };
    if (isProxy(object)) return ["Proxy", [], false];
    const isArray = Array.isArray(object);
    const keys = isArray
        ? Array.from({ length: Math.min(object.length, PROPERTIES + 1) }, (_, index) => `${index}`)
        : Object.getOwnPropertyNames(object);
    const properties = [];
    for (const key of keys) {
        const property = getOwnPropertyDescriptor(object, key);
        if (!property?.enumerable) continue;
        if (properties.length === PROPERTIES) return [classOf(object), properties, true];
        const [value, isText] = "value" in property ? shown(property.value) : ["<getter>", true];
        properties.push([isArray ? `[${key}]` : cut(key), value, isText]);
    }
    return [classOf(object), properties, isArray && object.length > PROPERTIES];
}
