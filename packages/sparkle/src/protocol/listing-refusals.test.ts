import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { base64, hex } from '@scure/base';
import { RawTx } from '@scure/btc-signer/script.js';
import { Transaction } from '@scure/btc-signer/transaction.js';
import { hash160 } from '@scure/btc-signer/utils.js';
import { encodeDraft, singleMessage } from './draft.ts';
import { SparkleError, type ErrorCode } from './errors.ts';
import { buildListing, readListing } from './listing.ts';
import { edited, finished, keyHash, keyPath, listed, payoutAddress, payoutScript } from './listing.suite.ts';
import vectors from './listing.vectors.json' with { type: 'json' };

const read = (psbt: string) => readListing({ psbt, network: 'regtest' });

const refuses = (code: ErrorCode, sentence: RegExp, psbt: string): void =>
  assert.throws(
    () => read(psbt),
    (error) => {
      assert.ok(error instanceof SparkleError, String(error));
      assert.deepEqual([error.code, sentence.test(error.message)], [code, true], error.message);
      return true;
    },
  );

const owners = [keyPath, keyHash];
const keyPath33 = secp256k1.getPublicKey(new Uint8Array(32).fill(5));
const payout = { script: payoutScript, valueSats: 150_000n };

describe('what is no listing at all', () => {
  const good = listed(keyPath);

  test('text that is not base64, in its one canonical form', () => {
    const urlSafe = listed(keyHash).replaceAll('+', '-').replaceAll('/', '_');
    for (const text of ['x', `${good}\n`, ` ${good}`, `${good}=`, hex.encode(base64.decode(good)).slice(1), urlSafe])
      refuses('bad_message', /^psbt must be base64/, text);
  });

  test('bytes that are no PSBT, half of one, or one with something behind it', () => {
    const bytes = base64.decode(good);
    refuses('bad_message', /^psbt must be a whole PSBT/, '');
    refuses('bad_message', /^psbt must be a whole PSBT/, base64.encode(bytes.subarray(0, -1)));
    refuses('bad_message', /^psbt must be a whole PSBT/, base64.encode(bytes.subarray(1)));
    refuses('bad_message', /^psbt must have one map/, base64.encode(Uint8Array.of(...bytes, 0)));
    refuses('bad_message', /^psbt must be a whole PSBT/, base64.encode(Uint8Array.of(...bytes, 0, 0)));
  });

  test('a PSBT of version 2, which says where its outputs are in another way', () => {
    const version2 = Transaction.fromPSBT(base64.decode(good)).toPSBT(2);
    refuses('bad_message', /version 0 \(BIP 174\)/, base64.encode(version2));
  });

  test('more text than any listing has', () => {
    refuses('bad_message', /^psbt must have at most 500000 bytes/, 'A'.repeat(666_669));
    refuses('bad_message', /^psbt must be a whole PSBT/, 'A'.repeat(666_668));
  });

  test('an extra input or output, which would be sold or paid along', () => {
    refuses('bad_transaction', /one input and no extra one; there are 2/, listed(keyPath, { more: [keyHash.source] }));
    refuses(
      'bad_transaction',
      /one output and no extra one; there are 2/,
      listed(keyPath, { payouts: [payout, payout] }),
    );
  });

  test('no input or no output', () => {
    for (const what of ['inputs', 'outputs'] as const) {
      const none = edited(listed(keyPath), (_, whole) => {
        Object.assign(whole.global.unsignedTx ?? {}, { [what]: [] });
        Object.assign(whole, { [what]: [] });
      });
      refuses('bad_transaction', /and no extra one; there are 0$/, none);
    }
  });
});

