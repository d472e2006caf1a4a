import type { ProofWire } from 'sparkle-protocol/market/checkout-wire';
import { shownBy } from 'sparkle-protocol/market/coordinator-proof';
import { decodeInvoice, encodeInvoice, type InvoiceTerms } from 'sparkle-protocol/protocol/bolt11';
import type { Failure } from 'sparkle-protocol/protocol/checks';
import { checkPrepared } from 'sparkle-protocol/protocol/checks-delivery';
import { identityKey } from 'sparkle-protocol/protocol/keys';
import { readMessage, type TradeAccept, type TradeQuote, writeMessage } from 'sparkle-protocol/protocol/messages';
import type { Want } from 'sparkle-protocol/protocol/trade/terms';
import { type DeliveryCheck, verifyDelivery } from 'sparkle-protocol/trader/delivery';
import { type Booth, type Bought, seeds } from './booth.ts';

/** What a dishonest coordinator does: it has its own keys, and the wire between it and the buyer. Everything else is the real one. */

type Changes<Message extends { signed?: unknown }> = Partial<Omit<Message, 'signed'>> & {
  signed?: Partial<NonNullable<Message['signed']>>;
};

const auxRand = new Uint8Array(32);
export const stranger = identityKey({ seed: seeds.stranger, network: 'regtest' });

/** The same message with something else in it, signed again by whoever it now says it is from. */
function resaid(text: string, changes: Changes<TradeQuote> | Changes<TradeAccept>, secret: Uint8Array): string {
  const { message } = readMessage(text, { nowSeconds: 0 });
  const signed = { ...message.signed, ...changes.signed };
  return writeMessage({ ...message, ...changes, signed } as TradeQuote, { secret, auxRand });
}

const keyFor = (booth: Booth, { signed }: Changes<TradeQuote>): Uint8Array =>
  signed?.from === stranger.public ? stranger.secret : booth.coordinatorKey.secret;

export type Lie = (proof: ProofWire, of: { booth: Booth; bought: Bought }) => ProofWire;

/** Another quote, and an announcement that repeats it where there is one. */
export const quoting =
  (change: (of: { booth: Booth; bought: Bought; quote: TradeQuote }) => Changes<TradeQuote>): Lie =>
  (proof, { booth, bought }) => {
    const [text = '', ...more] = proof.messages;
    const quote = readMessage(text, { nowSeconds: 0 }).message as TradeQuote;
    const changes = change({ booth, bought, quote });
    const messages = [text, ...more].map((each) => resaid(each, changes, keyFor(booth, changes)));
    return { ...proof, messages };
  };

/** Another announcement under the quote that was given. */
export const announcing =
  (change: (accept: TradeAccept) => Changes<TradeAccept>): Lie =>
  (proof, { booth }) => {
    const [quote = '', text = ''] = proof.messages;
    const changes = change(readMessage(text, { nowSeconds: 0 }).message as TradeAccept);
    const secret = keyFor(booth, { signed: changes.signed ?? {} });
    return { ...proof, messages: [quote, resaid(text, changes, secret)] };
  };

/** What is shown beside the messages left out, so that only they are judged. */
export const bare =
  (lie: Lie): Lie =>
  (proof, of) => {
    const { lock: _lock, ...rest } = lie(proof, of);
    return rest;
  };

/** The invoice with something else in it, by a node that is not the coordinator's. */
export const rewritten = (bolt11: string, change: Partial<InvoiceTerms>): string =>
  encodeInvoice(
    { ...decodeInvoice(bolt11), payeeSource: 'recovered', ...change } as InvoiceTerms,
    new Uint8Array(32).fill(9),
  );

type Wishes = {
  quote: Pick<Bought['quote'], 'inscription_id' | 'max_total_sats' | 'forward'>;
  keys: Bought['keys'];
  prepared: Pick<Bought['prepared'], 'trade_id' | 'expires_at'>;
};

/** What the buyer asked for, as he knows it himself. */
export function wanted(booth: Booth, { quote, keys, prepared }: Wishes): Extract<Want, { mode: 'hold-first' }> {
  return {
    ...{ tradeId: prepared.trade_id.replaceAll('-', ''), network: 'regtest', script: 'v1', internalKey: 'nums' },
    ...{ mode: 'hold-first', inscriptionId: quote.inscription_id, priceSats: BigInt(quote.max_total_sats) },
    ...{ paymentHash: keys.paymentHash, claimKey: keys.claim.public, buyerId: keys.claim.public },
    ...{ sellerId: booth.coordinatorKey.public, minConfirmations: 1, minPostageSats: 546n, routeCapBlocks: 432 },
    ...{ maxFeeMsat: 100_000n, maxClaimFeeSats: 50_000n, expiresAt: prepared.expires_at + 3_600 },
    ...(quote.forward === undefined ? {} : { forwarded: quote.forward }),
  };
}

/** What a wallet does before it pays. */
export async function beforePaying(booth: Booth, bought: Bought, answer: unknown): Promise<Failure[]> {
  const { height, ...tip } = await booth.chain.tip();
  return checkPrepared({
    ...{ want: wanted(booth, bought), invoice: bought.prepared.invoice ?? '', height, tip },
    ...{ messages: shownBy(answer).messages, nowSeconds: booth.nowSeconds() },
    parts: Object.values(bought.quote.pricing).map(BigInt),
  });
}

/** What a wallet does before it shows its preimage. */
export function beforeShowing(
  booth: Booth,
  { bought, answer, ...own }: { bought: Bought; answer: unknown } & Partial<DeliveryCheck>,
): ReturnType<typeof verifyDelivery> {
  return verifyDelivery({
    ...{ want: wanted(booth, bought), invoice: bought.prepared.invoice ?? '', shown: shownBy(answer) },
    ...{ chain: booth.chain, nowSeconds: booth.nowSeconds(), ...own },
  });
}
