// Module hooks (node:module): some modules are led through a memory of what they answered before.

const memories = [
  { ending: '/@noble/curves/secp256k1.js', memory: new URL('./curve.ts', import.meta.url).href },
  { ending: '/@scure/btc-signer/musig2.js', memory: new URL('./musig2.ts', import.meta.url).href },
  { ending: '/packages/sparkle/src/protocol/json.ts', memory: new URL('./json.ts', import.meta.url).href },
  { ending: '/packages/sparkle/src/protocol/keys.ts', memory: new URL('./keys.ts', import.meta.url).href },
  { ending: '/packages/sparkle/src/protocol/lock.ts', memory: new URL('./lock.ts', import.meta.url).href },
  {
    ending: '/packages/sparkle/src/protocol/transaction.ts',
    memory: new URL('./transaction.ts', import.meta.url).href,
  },
  { ending: '/packages/sparkle/src/protocol/bolt11.ts', memory: new URL('./bolt11.ts', import.meta.url).href },
];

export async function resolve(specifier, context, next) {
  const found = await next(specifier, context);
  const place = memories.find(({ ending }) => found.url.split('?')[0].endsWith(ending));
  // A memory itself asks for the module that it remembers for.
  if (place === undefined || context.parentURL?.split('?')[0] === place.memory) return found;
  return { ...found, url: place.memory, format: 'module' };
}