describe('a form that no fill of ours can have', () => {
  test('another version', () => {
    for (const owner of owners)
      refuses('bad_transaction', /^version must be 2; it is 1/, listed(owner, { version: 1 }));
  });

  test('a locktime', () => {
    for (const lockTime of [1, 900_144, 1_700_000_000])
      refuses('bad_transaction', /^locktime must be 0/, listed(keyPath, { lockTime }));
  });

  test('a sequence with a relative lock; one with bit 31 set has none', () => {
    for (const sequence of [0, 1, 0x0040_0001, 0x7fff_ffff])
      refuses('bad_transaction', /^sequence must have no relative lock \(BIP 68\)/, listed(keyPath, { sequence }));
    for (const sequence of [0x8000_0000, 0xffff_fffd, 0xffff_fffe, 0xffff_ffff])
      for (const owner of owners) assert.equal(read(listed(owner, { sequence })).sequence, sequence);
  });

  test('a source without its witness UTXO', () => {
    const without = edited(listed(keyPath), (input) => delete input.witnessUtxo);
    refuses('bad_transaction', /PSBT_IN_WITNESS_UTXO/, without);
  });

  test('a whole previous transaction that is another one, or says another thing', () => {
    const [vector] = vectors.listings;
    assert.ok(vector !== undefined);
    const other = RawTx.decode(hex.decode(vectors.bip341.rawUnsignedTx));
    refuses(
      'bad_transaction',
      /^both UTXOs/,
      edited(vector.psbt, (input) => Object.assign(input, { nonWitnessUtxo: other })),
    );
    for (const change of [{ amount: 10_001n }, { script: hex.decode(payoutScript) }]) {
      const other = edited(vector.psbt, (input) => Object.assign(input.witnessUtxo ?? {}, change));
      refuses('bad_transaction', /^both UTXOs/, other);
    }
  });
});

describe('scripts', () => {
  test('a source that is neither P2TR nor P2WPKH', () => {
    const scripts = [
      `76a914${'11'.repeat(20)}88ac`,
      `a914${'11'.repeat(20)}87`,
      `0020${'11'.repeat(32)}`,
      '51024e73',
      '',
    ];
    for (const script of scripts) {
      const change = edited(listed(keyPath), (input) =>
        Object.assign(input, { witnessUtxo: { amount: 10_000n, script: hex.decode(script) } }),
      );
      refuses('bad_script', /^the source must be P2TR or P2WPKH/, change);
    }
  });

  test('a payout that not every node relays, or that anybody or nobody can spend', () => {
    const { publicKey } = secp256k1.keygen(new Uint8Array(48).fill(5));
    const scripts = [
      '6a0473656c6c',
      '51024e73',
      `5220${'11'.repeat(32)}`,
      `5120${'ff'.repeat(32)}`,
      `21${hex.encode(publicKey)}ac`,
      `4c14${'11'.repeat(20)}`,
      `004c14${'11'.repeat(20)}`,
      '',
    ];
    for (const script of scripts)
      refuses('bad_script', /^the payout must be/, listed(keyPath, { payouts: [{ script, valueSats: 150_000n }] }));
  });

  test('a payout below dust of its type', () => {
    const kinds: [string, bigint][] = [
      [payoutScript, 330n],
      [keyHash.source.script, 294n],
      [`76a914${'11'.repeat(20)}88ac`, 546n],
    ];
    for (const [script, limit] of kinds) {
      refuses('dust', /^the payout must have/, listed(keyPath, { payouts: [{ script, valueSats: limit - 1n }] }));
      assert.equal(read(listed(keyPath, { payouts: [{ script, valueSats: limit }] })).payout.valueSats, limit);
    }
  });

  test('a signature script, which is in the txid', () => {
    const scripted = edited(listed(keyPath), (input) => (input.finalScriptSig = Uint8Array.of(0x51)));
    refuses('bad_script', /no signature script/, scripted);
    const empty = edited(listed(keyPath), (input) => Object.assign(input, { finalScriptSig: new Uint8Array() }));
    assert.deepEqual(read(empty), read(listed(keyPath)));
  });

  test('a script path or an annex beside the signature', () => {
    const beside = (...more: Uint8Array[]) =>
      edited(finished(listed(keyPath)), (input) =>
        Object.assign(input, { finalScriptWitness: [...(input.finalScriptWitness ?? []), ...more] }),
      );
    refuses('bad_script', /it has a script path/, beside(Uint8Array.of(0x51), new Uint8Array(33).fill(0xc0)));
    refuses('bad_script', /it has an annex/, beside(Uint8Array.of(0x50, 1)));
    refuses('bad_script', /it has a script path/, beside(new Uint8Array()));
  });

  test('a witness of more or less than a signature and a key', () => {
    const final = finished(listed(keyHash));
    const items = (change: (items: Uint8Array[]) => Uint8Array[]) =>
      edited(final, (input) =>
        Object.assign(input, { finalScriptWitness: change([...(input.finalScriptWitness ?? [])]) }),
      );
    refuses(
      'bad_script',
      /it has 1 items/,
      items(([signature = new Uint8Array()]) => [signature]),
    );
    refuses(
      'bad_script',
      /it has 3 items/,
      items((two) => [new Uint8Array(), ...two]),
    );
  });
});

