import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import { quoting } from 'sparkle-protocol/store/samples.suite';
import { withCode } from '../database/database.suite.ts';
import { EXPIRY_SECONDS, hashOf, NOW, payoutWorld, preimageOf } from './payouts.suite.ts';
import { assertCanPayOut, Payouts, routeFeeMsat } from './payouts.ts';

const MSAT = 3_000_000n;
const PAID_ONCE = { left: MSAT, came: MSAT };
const NOTHING = { left: 0n, came: 0n };

describe('a royalty that is owed over Lightning', () => {
  test('is paid to the msat, and the books have it as the node does', async (context) => {
    const { payouts, owe, moved, balance, ledger, states, creator } = await payoutWorld(context);
    await owe();
    assert.deepEqual([await balance('royalties'), await balance('owed_royalties')], [MSAT, -MSAT]);
    await payouts.catchUp();
    assert.deepEqual([await states(), moved()], [['paid'], PAID_ONCE]);
    assert.deepEqual(creator.asked, [
      '/.well-known/lnurlp/artist',
      '/pay?amount=3000000&comment=Royalty%20of%20Sparkle%20trade%20t1',
    ]);
    assert.deepEqual([await balance('owed_royalties'), await balance('lightning')], [0n, -MSAT]);
    assert.deepEqual(await ledger.unbalanced(), []);
  });

  test('is owed once and paid once, however often it is told and looked at', async (context) => {
    const { payouts, owe, moved, balance, states } = await payoutWorld(context);
    for (let times = 0; times < 3; times += 1) {
      await owe();
      await payouts.catchUp();
    }
    assert.deepEqual([await states(), moved(), await balance('royalties')], [['paid'], PAID_ONCE, MSAT]);
  });

  test('to a UMA address is asked for as to a plain one, without the exchange of UMA', async (context) => {
    const { payouts, owe, creator, moved } = await payoutWorld(context);
    await owe({ to: `$${creator.address}` });
    await payouts.catchUp();
    assert.deepEqual(moved(), PAID_ONCE);
    assert.equal(creator.asked[0], '/.well-known/lnurlp/artist');
  });

  test('costs what the way costs, within the cap, and that is booked', async (context) => {
    const { payouts, owe, nodes, moved, balance } = await payoutWorld(context);
    nodes.ours.setSending({ routeFeeMsat: 34_999n });
    await owe();
    await payouts.catchUp();
    assert.deepEqual(moved(), { left: MSAT + 34_999n, came: MSAT });
    assert.deepEqual([await balance('routing_fees'), await balance('lightning')], [34_999n, -MSAT - 34_999n]);
  });

  test('is not paid over a way that costs more than 1 % and 5 sats', async (context) => {
    assert.equal(routeFeeMsat({ amountSats: 3_000n, bps: 100, feeMsat: 500_000n }), 35_000n);
    const { payouts, owe, nodes, moved, states, why } = await payoutWorld(context);
    nodes.ours.setSending({ routeFeeMsat: 35_001n });
    await owe();
    await payouts.catchUp();
    assert.deepEqual([moved(), await states()], [NOTHING, ['paying']]);
    assert.match((await why())[0] ?? '', /no_route/);
  });

  test('is not paid over a way that costs more than half of the market fee: who pays himself over his own node earns nothing', async (context) => {
    assert.equal(routeFeeMsat({ amountSats: 5_000_000n, bps: 100, feeMsat: 500_000n }), 500_000n);
    const { payouts, again, owe, nodes, moved, wait } = await payoutWorld(context);
    nodes.ours.setSending({ routeFeeMsat: 10_001n });
    await owe({ marketFeeSats: 20n });
    await payouts.catchUp();
    assert.deepEqual(moved(), NOTHING);
    nodes.ours.setSending({ routeFeeMsat: 10_000n });
    wait(60);
    await again().catchUp();
    assert.deepEqual(moved(), { left: MSAT + 10_000n, came: MSAT });
  });

  test('is paid once by two instances that work at it at the same time', async (context) => {
    const { payouts, again, owe, moved, balance, states } = await payoutWorld(context);
    await owe();
    const other = again();
    await Promise.all([payouts.catchUp(), other.catchUp(), payouts.catchUp()]);
    assert.deepEqual([await states(), moved(), await balance('lightning')], [['paid'], PAID_ONCE, -MSAT]);
  });

  for (const when of ['before', 'after'] as const)
    for (const call of ['pay', 'payment', 'invoice'] as const)
      test(`is paid once when the node is away ${when} it is asked for \`${call}\`, whoever goes on`, async (context) => {
        const { payouts, again, owe, nodes, moved, wait, states } = await payoutWorld(context);
        await owe();
        nodes.ours.breakNext({ call, when });
        await payouts.catchUp();
        for (let times = 0; times < 3; times += 1) {
          wait(60);
          await again().catchUp();
        }
        assert.deepEqual([await states(), moved()], [['paid'], PAID_ONCE]);
      });

  /** The same node, at which a process ends. */
  const dyingAt = (lightning: Lightning, call: keyof Lightning, when: 'before' | 'after'): Lightning => {
    const die = () => new Promise<never>(() => {});
    return new Proxy(lightning, {
      get(target, name): unknown {
        const member = Reflect.get(target, name) as (...given: unknown[]) => Promise<unknown>;
        if (name !== call) return member;
        return async (...given: unknown[]) => {
          if (when === 'after') await member.apply(target, given);
          return die();
        };
      },
    });
  };

  for (const when of ['before', 'after'] as const)
    test(`is paid once when the process is killed right ${when} the order to pay: it was noted`, async (context) => {
      const { parts, again, owe, nodes, moved, wait, states } = await payoutWorld(context);
      await owe();
      const dying = new Payouts({ ...parts, lightning: dyingAt(nodes.ours.lightning, 'pay', when) });
      void dying.catchUp();
      while ((await states())[0] !== 'paying' || nodes.ours.balanceMsat() === (when === 'after' ? 2_000_000_000n : 0n))
        await new Promise((resolve) => setImmediate(resolve));
      wait(60);
      await again().catchUp();
      assert.deepEqual([await states(), moved()], [['paid'], PAID_ONCE]);
    });

  test('is asked for with a new invoice only when the old one can never be paid any more', async (context) => {
    const { payouts, owe, nodes, creator, moved, wait, states } = await payoutWorld(context);
    nodes.ours.setSending({ routeFeeMsat: 1_000_000n });
    await owe();
    await payouts.catchUp();
    wait(EXPIRY_SECONDS);
    await payouts.catchUp();
    wait(599);
    await payouts.catchUp();
    assert.deepEqual([creator.asked.length, await states()], [2, ['paying']]);
    nodes.ours.setSending({ routeFeeMsat: 0n });
    wait(1);
    await payouts.catchUp();
    assert.deepEqual([creator.asked.length, await states(), moved()], [4, ['paid'], PAID_ONCE]);
  });

  test('that hangs on its way is not paid again', async (context) => {
    const { payouts, owe, nodes, creator, wait, states, moved } = await payoutWorld(context);
    nodes.ours.setSending({ fate: 'stuck' });
    await owe();
    await payouts.catchUp();
    nodes.ours.setSending({ fate: 'arrives' });
    wait(EXPIRY_SECONDS + 86_400);
    await payouts.catchUp();
    assert.deepEqual([await states(), creator.asked.length], [['paying'], 2]);
    nodes.ours.release({ paymentHash: hashOf(preimageOf(1)), to: 'payee' });
    wait(30);
    await payouts.catchUp();
    assert.deepEqual([await states(), moved()], [['paid'], PAID_ONCE]);
  });

  test('is told to a human once, and once more after a restart, when it does not go on by itself', async (context) => {
    const { payouts, again, owe, creator, wait, told, states } = await payoutWorld(context);
    creator.instead = () => ({ status: 200, body: '{"status":"ERROR","reason":"closed for good"}' });
    await owe();
    for (let times = 0; times < 12; times += 1) {
      await payouts.catchUp();
      wait(21_600);
    }
    const sentence = `a royalty of 3000 sats is still owed to ${creator.address} (lightning_unavailable: service_error)`;
    assert.deepEqual(told, [sentence]);
    await again().catchUp();
    assert.deepEqual([told, await states()], [[sentence, sentence], ['owed']]);
  });

  test('that nobody takes for a month is given up, told once, and paid when the operator has it tried anew', async (context) => {
    const { payouts, again, owe, creator, wait, told, states, rows, balance, moved, network } =
      await payoutWorld(context);
    creator.instead = () => ({ status: 200, body: '{"status":"ERROR","reason":"closed for good"}' });
    await owe();
    for (let times = 0; times < 125; times += 1) {
      await payouts.catchUp();
      wait(21_600);
    }
    assert.deepEqual(await states(), ['given_up']);
    assert.deepEqual(told, [
      `a royalty of 3000 sats is still owed to ${creator.address} (lightning_unavailable: service_error)`,
      `a royalty of 3000 sats to ${creator.address} was tried for a month and is not tried any more (lightning_unavailable: service_error)`,
    ]);
    const asked = creator.asked.length;
    await again().catchUp();
    assert.deepEqual([creator.asked.length, told.length, (await rows.unpaid()).length], [asked, 2, 1]);
    creator.instead = () => undefined;
    const retry = { payoutId: 't1:0', at: network.nowSeconds() };
    await rows.tryAgain(retry);
    await payouts.catchUp();
    assert.deepEqual([await states(), moved(), await balance('owed_royalties')], [['paid'], PAID_ONCE, 0n]);
    await assert.rejects(rows.tryAgain(retry), { code: 'not_found' });
  });

  test('is paid beside those of a creator who has many addresses at services that never answer', async (context) => {
    const { parts, owe, wait, rows } = await payoutWorld(context);
    for (let count = 0; count < 20; count += 1) await owe({ tradeId: `e${count}`, to: `a@host${count}.evil.example` });
    wait(1);
    await owe();
    const resolve = (host: string) => (host.endsWith('.evil.example') ? new Promise<never>(() => {}) : ['127.0.0.1']);
    const reach = { ...parts.reach, resolve: async (host: string) => resolve(host), timeoutMilliseconds: 60_000 };
    void new Payouts({ ...parts, reach }).catchUp();
    const isPaid = async () => (await rows.unpaid()).every(({ tradeId }) => tradeId !== 't1');
    for (let turns = 0; turns < 2_000 && !(await isPaid()); turns += 1)
      await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(await isPaid(), true);
  });

  test('to many creators of one sale is told to a human once', async (context) => {
    const { parts, creator, payouts, wait, told } = await payoutWorld(context, { isOn: false });
    const part = { to: creator.address, valueSats: 3_000n };
    const teller = new Payouts({ ...parts, isOn: false });
    await teller.owe({ tradeId: 't1', parts: [part, part, part], marketFeeSats: 1_000n });
    await teller.idle();
    wait(86_400);
    await payouts.catchUp();
    await payouts.catchUp();
    const sentence = `a royalty of 9000 sats is still owed to ${creator.address} and 2 more creators ()`;
    assert.deepEqual(told, [sentence]);
  });

  test('stays owed, and is told, where the operator lets his node pay nobody any more', async (context) => {
    const { payouts, owe, creator, moved, wait, told } = await payoutWorld(context, { isOn: false });
    await owe();
    wait(86_400);
    await payouts.catchUp();
    assert.deepEqual([creator.asked, moved(), told.length], [[], NOTHING, 1]);
  });

  test('is found again by the event of its payment', async (context) => {
    const { payouts, owe, nodes, states } = await payoutWorld(context);
    nodes.ours.setSending({ fate: 'stuck' });
    const stop = payouts.start();
    await owe();
    await payouts.catchUp();
    assert.deepEqual(await states(), ['paying']);
    nodes.ours.release({ paymentHash: hashOf(preimageOf(1)), to: 'payee' });
    while ((await states())[0] !== 'paid') await new Promise((resolve) => setImmediate(resolve));
    stop();
    await payouts.idle();
  });
});

