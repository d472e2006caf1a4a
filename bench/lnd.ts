import { createHash, randomBytes } from 'node:crypto';
import { payViaPaymentRequest, settleHodlInvoice, subscribeToInvoice } from 'lightning';
import type { LndNode } from 'sparkle-protocol/lightning/lnd/node';
import { startRegtest, type Regtest } from '../test/regtest/bitcoind.ts';
import { openLndChannel, startLnd, type Lnd } from '../test/regtest/lnd.ts';
import { driverOver } from '../test/regtest/lnd-driver.ts';
import { until } from '../test/regtest/kept-process.ts';
import { spread } from './percentiles.ts';

const HOLDS = 60;
const PAYMENTS = 60;
const ROUNDS = 8;
const IN_FLIGHT = 20;
const AMOUNT_MSAT = 1_000_000n;
const FINAL_CLTV = 40;
const DAY_SECONDS = 24 * 3600;

const secret = () => {
  const preimage = randomBytes(32);
  return { preimage: preimage.toString('hex'), paymentHash: createHash('sha256').update(preimage).digest('hex') };
};
const terms = { amountMsat: AMOUNT_MSAT, finalCltv: FINAL_CLTV, expirySeconds: DAY_SECONDS, description: '' };
const order = (bolt11: string) => ({ bolt11, maxFeeMsat: 0n, maxCltvBlocks: FINAL_CLTV + 10, timeoutSeconds: 60 });

const quiet = (): void => undefined;

type Ends = { regtest: Regtest; alice: Lnd; bob: Lnd; payer: LndNode; payee: LndNode };

async function elapsed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Two real nodes with a channel; everything over our driver and over the `lightning` library alone, by turns. */
export async function benchLnd() {
  const regtest = await startRegtest();
  const [alice, bob] = await Promise.all([startLnd({ regtest, name: 'alice' }), startLnd({ regtest, name: 'bob' })]);
  const [payer, payee] = [driverOver(alice, quiet), driverOver(bob, quiet)];
  try {
    await openLndChannel(regtest, { from: alice, to: bob, sats: 16_000_000n, pushSats: 0n, kind: 'private' });
    const ends = { regtest, alice, bob, payer, payee };
    return { ...(await holds(ends)), ...(await payments(ends)) };
  } finally {
    await Promise.all([payer, payee].map((node) => node.close()));
    await Promise.all([alice, bob].map((node) => node.stop()));
    await regtest.stop();
  }
}

/** When the payee's process hears of a held payment: from our driver, and from the library's own subscription. */
async function holds({ bob, payer, payee }: Ends) {
  const seen = { ours: [] as number[], library: [] as number[] };
  const settles = { ours: [] as number[], library: [] as number[] };
  const heard = new Map<string, number>();
  const stop = payee.subscribe(
    ({ paymentHash }) => heard.has(paymentHash) || heard.set(paymentHash, performance.now()),
  );
  for (let index = 0; index < HOLDS; index += 1) {
    const { preimage, paymentHash } = secret();
    const { bolt11 } = await payee.createHoldInvoice({ ...terms, paymentHash });
    const raw = subscribeToInvoice({ lnd: bob.lnd, id: paymentHash });
    let libraryHeard = 0;
    raw.on('invoice_updated', ({ is_held }: { is_held?: boolean }) => {
      if (is_held === true) libraryHeard = performance.now();
    });
    const began = performance.now();
    await payer.pay(order(bolt11));
    await until('both to hear', () => heard.has(paymentHash) && libraryHeard > 0, { everyMilliseconds: 1 });
    raw.removeAllListeners();
    seen.ours.push((heard.get(paymentHash) ?? 0) - began);
    seen.library.push(libraryHeard - began);
    if (index % 2 === 0) settles.ours.push(await elapsed(() => payee.settle(preimage)));
    else settles.library.push(await elapsed(() => settleHodlInvoice({ lnd: bob.lnd, secret: preimage })));
    await until('the payer to know', async () => (await payer.payment(paymentHash)).state === 'settled');
  }
  stop();
  return {
    'pay -> held is seen, ms': { ours: spread(seen.ours), library: spread(seen.library) },
    'held seen by the library -> by us, ms': spread(seen.ours.map((ours, index) => ours - (seen.library[index] ?? 0))),
    'settle, ms': { ours: spread(settles.ours), library: spread(settles.library) },
  };
}

