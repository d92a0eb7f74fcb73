// The binding `serdes`: the format of V8 is not written here.
(function (native) {
'use strict';

const refuse = (name) => native.load('errors').unavailable(`v8.${name} is not available: this host does not run on V8; structuredClone() copies values`);
return {
  Serializer: class Serializer { constructor() { throw refuse('Serializer'); } },
  Deserializer: class Deserializer { constructor() { throw refuse('Deserializer'); } },
};
})
