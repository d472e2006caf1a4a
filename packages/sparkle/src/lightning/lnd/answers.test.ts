import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { refusal } from '../bench.suite.ts';
import {
  NODE_ID,
  PREIMAGE,
  HASH,
  OTHER_HASH,
  NOW_SECONDS,
  TERMS,
  written,
  failure,
  INFO,
  DENIED,
  lndThatSays,
  bytes,
  htlc,
  channelOf,
  fundedChannel,
  pending,
  invoiceOf,
  paymentOf,
  PAYABLE,
  order,
  inFlight,
  type Answer,
} from './answering.suite.ts';

describe('an invoice that LND gives', () => {
  test('for another hash than the chosen one is refused: its preimage would not open the lock (D22)', async () => {
    const { node } = lndThatSays({ addHoldInvoice: { payment_request: written({ paymentHash: OTHER_HASH }) } });
    const error = await refusal(node.createHoldInvoice({ ...TERMS, paymentHash: HASH }), 'bad_invoice');
    assert.deepEqual(error.detail['differs'], ['paymentHash']);
  });

  test('is compared with all that was asked for', async () => {
    const changes = {
      amountMsat: { amountMsat: 7_000_000n },
      minFinalCltv: { minFinalCltv: 39 },
      expirySeconds: { expirySeconds: 3599 },
      description: { description: 'another' },
      network: { network: 'mainnet' },
    } as const;
    for (const [field, change] of Object.entries(changes)) {
      const { node } = lndThatSays({ addInvoice: { payment_request: written(change) } });
      const error = await refusal(node.createInvoice({ ...TERMS, preimage: PREIMAGE }), 'bad_invoice');
      assert.deepEqual(error.detail['differs'], [field]);
    }
  });

  test('signed by somebody else than the node is refused', async () => {
    const another = written({}, new Uint8Array(32).fill(5));
    const { node } = lndThatSays({ addHoldInvoice: { payment_request: another } });
    const error = await refusal(node.createHoldInvoice({ ...TERMS, paymentHash: HASH }), 'bad_invoice');
    assert.deepEqual(error.detail['differs'], ['payee']);
  });

  test('is asked for with the hash itself, in a field that LND takes it from (D24)', async () => {
    const { node, asked } = lndThatSays({
      addHoldInvoice: { payment_request: written() },
      subscribeSingleInvoice: [],
    });
    await node.createHoldInvoice({ ...TERMS, paymentHash: HASH });
    const request = asked.at(-1) as Record<string, unknown>;
    assert.equal(request['name'], 'addHoldInvoice');
    assert.deepEqual(Buffer.from(request['hash'] as Uint8Array), bytes(HASH));
    assert.equal(request['value_msat'], '7000001');
  });

  test('of the same hash for the same request is found again, and for another is refused', async () => {
    const exists = failure(2, 'invoice with payment hash already exists');
    const known = lndThatSays({ addHoldInvoice: exists, addInvoice: exists, lookupInvoiceV2: invoiceOf({}) }).node;
    assert.deepEqual(await known.createHoldInvoice({ ...TERMS, paymentHash: HASH }), { bolt11: written() });
    await refusal(known.createInvoice({ ...TERMS, preimage: PREIMAGE }), 'invoice_exists');
    const plain = invoiceOf({ r_preimage: bytes(PREIMAGE) });
    const other = lndThatSays({ addHoldInvoice: exists, addInvoice: exists, lookupInvoiceV2: plain }).node;
    assert.deepEqual(await other.createInvoice({ ...TERMS, preimage: PREIMAGE }), { bolt11: written() });
    await refusal(other.createHoldInvoice({ ...TERMS, paymentHash: HASH }), 'invoice_exists');
  });

  test('that was not asked for at all is refused', async () => {
    const { node } = lndThatSays({ lookupInvoiceV2: invoiceOf({}) });
    await refusal(node.invoice(OTHER_HASH), 'bad_invoice');
  });
});