type Pace = { perSecond: number; cpuMilliseconds: number };

/** Payments that are made by `IN_FLIGHT` payers, each of whom begins the next when one has settled. */
async function pace(invoices: string[], pay: (bolt11: string) => Promise<unknown>): Promise<Pace> {
  const waiting = [...invoices];
  const worker = async (): Promise<void> => {
    for (let bolt11 = waiting.pop(); bolt11 !== undefined; bolt11 = waiting.pop()) await pay(bolt11);
  };
  const before = process.cpuUsage();
  const milliseconds = await elapsed(() => Promise.all(Array.from({ length: IN_FLIGHT }, worker)));
  const { user, system } = process.cpuUsage(before);
  const count = invoices.length;
  return { perSecond: (1000 * count) / milliseconds, cpuMilliseconds: (user + system) / 1000 / count };
}

/** Pays over the driver and waits until its subscription says that the payment is over. */
function payingByUs(payer: LndNode) {
  const waiting = new Map<string, () => void>();
  const stop = payer.subscribe(({ paymentHash }) => waiting.get(paymentHash)?.());
  const pay = async (bolt11: string, paymentHash: string): Promise<void> => {
    const end = new Promise<void>((resolve) => waiting.set(paymentHash, resolve));
    await payer.pay(order(bolt11));
    await end;
    if ((await payer.payment(paymentHash)).state !== 'settled') throw new Error('told too early');
    waiting.delete(paymentHash);
  };
  return { pay, stop };
}

async function payments({ regtest, alice, payer, payee }: Ends) {
  const paces = { ours: [] as Pace[], library: [] as Pace[] };
  const max_timeout_height = (await regtest.height()) + FINAL_CLTV + 10;
  const raw = { lnd: alice.lnd, max_fee_mtokens: '0', max_timeout_height };
  const { pay, stop } = payingByUs(payer);
  for (let round = 0; round < ROUNDS; round += 1) {
    const hashes = new Map<string, string>();
    for (let index = 0; index < 2 * PAYMENTS; index += 1) {
      const { preimage, paymentHash } = secret();
      hashes.set((await payee.createInvoice({ ...terms, preimage })).bolt11, paymentHash);
    }
    const [mine, theirs] = [[...hashes.keys()].slice(PAYMENTS), [...hashes.keys()].slice(0, PAYMENTS)];
    const turns = [
      async () => paces.ours.push(await pace(mine, (bolt11) => pay(bolt11, hashes.get(bolt11) ?? ''))),
      async () => paces.library.push(await pace(theirs, (request) => payViaPaymentRequest({ ...raw, request }))),
    ];
    for (const turn of round % 2 === 0 ? turns : turns.toReversed()) await turn();
  }
  stop();
  return compared(paces);
}

const cost = (all: readonly Pace[]) => ({
  seconds: all.reduce((sum, { perSecond }) => sum + 1 / perSecond, 0) / all.length,
  cpuMilliseconds: all.reduce((sum, { cpuMilliseconds }) => sum + cpuMilliseconds, 0) / all.length,
});

function compared(paces: { ours: readonly Pace[]; library: readonly Pace[] }) {
  const more = (us: number, them: number): string => `${Math.round(1000 * (us / them - 1)) / 10} %`;
  const [us, them] = [cost(paces.ours), cost(paces.library)];
  return {
    [`payments/s, ${IN_FLIGHT} in flight`]: {
      ours: spread(paces.ours.map(({ perSecond }) => perSecond)),
      library: spread(paces.library.map(({ perSecond }) => perSecond)),
      overhead: more(us.seconds, them.seconds),
    },
    // What another load on the machine does not blur.
    'CPU of this process per payment, us': {
      ours: Math.round(1000 * us.cpuMilliseconds),
      library: Math.round(1000 * them.cpuMilliseconds),
      overhead: more(us.cpuMilliseconds, them.cpuMilliseconds),
    },
  };
}
