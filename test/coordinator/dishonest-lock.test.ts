import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Chain } from 'sparkle-protocol/chain/chain';
import type { ProofWire, RescueWire } from 'sparkle-protocol/market/checkout-wire';
import { memoryOrdinals } from 'sparkle-protocol/ordinals/memory';
import { buildClaim } from 'sparkle-protocol/protocol/claim';
import type { Failure } from 'sparkle-protocol/protocol/checks';
import { codesOf } from 'sparkle-protocol/protocol/checks.suite';
import { keyPath } from 'sparkle-protocol/protocol/listing.suite';
import { tradeKeys } from 'sparkle-protocol/protocol/keys';
import { buildLock } from 'sparkle-protocol/protocol/lock';
import { makeSatProof, type SatProof } from 'sparkle-protocol/protocol/satproof';
import type { DeliveryCheck } from 'sparkle-protocol/trader/delivery';
import { Booth, type Bought, seeds } from './booth.ts';
import { announcing, bare, beforeShowing, type Lie, quoting, rewritten, stranger } from './dishonest.ts';

/** Sats for which a lock must be three blocks deep. */
const DEAR_SATS = 150_000n;

type Row = { sentence: string; codes: string; lie: Lie; own?: (booth: Booth) => Partial<DeliveryCheck> };

const withProof =
  (change: (sat: NonNullable<ProofWire['sat_proof']>) => Partial<ProofWire['sat_proof']>): Lie =>
  (proof) =>
    proof.sat_proof === undefined ? proof : { ...proof, sat_proof: { ...proof.sat_proof, ...change(proof.sat_proof) } };

/** A transaction with one sat more in its last output but one: its txid is another, and so nothing spends it. */
const forged = (raw: string): string => raw.replace(/(.{60})00000000$/, (_all, tail: string) => `${tail}01000000`);
const firstForged = ([first = '', ...rest]: string[]): string[] => [forged(first), ...rest];

const announced: Row[] = [
  {
    sentence: '4.2.5 (B): no lock, whatever it says of it',
    codes: 'lock_not_announced',
    lie: ({ messages: [quote = ''], sat_proof: _proof, ...rest }) => ({ ...rest, messages: [quote] }),
  },
  {
    sentence: '4.1.3 (1): a lock that somebody else announces',
    codes: 'wrong_sender',
    lie: announcing(() => ({ signed: { from: stranger.public } })),
  },
  {
    sentence: '4.1.3 (1): an announcement that nobody has signed',
    codes: 'message_unreadable',
    lie: (proof) => ({ ...proof, messages: [proof.messages[0] ?? '', '{}'] }),
  },
  {
    sentence: '4.1.3 (2): a refund height other than the quoted one',
    codes: 'wrong_refund_height',
    lie: announcing(({ refundHeight }) => ({ refundHeight: refundHeight - 40 })),
  },
  {
    sentence: '4.1.3 (2): a refund key other than the quoted one',
    codes: 'wrong_refund_key',
    lie: announcing(() => ({ signed: { refundKey: stranger.public } })),
  },
  {
    sentence: '4.1.3 (4): fewer confirmations than were quoted',
    codes: 'wrong_confirmations',
    lie: announcing(() => ({ signed: { confirmations: 1 } })),
  },
  {
    sentence: '4.1.3 (8): a lock for another hash',
    codes: 'wrong_payment_hash',
    lie: announcing(() => ({ paymentHash: 'ab'.repeat(32) })),
  },
  {
    sentence: '4.2.5: another inscription than the quoted one',
    codes: 'wrong_inscription',
    lie: announcing(() => ({ inscriptionId: `${'ab'.repeat(32)}i0` })),
  },
  {
    sentence: '4.2.5: the lock of another trade, replayed',
    codes: 'wrong_trade',
    lie: announcing(() => ({ signed: { tradeId: '00'.repeat(16) } })),
  },
];

