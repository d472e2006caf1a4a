import { searchFromHeight } from '../deadlines.ts';
import { lockOutpoint } from './locking.ts';
import type { Forwarder, HoldBuyer, HoldSeller, LockBuyer, LockSeller, LockVersion, Trade } from './state.ts';
import type { Offer, Terms } from './terms.ts';
import type { Look } from './view.ts';

/** What a trade must see to go on from where it is; a trade that has ended sees nothing. */
export function lookOf(trade: Trade): Look {
  if (trade.role === 'forwarder') return forwarder(trade);
  if (trade.role === 'buyer') return trade.mode === 'hold-first' ? holdBuyer(trade) : lockBuyer(trade);
  return trade.mode === 'hold-first' ? holdSeller(trade) : lockSeller(trade);
}

function holdBuyer(trade: HoldBuyer): Look {
  switch (trade.state) {
    case 'requested':
    case 'ended':
      return {};
    case 'paying':
    case 'withdrawn':
      return { payment: trade.terms.paymentHash };
    case 'verifying':
      return { payment: trade.terms.paymentHash, facts: facts(trade) };
    case 'claiming':
      return { payment: trade.terms.paymentHash, lock: since(trade.terms, trade.outpoint) };
  }
}

function lockBuyer(trade: LockBuyer): Look {
  switch (trade.state) {
    case 'requested':
    case 'arming':
    case 'ended':
      return {};
    case 'verifying':
      return { facts: facts(trade) };
    case 'paying':
    case 'claiming':
      return { payment: trade.terms.paymentHash, lock: since(trade.terms, trade.outpoint) };
  }
}

function holdSeller(trade: HoldSeller): Look {
  const invoice = { invoice: trade.terms.paymentHash };
  switch (trade.state) {
    case 'ended':
      return {};
    case 'quoting':
    case 'invoiced':
    case 'building':
    case 'canceling':
      return invoice;
    case 'locking':
    case 'aborting':
      return { ...invoice, ...underway(trade) };
    case 'locked':
    case 'refunding':
    case 'settling':
      return { ...invoice, lock: lock(trade) };
  }
}

function lockSeller(trade: LockSeller): Look {
  const invoice = { invoice: trade.terms.paymentHash };
  switch (trade.state) {
    case 'building':
    case 'ended':
      return {};
    case 'locking':
    case 'aborting':
    case 'waiting':
      return underway(trade);
    case 'refunding':
      return { ...invoice, ...underway(trade) };
    case 'invoicing':
      return { lock: lock(trade) };
    case 'invoiced':
    case 'withdrawing':
      return { ...invoice, lock: lock(trade) };
  }
}

function forwarder(trade: Forwarder): Look {
  const invoice = trade.want.paymentHash;
  switch (trade.state) {
    case 'asking':
    case 'ended':
      return {};
    case 'quoting':
    case 'invoiced':
    case 'canceling':
      return { invoice };
    case 'paying':
    case 'returning':
      return { invoice, payment: invoice };
    case 'unsent':
    case 'announced':
    case 'settling': {
      const { accept, terms } = trade;
      const lock = accept && { lock: since(terms, `${accept.fundingTxid}:${accept.fundingVout}`) };
      return { invoice, payment: invoice, ...lock };
    }
  }
}

type Locked = { terms: Terms; lock: LockVersion };

const since = (terms: Terms, outpoint: string) => ({ outpoint, fromHeight: searchFromHeight(terms) });
const lock = (trade: Locked) => since(trade.terms, lockOutpoint(trade.lock));
const underway = (trade: Locked & { offer: Pick<Offer, 'sourceOutpoint' | 'fill'> }): Look => ({
  lock: lock(trade),
  source: since(trade.terms, trade.offer.sourceOutpoint),
  ...ownCoin(trade),
});

/** A listing can be withdrawn by its owner and a fill by the filler: whichever spends an input first. */
function ownCoin({ terms, lock: { spent }, offer }: Locked & { offer: Pick<Offer, 'fill'> }): Pick<Look, 'coin'> {
  const own = offer.fill === undefined ? undefined : spent[0];
  return own === undefined ? {} : { coin: since(terms, own.outpoint) };
}
const facts = (trade: { outpoint: string; terms: Terms }) => ({
  outpoint: trade.outpoint,
  inscriptionId: trade.terms.inscriptionId,
});
