import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import { lnd } from 'sparkle-protocol/lightning/lnd/node';
import { connectNwc } from 'sparkle-protocol/lightning/nwc/nwc';
import { rescueSeed } from 'sparkle-protocol/protocol/keys';
import type { Log } from 'sparkle-protocol/trader/log';
import { pair, play, stage } from 'sparkle-protocol/trader/parts.suite';

/** What a process is told that is to crash; none of it is in its arguments or its environment. */
export type CrashOrder = { how: 'thrown' | 'out of memory'; phrase: string; macaroon: string; connection: string };
/** What only it knows: the preimage of the trade that it crashes in. */
export type Crashing = { preimage: string };

const line = (fields: Record<string, unknown>, sentence: string): void =>
  console.error(JSON.stringify({ ...fields, sentence }));
const log: Log = { info: line, warn: line, error: line };
const warn = (words: string): void => console.error(words);
const nowMilliseconds = (): number => Date.now();

/** Takes a trade to where the buyer has shown his preimage; whoever is asked for his keys afterwards has them in memory. */
async function preimageOfTrade(phrase: string): Promise<string> {
  const on = await stage();
  on.parts.seller = { ...on.parts.seller, log };
  on.parts.buyer = { ...on.parts.buyer, log, seed: rescueSeed(phrase) };
  const { seller, buyer } = await pair(on);
  const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
  let preimage = '';
  seller.onChange((trade) => {
    if (trade.state === 'settling' && 'preimage' in trade) preimage = trade.preimage;
  });
  await play(on, [seller, buyer], async () => (await buyer.trade(tradeId))?.state === 'ended');
  return preimage;
}

/** Nodes that know their credentials and are asked for what they cannot do; answers with what they throw. */
async function failures({ macaroon, connection }: CrashOrder, preimage: string): Promise<unknown[]> {
  const wallet = await connectNwc({ connection, network: 'regtest', nowMilliseconds, warn });
  const node = lnd({
    ...{
      access: { socket: 'localhost:1', macaroon: { hex: macaroon } },
      uses: ['receive', 'pay'],
      warn,
      nowMilliseconds,
    },
    ...{ adminMacaroon: 'allowed', holdExpiryMarginBlocks: 18, privateChannels: 'named' },
  });
  const failed = (lightning: Lightning): Promise<unknown> =>
    lightning.settle(preimage).then(
      () => new Error('nothing to settle was settled'),
      (error: unknown) => error,
    );
  return [await failed(node), await failed(wallet)];
}

/** V8 ends a process whose heap is full by a fatal error, as a leak does after months. */
function fillMemory(): never {
  for (const kept: number[][] = []; ;) kept.push(Array.from({ length: 1_000_000 }, (_, index) => index + 0.5));
}

process.once('message', (order: CrashOrder) => {
  void (async () => {
    const preimage = await preimageOfTrade(order.phrase);
    const errors = await failures(order, preimage);
    process.send?.({ preimage } satisfies Crashing, undefined, undefined, () => {
      if (order.how === 'out of memory') fillMemory();
      throw new Error('a trader crashes', { cause: new AggregateError(errors, 'its nodes did not answer') });
    });
  })();
});