/** What it says now of what it quoted then, in quote and announcement alike. */
const quotedThen: Row[] = [
  { sentence: '4.1.3 (1): no quote any more', codes: 'quote_missing', lie: (proof) => ({ ...proof, messages: [] }) },
  {
    sentence: '4.1.3 (1): another network than the one of the trade',
    codes: 'wrong_network, wrong_network',
    lie: quoting(() => ({ signed: { network: 'signet' } })),
  },
  {
    sentence: '4.1.3 (2): a key path that was not quoted',
    codes: 'wrong_internal_key, wrong_internal_key',
    lie: quoting(() => ({ signed: { internalKey: 'musig' } })),
  },
  {
    sentence: '4.1.3 (2): heights that no rule makes of the quote',
    codes: 'wrong_heights',
    lie: quoting(({ quote }) => ({ refundHeight: quote.refundHeight - 1 })),
  },
  {
    sentence: '4.1.3 (4): less depth than the price asks for',
    codes: 'too_few_confirmations',
    lie: quoting(() => ({ signed: { confirmations: 1 } })),
  },
  {
    sentence: '4.1.3 (7): an invoice that is not the one he paid',
    codes: 'invoice_amount, wrong_invoice',
    lie: quoting(({ quote }) => ({ invoice: rewritten(quote.invoice, { amountMsat: 1_000n }) })),
  },
  {
    sentence: '4.2.5: another price than he paid',
    codes: 'wrong_price, wrong_price',
    lie: quoting(({ quote }) => ({ signed: { priceSats: quote.signed.priceSats - 1n } })),
  },
  {
    sentence: '4.2.5: a trade for another hash, in which his preimage would be a present',
    codes: 'wrong_payment_hash, wrong_payment_hash',
    lie: quoting(() => ({ paymentHash: 'ab'.repeat(32) })),
  },
];

const onChain: Row[] = [
  {
    sentence: '4.1.3 (3): a lock that no chain knows',
    codes: 'lock_not_seen, sat_moved',
    lie: bare(announcing(() => ({ fundingTxid: 'fe'.repeat(32) }))),
  },
  {
    sentence: '4.1.3 (3): another output of the same transaction',
    codes: 'wrong_script, wrong_value, sat_moved',
    lie: bare(announcing(() => ({ fundingVout: 0 }))),
  },
  {
    sentence: '4.1.3 (3): a lock of one sat less than it says',
    codes: 'wrong_value',
    lie: bare(quoting(({ quote }) => ({ signed: { reserveSats: quote.signed.reserveSats + 1n } }))),
  },
  {
    sentence: '4.1.3 (2): a lock whose refund opens at another height than it says',
    codes: 'wrong_script',
    lie: bare(
      quoting(({ quote: { refundHeight, signed } }) => ({
        refundHeight: refundHeight + 7,
        signed: { quoteHeight: signed.quoteHeight + 7 },
      })),
    ),
  },
  {
    sentence: '4.1.3 (2): a lock with another refund key than it says',
    codes: 'wrong_script',
    lie: bare(quoting(() => ({ signed: { refundKey: stranger.public } }))),
  },
  {
    sentence: '4.1.3 (3): another outpoint than the one it has signed',
    codes: 'wrong_outpoint',
    lie: (proof) => withLock(proof, { outpoint: `${'fe'.repeat(32)}:1` }),
  },
  {
    sentence: '4.1.3 (2): an address that is not the one of the lock',
    codes: 'wrong_address',
    lie: (proof) => withLock(proof, { address: keyPath.address }),
  },
  {
    sentence: '4.1.3 (3): a raw transaction that is not the one of the lock',
    codes: 'wrong_txid',
    lie: (proof) => withLock(proof, { raw: forged(proof.lock?.raw ?? '') }),
  },
];

const whereItLies: Row[] = [
  {
    sentence: '4.1.3 (5): no proof of where the inscription lies, to who has no index',
    codes: 'sat_proof_missing',
    lie: ({ sat_proof: _proof, ...rest }) => rest,
  },
  {
    sentence: '4.1.3 (5): a proof with a forged transaction',
    codes: 'sat_proof_bad',
    lie: withProof(({ transactions }) => ({ transactions: firstForged(transactions) })),
  },
  {
    sentence: '4.1.3 (5): a proof that names another place than it shows',
    codes: 'sat_proof_bad',
    lie: withProof(() => ({ satpoint: `${'fe'.repeat(32)}:0:0` })),
  },
  {
    sentence: '4.1.3 (5): a proof that begins where the buyer knows nothing of',
    codes: 'sat_proof_missing',
    lie: withProof(({ satpoint }) => ({ from: satpoint, transactions: [] })),
  },
  {
    sentence: '4.1.3 (5): a proof of another inscription',
    codes: 'wrong_inscription',
    lie: (proof) => ({ ...proof, sat_proof: otherProof }),
  },
  {
    sentence: '4.1.3 (5): a proof that ends before the lock',
    codes: 'sat_moved',
    lie: withProof(({ inscription_id: inscriptionId, transactions }) => {
      const { satpoint, ...rest } = makeSatProof({ inscriptionId, transactions: transactions.slice(0, 2) });
      return { satpoint, transactions: rest.transactions };
    }),
  },
  {
    sentence: '4.1.3 (5): a proof whose reveal his own chain does not know',
    codes: 'sat_proof_bad',
    lie: (proof) => proof,
    own: ({ chain }) => ({ chain: withReveal(chain, () => undefined) }),
  },
  {
    sentence: '4.1.3 (5): a proof that shows another leaf than was revealed',
    codes: 'sat_proof_bad',
    lie: (proof) => proof,
    own: ({ chain }) => ({ chain: withReveal(chain, (raw) => raw.replace('036f7264', '036f7265')) }),
  },
  {
    sentence: '4.1.3 (10): anything, while his clock and his blocks do not fit together',
    codes: 'tip_stale',
    lie: (proof) => proof,
    own: (booth) => ({ nowSeconds: booth.nowSeconds() - 3 * 3_600 }),
  },
];

