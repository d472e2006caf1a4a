import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex } from '@scure/base';
import { p2tr, taprootListToTree } from '@scure/btc-signer/payment.js';
import { TaprootControlBlock } from '@scure/btc-signer/psbt.js';
import { isCommittedLeaf } from './taproot.ts';
import { NUMS_KEY } from './lock.ts';
import { networks } from './network.ts';

type Case = { output: string; script: string; controlBlock: string };

/** What the library that builds outputs says about an output with this many leaves. */
function casesOf(leaves: number): Case[] {
  const scripts = Array.from({ length: leaves }, (_, index) => Uint8Array.of(0x51, 0x50 + index));
  const tree = taprootListToTree(scripts.map((script) => ({ script, leafVersion: 0xc0 })));
  const output = p2tr(hex.decode(NUMS_KEY), tree, networks.regtest.address, true);
  return (output.tapLeafScript ?? []).map(([controlBlock, script]) => ({
    output: hex.encode(output.script),
    // The last byte is the leaf version.
    script: hex.encode(script.slice(0, -1)),
    controlBlock: hex.encode(TaprootControlBlock.encode(controlBlock)),
  }));
}

const isCommitted = ({ output, script, controlBlock }: Case): boolean =>
  isCommittedLeaf({
    output: hex.decode(output),
    leaf: { script: hex.decode(script), controlBlock: hex.decode(controlBlock) },
  });

for (const leaves of [1, 2, 3, 8])
  test(`each leaf of an output with ${leaves} is committed to by it, and by no other output`, () => {
    const cases = casesOf(leaves);
    assert.equal(cases.length, leaves);
    const [other] = casesOf(leaves + 1);
    for (const one of cases) {
      assert.equal(isCommitted(one), true);
      assert.equal(isCommitted({ ...one, output: other?.output ?? '' }), false);
    }
  });

test('the leaf of one path is not the leaf of another', () => {
  const [first, second] = casesOf(3);
  assert.ok(first !== undefined && second !== undefined);
  assert.equal(isCommitted({ ...first, controlBlock: second.controlBlock }), false);
});

const one = casesOf(3).find(({ controlBlock }) => controlBlock.length === 2 * (33 + 64));
assert.ok(one !== undefined);

const changed = (text: string, at: number): string =>
  `${text.slice(0, at)}${(Number.parseInt(text.slice(at, at + 1), 16) ^ 1).toString(16)}${text.slice(at + 1)}`;

test('a leaf with any bit changed in output, script or control block is not committed to', () => {
  for (const field of ['output', 'script', 'controlBlock'] as const)
    for (let at = 0; at < one[field].length; at += 1)
      assert.equal(isCommitted({ ...one, [field]: changed(one[field], at) }), false, `${field} ${at}`);
});

for (const [what, controlBlock] of [
  ['nothing', ''],
  ['a head alone', one.controlBlock.slice(0, 2)],
  ['a key that is cut off', one.controlBlock.slice(0, 64)],
  ['half a path step', one.controlBlock.slice(0, -32)],
  ['a path step too few', one.controlBlock.slice(0, 66)],
  ['a path step too many', `${one.controlBlock}${'00'.repeat(32)}`],
  ['129 path steps', `${one.controlBlock.slice(0, 66)}${'00'.repeat(32 * 129)}`],
] as const)
  test(`a control block of ${what} commits to nothing`, () => {
    assert.equal(isCommitted({ ...one, controlBlock }), false);
  });

for (const [what, output] of [
  ['nothing', ''],
  ['the key alone', one.output.slice(4)],
  ['version 0', `0020${one.output.slice(4)}`],
  ['version 2', `5220${one.output.slice(4)}`],
  ['more than the key', `${one.output}00`],
] as const)
  test(`an output script of ${what} is not Taproot and commits to no leaf`, () => {
    assert.equal(isCommitted({ ...one, output }), false);
  });
