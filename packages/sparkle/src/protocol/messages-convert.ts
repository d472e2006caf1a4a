import type {
  AcceptTerms,
  Signed,
  TradeAccept,
  TradeComplete,
  TradeMessage,
  TradeQuote,
  TradeRequest,
} from './messages.ts';
import type { PlainWire, PlainWires, SignedWire, SignedWires, Wire } from './messages-wire.ts';

/** From SIP-3's names and JSON numbers to ours. */
export function fromPlain(wire: PlainWire): TradeMessage {
  switch (wire.op) {
    case 'trade_request':
      return requestOf(wire);
    case 'trade_accept':
      return acceptOf(wire);
    case 'trade_complete':
      return completeOf(wire);
  }
}

/** The same for a message with our fields; the signature has been checked. */
export function fromSigned(wire: SignedWire): TradeMessage {
  const signed = { tradeId: wire.trade_id, from: wire.from, expiresAt: wire.expires_at };
  switch (wire.op) {
    case 'trade_request':
      return { ...requestOf(wire), signed: { ...signed, ...choicesOf(wire), ...hashOf(wire) } };
    case 'trade_quote':
      return { ...quoteOf(wire), signed: { ...signed, ...termsOf(wire) } };
    case 'trade_accept':
      return { ...acceptOf(wire), signed: { ...signed, ...termsOf(wire) } };
    case 'trade_complete':
      return { ...completeOf(wire), signed };
    case 'trade_abort':
      return { op: wire.op, inscriptionId: wire.inscription_id, code: wire.code, signed };
  }
}

/** BIP 340: the x coordinate is the key; a prefix byte says nothing that a leaf uses. */
const xOnly = (publicKey: string): string => publicKey.slice(-64);
/** The prefix that SIP-3's examples show. */
const withPrefix = (key: string): string => `02${key}`;

const requestOf = (wire: PlainWires['trade_request']): TradeRequest => ({
  op: wire.op,
  inscriptionId: wire.inscription_id,
  claimKey: xOnly(wire.buyer_pubkey),
  offerSats: BigInt(wire.offer_sats),
  ...(wire.deposit_invoice === undefined ? {} : { depositInvoice: wire.deposit_invoice }),
});

const quoteOf = (wire: SignedWires['trade_quote']): Omit<TradeQuote, 'signed'> => ({
  op: wire.op,
  inscriptionId: wire.inscription_id,
  paymentHash: wire.payment_hash,
  invoice: wire.invoice,
  refundHeight: wire.refund_locktime,
});

const acceptOf = (wire: PlainWires['trade_accept']): TradeAccept => ({
  op: wire.op,
  inscriptionId: wire.inscription_id,
  fundingTxid: wire.funding_txid,
  fundingVout: wire.funding_vout,
  paymentHash: wire.payment_hash,
  invoice: wire.invoice,
  refundHeight: wire.refund_locktime,
  witnessScript: wire.witness_script,
});

const completeOf = (wire: PlainWires['trade_complete']): TradeComplete => ({
  op: wire.op,
  inscriptionId: wire.inscription_id,
  claimTxid: wire.claim_txid,
  preimage: wire.preimage,
});

type Choices = Pick<AcceptTerms, 'mode' | 'network' | 'script' | 'internalKey'>;

const choicesOf = (
  wire: SignedWires['trade_request'] | SignedWires['trade_quote'] | SignedWires['trade_accept'],
): Choices => ({
  mode: wire.mode,
  network: wire.network,
  script: wire.script,
  internalKey: wire.internal_key,
});

const hashOf = ({ payment_hash: paymentHash }: SignedWires['trade_request']): { paymentHash?: string } =>
  paymentHash === undefined ? {} : { paymentHash };

const termsOf = (wire: SignedWires['trade_quote'] | SignedWires['trade_accept']): AcceptTerms => ({
  ...choicesOf(wire),
  refundKey: xOnly(wire.seller_pubkey),
  priceSats: BigInt(wire.price_sats),
  quoteHeight: wire.quote_height,
  finalCltv: wire.final_cltv,
  confirmations: wire.confirmations,
  postageSats: BigInt(wire.postage_sats),
  reserveSats: BigInt(wire.reserve_sats),
  offsetSats: BigInt(wire.offset_sats),
});

/** From our names to the wire's: everything but the signature. Values are checked by whoever writes it. */
export function toWire(message: TradeMessage): Wire {
  return {
    p: 'sparkle',
    op: message.op,
    v: 1,
    inscription_id: message.inscriptionId,
    ...fieldsOf(message),
    ...senderOf(message),
  };
}

function senderOf({ signed }: { signed?: Signed }): Wire {
  return signed === undefined ? {} : { trade_id: signed.tradeId, from: signed.from, expires_at: signed.expiresAt };
}

function fieldsOf(message: TradeMessage): Wire {
  switch (message.op) {
    case 'trade_request':
      return requestFields(message);
    case 'trade_quote':
    case 'trade_accept':
      return offeredFields(message);
    case 'trade_complete':
      return { claim_txid: message.claimTxid, preimage: message.preimage };
    case 'trade_abort':
      return { code: message.code };
  }
}

function requestFields({ claimKey, offerSats, depositInvoice, signed }: TradeRequest): Wire {
  return {
    buyer_pubkey: withPrefix(claimKey),
    offer_sats: Number(offerSats),
    ...(depositInvoice === undefined ? {} : { deposit_invoice: depositInvoice }),
    ...(signed === undefined ? {} : choiceFields(signed)),
    ...(signed?.paymentHash === undefined ? {} : { payment_hash: signed.paymentHash }),
  };
}

function offeredFields(message: TradeQuote | TradeAccept): Wire {
  const { paymentHash, invoice, refundHeight, signed } = message;
  return {
    payment_hash: paymentHash,
    invoice,
    refund_locktime: refundHeight,
    ...(message.op === 'trade_quote' ? {} : lockFields(message)),
    ...(signed === undefined ? {} : termsFields(signed)),
  };
}

const lockFields = ({ fundingTxid, fundingVout, witnessScript }: TradeAccept): Wire => ({
  funding_txid: fundingTxid,
  funding_vout: fundingVout,
  witness_script: witnessScript,
});

const choiceFields = ({ mode, network, script, internalKey }: Choices): Wire => ({
  mode,
  network,
  script,
  internal_key: internalKey,
});

const termsFields = (terms: AcceptTerms): Wire => ({
  ...choiceFields(terms),
  seller_pubkey: withPrefix(terms.refundKey),
  price_sats: Number(terms.priceSats),
  quote_height: terms.quoteHeight,
  final_cltv: terms.finalCltv,
  confirmations: terms.confirmations,
  postage_sats: Number(terms.postageSats),
  reserve_sats: Number(terms.reserveSats),
  offset_sats: Number(terms.offsetSats),
});
