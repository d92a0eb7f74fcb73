'use strict';
const { probes } = require('./probe.js');
const constants = require('constants');
const own = Object.keys(constants).filter((name) => !/^(SSL_|TLS|ENGINE_|DH_|RSA_|POINT_|OPENSSL|default|crypto)/i.test(name));
const all = { names: () => own, frozen: () => Object.isFrozen(constants) };
for (const name of own) all[name] = () => constants[name];
probes(all);
