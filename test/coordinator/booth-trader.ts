import { schnorr } from '@noble/curves/secp256k1.js';
import { memoryWallet } from 'sparkle-protocol/chain/memory-wallet';
import type { Wallet } from 'sparkle-protocol/chain/wallet';
import { coordinatorMarket, coordinatorTiming } from 'sparkle-protocol/market/coordinator';
import type { SocketClass } from 'sparkle-protocol/market/coordinator-socket';
import type { Market } from 'sparkle-protocol/market/market';
import { memoryOrdinals } from 'sparkle-protocol/ordinals/memory';
import { identityKey } from 'sparkle-protocol/protocol/keys';
import { readMessage, type TradeMessage, writeMessage } from 'sparkle-protocol/protocol/messages';
import { memoryDisk, memoryStore } from 'sparkle-protocol/store/memory';
import { systemClock } from 'sparkle-protocol/trader/clock';
import { silentLog } from 'sparkle-protocol/trader/log';
import { Trader } from 'sparkle-protocol/trader/trader';
import type { Booth } from './booth.ts';

/** Changes what a signed message says; it is signed again by whom it is from. `undefined`: it is lost. */
export type Say = (message: TradeMessage) => TradeMessage | undefined;

type Guest = {
  seed: Uint8Array;
  node: keyof Booth['nodes'];
  /** What the coordinator's letters to him say instead, and what his own do. */
  hears?: Say;
  says?: Say;
};

const timing = {
  ...coordinatorTiming,
  firstRetryMilliseconds: 2,
  lastRetryMilliseconds: 20,
  ackMilliseconds: 5,
  pollSeconds: 0,
};

/** No WebSocket comes through here: messages are polled for. */
const noSocket = class {
  constructor() {
    throw new Error('no sockets');
  }
} as unknown as SocketClass;

const auxRand = new Uint8Array(32);
const honest: Say = (message) => message;

function resaid(text: string, { say, secret }: { say: Say; secret: Uint8Array }): string | undefined {
  const message = say(readMessage(text, { nowSeconds: 0 }).message);
  return message === undefined ? undefined : writeMessage(message, { secret, auxRand });
}

/** The application in place of the network, with letters read and written anew on the way. */
function through(booth: Booth, { hears = honest, says = honest }: Guest, own: Uint8Array): typeof fetch {
  return async (given, init) => {
    const { pathname, search } = new URL(given instanceof Request ? given.url : given);
    const { method = 'GET', headers, body } = init ?? {};
    const isLetter = pathname === '/v1/messages' && method === 'POST';
    const letter = isLetter ? (JSON.parse(body as string) as { to: string; text: string }) : undefined;
    const text = letter === undefined ? undefined : resaid(letter.text, { say: says, secret: own });
    if (isLetter && text === undefined) return new Response(JSON.stringify({ seq: 1 }), { status: 201 });
    const payload = letter === undefined ? body : JSON.stringify({ ...letter, text });
    const response = await booth.service.app.inject({
      ...{ method: method as 'GET', url: pathname + search, headers: headers as Record<string, string> },
      ...(payload === undefined || payload === null ? {} : { payload: payload as string }),
    });
    const answer = response.json<{ messages?: { text: string }[] }>();
    const { secret } = booth.coordinatorKey;
    if (pathname === '/v1/messages' && method === 'GET')
      for (const mail of answer.messages ?? []) mail.text = resaid(mail.text, { say: hears, secret }) ?? mail.text;
    return new Response(JSON.stringify(answer), { status: response.statusCode });
  };
}

/** A trader who reaches the coordinator by its API, as the SDK does, over one of the nodes in memory. */
export function traderAt(booth: Booth, guest: Guest): { trader: Trader; market: Market; wallet: Wallet; id: string } {
  const { seed, node } = guest;
  const me = identityKey({ seed, network: 'regtest' });
  const { url, chain, clock, nodes } = booth;
  const market = coordinatorMarket({
    ...{ url, network: 'regtest', clock: systemClock(), timing, WebSocket: noSocket },
    fetch: through(booth, guest, me.secret),
    signer: { publicKey: me.public, sign: (digest) => schnorr.sign(digest, me.secret, auxRand) },
  });
  const wallet = memoryWallet({ chain, network: 'regtest', secret: seed.slice(0, 32) });
  const trader = new Trader({
    ...{ network: 'regtest', seed, log: silentLog, store: memoryStore(memoryDisk()), tickMilliseconds: 60_000 },
    ...{ chain: chain.control.peer(), ordinals: memoryOrdinals({ chain }), clock, wallet, market },
    lightning: nodes[node].lightning,
  });
  return { trader, market, wallet, id: me.public };
}
