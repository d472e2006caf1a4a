import { createHash, randomBytes } from 'node:crypto';
import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import type { Market } from 'sparkle-protocol/market/market';
import { memoryMarket, type Square } from 'sparkle-protocol/market/memory';
import { identityKey } from 'sparkle-protocol/protocol/keys';
import { readMessage, type TradeMessage, writeMessage } from 'sparkle-protocol/protocol/messages';
import { memoryDisk, memoryStore } from 'sparkle-protocol/store/memory';
import { systemClock } from 'sparkle-protocol/trader/clock';
import type { Parts } from 'sparkle-protocol/trader/parts';
import { silentLog } from 'sparkle-protocol/trader/log';
import { Trader } from 'sparkle-protocol/trader/trader';
import type { World } from '../../world/world.ts';

/** What a dishonest side does: to what it says, and to how its node behaves. Everything else is the real program. */
export type Lies = {
  say?: (message: TradeMessage) => TradeMessage | Promise<TradeMessage>;
  lightning?: (honest: Lightning) => Partial<Lightning>;
};

export type Actor = { trader: Trader; seed: Uint8Array };

const seedOf = (name: string): Uint8Array => new Uint8Array(createHash('sha512').update(name).digest());

/** A market whose owner changes what he says and signs it again: his signature is good, his words are not. */
function lyingMarket(honest: Market, secret: Uint8Array, say: NonNullable<Lies['say']>): Market {
  return {
    ...honest,
    send: async (to, { from, text }) => {
      const { message } = readMessage(text, { nowSeconds: 0 });
      const changed = await say(message);
      const auxRand = new Uint8Array(randomBytes(32));
      await honest.send(to, { from, text: writeMessage(changed, { secret, auxRand }) });
    },
  };
}

/** A trader of the world's seller or buyer, honest but for `lies`, on the world's real chain and nodes. */
export async function actor(on: {
  world: World;
  square: Square;
  role: 'seller' | 'buyer';
  name: string;
  lies?: Lies;
}): Promise<Actor> {
  const { world, square, role, name, lies = {} } = on;
  const { chain, wallet, lightning, ordinals } = world[role];
  const seed = seedOf(`${name} ${role}`);
  const { secret } = identityKey({ seed, network: 'regtest' });
  const honest = memoryMarket(square);
  const node = lies.lightning === undefined ? lightning : overridden(lightning, lies.lightning(lightning));
  const parts: Parts = {
    network: 'regtest',
    seed,
    chain,
    wallet,
    lightning: node,
    ordinals,
    market: lies.say === undefined ? honest : lyingMarket(honest, secret, lies.say),
    store: memoryStore(memoryDisk()),
    clock: systemClock(),
    log: silentLog,
    tickMilliseconds: 500,
  };
  const trader = new Trader(parts);
  await trader.start();
  return { trader, seed };
}

/** Nodes are objects with methods of their own: what is not overridden still goes to the node itself. */
const overridden = (honest: Lightning, changes: Partial<Lightning>): Lightning =>
  new Proxy(honest, {
    get: (target, name) => {
      const found: unknown = Reflect.get(changes, name) ?? Reflect.get(target, name);
      return typeof found === 'function' && !(name in changes) ? found.bind(target) : found;
    },
  });
