import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeTransaction } from 'sparkle-protocol/protocol/draft';
import { rescueSeed, tradeKeys } from 'sparkle-protocol/protocol/keys';
import { buildLock, type LockTerms } from 'sparkle-protocol/protocol/lock';
import { findPreimage } from 'sparkle-protocol/protocol/spend';
import { blockAfter, programsOf, project } from '../docs-code.ts';
import { startRegtest, withoutBitcoind, type Regtest } from './bitcoind.ts';

const PAGE = 'docs/spec/lock.md';
const PHRASE = `${'abandon '.repeat(11)}about`;
const printed = JSON.parse(blockAfter(PAGE, '`terms.json`, of a trade on regtest:')) as LockTerms;
const seller = { role: 'refund', index: 0 };
const buyer = { role: 'claim', index: 1 };
const keysOf = ({ index }: { index: number }) => tradeKeys({ seed: rescueSeed(PHRASE), network: 'regtest', index });

describe('the way back of docs/spec/lock.md', { skip: withoutBitcoind }, () => {
  let regtest: Regtest;
  let folder: ReturnType<typeof project>;
  let terms: LockTerms;
  before(async () => {
    regtest = await startRegtest();
    terms = { ...printed, refundHeight: (await regtest.height()) + 3 };
    folder = project({ ...Object.fromEntries(programsOf(PAGE)), 'terms.json': JSON.stringify(terms) });
  });
  after(async () => {
    folder.remove();
    await regtest.stop();
  });

  /** A confirmed lock, and a wallet of the node that was given the descriptor of one side. */
  async function lockFor({ role, index }: { role: string; index: number }) {
    const outpoint = await regtest.pay({ to: buildLock(terms).address, sats: 12_000n });
    await regtest.mine(1);
    const desc = await folder.run('descriptor.mjs', [role, String(index)], `${PHRASE}\n`);
    await regtest.rpc('createwallet', [role, false, true]);
    const [imported] = await regtest.rpc<{ success: boolean }[]>('importdescriptors', [[{ desc, timestamp: 0 }]], role);
    assert.equal(imported?.success, true);
    const [txid = '', vout] = outpoint.split(':');
    return { txid, vout: Number(vout) };
  }

  test('the terms that are printed there are those of the two keys', () => {
    const { claim, paymentHash } = keysOf(buyer);
    const keys = { claimKey: claim.public, paymentHash, refundKey: keysOf(seller).refund.public };
    assert.deepEqual({ ...printed, ...keys }, printed);
  });

  test('the seller takes the inscription back with sendall, and not before R', async () => {
    const lock = await lockFor(seller);
    const to = await regtest.address();
    const options = { fee_rate: 5, inputs: [lock], locktime: terms.refundHeight };
    type Sent = { complete: boolean; txid: string; warnings?: string[] };
    const sent = await regtest.rpc<Sent>('sendall', [[to], null, null, null, options], seller.role);
    assert.equal(sent.complete, true);
    assert.match(String(sent.warnings), /is being retried: non-final/);
    await regtest.mine(terms.refundHeight - (await regtest.height()));
    const { hex } = await regtest.rpc<{ hex: string }>('gettransaction', [sent.txid], seller.role);
    assert.equal(await regtest.rpc('sendrawtransaction', [hex]), sent.txid);
  });

  test('the buyer claims with the preimage in the PSBT', async () => {
    const lock = await lockFor(buyer);
    const { preimage, paymentHash } = keysOf(buyer);
    const to = await regtest.address();
    const options = { add_inputs: false, subtractFeeFromOutputs: [0], fee_rate: 5 };
    const inputs = [{ ...lock, sequence: 1 }];
    const asked = [inputs, [{ [to]: 0.00012 }], 0, options];
    const { psbt } = await regtest.rpc<{ psbt: string }>('walletcreatefundedpsbt', asked, buyer.role);
    const shown = await folder.run('preimage.mjs', [psbt], `${preimage}\n`);
    const signed = await regtest.rpc<{ psbt: string }>('walletprocesspsbt', [shown], buyer.role);
    const { hex: raw } = await regtest.rpc<{ hex: string }>('finalizepsbt', [signed.psbt]);
    await regtest.rpc('sendrawtransaction', [raw]);
    assert.equal(findPreimage(raw, paymentHash), preimage);
    assert.equal(decodeTransaction(raw).outputs.length, 1);
  });
});