let otherProof: ProofWire['sat_proof'];

/** His own chain, in which no transaction has the inscription's envelope that is said to have one. */
const withReveal = (chain: Chain, change: (raw: string) => string | undefined): Chain => ({
  ...chain,
  transaction: async (txid) => {
    const found = await chain.transaction(txid);
    const raw = found?.raw.includes('036f7264') === true ? change(found.raw) : found?.raw;
    return found === undefined || raw === undefined ? undefined : { ...found, raw };
  },
});

const withLock = (proof: ProofWire, change: Partial<NonNullable<ProofWire['lock']>>): ProofWire =>
  proof.lock === undefined ? proof : { ...proof, lock: { ...proof.lock, ...change } };

const pick = ({ satpoint, transactions }: SatProof) => ({ satpoint, transactions });
const codes = (failures: Failure[]): string => codesOf(failures).join(', ');

describe('before he shows his preimage, the buyer refuses', () => {
  let booth: Booth;
  let bought: Bought;

  async function sold(text: string, tamper = {}): Promise<Bought> {
    const { inscriptionId } = await booth.listed(text, DEAR_SATS);
    const one = await booth.prepared(inscriptionId, tamper);
    await booth.pay(one);
    await booth.reaches(one, 'broadcast');
    return one;
  }

  before(async () => {
    booth = await Booth.open();
    const other = await sold('another one');
    bought = await sold('the right one');
    await booth.mine(3);
    otherProof = ((await booth.proof(other)).answer as ProofWire).sat_proof;
  });
  after(() => booth?.close());

  test('nothing of what an honest coordinator shows, with an index of his own and without', async () => {
    const { answer } = await booth.proof(bought);
    const { failures, lock } = await beforeShowing(booth, { bought, answer });
    assert.deepEqual([failures, lock?.terms.paymentHash], [[], bought.keys.paymentHash]);
    const ordinals = memoryOrdinals({ chain: booth.chain });
    assert.deepEqual((await beforeShowing(booth, { bought, answer, ordinals })).failures, []);
  });

  test('nothing of a proof of the last step alone, when he knows where the inscription lay', async () => {
    const { sat_proof: whole, ...answer } = (await booth.proof(bought)).answer as ProofWire;
    const inscriptionId = bought.quote.inscription_id;
    const knownSatpoint = `${inscriptionId.slice(0, 64)}:0:0`;
    const made = makeSatProof({ inscriptionId, from: knownSatpoint, transactions: whole?.transactions ?? [] });
    const sat_proof = { inscription_id: inscriptionId, from: knownSatpoint, ...pick(made) };
    const seen = async (own: object) =>
      (await beforeShowing(booth, { bought, answer: { ...answer, sat_proof }, ...own })).failures;
    assert.deepEqual(await seen({ knownSatpoint }), []);
    // The way from the reveal may still come: that is no reason to give up.
    assert.deepEqual(
      (await seen({})).map(({ code, wait }) => [code, wait]),
      [['sat_proof_missing', true]],
    );
  });

  for (const { sentence, codes: expected, lie, own } of [...quotedThen, ...announced, ...onChain, ...whereItLies])
    test(`${sentence} (${expected})`, async () => {
      const answer = lie((await booth.proof(bought)).answer as ProofWire, { booth, bought });
      const { failures, lock } = await beforeShowing(booth, { bought, answer, ...own?.(booth) });
      assert.deepEqual([codes(failures), lock], [expected, undefined]);
    });

  test("4.2.5: its own key in place of the buyer's, in a lock that is otherwise as agreed (wrong_script)", async () => {
    const mine = tradeKeys({ seed: seeds.stranger, network: 'regtest', index: 1 }).claim.public;
    const robbed = await sold('robbed', {
      ask: (_path: string, { body, ...rest }: { body?: { buyer?: object } }) => ({
        ...rest,
        body: body?.buyer === undefined ? body : { ...body, buyer: { ...body.buyer, claim_key: mine } },
      }),
    });
    await booth.mine(3);
    const { lock: _lock, ...answer } = (await booth.proof(robbed)).answer as ProofWire;
    assert.equal(codes((await beforeShowing(booth, { bought: robbed, answer })).failures), 'wrong_script');
  });

  test('4.1.3 (3): a lock that is in no block, then one that is not deep enough, and waits (lock_unconfirmed, lock_shallow)', async () => {
    const { inscriptionId } = await booth.listed('not deep', DEAR_SATS);
    const shallow = await booth.prepared(inscriptionId);
    await booth.pay(shallow);
    const seen = async () => beforeShowing(booth, { bought: shallow, answer: (await booth.proof(shallow)).answer });
    const first = (await seen()).failures;
    assert.deepEqual([codes(first), first[0]?.wait], ['lock_unconfirmed', true]);
    await booth.mine(2);
    const second = (await seen()).failures;
    assert.deepEqual([codes(second), second[0]?.wait], ['lock_shallow', true]);
    await booth.mine(1);
    assert.deepEqual((await seen()).failures, []);
  });

  test('4.2.5: what it says of a payment and a delivery, when nothing is locked (lock_not_announced)', async () => {
    const { inscriptionId } = await booth.listed('never locked', DEAR_SATS);
    const promised = await booth.prepared(inscriptionId);
    const says = { answer: (_path: string, body: unknown) => ({ ...(body as object), status: 'confirmed' }) };
    assert.equal(await booth.statusOf(promised, says), 'confirmed');
    const { answer } = await booth.proof(promised);
    assert.equal(codes((await beforeShowing(booth, { bought: promised, answer })).failures), 'lock_not_announced');
  });

  test('a late lock: from R - 35 on it is too late to show anything, and from R on the refund is open (reveal_too_late, refund_open)', async () => {
    const late = await sold('late');
    await booth.mine(3);
    const { answer } = await booth.proof(late);
    const { lock } = await beforeShowing(booth, { bought: late, answer });
    const { refundHeight = 0 } = lock?.terms ?? {};
    const at = async (height: number): Promise<string> => {
      await booth.mine(height - booth.network.height());
      return codes((await beforeShowing(booth, { bought: late, answer })).failures);
    };
    assert.equal(await at(refundHeight - 36), '');
    assert.equal(await at(refundHeight - 35), 'reveal_too_late');
    assert.equal(await at(refundHeight), 'refund_open, lock_spent, reveal_too_late');
  });
});