describe('what LND holds', () => {
  test('is the sum of the accepted parts, until the smallest of their expiries', async () => {
    const htlcs = [
      htlc({ amt_msat: '4000000', expiry_height: 950 }),
      htlc({ amt_msat: '3000001', expiry_height: 940 }),
      htlc({ amt_msat: '7000001', expiry_height: 800, state: 'CANCELED' }),
    ];
    const { node } = lndThatSays({ lookupInvoiceV2: invoiceOf({ state: 'ACCEPTED', htlcs }) });
    assert.deepEqual(await node.invoice(HASH), { state: 'held', amountMsat: 7_000_001n, expiryHeight: 940, parts: 2 });
  });

  test('is over when no part of it is left, whatever the invoice says', async () => {
    const htlcs = [htlc({ state: 'CANCELED' })];
    const { node } = lndThatSays({ lookupInvoiceV2: invoiceOf({ state: 'ACCEPTED', htlcs }) });
    assert.deepEqual(await node.invoice(HASH), { state: 'held', amountMsat: 0n, expiryHeight: 0, parts: 0 });
  });

  test('is not what the invoice says but what is in the channels: LND forgets parts when it is killed', async () => {
    const htlcs = [
      htlc({ htlc_index: '0', amt_msat: '1', expiry_height: 901 }),
      htlc({ htlc_index: '1', amt_msat: '2', expiry_height: 902 }),
      htlc({ htlc_index: '2', amt_msat: '4', expiry_height: 903 }),
      htlc({ htlc_index: '3', amt_msat: '8', expiry_height: 904 }),
      htlc({ htlc_index: '9', amt_msat: '16', expiry_height: 905, chan_id: '77' }),
    ];
    const pending_htlcs = [
      pending({ htlc_index: '0', incoming: false }),
      pending({ htlc_index: '1', hash_lock: bytes(OTHER_HASH) }),
      pending({ htlc_index: '3' }),
    ];
    const channels = [channelOf({ chan_id: '5', alias_scids: ['1'], pending_htlcs })];
    const accepted = invoiceOf({ state: 'ACCEPTED', htlcs });
    const { node } = lndThatSays({ lookupInvoiceV2: accepted, listChannels: { channels } });
    // The channel of the last one is closed: it is claimed on the chain.
    assert.deepEqual(await node.invoice(HASH), { state: 'held', amountMsat: 24n, expiryHeight: 904, parts: 2 });
  });

  test('that is settled while we look is settled', async () => {
    let looks = 0;
    const lookupInvoiceV2 = () => {
      looks += 1;
      return invoiceOf({ state: looks === 1 ? 'ACCEPTED' : 'SETTLED', htlcs: [htlc({})], amt_paid_msat: '1000' });
    };
    const { node } = lndThatSays({ lookupInvoiceV2, listChannels: { channels: [channelOf({})] } });
    assert.deepEqual(await node.invoice(HASH), { state: 'settled', amountMsat: 1000n });
  });

  test('64-bit numbers come as strings and stay exact (D27)', async () => {
    const { node } = lndThatSays({
      lookupInvoiceV2: invoiceOf({ state: 'SETTLED', amt_paid_msat: '9007199254740993' }),
    });
    assert.deepEqual(await node.invoice(HASH), { state: 'settled', amountMsat: 9_007_199_254_740_993n });
  });

  test('an answer that is not what the protocol says is no answer', async () => {
    const strange = [
      { amt_paid_msat: 5 },
      { amt_paid_msat: '1e3' },
      { state: 'MAYBE' },
      { htlcs: [htlc({ amt_msat: '-1' })] },
    ];
    for (const change of strange) {
      const { node } = lndThatSays({ lookupInvoiceV2: invoiceOf(change) });
      const error = await refusal(node.invoice(HASH), 'lightning_unavailable');
      assert.equal(error.detail['reason'], 'unexpected');
    }
  });
});

