import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { PreparedWire, ProofWire, RescueWire, TradeStateWire } from 'sparkle-protocol/market/checkout-wire';
import { codesOf } from 'sparkle-protocol/protocol/checks.suite';
import { buildClaim } from 'sparkle-protocol/protocol/claim';
import { keyPath } from 'sparkle-protocol/protocol/listing.suite';
import { readMessage, type TradeAccept, type TradeMessage } from 'sparkle-protocol/protocol/messages';
import type { Announced } from 'sparkle-protocol/protocol/checks-delivery';
import type { Say } from './booth-trader.ts';
import type { Bought } from './booth.ts';
import { buyerWith, checkoutBody, termsIn } from './buyer-http.ts';
import { announcing, beforePaying, beforeShowing, type Lie, quoting, rewritten, stranger } from './dishonest.ts';
import { Passing } from './passing.ts';

const PREPARE = '/api/checkout/prepare';
/** The booth's fee: 1,000 sats and a hundredth. */
const FEE_MSAT = 1_600_000n;
const ASKED_MSAT = 60_000_000n;

const announcement =
  (change: (accept: Extract<TradeMessage, { op: 'trade_accept' }>) => object): Say =>
  (message) =>
    message.op === 'trade_accept' ? ({ ...message, ...change(message) } as TradeMessage) : message;