test('a coordinator that vanishes after the payment gives it back by that alone, and one that vanishes after the lock has nothing to say any more', async () => {
  const booth = await Booth.open();
  const { buyer } = booth.nodes;
  const before = buyer.balanceMsat();
  const unlocked = await booth.prepared((await booth.listed('vanishing')).inscriptionId);
  const locked = await booth.prepared((await booth.listed('locked')).inscriptionId);
  await booth.pay(locked);
  await booth.reaches(locked, 'broadcast');
  await booth.mine(1);
  const { prepared } = locked;
  const saved = await booth.ask('GET', `/v1/trade/${prepared.trade_id}/rescue`, { token: prepared.token });
  await booth.service.trader.stop();
  const pay = { maxFeeMsat: 100_000n, maxCltvBlocks: 432, timeoutSeconds: 60 };
  await buyer.lightning.pay({ bolt11: unlocked.prepared.invoice ?? '', ...pay });
  const answer = saved.answer as RescueWire;
  const { terms } = answer;
  const { lock } = await beforeShowing(booth, { bought: locked, answer });
  assert.ok(lock !== undefined);
  const { claim, preimage } = locked.keys;
  const { claimLeaf, claimControl } = buildLock(lock.terms);
  assert.deepEqual(
    [terms?.claim_key, terms?.refund_height, terms?.last_reveal_height, terms?.claim_leaf, terms?.claim_control_block],
    [claim.public, lock.terms.refundHeight, lock.terms.refundHeight - 36, claimLeaf, claimControl],
  );
  const { raw, txid } = buildClaim({
    ...{ terms: lock.terms, lockOutpoint: lock.outpoint, destination: keyPath.address, preimage },
    ...{ claimSecret: claim.secret, auxRand: new Uint8Array(32), feerateSatVb: 1, maxFeeSats: 10_000n },
  });
  await booth.chain.broadcast([raw]);
  await booth.mine(1);
  const { satpoint } = await memoryOrdinals({ chain: booth.chain }).locate(locked.quote.inscription_id);
  assert.equal(satpoint, `${txid}:0:0`);
  await booth.mine(300);
  assert.equal((await buyer.lightning.payment(unlocked.keys.paymentHash)).state, 'failed');
  assert.ok(before - buyer.balanceMsat() <= BigInt(locked.quote.max_total_sats) * 1000n);
  await booth.close();
});