describe('signatures', () => {
  test('any sighash but 0x83, named in the field or only in the signature', () => {
    for (const owner of owners)
      for (const sighash of [0x01, 0x02, 0x03, 0x81, 0x82]) {
        const psbt = listed(owner, { sighash });
        refuses('bad_signature', new RegExp(`it is 0x${hex.encode(Uint8Array.of(sighash))}$`), psbt);
        refuses('bad_signature', /^the sighash must be 0x83/, finished(psbt));
        const renamed = edited(psbt, (input) => (input.sighashType = 0x83));
        refuses('bad_signature', /^the sighash must be 0x83/, renamed);
      }
    refuses('bad_signature', /it is 0x00$/, finished(listed(keyPath, { sighash: 0 })));
    const promised = edited(listed(keyPath), (input) => (input.sighashType = 0x81));
    refuses('bad_signature', /it is 0x81$/, promised);
  });

  test('a byte of sighash that nobody knows, in place of 0x83 or behind it', () => {
    for (const owner of owners) {
      const last = (change: (signature: Uint8Array) => Uint8Array) =>
        edited(finished(listed(owner)), (input) => {
          const [signature = new Uint8Array(), ...key] = input.finalScriptWitness ?? [];
          Object.assign(input, { finalScriptWitness: [change(signature), ...key] });
        });
      refuses(
        'bad_signature',
        /it is 0x84$/,
        last((bytes) => Uint8Array.of(...bytes.subarray(0, -1), 0x84)),
      );
      refuses(
        'bad_signature',
        /it is 0x07$/,
        last((bytes) => Uint8Array.of(...bytes, 0x07)),
      );
      refuses(
        'bad_signature',
        /65 bytes|strict DER/,
        last((bytes) => Uint8Array.of(...bytes, 0x83)),
      );
      refuses(
        'bad_signature',
        /it is none$/,
        last(() => new Uint8Array()),
      );
    }
  });

  test('none at all', () => {
    const unsigned = (psbt: string) =>
      edited(psbt, (input) => {
        delete input.tapKeySig;
        delete input.partialSig;
      });
    refuses('bad_signature', /PSBT_IN_TAP_KEY_SIG/, unsigned(listed(keyPath)));
    refuses('bad_signature', /PSBT_IN_PARTIAL_SIG/, unsigned(listed(keyHash)));
  });

  test('one for another price, another source or another sequence', () => {
    for (const owner of owners) {
      const changes: Parameters<typeof edited>[1][] = [
        (_, { global }) => Object.assign(global.unsignedTx?.outputs[0] ?? {}, { amount: 149_999n }),
        (_, { global }) => Object.assign(global.unsignedTx?.inputs[0] ?? {}, { index: 7 }),
        (_, { global }) => Object.assign(global.unsignedTx?.inputs[0] ?? {}, { sequence: 0xffffffff }),
        (input) => Object.assign(input.witnessUtxo ?? {}, { amount: 9_999n }),
      ];
      for (const change of changes) refuses('bad_signature', /must be one by the owner/, edited(listed(owner), change));
    }
  });

  test('one by another key', () => {
    const { publicKey } = secp256k1.keygen(new Uint8Array(48).fill(5));
    const stranger = edited(listed(keyHash), (input) => {
      const [, signature = new Uint8Array()] = input.partialSig?.[0] ?? [];
      input.partialSig = [[publicKey, signature]];
    });
    refuses('bad_signature', /^the key must be the compressed one/, stranger);
    const taken = edited(listed(keyPath), (input) =>
      Object.assign(input.witnessUtxo?.script ?? [], hex.decode(payoutScript)),
    );
    refuses('bad_signature', /must be one by the owner/, taken);
  });

  test('one by a key that is not compressed, which nodes do not relay', () => {
    const key = secp256k1.Point.fromBytes(secp256k1.getPublicKey(new Uint8Array(32).fill(3))).toBytes(false);
    const source = { ...keyHash.source, script: `0014${hex.encode(hash160(key))}` };
    const whole = buildListing({
      ...{ network: 'regtest', source, inscriptionId: `${'cd'.repeat(32)}i0`, offsetSats: 0n },
      ...{ priceSats: payout.valueSats, payoutAddress },
    });
    const inputs = [{ ...source, sequence: 0xfffffffd, witness: [] }];
    const message = singleMessage({ raw: encodeDraft({ lockHeight: 0, inputs, outputs: [payout] }), index: 0, source });
    const signature = secp256k1.sign(message, new Uint8Array(32).fill(3), { prehash: false, format: 'der' });
    const partialSig = [[key, Uint8Array.of(...signature, 0x83)]];
    refuses(
      'bad_signature',
      /^the key must be the compressed one/,
      edited(whole, (input) => Object.assign(input, { partialSig })),
    );
  });

  test('two of them, of which only one can be meant', () => {
    const { publicKey } = secp256k1.keygen(new Uint8Array(48).fill(5));
    const twice = edited(listed(keyHash), (input) => input.partialSig?.push([publicKey, new Uint8Array(71)]));
    refuses('bad_signature', /there are 2$/, twice);
  });

  const rewritten = (change: (signature: InstanceType<typeof secp256k1.Signature>) => Uint8Array) =>
    edited(finished(listed(keyHash)), (input) => {
      const [item = new Uint8Array(), key = new Uint8Array()] = input.finalScriptWitness ?? [];
      const der = change(secp256k1.Signature.fromBytes(item.subarray(0, -1), 'der'));
      input.finalScriptWitness = [Uint8Array.of(...der, 0x83), key];
    });

  test('a high S, which nodes do not relay and a stranger can make of a low one', () => {
    assert.ok(read(rewritten((signature) => signature.toBytes('der'))));
    const high = rewritten(({ r, s }) => new secp256k1.Signature(r, secp256k1.Point.Fn.ORDER - s).toBytes('der'));
    refuses('bad_signature', /must be low/, high);
  });

  test('DER that is not strict', () => {
    const padded = rewritten((signature) => {
      const der = signature.toBytes('der');
      const [head = 0, length = 0, integer = 0, bytes = 0] = der;
      return Uint8Array.of(head, length + 1, integer, bytes + 1, 0, ...der.subarray(4));
    });
    refuses('bad_signature', /strict DER \(BIP 66\)/, padded);
    refuses(
      'bad_signature',
      /strict DER/,
      rewritten((signature) => Uint8Array.of(...signature.toBytes('der'), 0)),
    );
    const long = rewritten((signature) => {
      const [head = 0, length = 0, ...rest] = signature.toBytes('der');
      return Uint8Array.of(head, 0x81, length, ...rest);
    });
    refuses('bad_signature', /strict DER/, long);
    refuses(
      'bad_signature',
      /strict DER/,
      rewritten((signature) => signature.toBytes('compact')),
    );
  });
});

