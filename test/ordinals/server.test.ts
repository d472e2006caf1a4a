import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { agreeingOrdinals } from 'sparkle-protocol/ordinals/agree';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { guardFee, guardSell } from 'sparkle-protocol/protocol/guard';
import { ownScript, spendOwn } from '../../packages/sparkle/src/chain/suite-keys.ts';
import { addressOf, withoutBitcoind } from '../regtest/bitcoind.ts';
import { withoutOrd } from '../regtest/parts.ts';
import { ordBench, type OrdBench } from './bench.ts';

const skip = withoutBitcoind || withoutOrd;

const refused =
  (code: string, reasons: readonly string[] = []) =>
  (error: unknown) => {
    assert.ok(error instanceof SparkleError, String(error));
    assert.equal(error.code, code);
    if (reasons.length > 0) assert.ok(reasons.includes(String(error.detail['reason'])), String(error.detail['reason']));
    return true;
  };

/** `OP_RETURN OP_13`, then: tag 2 (flags) etching, tag 6 (premine) 1000. Without a name ord takes a reserved one. */
const ETCHING = '6a5d05020106e807';

describe('a real ord server', { skip }, () => {
  let opened: OrdBench | undefined;
  const bench = (): OrdBench => {
    assert.ok(opened !== undefined);
    return opened;
  };
  before(async () => {
    opened = await ordBench({ blocks: 130, index: ['runes', 'sats'] });
  });
  after(() => opened?.stop());

  /** A confirmed transaction from a coin of `sats`; returns its txid. */
  const confirmed = async (sats: bigint, outputs: { script: string; sats: bigint }[]): Promise<string> => {
    const { regtest, server } = bench();
    const outpoint = await regtest.pay({ to: addressOf(ownScript), sats });
    await regtest.mine(1);
    const { raw, txid } = spendOwn({ inputs: [{ outpoint, sats }], outputs });
    await regtest.generateBlock([raw]);
    await server.caughtUp();
    return txid;
  };

  const factsOf = async (outpoint: string) => ({
    ...{ outpoint, unspent: await bench().chain.unspent(outpoint), leastConfirmations: 1 },
    ...{ assets: await bench().ord.assets(outpoint), runePolicy: 'must know' as const },
  });

  test('is at the best block and indexes what it was told to', async () => {
    await bench().server.caughtUp();
    const height = await bench().regtest.height();
    assert.deepEqual(await bench().ord.health(), { chain: 'regtest', height, runes: true, sats: true });
  });

  test('knows runes: they pay no fee, and they follow the first output without being named', async () => {
    const etched = await confirmed(50_000n, [
      { script: ownScript, sats: 20_000n },
      { script: ETCHING, sats: 0n },
      { script: ownScript, sats: 20_000n },
    ]);
    const codes = async (outpoint: string) => guardFee(await factsOf(outpoint)).failures.map(({ code }) => code);
    assert.deepEqual(await codes(`${etched}:0`), ['runes_present']);
    assert.deepEqual(await codes(`${etched}:2`), []);
    const { raw, txid } = spendOwn({
      inputs: [{ outpoint: `${etched}:0`, sats: 20_000n }],
      outputs: [1, 2].map(() => ({ script: ownScript, sats: 9_000n })),
    });
    await bench().regtest.generateBlock([raw]);
    await bench().server.caughtUp();
    assert.deepEqual(await codes(`${txid}:0`), ['runes_present']);
    assert.deepEqual(await codes(`${txid}:1`), []);
  });

  test('tells an inscription that may be sold, with the sats it has', async () => {
    const { regtest, server, ord } = bench();
    const { inscriptionId, outpoint } = await regtest.inscribe({ body: 'for sale', contentType: 'text/plain' });
    await server.caughtUp();
    const facts = {
      ...(await factsOf(outpoint)),
      inscriptionId,
      offsetSats: 0n,
      place: await ord.locate(inscriptionId),
    };
    assert.deepEqual(guardSell(facts).failures, []);
    assert.deepEqual(
      guardSell({ ...facts, offsetSats: 1n }).failures.map(({ code }) => code),
      ['sat_moved', 'inscription_missing'],
    );
    const sats = (facts.assets.satRanges ?? []).reduce((sum, { from, to }) => sum + to - from, 0n);
    assert.equal(sats, facts.unspent?.valueSats);
  });

  test('tells a reinscription, which is sold by no guard beside the first', async () => {
    const { regtest, server } = bench();
    const text = (body: string) => ({ body: new TextEncoder().encode(body), contentType: 'text/plain' });
    const outputs = [{ address: await regtest.address(), valueSats: 10_000n }];
    const txid = await regtest.inscribeMany({ envelopes: [text('first'), text('second')], outputs });
    await server.caughtUp();
    const facts = { ...(await factsOf(`${txid}:0`)), inscriptionId: `${txid}i0`, offsetSats: 0n };
    const { failures } = guardSell({ ...facts, place: await bench().ord.locate(`${txid}i0`) });
    assert.deepEqual(
      failures.map(({ code }) => code),
      ['other_inscriptions'],
    );
    assert.ok(facts.assets.inscriptions[1]?.charms?.includes('reinscription'));
  });

  test('does not answer for what is unconfirmed or spent', async () => {
    const { regtest, ord } = bench();
    const waiting = await regtest.pay({ to: addressOf(ownScript), sats: 50_000n });
    await assert.rejects(ord.inscriptionsIn(waiting), refused('not_indexed', ['not_in_index']));
    await regtest.mine(1);
    await bench().server.caughtUp();
    assert.deepEqual(await ord.inscriptionsIn(waiting), []);
    const { raw } = spendOwn({
      inputs: [{ outpoint: waiting, sats: 50_000n }],
      outputs: [{ script: ownScript, sats: 40_000n }],
    });
    await regtest.generateBlock([raw]);
    await bench().server.caughtUp();
    await assert.rejects(ord.inscriptionsIn(waiting), refused('not_indexed', ['not_in_index']));
  });

  test('counts new sats as the main network does: above block 150 of regtest a fee is lost to it, and both are not believed', async () => {
    const { regtest, server, ord, local } = bench();
    await regtest.mine(Math.max(0, 151 - (await regtest.height())));
    const { inscriptionId, outpoint } = await regtest.inscribe({
      ...{ body: 'paid', contentType: 'text/plain', to: addressOf(ownScript), postageSats: 10_000n },
    });
    const { raw } = spendOwn({
      inputs: [{ outpoint, sats: 10_000n }],
      outputs: [{ script: `6a20${'00'.repeat(32)}`, sats: 0n }],
    });
    await regtest.rpc('sendrawtransaction', [raw, 0]);
    await regtest.mine(1);
    await server.caughtUp();
    assert.match((await local.locate(inscriptionId)).satpoint, /:0:\d+$/);
    await assert.rejects(ord.locate(inscriptionId), refused('unknown_inscription'));
    await assert.rejects(agreeingOrdinals([local, ord]).locate(inscriptionId), refused('sources_disagree'));
  });

  test('that is away is asked in vain until it is back and has caught up', async () => {
    const { regtest, server, ord } = bench();
    const { inscriptionId, satpoint } = await regtest.inscribe({ body: 'away', contentType: 'text/plain' });
    await server.caughtUp();
    await server.down();
    await assert.rejects(ord.locate(inscriptionId), refused('not_indexed', ['unreachable']));
    await regtest.mine(3);
    await server.up();
    await server.caughtUp();
    assert.equal((await ord.locate(inscriptionId)).satpoint, satpoint);
  });
});
