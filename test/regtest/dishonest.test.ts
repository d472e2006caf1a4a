import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { fairWeather, Square } from 'sparkle-protocol/market/memory';
import { buildClaim } from 'sparkle-protocol/protocol/claim';
import { lastAcceptHeight, lockGiveUpHeight } from 'sparkle-protocol/protocol/deadlines';
import { tradeKeys } from 'sparkle-protocol/protocol/keys';
import { buildLock } from 'sparkle-protocol/protocol/lock';
import type { TradeAccept, TradeMessage } from 'sparkle-protocol/protocol/messages';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import type { TradeMode } from 'sparkle-protocol/protocol/trade/terms';
import type { Trader } from 'sparkle-protocol/trader/trader';
import { until } from './kept-process.ts';
import { ldkNodes } from '../../world/nodes.ts';
import { purchase } from '../../world/story.ts';
import { createWorld, type World } from '../../world/world.ts';
import { type Inscribed, withoutBitcoind } from './bitcoind.ts';
import { type Actor, actor, type Lies } from './lying.ts';

const PRICE_SATS = 20_000n;
let world: World;
let played = 0;
let started: Trader[] = [];

type Staged = { seller: Actor; buyer: Actor; tradeId: string; inscribed: Inscribed };

/** A trade between a seller and a buyer of this test alone, one of whom lies. */
async function stage(mode: TradeMode, lies: { seller?: Lies; buyer?: Lies }): Promise<Staged> {
  const square = new Square(fairWeather);
  const name = `dishonest ${(played += 1)}`;
  const seller = await actor({
    world,
    square,
    role: 'seller',
    name,
    ...(lies.seller === undefined ? {} : { lies: lies.seller }),
  });
  const buyer = await actor({
    world,
    square,
    role: 'buyer',
    name,
    ...(lies.buyer === undefined ? {} : { lies: lies.buyer }),
  });
  started.push(seller.trader, buyer.trader);
  const inscribed = await world.inscribe(world.seller, name);
  await seller.trader.sell(await world.offer(inscribed, mode, PRICE_SATS));
  const wanted = purchase(world, inscribed.inscriptionId, { mode, priceSats: PRICE_SATS });
  const tradeId = await buyer.trader.buy({ ...wanted, sellerId: seller.trader.id });
  return { seller, buyer, tradeId, inscribed };
}

const codesOf = (trade: Trade | undefined) => (trade !== undefined && 'codes' in trade ? trade.codes : []);
const ended = (trade: Trade | undefined): boolean => trade?.state === 'ended';
const tradesOf = async ({ seller, buyer, tradeId }: Staged) => ({
  sold: await seller.trader.trade(tradeId),
  bought: await buyer.trader.trade(tradeId),
});

/** Blocks and looks until `done`; the inscription is then where the chain says. */
async function play(staged: Staged, done: (now: Awaited<ReturnType<typeof tradesOf>>) => boolean): Promise<void> {
  await until('the trade comes to its end', async () => {
    if (done(await tradesOf(staged))) return true;
    await world.mine(1);
    await Promise.all([staged.seller.trader.look(), staged.buyer.trader.look()]);
    return false;
  });
}

const waitFor = (staged: Staged, ready: (now: Awaited<ReturnType<typeof tradesOf>>) => boolean) =>
  until('the trade has come so far', async () => ready(await tradesOf(staged)));

async function openWorld(): Promise<void> {
  world = await createWorld({ log: () => {}, openNodes: ldkNodes });
  await world.seller.trader.stop();
  await world.buyer.trader.stop();
}

async function leaveAll(): Promise<void> {
  for (const trader of started) await trader.stop();
  started = [];
}

const holder = async ({ inscribed }: Staged) =>
  world.holderOf((await world.seller.ordinals.locate(inscribed.inscriptionId)).satpoint);

const isAccept = (message: TradeMessage): message is TradeAccept => message.op === 'trade_accept';

/** Pays the lock's own script from elsewhere: everything about it is right, but the inscription is not in it. */
async function lockWithoutInscription(accept: TradeAccept): Promise<TradeAccept> {
  const { signed } = accept;
  assert.ok(signed !== undefined);
  const { mode, network, script, internalKey, refundKey } = signed;
  const { paymentHash, refundHeight } = accept;
  const claimKey = currentClaimKey;
  const lock = buildLock({
    mode,
    network,
    script,
    internalKey,
    refundKey,
    paymentHash,
    refundHeight,
    claimKey,
  } as Parameters<typeof buildLock>[0]);
  const outpoint = await world.regtest.pay({ to: lock.address, sats: signed.postageSats + signed.reserveSats });
  const [fundingTxid = '', vout] = outpoint.split(':');
  return { ...accept, fundingTxid, fundingVout: Number(vout) };
}

let currentClaimKey = '';

