import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { lastRevealHeight } from 'sparkle-protocol/protocol/deadlines';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { claimFor, holdTerms } from 'sparkle-protocol/protocol/trade/fixtures.suite';
import { silentLog } from 'sparkle-protocol/trader/log';
import { type Database, openDatabase } from '../database/database.ts';
import { handClock } from '../hub/hub.suite.ts';
import { Claims, type ClaimParts } from './claims.ts';

const NOW = 1_800_000_000;
const LAST = lastRevealHeight(holdTerms);
const { raw } = claimFor(holdTerms);
const away = new SparkleError('chain_unavailable', 'the node must answer; it does not');
const refused = new SparkleError('broadcast_refused', 'the node must take the transaction; it does not');

describe('a claim that a buyer has handed over', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sparkle-claims-'));
  let database: Database;
  let sent: string[];
  /** What the node does with what it is given. */
  let answer: () => void;
  let tip: { height: number; hash: string; timeSeconds: number };
  let spent: boolean;

  before(async () => {
    database = await openDatabase({ url: `sqlite:${join(folder, 'db')}`, network: 'regtest' });
  });
  after(async () => {
    await database.close();
    rmSync(folder, { recursive: true });
  });
  beforeEach(async () => {
    await database.tables.deleteFrom('claim').execute();
    sent = [];
    answer = () => undefined;
    tip = { height: LAST, hash: '00'.repeat(32), timeSeconds: NOW };
    spent = false;
  });

  const claims = (): Claims => {
    const chain = {
      tip: async () => tip,
      spender: async () => (spent ? { txid: 'ab'.repeat(32), raw, block: undefined } : undefined),
      broadcast: async ([one = '']: readonly string[]) => {
        answer();
        sent.push(one);
      },
    } as unknown as ClaimParts['chain'];
    const { tables } = database;
    return new Claims({ tables, chain, clock: handClock(NOW), network: 'signet', log: silentLog });
  };

  const handOver = (): Promise<void> => claims().send({ tradeId: holdTerms.tradeId, terms: holdTerms }, raw);
  /** The node does not take it, and would the next. */
  async function handedOverInVain(error: SparkleError): Promise<void> {
    answer = () => {
      throw error;
    };
    await assert.rejects(handOver(), { code: error.code });
    answer = () => undefined;
  }

  test('whose node was away when it came is sent when it is back, in time', async () => {
    await handedOverInVain(away);
    await claims().push();
    assert.deepEqual(sent, [raw]);
  });

  test('and was never sent is kept back after R - 36, when the preimage in it would be shown for the first time', async () => {
    await handedOverInVain(away);
    tip = { ...tip, height: LAST + 1 };
    await claims().push();
    tip = { ...tip, height: LAST };
    await claims().push();
    assert.deepEqual(sent, []);
  });

  test('and was never sent waits for a best block that is not old: at an old one everything looks in time', async () => {
    await handedOverInVain(away);
    tip = { ...tip, timeSeconds: NOW - 24 * 3600 };
    await claims().push();
    assert.deepEqual(sent, []);
    tip = { ...tip, timeSeconds: NOW };
    await claims().push();
    assert.deepEqual(sent, [raw]);
  });

  test('and has left us once is sent again at any height, until something has spent its lock', async () => {
    await handOver();
    tip = { ...tip, height: LAST + 100 };
    await claims().push();
    assert.deepEqual(sent, [raw, raw]);
    spent = true;
    await claims().push();
    assert.deepEqual(sent, [raw, raw]);
  });

  test('and is refused is not kept, and is taken up when it comes again', async () => {
    await handedOverInVain(refused);
    await claims().push();
    assert.deepEqual(sent, []);
    await handOver();
    await claims().push();
    assert.deepEqual(sent, [raw, raw]);
  });

  test('and was taken before stays when a node that has forgotten the lock refuses it', async () => {
    await handOver();
    await handedOverInVain(refused);
    await claims().push();
    assert.deepEqual(sent, [raw, raw]);
  });
});
