import Fastify, { type FastifyInstance } from 'fastify';
import type { PreparedWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import { shownBy } from 'sparkle-protocol/market/coordinator-proof';
import type { Market } from 'sparkle-protocol/market/market';
import { addressScript } from 'sparkle-protocol/protocol/draft';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { verifyDelivery } from 'sparkle-protocol/trader/delivery';
import type { Trader } from 'sparkle-protocol/trader/trader';
import { z } from 'zod';
import { guest, type House } from './house.ts';
import { purchase } from './story.ts';
import type { World } from './world.ts';

const PHRASE = 'zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong';

/** Keeps the letters that ask for something, for somebody else to bring them to the coordinator. */
class Letters {
  readonly #requests = new Map<string, string>();

  through = (market: Market): Market => ({
    ...market,
    send: async (to, envelope) => {
      const { op, trade_id: tradeId } = JSON.parse(envelope.text) as { op?: string; trade_id?: string };
      if (op !== 'trade_request' || tradeId === undefined) return market.send(to, envelope);
      this.#requests.set(tradeId, envelope.text);
    },
  });

  take(tradeId: string): string {
    const text = this.#requests.get(tradeId);
    if (text === undefined) throw new SparkleError('bad_state', `a request of trade ${tradeId} must have been written`);
    return text;
  }
}

/** The buyer of the regtest world, and the coordinator that he asks. */
type Wallet = { world: World; house: House; trader: Trader; letters: Letters };
type Reply = { status: number; answer: unknown };

const askedFor = z.object({ inscription_id: z.string() });
const checkout = z.object({ trade_id: z.string(), token: z.string() });
const toPay = z.object({ invoice: z.string() });
const toInscribe = z.object({ address: z.string() });
const PAYING = { maxFeeMsat: 100_000n, maxCltvBlocks: 432, timeoutSeconds: 60 };

/** What was posted, or `bad_message` with the first field that is wrong. */
function read<Body>(schema: z.ZodType<Body>, body: unknown): Body {
  const { success, data, error } = schema.safeParse(body);
  if (success) return data;
  const [issue] = error.issues;
  throw new SparkleError('bad_message', `${issue?.path.join('.') || 'body'}: ${issue?.message}`);
}

/**
 * The buyer of the regtest world as a program on this machine: it makes what only a wallet can make, a signed request with
 * a payment hash and a claim key. Everything else it does by itself: it checks the quote and pays, checks the lock on its
 * own chain and claims. It believes the coordinator nothing. For a buyer with keys of his own it is a Lightning node that
 * pays what it is given, and to a seller's wallet it sends an inscription.
 */
export async function openWallet({ world, house, port }: { world: World; house: House; port: number }): Promise<{
  app: FastifyInstance;
  trader: Trader;
}> {
  const letters = new Letters();
  const trader = await guest({ party: world.buyer, house, phrase: PHRASE, through: letters.through });
  const wallet = { world, house, trader, letters };
  const app = Fastify();
  app.setErrorHandler((error, _, reply) => {
    if (!(error instanceof SparkleError)) throw error;
    return reply.status(400).send({ error: error.code, message: error.message });
  });
  app.post('/request', async ({ body }, reply) => {
    const { status, answer } = await request(wallet, read(askedFor, body).inscription_id);
    return reply.status(status).send(answer);
  });
  app.post('/check', ({ body }) => whatIsWrong(wallet, read(checkout, body)));
  app.post('/pay', async ({ body }) => {
    await world.buyer.lightning.pay({ bolt11: read(toPay, body).invoice, ...PAYING });
    return { paid: true };
  });
  app.post('/inscribe', async ({ body }) => {
    const { address } = read(toInscribe, body);
    addressScript(address, 'regtest');
    const { inscriptionId } = await world.regtest.inscribe({ body: address, contentType: 'text/plain', to: address });
    await world.mine(0);
    return { inscription_id: inscriptionId };
  });
  await app.listen({ host: '127.0.0.1', port });
  return { app, trader };
}

/** The body of `prepare`, with a signed request in it; or what the coordinator says to whoever asks its price. */
async function request({ world, house, trader, letters }: Wallet, inscriptionId: string): Promise<Reply> {
  const asked = { body: { inscription_id: inscriptionId } };
  const { status, answer: quote } = await house.ask<QuoteWire>('POST', '/v1/quote', asked);
  if (status !== 200) return { status, answer: quote };
  const { max_total_sats, pricing } = quote;
  const wanted = purchase(world, inscriptionId, { mode: 'hold-first', priceSats: BigInt(max_total_sats) });
  const forwarded = quote.forward === undefined ? {} : { forwarded: quote.forward };
  const tradeId = await trader.buy({ ...wanted, ...forwarded, sellerId: house.service.trader.id });
  const answer = {
    ...{ p: 'sparkle', op: 'checkout', version: 1, inscription_id: inscriptionId, network: 'ln-mainnet' },
    buyer: { ord_address: await world.buyer.wallet.address(), trade_request: letters.take(tradeId) },
    ...{ max_total_sats, pricing },
  };
  return { status: 200, answer };
}

/**
 * What the coordinator shows of a trade, held against what the wallet wanted and against its own chain: all that is still
 * wrong, by which any other wallet would know whether to show its preimage. Nothing once this one has.
 */
async function whatIsWrong(
  { world, house, trader }: Wallet,
  { trade_id: id, token }: Pick<PreparedWire, 'trade_id' | 'token'>,
): Promise<{ code: string; sentence: string; wait: boolean }[]> {
  const trade = await trader.trade(id.replaceAll('-', ''));
  if (trade?.state === 'claiming' || (trade?.state === 'ended' && trade.outcome === 'traded')) return [];
  if (trade?.role !== 'buyer' || trade.want.mode !== 'hold-first' || !('invoice' in trade))
    throw new SparkleError('unknown_trade', 'trade_id must be that of a trade which this wallet has paid for');
  const { want, invoice } = trade;
  const { answer } = await house.ask<unknown>('GET', `/v1/trade/${id}/proof`, { token });
  const nowSeconds = Math.floor(Date.now() / 1000);
  const { chain } = world.buyer;
  const { failures } = await verifyDelivery({ want, invoice, shown: shownBy(answer), chain, nowSeconds });
  return failures.map(({ code, sentence, wait }) => ({ code, sentence, wait }));
}
