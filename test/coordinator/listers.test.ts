import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { schnorr } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { authDigest } from 'sparkle-protocol/market/coordinator-signing';
import { identityKey, type KeyPair } from 'sparkle-protocol/protocol/keys';
import { keyHash } from 'sparkle-protocol/protocol/listing.suite';
import { ASKED_SATS, Booth } from './booth.ts';

type Said = { error: string; message: string; trade_id: string; status: string; reason?: string; token: string };

const person = (fill: number): KeyPair => identityKey({ seed: new Uint8Array(64).fill(fill), network: 'regtest' });
const named = person(41);
const also = person(42);
const stranger = person(43);

describe('whose listings are taken, and whose they are', () => {
  let booth: Booth;
  before(async () => void (booth = await Booth.open({ listers: [named.public, also.public] })));
  after(() => booth.close());

  async function login(key: KeyPair): Promise<string> {
    const asked = { body: { public_key: key.public } };
    const { answer } = await booth.ask<{ challenge: string }>('POST', '/v1/auth/challenge', asked);
    const digest = authDigest({ challenge: answer.challenge, host: new URL(booth.url).host });
    const signature = hex.encode(schnorr.sign(digest, key.secret, new Uint8Array(32)));
    const body = { ...asked.body, challenge: answer.challenge, signature };
    return (await booth.ask<Said>('POST', '/v1/auth/session', { body })).answer.token;
  }
  const post = async (body: unknown, token?: string) =>
    booth.ask<Said>('POST', '/v1/trade', { body, ...(token === undefined ? {} : { token }) });
  async function listed(key: KeyPair): Promise<{ id: string; token: string; outpoint: string }> {
    const inscribed = await booth.inscribed(`listed by ${key.public}`);
    const { status, answer } = await post(booth.listing(inscribed), await login(key));
    assert.equal(status, 201, JSON.stringify(answer));
    return { id: answer.trade_id, token: answer.token, outpoint: inscribed.outpoint };
  }
  const stateOf = async (method: 'GET' | 'DELETE', id: string, token: string) => {
    const { status, answer } = await booth.ask<Said>(method, `/v1/trade/${id}`, { token });
    return status === 200 ? [status, answer.status, answer.reason] : [status, answer.error];
  };

  test('a key that the operator has not named lists nothing, nor does who has proven none or shows the token of a trade', async () => {
    const body = booth.listing(await booth.inscribed('by a stranger'));
    const { token } = await listed(named);
    for (const shown of [await login(stranger), undefined, token]) {
      const { status, answer } = await post(body, shown);
      assert.deepEqual([status, answer.error], [403, 'forbidden']);
      assert.equal(
        answer.message,
        'listings are taken from those whom the operator has named (LISTERS); the caller is none',
      );
    }
    assert.equal((await post(body, await login(also))).status, 201);
  });

  test('a listing is seen and withdrawn by the key that listed it, or by its token, and by no other that the operator has named', async () => {
    const first = await listed(named);
    assert.deepEqual(await stateOf('GET', first.id, await login(named)), [200, 'pending', undefined]);
    for (const other of [also, stranger])
      for (const method of ['GET', 'DELETE'] as const)
        assert.deepEqual(await stateOf(method, first.id, await login(other)), [404, 'unknown_trade']);
    assert.deepEqual(await stateOf('DELETE', first.id, await login(named)), [200, 'failed', 'withdrawn']);
    const second = await listed(named);
    assert.deepEqual(await stateOf('DELETE', second.id, second.token), [200, 'failed', 'withdrawn']);
    assert.deepEqual(await stateOf('GET', second.id, await login(named)), [200, 'failed', 'withdrawn']);
  });

  test('what somebody else owns, and a price that is not that of the PSBT, are refused with both values', async () => {
    const token = await login(named);
    const theirs = await booth.inscribed('of another', keyHash.address);
    const stolen = await post(booth.listing(theirs), token);
    assert.deepEqual([stolen.status, stolen.answer.error], [409, 'refused']);
    assert.match(
      stolen.answer.message,
      new RegExp(`^the script of the source must be ${keyHash.source.script}; got 5120`),
    );
    const mine = booth.listing(await booth.inscribed('at another price'));
    const dearer = await post({ ...mine, price_sats: Number(ASKED_SATS) + 1 }, token);
    assert.deepEqual([dearer.status, dearer.answer.error], [409, 'refused']);
    assert.equal(dearer.answer.message, 'the payout in sats must be 60001; got 60000');
    assert.equal((await post(mine, token)).status, 201);
  });
});