describe('dishonest sellers on a real chain over real Lightning', { skip: withoutBitcoind }, () => {
  before(openWorld);
  afterEach(leaveAll);
  after(() => world.stop());

  const invoices: {
    what: string;
    mode: TradeMode;
    code: string;
    change: (request: Record<string, unknown>) => object;
  }[] = [
    {
      what: 'another amount',
      mode: 'hold-first',
      code: 'invoice_amount',
      change: () => ({ amountMsat: (PRICE_SATS + 1n) * 1000n }),
    },
    { what: 'a longer expiry', mode: 'hold-first', code: 'invoice_window', change: () => ({ expirySeconds: 90_000 }) },
    {
      what: 'a longer final CLTV',
      mode: 'hold-first',
      code: 'invoice_final_cltv',
      change: ({ finalCltv }) => ({ finalCltv: Number(finalCltv) + 50 }),
    },
    {
      what: 'a shorter final CLTV',
      mode: 'hold-first',
      code: 'invoice_final_cltv',
      change: ({ finalCltv }) => ({ finalCltv: Number(finalCltv) - 50 }),
    },
    {
      what: 'another amount',
      mode: 'lock-first',
      code: 'invoice_amount',
      change: () => ({ amountMsat: (PRICE_SATS + 1n) * 1000n }),
    },
    { what: 'a longer final CLTV', mode: 'lock-first', code: 'invoice_final_cltv', change: () => ({ finalCltv: 600 }) },
  ];
  for (const { what, mode, code, change } of invoices)
    test(`${mode}: an invoice of ${what} is refused before a sat moves`, async () => {
      const lightning: Lies['lightning'] = (honest) => ({
        createHoldInvoice: (request) => honest.createHoldInvoice({ ...request, ...change(request) }),
        createInvoice: (request) => honest.createInvoice({ ...request, ...change(request) }),
      });
      const staged = await stage(mode, { seller: { lightning } });
      await play(staged, ({ bought }) => ended(bought));
      const { bought } = await tradesOf(staged);
      assert.ok(codesOf(bought).includes(code as never), codesOf(bought).join(', '));
      assert.equal((await world.buyer.lightning.payment(hashOf(bought))).state, 'unknown');
    });

  test('hold-first: an invoice for another hash is refused before a sat moves', async () => {
    const other = await world.seller.lightning.createInvoice({
      preimage: '77'.repeat(32),
      amountMsat: PRICE_SATS * 1000n,
      finalCltv: 171,
      expirySeconds: 900,
      description: 'x',
    });
    const say: Lies['say'] = (message) =>
      message.op === 'trade_quote' ? { ...message, invoice: other.bolt11 } : message;
    const staged = await stage('hold-first', { seller: { say } });
    await play(staged, ({ bought }) => ended(bought));
    assert.ok(codesOf((await tradesOf(staged)).bought).includes('invoice_hash'));
  });

  test('hold-first: a lock in another script is refused, the preimage stays hidden, and the seller takes back what he locked', async () => {
    const say: Lies['say'] = (message) => (isAccept(message) ? { ...message, fundingVout: 1 } : message);
    const staged = await stage('hold-first', { seller: { say } });
    await play(staged, ({ sold, bought }) => ended(sold) && ended(bought));
    const { sold, bought } = await tradesOf(staged);
    assert.ok(codesOf(bought).includes('wrong_script'), codesOf(bought).join(', '));
    assert.equal(sold?.state === 'ended' && sold.outcome, 'refunded');
    assert.equal(await holder(staged), 'seller');
  });

  test('hold-first: a lock in which the inscription does not lie is refused, and the payment comes back', async () => {
    const say: Lies['say'] = (message) => (isAccept(message) ? lockWithoutInscription(message) : message);
    const staged = await stage('hold-first', { seller: { say } });
    const { bought: asked } = await tradesOf(staged);
    currentClaimKey = asked?.role === 'buyer' ? asked.want.claimKey : '';
    await play(staged, ({ sold, bought }) => ended(sold) && ended(bought));
    const { bought } = await tradesOf(staged);
    assert.ok(codesOf(bought).includes('sat_moved'), codesOf(bought).join(', '));
    assert.equal((await world.buyer.lightning.payment(hashOf(bought))).state, 'failed');
    assert.equal(await holder(staged), 'seller');
  });

  test('hold-first: a lock that never confirms is never claimed; it is spent back and the payment returns', async () => {
    const staged = await stage('hold-first', {});
    await waitFor(staged, ({ sold }) => sold?.state === 'locking');
    const { sold } = await tradesOf(staged);
    assert.ok(sold !== undefined && 'acceptedHeight' in sold && 'lock' in sold);
    while ((await world.regtest.height()) < lockGiveUpHeight(sold)) await world.regtest.generateBlock([]);
    const { txid } = sold.lock;
    await until(
      'the spend back has replaced the lock',
      async () => (await world.seller.chain.transaction(txid)) === undefined,
    );
    assert.equal((await tradesOf(staged)).bought?.state, 'verifying');
    await play(staged, (now) => ended(now.sold) && ended(now.bought));
    const end = await tradesOf(staged);
    assert.equal(end.sold?.state === 'ended' && end.sold.outcome, 'canceled');
    assert.equal(end.bought?.state === 'ended' && end.bought.outcome, 'abandoned');
    assert.equal(await holder(staged), 'seller');
  });

  test('hold-first: a lock that its seller double-spends leaves the buyer with his payment', async () => {
    const staged = await stage('hold-first', {});
    await waitFor(staged, ({ sold }) => sold?.state === 'locking');
    await doubleSpend(staged.inscribed);
    await play(staged, (now) => ended(now.sold) && ended(now.bought));
    const { bought } = await tradesOf(staged);
    assert.equal(bought?.state === 'ended' && bought.outcome, 'abandoned');
    assert.equal((await world.buyer.lightning.payment(hashOf(bought))).state, 'failed');
  });
});

