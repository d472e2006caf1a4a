import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bundleProtocol } from '../bench/bundle.ts';

test('the protocol room bundles for a browser, without anything of node', async () => {
  const code = new TextDecoder().decode(await bundleProtocol());
  assert.deepEqual(code.match(/\bnode:[a-z_/]+|\brequire\(|\bprocess\.(?:env|argv|version)/g) ?? [], []);
});
