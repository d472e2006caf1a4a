import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Envelope, Market } from 'sparkle-protocol/market/market';
import type { LdkNode } from 'sparkle-protocol/lightning/ldk/node';
import { paymentHashOf, type Trade } from 'sparkle-protocol/protocol/trade/step';
import type { Checkpoint } from 'sparkle-protocol/trader/engine';
import { silentLog } from 'sparkle-protocol/trader/log';
import { openNode } from '../../world/lightning.ts';
import { createParty, type Party } from '../../world/party.ts';
import type { Order, Report } from './wire.ts';

/** One trader with its node in a process of its own, which dies by SIGKILL when told: no handler runs, nothing is flushed. */
const tell = (report: Report): void => void process.send?.(report);

const CHANNEL_SATS = 10_000_000n;

let left = Infinity;
const checkpoint: Checkpoint = (at, what) => {
  left -= 1;
  if (left > 0) return;
  tell({ report: 'dying', at, what });
  process.kill(process.pid, 'SIGKILL');
};

type Inbox = (envelope: Envelope) => Promise<void>;
const inboxes = new Set<Inbox>();
const early: Envelope[] = [];

/** The parent is the post office: it keeps every letter and hands all of them to whoever comes back. */
const market: Market = {
  publish: async () => {},
  withdraw: async () => {},
  browse: async () => [],
  send: async (to, envelope) => tell({ report: 'post', to, envelope }),
  inbox: (_me, receive) => {
    inboxes.add(receive);
    for (const envelope of early.splice(0)) void receive(envelope).catch(() => {});
    return () => inboxes.delete(receive);
  },
  close: async () => {},
};

const summaryOf = (trade: Trade): Extract<Report, { report: 'trade' }> => {
  const { tradeId, state, mode } = trade;
  const outcome = 'outcome' in trade ? { outcome: trade.outcome } : {};
  return { report: 'trade', trade: { tradeId, state, mode, ...outcome } };
};

let connecting: Promise<void> | undefined;
let party: Party | undefined;
let node: LdkNode | undefined;

async function begin({ name, access, dir, offers }: Extract<Order, { order: 'begin' }>): Promise<void> {
  node = await openNode({ name, access, dir });
  const seed = new Uint8Array(createHash('sha512').update(`sparkle kills ${name}`).digest());
  const own = { market, lightning: node, dir: join(dir, name), seed, log: silentLog, checkpoint };
  party = await createParty({ name, node: access, ...own });
  const { trader } = party;
  trader.onChange((trade) => tell(summaryOf(trade)));
  for (const offer of offers) await trader.sell(offer);
  tell({ report: 'ready', traderId: trader.id, nodeId: await node.nodeId(), port: node.port });
  await trader.start();
}

async function paymentState(tradeId: string): Promise<string> {
  const trade = await party?.trader.trade(tradeId);
  const hash = trade === undefined ? undefined : paymentHashOf(trade);
  return hash === undefined ? 'unknown' : ((await node?.payment(hash))?.state ?? 'unknown');
}

async function obey(order: Order): Promise<unknown> {
  switch (order.order) {
    case 'begin':
      return begin(order);
    case 'sell':
      return party?.trader.sell(order.offer);
    case 'buy':
      return party?.trader.buy(order.purchase);
    case 'peer':
      connecting = node?.connect({ nodeId: order.nodeId, host: '127.0.0.1', port: order.port });
      return connecting;
    case 'open_channel':
      await connecting;
      return node?.openChannel({ nodeId: order.nodeId, sats: CHANNEL_SATS, pushMsat: 0n });
    case 'look':
      await node?.sync();
      await party?.trader.look();
      return tell({
        report: 'looked',
        usable: node?.channels().some(({ usable, routable }) => usable && routable) ?? false,
      });
    case 'where':
      return tell({ report: 'answer', text: (await party?.ordinals.locate(order.inscriptionId))?.satpoint ?? '' });
    case 'paid':
      return tell({ report: 'answer', text: await paymentState(order.tradeId) });
    case 'mail':
      if (inboxes.size === 0) early.push(order.envelope);
      return Promise.all([...inboxes].map((receive) => receive(order.envelope)));
    case 'die':
      left = order.inCheckpoints;
      return undefined;
  }
}

process.on(
  'message',
  (order: Order) => void obey(order).catch((error: unknown) => process.stderr.write(`${String(error)}\n`)),
);
process.on('disconnect', () => process.exit(0));