describe('a creator whose service lies is not paid, and the royalty stays owed', () => {
  const DAY = 86_400;
  for (const [said, changed, why] of [
    ['another amount', { terms: { amountMsat: MSAT + 1n } }, 'bad_invoice: amount'],
    ['another description', { terms: { descriptionHash: '00'.repeat(32) } }, 'bad_invoice: description_hash'],
    ['another network', { terms: { network: 'testnet' } }, 'bad_invoice: network'],
    ['an invoice that has expired', { terms: { timestampSeconds: NOW - EXPIRY_SECONDS } }, 'bad_invoice: expiry'],
    ['an invoice that lives for weeks', { terms: { expirySeconds: 9 * DAY } }, 'bad_invoice: expiry'],
    ['an invoice of our own node', { by: 'ours' }, 'bad_invoice: own_node'],
  ] as const)
    test(`${said} (${why})`, async (context) => {
      const { payouts, owe, moved, states, next, why: reasons } = await payoutWorld(context);
      next.changed = changed;
      await owe();
      await payouts.catchUp();
      assert.deepEqual([await states(), await reasons(), moved()], [['owed'], [why], NOTHING]);
    });

  test('an invoice whose payment hash was paid, or received, by our node (bad_invoice: hash_reused)', async (context) => {
    const { payouts, owe, nodes, next, moved, why } = await payoutWorld(context);
    const terms = { amountMsat: 1_000n, finalCltv: 40, expirySeconds: 600, description: '' };
    const { bolt11 } = await nodes.creator.lightning.createInvoice({ ...terms, preimage: preimageOf(90) });
    await nodes.ours.lightning.pay({ bolt11, maxFeeMsat: 0n, maxCltvBlocks: 144, timeoutSeconds: 60 });
    await nodes.ours.lightning.createHoldInvoice({ ...terms, paymentHash: hashOf(preimageOf(91)) });
    const before = moved();
    await owe();
    for (const preimage of [preimageOf(90), preimageOf(91)]) {
      // The service writes its invoice by itself: its node would not give out the same hash twice.
      next.changed = { preimage: preimageOf(92), terms: { paymentHash: hashOf(preimage) } };
      await payouts.catchUp();
      assert.deepEqual([await why(), moved()], [['bad_invoice: hash_reused'], before]);
    }
  });

  test('an invoice with the payment hash of a trade, which nobody has paid yet (bad_invoice: hash_reused)', async (context) => {
    const { payouts, owe, database, next, moved, why } = await payoutWorld(context);
    const other = { tradeId: 't2', paymentHash: hashOf(preimageOf(93)) };
    await database.store.create({ trade: quoting(other), effects: [] });
    next.changed = { preimage: preimageOf(93) };
    await owe();
    await payouts.catchUp();
    assert.deepEqual([await why(), moved()], [['bad_invoice: hash_reused'], NOTHING]);
  });

  test('a payment hash that a payout had is that of no later trade', async (context) => {
    const { payouts, owe, database } = await payoutWorld(context);
    await owe();
    await payouts.catchUp();
    const trade = quoting({ tradeId: 't3', paymentHash: hashOf(preimageOf(1)) });
    await assert.rejects(database.store.create({ trade, effects: [] }), { code: 'duplicate_trade' });
  });

  test('one invoice for two royalties pays one of them (bad_invoice: hash_reused)', async (context) => {
    const { payouts, owe, database, next, moved, why, states } = await payoutWorld(context);
    await database.store.create({ trade: quoting({ tradeId: 't2', paymentHash: 'c3'.repeat(32) }), effects: [] });
    next.changed = { preimage: preimageOf(94) };
    await owe();
    await owe({ tradeId: 't2' });
    await payouts.catchUp();
    assert.deepEqual(
      [await states(), await why()],
      [['paid', 'owed'].toSorted((a) => (a === 'paid' ? -1 : 1)), ['bad_invoice: hash_reused']],
    );
    assert.deepEqual(moved(), PAID_ONCE);
  });

  for (const [said, offer, why] of [
    ['takes no such small sum', { minSendable: 3_000_001 }, 'bad_amount'],
    ['takes no such large sum', { maxSendable: 2_999_999 }, 'bad_amount'],
    [
      'speaks of another address',
      { metadata: '[["text/plain","x"],["text/identifier","eve@pay.example.com"]]' },
      'lightning_unavailable: garbage',
    ],
    [
      'leads its callback into a private network',
      { callback: 'https://127.0.0.1:1/pay' },
      'lightning_unavailable: forbidden_address',
    ],
    [
      'has its callback without TLS',
      { callback: 'http://pay.example.com/pay' },
      'lightning_unavailable: forbidden_address',
    ],
  ] as const)
    test(`it ${said} (${why})`, async (context) => {
      const { payouts, owe, creator, moved, states, why: reasons } = await payoutWorld(context);
      creator.offer = offer;
      await owe();
      await payouts.catchUp();
      assert.deepEqual([await states(), await reasons(), moved()], [['owed'], [why], NOTHING]);
    });

  const redirect = { status: 302, headers: { location: '/pay' }, body: '' };
  for (const [said, odd, why] of [
    ['leads on to elsewhere', redirect, 'redirected'],
    ['answers with 10 MB', 'flood', 'too_large'],
    ['answers a byte at a time', 'drip', 'timeout_unknown'],
    ['does not answer', 'never', 'timeout_unknown'],
    ['answers with a page', { status: 200, body: '<html>' }, 'garbage'],
  ] as const)
    for (const path of ['/.well-known/lnurlp/artist', '/pay'])
      test(`it ${said} at ${path} (${why})`, async (context) => {
        const { payouts, owe, creator, moved, states, why: reasons } = await payoutWorld(context);
        creator.instead = (asked) => (asked === path ? odd : undefined);
        await owe();
        await payouts.catchUp();
        assert.deepEqual(
          [await states(), await reasons(), moved()],
          [['owed'], [`lightning_unavailable: ${why}`], NOTHING],
        );
      });

  test('its name leads into a private network (lightning_unavailable: forbidden_address)', async (context) => {
    const { parts, owe, creator, why } = await payoutWorld(context);
    await owe();
    const reach = { ...parts.reach, allowedOrigins: [], resolve: async () => ['93.184.215.14', '10.0.0.1'] };
    await new Payouts({ ...parts, reach }).catchUp();
    assert.deepEqual([await why(), creator.asked], [['lightning_unavailable: forbidden_address'], []]);
  });
});

test('a node that cannot pay, or cannot bound a way, pays no royalties', async (context) => {
  const { nodes } = await payoutWorld(context);
  const { capabilities } = nodes.ours.lightning;
  assertCanPayOut(capabilities);
  for (const missing of ['pay', 'feeCap', 'routeCap'] as const)
    assert.throws(
      () => assertCanPayOut({ ...capabilities, [missing]: false }),
      withCode('bad_config', new RegExp(`^LIGHTNING_ROYALTIES must be no .* lacks ${missing}; got yes$`)),
    );
});