describe('a payment over LND', () => {
  const tooLittle = paymentOf({ status: 'FAILED', failure_reason: 'FAILURE_REASON_INSUFFICIENT_BALANCE' });

  test('is ordered with both caps, and goes on without us', async () => {
    const { node, asked } = lndThatSays({ sendPaymentV2: [paymentOf({ htlcs: [inFlight(900)] })] });
    await node.pay(order());
    assert.deepEqual(asked.at(-1), {
      ...{
        name: 'sendPaymentV2',
        payment_request: PAYABLE(),
        fee_limit_msat: '5',
        cltv_limit: 77,
        timeout_seconds: 30,
      },
      ...{ max_parts: 16, no_inflight_updates: false, cancelable: false },
    });
  });

  test('is under way with its first HTLC, not before', async () => {
    const failed = paymentOf({ status: 'FAILED', failure_reason: 'FAILURE_REASON_NO_ROUTE' });
    const { node } = lndThatSays({ sendPaymentV2: [paymentOf({ status: 'INITIATED' }), paymentOf({}), failed] });
    assert.equal((await refusal(node.pay(order()), 'no_route')).detail['reason'], 'no_route');
  });

  test('fails only when LND says that nothing is in flight, with the reason', async () => {
    const reasons = {
      FAILURE_REASON_NO_ROUTE: 'no_route',
      FAILURE_REASON_INSUFFICIENT_BALANCE: 'no_route',
      FAILURE_REASON_TIMEOUT: 'payment_failed',
      FAILURE_REASON_ERROR: 'payment_failed',
      FAILURE_REASON_INCORRECT_PAYMENT_DETAILS: 'payment_failed',
      FAILURE_REASON_CANCELED: 'payment_failed',
    } as const;
    for (const [reason, code] of Object.entries(reasons)) {
      const { node } = lndThatSays({ sendPaymentV2: [paymentOf({ status: 'FAILED', failure_reason: reason })] });
      await refusal(node.pay(order()), code);
    }
  });

  test('that lacks only channels that are not active is tried again, and no failure until then', async () => {
    const sent: Answer[] = [tooLittle];
    const channels = [fundedChannel({ local_balance: '3000' }), fundedChannel({ active: false })];
    const { node } = lndThatSays({ sendPaymentV2: sent, trackPaymentV2: [tooLittle], listChannels: { channels } });
    const again = async () => (await refusal(node.pay(order()), 'lightning_unavailable')).detail['reason'];
    assert.equal(await again(), 'channels_inactive');
    assert.deepEqual(await node.payment(HASH), { state: 'unknown' });
    sent[0] = failure(14, 'No connection established');
    assert.equal(await again(), 'unreachable');
    assert.deepEqual(await node.payment(HASH), { state: 'unknown' });
    sent[0] = paymentOf({ htlcs: [inFlight(900)] });
    await node.pay(order());
    assert.deepEqual(await node.payment(HASH), { state: 'failed', reason: 'insufficient_balance' });
  });

  test('that no channel could carry, active or not, has failed', async () => {
    const enough = { local_balance: '8001' };
    const away = { active: false };
    const lacking = [
      [fundedChannel(enough)],
      [fundedChannel({ ...away, local_balance: '3000' }), fundedChannel({ local_balance: '4000' })],
      // What the peer makes this side keep (BOLT 2), and the fees of who opened it, cannot be sent.
      [fundedChannel({ ...away, ...enough, local_constraints: { chan_reserve_sat: '1001' } })],
      [fundedChannel({ ...away, ...enough, initiator: true, commit_fee: '1000', fee_per_kw: '10' })],
    ];
    for (const channels of lacking) {
      const { node } = lndThatSays({
        ...{ sendPaymentV2: [tooLittle], trackPaymentV2: [tooLittle], listChannels: { channels } },
      });
      assert.equal((await refusal(node.pay(order()), 'no_route')).detail['reason'], 'insufficient_balance');
      assert.equal((await node.payment(HASH)).state, 'failed');
    }
  });

  test('is not judged while LND does not tell its channels', async () => {
    const { node } = lndThatSays({
      ...{ sendPaymentV2: [tooLittle], trackPaymentV2: [tooLittle], listChannels: failure(14, 'gone') },
    });
    assert.equal((await refusal(node.pay(order()), 'lightning_unavailable')).detail['reason'], 'unreachable');
    assert.deepEqual(await node.payment(HASH), { state: 'unknown' });
  });

  test('that LND refuses to begin twice is under way', async () => {
    for (const words of ['payment is in transition', 'invoice is already paid']) {
      const { node } = lndThatSays({ sendPaymentV2: [failure(6, words)] });
      await node.pay(order());
    }
  });

  test('whose outcome is not known is never called a failure (D26)', async () => {
    const unknown = {
      unreachable: failure(14, 'No connection established. Last error: connect ECONNREFUSED'),
      bad_certificate: failure(14, 'No connection established. Last error: self-signed certificate'),
      timeout_unknown: failure(4, 'Deadline exceeded'),
      unauthorized: DENIED,
      rate_limited: failure(8, 'too many'),
      starting: failure(2, 'wallet locked, unlock it to enable full RPC access'),
      unexpected: failure(13, 'something else'),
    };
    for (const [reason, error] of Object.entries(unknown)) {
      const { node } = lndThatSays({ sendPaymentV2: [error] });
      assert.equal((await refusal(node.pay(order()), 'lightning_unavailable')).detail['reason'], reason);
    }
    const silent = lndThatSays({ sendPaymentV2: [] }).node;
    assert.equal((await refusal(silent.pay(order()), 'lightning_unavailable')).detail['reason'], 'timeout_unknown');
    const aboutAnother = lndThatSays({
      sendPaymentV2: [paymentOf({ payment_hash: OTHER_HASH, status: 'FAILED' })],
    }).node;
    await refusal(aboutAnother.pay(order()), 'lightning_unavailable');
  });

  test('that LND does not begin for want of room, or because the invoice is old, is refused', async () => {
    const refusals = {
      'cltv limit 39 should be greater than 43': 'no_route',
      'self-payments not allowed': 'no_route',
      'invoice expired. Valid until 2023-11-14': 'too_late',
    } as const;
    for (const [words, code] of Object.entries(refusals)) {
      const { node } = lndThatSays({ sendPaymentV2: [failure(2, words)] });
      await refusal(node.pay(order()), code);
    }
    const expired = PAYABLE({ timestampSeconds: NOW_SECONDS - 3600 });
    const { node } = lndThatSays({ trackPaymentV2: [failure(5, "payment isn't initiated")] });
    await refusal(node.pay(order(expired)), 'too_late');
    const begun = lndThatSays({ trackPaymentV2: [paymentOf({})] }).node;
    await begun.pay(order(expired));
  });

  test('that was seen to settle is remembered; one that was given no preimage is not', async () => {
    const held = paymentOf({ htlcs: [inFlight(900)] });
    const paid = paymentOf({ status: 'SUCCEEDED', payment_preimage: PREIMAGE, fee_msat: '7' });
    const { node, asked } = lndThatSays({ sendPaymentV2: [held, paid] });
    await node.pay(order());
    const calls = asked.length;
    assert.deepEqual(await node.payment(HASH), { state: 'settled', preimage: PREIMAGE, feeMsat: 7n });
    assert.equal(asked.length, calls);
    const lie = { ...paid, payment_preimage: OTHER_HASH };
    const liar = lndThatSays({ sendPaymentV2: [held, lie], trackPaymentV2: [lie] }).node;
    await liar.pay(order());
    await refusal(liar.payment(HASH), 'bad_preimage');
  });

  test('to the node itself is refused', async () => {
    const { node } = lndThatSays({});
    assert.equal((await refusal(node.pay(order(written())), 'no_route')).detail['reason'], 'own_invoice');
  });

  test('is looked up with its largest expiry, its fee and a preimage that fits', async () => {
    const htlcs = [inFlight(900), inFlight(950), inFlight(999, 'FAILED')];
    const pending = lndThatSays({ trackPaymentV2: [paymentOf({ htlcs })] }).node;
    assert.deepEqual(await pending.payment(HASH), { state: 'pending', expiryHeight: 950 });
    const begun = lndThatSays({ trackPaymentV2: [paymentOf({ status: 'INITIATED' })] }).node;
    assert.deepEqual(await begun.payment(HASH), { state: 'pending' });
    const paid = paymentOf({ status: 'SUCCEEDED', payment_preimage: PREIMAGE, fee_msat: '1050' });
    const settled = lndThatSays({ trackPaymentV2: [paid] }).node;
    assert.deepEqual(await settled.payment(HASH), { state: 'settled', preimage: PREIMAGE, feeMsat: 1050n });
    const lie = lndThatSays({ trackPaymentV2: [{ ...paid, payment_preimage: OTHER_HASH }] }).node;
    await refusal(lie.payment(HASH), 'bad_preimage');
    const none = lndThatSays({ trackPaymentV2: [failure(5, "payment isn't initiated")] }).node;
    assert.deepEqual(await none.payment(HASH), { state: 'unknown' });
    const failed = paymentOf({ status: 'FAILED', failure_reason: 'FAILURE_REASON_TIMEOUT' });
    const over = lndThatSays({ trackPaymentV2: [failed] }).node;
    assert.deepEqual(await over.payment(HASH), { state: 'failed', reason: 'timeout' });
  });
});

