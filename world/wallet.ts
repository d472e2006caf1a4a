import Fastify, { type FastifyInstance } from 'fastify';
import type { PreparedWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import { shownBy } from 'sparkle-protocol/market/coordinator-proof';
import type { Market } from 'sparkle-protocol/market/market';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { verifyDelivery } from 'sparkle-protocol/trader/delivery';
import type { Trader } from 'sparkle-protocol/trader/trader';
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

/**
 * The buyer of the regtest world as a program on this machine: it makes what only a wallet can make, a signed request with
 * a payment hash and a claim key. Everything else it does by itself: it checks the quote and pays, checks the lock on its
 * own chain and claims. It believes the coordinator nothing.
 */
export async function openWallet({ world, house, port }: { world: World; house: House; port: number }): Promise<{
  app: FastifyInstance;
  trader: Trader;
}> {
  const letters = new Letters();
  const trader = await guest({ party: world.buyer, house, phrase: PHRASE, through: letters.through });
  const app = Fastify();
  app.post<{ Body: { inscription_id: string } }>('/request', async ({ body }) => {
    const { inscription_id: inscriptionId } = body;
    const { answer, status } = await house.ask<QuoteWire>('POST', '/v1/quote', {
      body: { inscription_id: inscriptionId },
    });
    if (status !== 200) return answer;
    const priceSats = BigInt(answer.max_total_sats);
    const wanted = purchase(world, inscriptionId, { mode: 'hold-first', priceSats });
    const forwarded = answer.forward === undefined ? {} : { forwarded: answer.forward };
    const tradeId = await trader.buy({ ...wanted, ...forwarded, sellerId: house.service.trader.id });
    const { max_total_sats, pricing } = answer;
    return {
      ...{ p: 'sparkle', op: 'checkout', version: 1, inscription_id: inscriptionId, network: 'ln-mainnet' },
      buyer: { ord_address: await world.buyer.wallet.address(), trade_request: letters.take(tradeId) },
      ...{ max_total_sats, pricing },
    };
  });
  app.post<{ Body: Pick<PreparedWire, 'trade_id' | 'token'> }>('/check', ({ body }) =>
    whatIsWrong({ world, house, trader }, body),
  );
  await app.listen({ host: '127.0.0.1', port });
  return { app, trader };
}

/**
 * What the coordinator shows of a trade, held against what the wallet wanted and against its own chain: all that is still
 * wrong, by which any other wallet would know whether to show its preimage.
 */
async function whatIsWrong(
  { world, house, trader }: { world: World; house: House; trader: Trader },
  { trade_id: id, token }: Pick<PreparedWire, 'trade_id' | 'token'>,
): Promise<{ code: string; sentence: string; wait: boolean }[]> {
  const trade = await trader.trade(id.replaceAll('-', ''));
  if (trade?.role !== 'buyer' || trade.want.mode !== 'hold-first' || !('invoice' in trade))
    throw new SparkleError('unknown_trade', 'trade_id must be that of a trade which this wallet has paid for');
  const { want, invoice } = trade;
  const { answer } = await house.ask<unknown>('GET', `/v1/trade/${id}/proof`, { token });
  const nowSeconds = Math.floor(Date.now() / 1000);
  const { chain } = world.buyer;
  const { failures } = await verifyDelivery({ want, invoice, shown: shownBy(answer), chain, nowSeconds });
  return failures.map(({ code, sentence, wait }) => ({ code, sentence, wait }));
}
