import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { startRegtest, type Regtest } from '../../../../../test/regtest/bitcoind.ts';
import { FlakyLink } from '../../../../../test/regtest/flaky-link.ts';
import { openLndChannel, startLnd, type Lnd } from '../../../../../test/regtest/lnd.ts';
import { withoutLnd } from '../../../../../test/regtest/parts.ts';
import { eventually, refusal, sha256Of } from '../bench.suite.ts';
import type { LightningEvent } from '../lightning.ts';
import { grpcLink } from './link.ts';
import { lndOver, type LndNode } from './node.ts';

const PATIENCE_MILLISECONDS = 2_000;
const terms = { amountMsat: 20_000_000n, finalCltv: 40, expirySeconds: 3600, description: '' };
const order = (bolt11: string) => ({ bolt11, maxFeeMsat: 0n, maxCltvBlocks: 50, timeoutSeconds: 30 });

/** The drivers call LND through links that break. */
describe('a connection to LND that breaks', { skip: withoutLnd }, () => {
  let regtest: Regtest;
  let alice: Lnd;
  let bob: Lnd;
  let toPayer: FlakyLink;
  let toPayee: FlakyLink;
  let payer: LndNode;
  let payee: LndNode;
  const warnings: string[] = [];
  let count = 0;

  const driver = ({ socket }: FlakyLink, { certPath, macaroonPath }: Lnd): LndNode => {
    const access = { socket, cert: { path: certPath }, macaroon: { path: macaroonPath } };
    const options = {
      ...{ access, uses: ['receive', 'pay'] as const, adminMacaroon: 'allowed' as const, holdExpiryMarginBlocks: 18 },
      ...{ privateChannels: 'named' as const, nowMilliseconds: () => Date.now() },
      warn: (words: string) => void warnings.push(words),
    };
    return lndOver(options, {
      link: grpcLink(access),
      macaroon: () => readFile(macaroonPath),
      patienceMilliseconds: PATIENCE_MILLISECONDS,
    });
  };
  const portOf = ({ socket }: Lnd): number => Number(socket.split(':')[1]);

  before(async () => {
    regtest = await startRegtest();
    [alice, bob] = await Promise.all([startLnd({ regtest, name: 'alice' }), startLnd({ regtest, name: 'bob' })]);
    const channel = { from: alice, to: bob, sats: 2_000_000n, pushSats: 500_000n, kind: 'private' } as const;
    await openLndChannel(regtest, channel);
    [toPayer, toPayee] = await Promise.all([FlakyLink.open(portOf(alice)), FlakyLink.open(portOf(bob))]);
    payer = driver(toPayer, alice);
    payee = driver(toPayee, bob);
    await Promise.all([payer.ready(), payee.ready()]);
    warnings.length = 0;
  });
  after(async () => {
    await Promise.all([payer, payee].map((node) => node.close()));
    await Promise.all([toPayer, toPayee].map((link) => link.close()));
    await Promise.all([alice, bob].map((node) => node.stop()));
    await regtest.stop();
  });

  const secret = (): { preimage: string; paymentHash: string } => {
    count += 1;
    const preimage = sha256Of(Buffer.from(`outage ${count}`).toString('hex'));
    return { preimage, paymentHash: sha256Of(preimage) };
  };
  const open = async () => {
    const { preimage, paymentHash } = secret();
    const { bolt11 } = await payee.createHoldInvoice({ ...terms, paymentHash });
    return { preimage, paymentHash, bolt11 };
  };
  const answers = <Answer>(what: string, ask: () => Promise<Answer>, isSo: (answer: Answer) => boolean) =>
    eventually(what, async () =>
      ask().then(
        (answer) => (isSo(answer) ? answer : undefined),
        () => undefined,
      ),
    );
  const hint = (told: LightningEvent[], { type, paymentHash }: LightningEvent) =>
    eventually(`a hint at the ${type}`, async () =>
      told.some((each) => each.type === type && each.paymentHash === paymentHash) ? true : undefined,
    );

  test('what happened while the connection was cut is told of when it is back, and warned of once', async () => {
    const told: LightningEvent[] = [];
    const stop = payee.subscribe((event) => told.push(event));
    const { preimage, paymentHash, bolt11 } = await open();
    toPayee.silence('both');
    toPayee.cut();
    await payer.pay(order(bolt11));
    await eventually('a warning', async () => (warnings.length > 0 ? true : undefined));
    assert.deepEqual(told, []);
    toPayee.heal();
    await hint(told, { type: 'invoice', paymentHash });
    assert.equal((await payee.invoice(paymentHash)).state, 'held');
    assert.equal(warnings.splice(0).length, 1);
    await payee.settle(preimage);
    stop();
  });

  test('a node that is away is asked for ever more seldom, and one warning is all that is said', async () => {
    const stop = payee.subscribe(() => undefined);
    const { preimage, paymentHash, bolt11 } = await open();
    toPayee.attempts = 0;
    const began = performance.now();
    toPayee.silence('both');
    toPayee.cut();
    await eventually('some attempts', async () => (toPayee.attempts >= 4 ? true : undefined));
    // Each try knocks once and then connects; a pause of 200 ms that doubles lies before each.
    const tries = Math.floor((toPayee.attempts - 1) / 2);
    assert.ok(performance.now() - began >= 200 * (2 ** tries - 1), `${toPayee.attempts} attempts`);
    assert.ok(warnings.length <= 1, warnings.join());
    toPayee.heal();
    await answers(
      'the invoice',
      () => payee.invoice(paymentHash),
      ({ state }) => state === 'open',
    );
    await payer.pay(order(bolt11));
    await answers(
      'the hold',
      () => payee.invoice(paymentHash),
      ({ state }) => state === 'held',
    );
    await payee.settle(preimage);
    stop();
    warnings.length = 0;
  });

  test('an order to pay whose answer is lost is no failure: it is unknown, then found, and paid once (D26)', async () => {
    const { preimage, paymentHash, bolt11 } = await open();
    await payer.nodeId();
    toPayer.silence('answers');
    const error = await refusal(payer.pay(order(bolt11)), 'lightning_unavailable');
    assert.equal(error.detail['reason'], 'timeout_unknown');
    toPayer.heal();
    await answers(
      'the payment',
      () => payer.payment(paymentHash),
      ({ state }) => state === 'pending',
    );
    await payer.pay(order(bolt11));
    const held = await answers(
      'the hold',
      () => payee.invoice(paymentHash),
      ({ state }) => state === 'held',
    );
    assert.ok(held.state === 'held' && held.amountMsat === terms.amountMsat && held.parts === 1);
    await payee.settle(preimage);
    await answers(
      'the preimage',
      () => payer.payment(paymentHash),
      ({ state }) => state === 'settled',
    );
  });

  test('a settle whose answer is lost is told to nobody as a failure, and repeating it is harmless', async () => {
    const { preimage, paymentHash, bolt11 } = await open();
    await payer.pay(order(bolt11));
    await answers(
      'the hold',
      () => payee.invoice(paymentHash),
      ({ state }) => state === 'held',
    );
    toPayee.silence('answers');
    const error = await refusal(payee.settle(preimage), 'lightning_unavailable');
    assert.ok(!JSON.stringify([error.message, error.detail, error.stack]).includes(preimage));
    toPayee.heal();
    await answers(
      'settling again',
      () => payee.settle(preimage).then(() => true),
      () => true,
    );
    await answers(
      'the preimage',
      () => payer.payment(paymentHash),
      ({ state }) => state === 'settled',
    );
  });

  test('a connection that goes silent without ending is given up, and a new one is made', async () => {
    toPayee.silence('both');
    for (let call = 0; call < 2; call += 1) {
      const error = await refusal(payee.balance(), 'lightning_unavailable');
      assert.match(String(error.detail['reason']), /timeout_unknown|unreachable/);
    }
    toPayee.heal();
    await answers(
      'a balance',
      () => payee.balance(),
      ({ ownedMsat }) => ownedMsat > 0n,
    );
  });

  test('a trader can begin while LND is down: calls say so, and work when it is there', async () => {
    await bob.down();
    const node = driver(toPayee, bob);
    assert.equal(node.capabilities.hold, true);
    const stop = node.subscribe(() => undefined);
    await refusal(node.ready(), 'lightning_unavailable');
    const { paymentHash } = secret();
    await refusal(node.createHoldInvoice({ ...terms, paymentHash }), 'lightning_unavailable');
    await bob.up();
    await answers(
      'an invoice',
      () => node.createHoldInvoice({ ...terms, paymentHash }),
      () => true,
    );
    stop();
    await node.close();
    await refusal(node.invoice(paymentHash), 'lightning_unavailable');
  });
});