/** Moves the inscription elsewhere at a fee that replaces the lock. */
async function doubleSpend({ outpoint }: Inscribed): Promise<void> {
  const { rpc } = world.regtest;
  const [txid, vout] = outpoint.split(':');
  const to = await rpc<string>('getnewaddress', [], 'seller');
  const raw = await rpc<string>('createrawtransaction', [
    [{ txid, vout: Number(vout), sequence: 0xfffffffd }],
    [{ [to]: 0.00005 }],
  ]);
  const { hex } = await rpc<{ hex: string }>('signrawtransactionwithwallet', [raw], 'seller');
  await rpc('sendrawtransaction', [hex]);
}

const hashOf = (trade: Trade | undefined): string => {
  if (trade?.role !== 'buyer') return '';
  return trade.state === 'requested' || !('terms' in trade) || trade.terms === undefined
    ? trade.want.mode === 'hold-first'
      ? trade.want.paymentHash
      : '00'.repeat(32)
    : trade.terms.paymentHash;
};

describe('dishonest buyers on a real chain over real Lightning', { skip: withoutBitcoind }, () => {
  before(openWorld);
  afterEach(leaveAll);
  after(() => world.stop());

  test('a buyer who never pays: nothing is locked, and the invoice is canceled', async () => {
    const staged = await stage('hold-first', { buyer: { lightning: () => ({ pay: async () => {} }) } });
    await waitFor(staged, ({ sold }) => sold?.state === 'invoiced');
    await play(staged, ({ sold }) => ended(sold));
    const { sold } = await tradesOf(staged);
    assert.deepEqual(sold?.state === 'ended' && [sold.outcome, sold.codes], ['expired', ['not_paid']]);
    assert.equal(await holder(staged), 'seller');
  });

  test('a buyer who pays too late gets his payment back, and nothing is locked', async () => {
    let dispatch = async () => {};
    const lightning: Lies['lightning'] = (honest) => ({
      pay: async (request) => void (dispatch = () => honest.pay(request)),
    });
    const staged = await stage('hold-first', { buyer: { lightning } });
    await waitFor(staged, ({ sold, bought }) => sold?.state === 'invoiced' && bought?.state === 'paying');
    const { sold } = await tradesOf(staged);
    assert.ok(sold?.role === 'seller');
    await staged.seller.trader.stop();
    await world.mine(lastAcceptHeight(sold.terms) + 1 - (await world.regtest.height()));
    await dispatch();
    await until(
      'the late payment is held',
      async () => (await world.seller.lightning.invoice(sold.terms.paymentHash)).state === 'held',
    );
    await staged.seller.trader.start();
    await play(staged, (now) => ended(now.sold) && ended(now.bought));
    const end = await tradesOf(staged);
    assert.deepEqual(end.sold?.state === 'ended' && [end.sold.outcome, end.sold.codes], ['refused', ['accepted_late']]);
    assert.equal((await world.buyer.lightning.payment(sold.terms.paymentHash)).state, 'failed');
    assert.equal(await holder(staged), 'seller');
  });

  test('a buyer who claims in the last block before R has paid for what he gets', async () => {
    const staged = await stage('hold-first', {});
    await waitFor(staged, ({ sold, bought }) => sold?.state === 'locking' && bought?.state === 'verifying');
    await staged.buyer.trader.stop();
    const { sold, bought } = await tradesOf(staged);
    assert.ok(sold !== undefined && 'lock' in sold && bought?.role === 'buyer');
    await world.mine(sold.terms.refundHeight - 1 - (await world.regtest.height()));
    const keys = tradeKeys({ seed: staged.buyer.seed, network: 'regtest', index: bought.keyIndex });
    const claim = buildClaim({
      terms: sold.terms,
      lockOutpoint: `${sold.lock.txid}:0`,
      destination: await world.buyer.wallet.address(),
      feerateSatVb: 5,
      maxFeeSats: 10_000n,
      claimSecret: keys.claim.secret,
      preimage: keys.preimage,
      auxRand: new Uint8Array(32),
    });
    await world.buyer.chain.broadcast([claim.raw]);
    await play(staged, (now) => ended(now.sold));
    // The seller may have been paid for a claim that still waited: R is the height of the block that takes it.
    if ((await world.regtest.height()) < sold.terms.refundHeight) await world.mine(1);
    const { sold: end } = await tradesOf(staged);
    assert.equal(end?.state === 'ended' && end.outcome, 'traded');
    assert.equal((await world.seller.lightning.invoice(sold.terms.paymentHash)).state, 'settled');
    assert.equal(await holder(staged), 'buyer');
  });
});
