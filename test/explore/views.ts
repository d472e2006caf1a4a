import type { Moment } from 'sparkle-protocol/protocol/trade/event';
import type { InvoiceView, LockFacts, Look, OutputView, PaymentView, View } from 'sparkle-protocol/protocol/trade/view';
import { stamped } from './outbox.ts';
import type { Scene } from './scene.ts';
import { ABSENT, BURIED, isSettled, type Spender, type World } from './world.ts';

type Seeing = { scene: Scene; world: World; now: Moment };

/** What a trader sees who looks now; `name` is the same for equal views at one moment only. */
export function viewOf(look: Look, seeing: Seeing): { name: string; view: () => View } {
  const { world } = seeing;
  const name = [
    look.lock === undefined ? '' : `lock ${world.lock} ${world.spender} ${world.spent}`,
    look.source === undefined ? '' : `source ${world.lock} ${world.abort}`,
    look.payment === undefined ? '' : `payment ${world.payment}`,
    look.invoice === undefined ? '' : `invoice ${world.payment} ${world.invoice} ${world.expiry}`,
    look.facts === undefined ? '' : `facts ${world.lock} ${world.spender === 'none'}`,
  ].join(';');
  return { name, view: () => seen(look, seeing) };
}

function seen(look: Look, seeing: Seeing): View {
  const { scene, world, now } = seeing;
  return {
    tip: { height: now.height, hash: `block ${now.height}`, timeSeconds: now.nowSeconds },
    nowSeconds: now.nowSeconds,
    ...(look.lock === undefined ? {} : { lock: lockView(seeing) }),
    ...(look.source === undefined ? {} : { source: sourceView(seeing) }),
    ...(look.payment === undefined ? {} : { payment: paymentView(seeing) }),
    ...(look.invoice === undefined ? {} : { invoice: invoiceView(scene, world) }),
    ...(look.facts === undefined ? {} : { facts: factsOf(seeing) }),
  };
}

function lockView({ scene, world }: Seeing): OutputView {
  const { lock, spender, spent } = world;
  if (lock === ABSENT) return { state: 'absent' };
  if (spender === 'none') return { state: 'unspent', confirmations: lock };
  const { txid, raw } = spenderOf(scene, spender);
  return { state: 'spent', spender: { txid, raw, confirmations: spent } };
}

function spenderOf({ claims, refunds }: Scene, spender: Exclude<Spender, 'none'>): { txid: string; raw: string } {
  switch (spender) {
    case 'claim':
      return claims[0];
    case 'dearer claim':
      return claims[1];
    case 'refund':
      return refunds[0];
    case 'dearer refund':
      return refunds[1];
  }
}

function sourceView({ scene, world }: Seeing): OutputView {
  const { lock, abort } = world;
  const { txid, raw } = scene.lock;
  if (lock !== ABSENT) return { state: 'spent', spender: { txid, raw, confirmations: lock } };
  if (abort === ABSENT) return { state: 'unspent', confirmations: BURIED };
  const spender = stamped(scene.lock, 0);
  return { state: 'spent', spender: { txid: spender.txid, raw: spender.raw, confirmations: abort } };
}

function paymentView({ scene, world }: Seeing): PaymentView {
  switch (world.payment) {
    case 'none':
      return { state: 'unknown' };
    case 'under way':
    case 'at the payee':
    case 'settled':
    case 'failing':
      return { state: 'pending' };
    case 'known settled':
      return { state: 'settled', preimage: scene.preimage, feeMsat: 0n };
    case 'failed':
      return { state: 'failed', reason: 'the explorer failed it' };
  }
}

function invoiceView({ terms }: Scene, world: World): InvoiceView {
  const amountMsat = terms.priceSats * 1000n;
  if (world.invoice === 'unknown') return { state: 'unknown' };
  if (isSettled(world)) return { state: 'settled', amountMsat };
  if (world.invoice === 'canceled') return { state: 'canceled' };
  if (world.payment !== 'at the payee') return { state: 'open' };
  return { state: 'held', amountMsat, expiryHeight: world.expiry, parts: 1 };
}

function factsOf({ scene, world }: Seeing): LockFacts {
  const { txid, vout, raw } = scene.lock;
  const outpoint = `${txid}:${vout}`;
  if (world.lock === ABSENT) return { outpoint, confirmations: 0, unspent: false };
  const known = { outpoint, raw, confirmations: world.lock, unspent: world.spender === 'none' };
  if (world.lock === 0) return known;
  return { ...known, satpoint: `${outpoint}:${scene.terms.offsetSats}`, inscriptions: [scene.terms.inscriptionId] };
}