describe('a checkout of what somebody else sells through the coordinator', () => {
  let passing: Passing;

  before(async () => {
    passing = await Passing.open();
  });
  beforeEach(() => {
    passing.says = (message) => message;
  });
  after(() => passing?.close());

  const balances = (): bigint[] => {
    const { coordinator, buyer, stranger: seller } = passing.booth.nodes;
    return [seller, coordinator, buyer].map((node) => node.balanceMsat());
  };
  const moved = (from: readonly bigint[]): bigint[] => balances().map((msat, index) => msat - (from[index] ?? 0n));
  const claimFor = ({ keys }: Bought, { terms, outpoint }: Announced): { raw: string; txid: string } =>
    buildClaim({
      ...{ terms, lockOutpoint: outpoint, destination: keyPath.address, preimage: keys.preimage },
      ...{ claimSecret: keys.claim.secret, auxRand: new Uint8Array(32), feerateSatVb: 2, maxFeeSats: 10_000n },
    });
  const finalize = ({ prepared }: Bought, body: object) =>
    passing.booth.ask<{ txid?: string; error?: string }>('POST', `/v1/trade/${prepared.trade_id}/finalize`, {
      ...{ token: prepared.token, body },
    });
  const told = (bought: Bought, suffix: string) =>
    passing.booth.ask<{ error?: string; payment_request?: string }>(
      ...(['GET', `/v1/trade/${bought.prepared.trade_id}${suffix}`, { token: bought.prepared.token }] as const),
    );

  /** What the buyer found to be his, or a failure of the test. */
  async function verified(bought: Bought): Promise<Announced> {
    let lock: Announced | undefined;
    const isThere = async (): Promise<boolean> => {
      const { answer } = await passing.booth.proof(bought);
      const found = await beforeShowing(passing.booth, { bought, answer });
      assert.deepEqual(
        found.failures.filter(({ wait }) => !wait),
        [],
      );
      lock = found.lock;
      return lock !== undefined;
    };
    await passing.plays('a lock that holds', isThere);
    assert.ok(lock);
    return lock;
  }

  test('has its invoice when the seller has answered, and ends with the price at him, the fee here and the inscription at the buyer', async () => {
    const { inscriptionId } = await passing.offered('through');
    const from = balances();
    const asked = await passing.asked(inscriptionId);
    const { prepared, quote } = asked;
    assert.deepEqual([prepared.status, prepared.invoice, prepared.needed], ['pending_payment', null, undefined]);
    assert.equal(quote.forward, true);
    const bought = await passing.invoiced(asked);
    assert.equal((await told(bought, '/invoice')).answer.payment_request, bought.prepared.invoice);
    assert.deepEqual(
      codesOf(await beforePaying(passing.booth, bought, (await passing.booth.proof(bought)).answer)),
      [],
    );
    await passing.booth.pay(bought);
    await passing.reaches(bought, 'broadcast');
    assert.equal((await passing.state(bought)).payment?.received_sats, 61_600);
    const lock = await verified(bought);
    const rescue = (await told(bought, '/rescue')).answer as RescueWire;
    assert.deepEqual([rescue.terms?.refund_key, rescue.lock?.outpoint], [lock.terms.refundKey, lock.outpoint]);
    const claim = claimFor(bought, lock);
    const done = await finalize(bought, { payment_preimage: bought.keys.preimage, claim: claim.raw });
    assert.deepEqual([done.status, done.answer.txid], [200, claim.txid], JSON.stringify(done.answer));
    await passing.reaches(bought, 'confirmed');
    const { transfer } = await passing.state(bought);
    assert.equal(transfer?.txid, claim.txid);
    await passing.plays(
      'both payments',
      async () => String(moved(from)) === String([ASKED_MSAT, FEE_MSAT, -ASKED_MSAT - FEE_MSAT]),
    );
    await passing.plays(
      'the end',
      async () =>
        (await passing.booth.service.trader.trade(bought.prepared.trade_id.replaceAll('-', '')))?.state === 'ended',
    );
    assert.deepEqual((await passing.state(bought)).transfer?.txid, claim.txid);
    const again = await finalize(bought, { payment_preimage: bought.keys.preimage, claim: claim.raw });
    assert.deepEqual([again.status, again.answer.txid], [200, claim.txid]);
  });

  test('is also claimed by a buyer who hands nothing to anybody', async () => {
    const from = balances();
    const bought = await passing.locked('by himself');
    const { raw, txid } = claimFor(bought, await verified(bought));
    await passing.booth.chain.broadcast([raw]);
    await passing.reaches(bought, 'confirmed');
    assert.equal((await passing.state(bought)).transfer?.txid, txid);
    await passing.plays('both payments', async () => moved(from)[1] === FEE_MSAT);
  });

  test('takes no other price, no other parts of it, and no keys that are half', async () => {
    const { inscriptionId } = await passing.offered('parts');
    const quote = await passing.quoted(inscriptionId);
    const keys = passing.booth.keys();
    const body = checkoutBody(quote, buyerWith(keys, keyPath.address));
    const refused = async (change: object) => {
      const { status, answer } = await passing.booth.ask<{ error: string; field?: string }>('POST', PREPARE, {
        body: { ...body, ...change },
      });
      return [status, answer.error, answer.field];
    };
    const { pricing, max_total_sats: total } = quote;
    const shifted = { ...pricing, seller_sats: pricing.seller_sats - 1, market_fee_sats: pricing.market_fee_sats + 1 };
    const dearer = { ...pricing, estimated_l1_fee_sats: 1 };
    assert.deepEqual(await refused({ pricing: shifted }), [400, 'bad_amount', 'pricing.seller_sats']);
    assert.deepEqual(await refused({ pricing: dearer, max_total_sats: total + 1 }), [400, 'bad_amount', 'offer_sats']);
    assert.deepEqual(await refused({ pricing: dearer }), [400, 'bad_amount', 'max_total_sats']);
    const half = { ord_address: keyPath.address, payment_hash: keys.paymentHash };
    assert.deepEqual(await refused({ buyer: half }), [400, 'bad_message', 'buyer.claim_key']);
  });

  test('whose buyer names his keys later asks the seller then, once, and at the same price', async () => {
    const { inscriptionId } = await passing.offered('later');
    const quote = await passing.quoted(inscriptionId);
    const keys = passing.booth.keys();
    const body = { ...checkoutBody(quote, buyerWith(keys, keyPath.address)), buyer: { ord_address: keyPath.address } };
    await passing.seller.stop();
    const { answer: prepared } = await passing.booth.ask<PreparedWire>('POST', PREPARE, { body });
    assert.equal(prepared.needed?.post_to, `/v1/trade/${prepared.trade_id}/invoice`);
    const named = { payment_hash: keys.paymentHash, claim_key: keys.claim.public };
    const asking = { token: prepared.token, body: named };
    for (const method of ['POST', 'POST', 'GET'] as const) {
      const given = method === 'POST' ? asking : { token: prepared.token };
      const path: string = prepared.needed?.post_to ?? '';
      const answered: { status: number; answer: { error: string } } = await passing.booth.ask(method, path, given);
      assert.deepEqual([answered.status, answered.answer.error], [409, 'in_progress']);
    }
    await passing.seller.start();
    const bought = await passing.invoiced({ quote, keys, prepared });
    assert.deepEqual(
      codesOf(await beforePaying(passing.booth, bought, (await passing.booth.proof(bought)).answer)),
      [],
    );
  });

  test('is over when the seller refuses it, or says nothing, and no sat has moved', async () => {
    const from = balances();
    const { inscriptionId } = await passing.offered('refused');
    const quote = await passing.quoted(inscriptionId);
    passing.says = (message) => (message.op === 'trade_quote' ? undefined : message);
    const silent = await passing.asked(inscriptionId, () => quote);
    await passing.reaches(silent, 'expired');
    assert.match((await passing.state(silent)).reason ?? '', /no_quote/);
    passing.says = (message) =>
      message.op === 'trade_quote' ? { ...message, signed: { ...message.signed, priceSats: 60_001n } } : message;
    const dearer = await passing.asked(inscriptionId, () => quote);
    await passing.reaches(dearer, 'failed');
    assert.match((await passing.state(dearer)).reason ?? '', /wrong_price/);
    assert.equal((await told(dearer, '/invoice')).status, 409);
    assert.deepEqual(moved(from), [0n, 0n, 0n]);
  });

  test('is seen by its buyer alone: not by the seller, who has a trade of his own, and not by a stranger', async () => {
    const { inscriptionId } = await passing.offered('seen');
    const bought = await passing.invoiced(await passing.asked(inscriptionId));
    const other = await passing.invoiced(await passing.asked(inscriptionId));
    const path = `/v1/trade/${bought.prepared.trade_id}`;
    for (const suffix of ['', '/proof', '/rescue', '/invoice']) {
      const { token } = other.prepared;
      const refused = await passing.booth.ask<unknown>('GET', `${path}${suffix}`, { token });
      assert.ok([403, 404].includes(refused.status), `${suffix} ${refused.status}`);
    }
    const { answer } = await passing.booth.ask<TradeStateWire>('GET', path, { token: bought.prepared.token });
    assert.deepEqual([answer.status, answer.price_sats], ['pending_payment', 61_600]);
  });

  const beforeRows: { sentence: string; codes: string; lie?: Lie; hidden?: true }[] = [
    {
      sentence: 'that it does not say is passed on, and holds his sats for longer',
      ...{ codes: 'wrong_heights', hidden: true },
    },
    {
      sentence: 'whose quote is one that the seller has signed, and not the coordinator',
      codes: 'wrong_sender',
      lie: quoting(() => ({ signed: { from: stranger.public } })),
    },
    {
      sentence: 'whose invoice is for a hash of its own',
      codes: 'wrong_payment_hash, invoice_hash, wrong_invoice',
      lie: quoting(({ quote }) => ({
        ...{ paymentHash: 'ab'.repeat(32), invoice: rewritten(quote.invoice, { paymentHash: 'ab'.repeat(32) }) },
      })),
    },
    {
      sentence: 'whose lock would be for a key of its own to take back at once',
      codes: 'wrong_heights, too_many_confirmations',
      lie: quoting(({ quote }) => ({ refundHeight: quote.refundHeight - 90, signed: { refundKey: stranger.public } })),
    },
  ];

  for (const { sentence, codes, lie, hidden } of beforeRows)
    test(`from a coordinator that lies, ${sentence}, is not paid (${codes})`, async () => {
      const { inscriptionId } = await passing.offered(sentence);
      const asked = await passing.asked(inscriptionId);
      const bought = await passing.invoiced(asked);
      const { forward: _forward, ...unsaid } = bought.quote;
      const seen = hidden === undefined ? bought : { ...bought, quote: unsaid };
      const { answer } = await passing.booth.proof(bought);
      const shown = lie === undefined ? answer : lie(answer as never, { booth: passing.booth, bought });
      assert.equal(codesOf(await beforePaying(passing.booth, seen, shown)).join(', '), codes);
    });

  const lockRows: { sentence: string; codes: string; lie: Lie }[] = [
    {
      sentence: 'a quote with its own refund key, shown when the lock is there',
      codes: 'wrong_script',
      lie: quoting(() => ({ signed: { refundKey: stranger.public } })),
    },
    {
      sentence: 'another lock than that of the quote',
      codes: 'wrong_refund_key',
      lie: announcing(() => ({ signed: { refundKey: stranger.public } })),
    },
    {
      sentence: 'another output for the lock',
      codes: 'wrong_outpoint',
      lie: announcing(({ fundingVout }) => ({ fundingVout: fundingVout + 1 })),
    },
  ];

  test('from a coordinator that lies about the lock shows nobody a preimage', async () => {
    const bought = await passing.locked('another lock');
    await verified(bought);
    for (const { sentence, codes, lie } of lockRows) {
      const { answer } = await passing.booth.proof(bought);
      const shown = lie(answer as never, { booth: passing.booth, bought });
      const { failures, lock } = await beforeShowing(passing.booth, { bought, answer: shown });
      const found = codesOf(failures).join(', ');
      assert.ok(found.includes(codes), `${sentence}: ${found}`);
      assert.equal(lock, undefined);
    }
  });

  test('whose seller names a lock that is none: it is not shown as one, the preimage is not taken, and the payment returns', async () => {
    const bought = await passing.locked(
      'no lock',
      announcement(({ fundingVout }) => ({ fundingVout: fundingVout + 1 })),
    );
    const { answer } = await passing.booth.proof(bought);
    assert.deepEqual(Object.keys(answer as object).toSorted(), ['messages', 'trade_id']);
    assert.equal((await passing.state(bought)).status, 'paid');
    const { failures } = await beforeShowing(passing.booth, { bought, answer });
    assert.ok(failures.some(({ wait }) => !wait));
    const [, text = ''] = await passing.messages(bought);
    const { fundingTxid, fundingVout } = readMessage(text, { nowSeconds: 0 }).message as TradeAccept;
    const terms = termsIn(answer as ProofWire, bought.keys);
    assert.ok(terms);
    const claim = buildClaim({
      ...{ terms, lockOutpoint: `${fundingTxid}:${fundingVout}`, destination: keyPath.address },
      ...{ preimage: bought.keys.preimage, claimSecret: bought.keys.claim.secret, auxRand: new Uint8Array(32) },
      ...{ feerateSatVb: 2, maxFeeSats: 10_000n },
    });
    const taken = await finalize(bought, { payment_preimage: bought.keys.preimage, claim: claim.raw });
    assert.deepEqual([taken.status, taken.answer.error], [409, 'refused']);
    await passing.reaches(bought, 'failed', { blocks: 12 });
    const { buyer } = passing.booth.nodes;
    const paid = () => buyer.lightning.payment(bought.keys.paymentHash);
    await passing.plays('the payment', async () => (await paid()).state === 'failed');
  });
});