test('a refusal tells what came', () => {
  const { source } = keyPath;
  const final = finished(listed(keyPath));
  const scripted = edited(listed(keyPath), (input) => (input.finalScriptSig = Uint8Array.of(0x51)));
  const pathed = edited(final, (input) => input.finalScriptWitness?.push(Uint8Array.of(0x51)));
  const short = edited(finished(listed(keyHash)), (input) => input.finalScriptWitness?.pop());
  const odd = edited(listed(keyPath), (input) =>
    Object.assign(input.witnessUtxo ?? {}, { script: Uint8Array.of(0x51) }),
  );
  const unsigned = edited(listed(keyPath), (input) => delete input.tapKeySig);
  const repriced = edited(listed(keyPath), (_, { global }) =>
    Object.assign(global.unsignedTx?.outputs[0] ?? {}, { amount: 1_000n }),
  );
  const twice = edited(listed(keyHash), (input) => input.partialSig?.push([keyPath33, new Uint8Array(71)]));
  const told: [string, object][] = [
    ['A'.repeat(666_669), { characters: 666_669 }],
    ['AAAA', { bytes: 3 }],
    [listed(keyPath, { more: [keyHash.source] }), { inputs: 2 }],
    [listed(keyPath, { payouts: [payout, payout] }), { outputs: 2 }],
    [listed(keyPath, { sequence: 7 }), { sequence: 7 }],
    [listed(keyPath, { sighash: 0x81 }), { sighash: 0x81 }],
    [listed(keyPath, { payouts: [{ ...payout, valueSats: 1n }] }), { valueSats: 1n, limitSats: 330n }],
    [listed(keyPath, { payouts: [{ ...payout, script: '51024e73' }] }), { script: '51024e73' }],
    [scripted, { bytes: 1 }],
    [pathed, { items: 2 }],
    [short, { items: 1 }],
    [odd, { script: '51' }],
    [unsigned, { field: 'PSBT_IN_TAP_KEY_SIG' }],
    [repriced, { outpoint: source.outpoint, index: 0 }],
    [twice, { signatures: 2 }],
  ];
  for (const [psbt, detail] of told)
    assert.throws(
      () => read(psbt),
      (error) => {
        assert.ok(error instanceof SparkleError);
        assert.deepEqual(error.detail, detail);
        return true;
      },
    );
});