describe('settling and canceling over LND', () => {
  const settling = (answer: Answer) => lndThatSays({ settleInvoice: answer }).node.settle(PREIMAGE);
  const canceling = (answer: Answer) => lndThatSays({ cancelInvoice: answer }).node.cancel(HASH);

  test('again what is settled or canceled already is well', async () => {
    await settling({});
    await settling(failure(2, 'invoice already settled'));
    await canceling({});
  });

  test('what cannot be settled is named, without the preimage', async () => {
    for (const words of ['invoice still open', 'invoice already canceled', 'unable to locate invoice']) {
      const error = await refusal(settling(failure(2, words)), 'invoice_not_held');
      assert.ok(!JSON.stringify([error.message, error.detail, error.stack]).includes(PREIMAGE));
    }
    await refusal(settling(failure(2, 'database is locked')), 'lightning_unavailable');
  });

  test('what cannot be canceled is named', async () => {
    await refusal(canceling(failure(2, 'unable to locate invoice')), 'unknown_invoice');
    await refusal(canceling(failure(2, 'invoice already settled')), 'invoice_not_held');
    await refusal(canceling(failure(2, 'database is locked')), 'lightning_unavailable');
  });
});

describe('meeting LND', () => {
  test('one that is too old is refused, one whose version cannot be read is not', async () => {
    const meet = (version: string) => lndThatSays({ getInfo: { ...INFO, version } }).node.ready();
    await refusal(meet('0.17.5-beta commit=v0.17.5-beta'), 'not_supported');
    for (const version of ['0.18.0-beta', '0.21.0-beta commit=x', '1.0.0', 'built at home'])
      assert.equal((await meet(version)).version, version);
  });

  test('one on a network that nobody knows is not understood', async () => {
    const { node } = lndThatSays({ getInfo: { ...INFO, chains: [{ network: 'simnet' }] } });
    assert.equal((await refusal(node.ready(), 'lightning_unavailable')).detail['reason'], 'unexpected');
  });

  test('a failure is asked about again, an answer is remembered', async () => {
    let calls = 0;
    const getInfo = (): object => {
      calls += 1;
      return calls === 1 ? failure(14, 'not yet') : INFO;
    };
    const { node } = lndThatSays({ getInfo });
    await refusal(node.nodeId(), 'lightning_unavailable');
    assert.equal(await node.nodeId(), NODE_ID);
    assert.equal(await node.network(), 'regtest');
    assert.equal(calls, 2);
  });

  test('a macaroon that may spend coins or make macaroons is too much, each for itself', async () => {
    const powersWhen = async (entity: string): Promise<string> => {
      const check = (request: Record<string, unknown>) => ({
        valid: (request['permissions'] as { entity: string }[])[0]?.entity === entity,
      });
      const { node } = lndThatSays({ checkMacaroonPermissions: check });
      return String((await refusal(node.ready(), 'bad_config')).detail['powers']);
    };
    assert.equal(await powersWhen('onchain'), 'spending coins');
    assert.equal(await powersWhen('macaroon'), 'making macaroons');
    const { node } = lndThatSays({ checkMacaroonPermissions: { valid: false } });
    await node.ready();
    const broken = lndThatSays({ checkMacaroonPermissions: failure(14, 'gone') }).node;
    await refusal(broken.ready(), 'lightning_unavailable');
  });

  test('words that look like a credential are hidden', async () => {
    const secret = 'AgEDbG5kAvgBAwoQ'.repeat(8);
    const { node } = lndThatSays({ getInfo: failure(2, `bad macaroon ${secret}`) });
    const error = await refusal(node.ready(), 'lightning_unavailable');
    assert.ok(!JSON.stringify([error.message, error.detail, error.stack]).includes(secret));
    assert.equal(error.detail['said'], 'bad macaroon (hidden)');
  });
});
