import type { Outcome, Trade } from 'sparkle-protocol/protocol/trade/state';
import type { Payment } from 'sparkle-protocol/lightning/lightning';
import type { Inscribed } from './base.ts';
import type { Whereabouts } from './whereabouts.ts';

/** One trade of one side at the end: what his store says, and what his node says about its payment. */
export type Deal = {
  inscriptionId: string;
  state: Trade['state'];
  outcome: Outcome | undefined;
  payment: Payment['state'];
  feeMsat?: bigint;
  receivedMsat: bigint;
};

/** One side at the end. `isHonest`: he kept to the rules and never left. */
export type Side = {
  name: string;
  role: 'seller' | 'buyer';
  isHonest: boolean;
  deals: Deal[];
  /** What the node gained since the beginning; negative when it paid. */
  gainedMsat: bigint;
  /** What the wallet has less, inscriptions and what lies with them not counted. */
  spentSats: bigint;
};

/** One inscription at the end, and in whose wallet it is. */
export type Item = { lot: Inscribed; place: Whereabouts; owner: string | undefined };

export type Ending = {
  sides: Side[];
  items: Item[];
  priceMsat: bigint;
  maxFeeMsat: bigint;
  maxClaimFeeSats: bigint;
  postageSats: bigint;
  inFlightMsat: bigint;
  /** Msat that there are now and were not before. */
  madeMsat: bigint;
};

export type Verdict = {
  /** Somebody who kept the rules has paid and not got, or given and not been paid. */
  losses: string[];
  /** Everything else that must not be. */
  faults: string[];
};

/** Judges by what chain and nodes say, and only then compares with what the traders believe. */
export function judge(ending: Ending): Verdict {
  const honest = ending.sides.filter(({ isHonest }) => isHonest);
  const buyers = honest.filter(({ role }) => role === 'buyer');
  const sellers = honest.filter(({ role }) => role === 'seller');
  const each = (sides: Side[], of: (side: Side, item: Item) => string[]): string[] =>
    sides.flatMap((side) => ending.items.flatMap((item) => of(side, item)));
  return {
    losses: [
      ...each(buyers, (side, item) => buyerLosses(ending, side, item)),
      ...each(sellers, (side, item) => sellerLosses(ending, side, item)),
      ...honest.flatMap(saidLosses),
    ],
    faults: [
      ...moneyFaults(ending),
      ...honest.flatMap((side) => [...endFaults(side), ...spendingFaults(ending, side)]),
      ...each(buyers, buyerFaults),
      ...each(sellers, (side, item) => [...sellerFaults(ending, side, item), ...placeFaults(ending, item)]),
    ],
  };
}

const dealsOn = ({ deals }: Side, { lot }: Item): Deal[] =>
  deals.filter(({ inscriptionId }) => inscriptionId === lot.inscriptionId);

const hasPaid = (side: Side, item: Item): boolean => dealsOn(side, item).some(({ payment }) => payment === 'settled');

function buyerLosses({ postageSats }: Ending, side: Side, item: Item): string[] {
  if (!hasPaid(side, item)) return [];
  const { place, owner } = item;
  if (owner !== side.name) return [`the ${side.name} has paid and does not have the inscription`];
  const sats = place.at === 'output' ? place.valueSats : 0n;
  return sats < postageSats ? [`the ${side.name} has the inscription on ${sats} sats instead of ${postageSats}`] : [];
}

const receivedMsat = (side: Side, item: Item): bigint =>
  dealsOn(side, item).reduce((sum, deal) => sum + deal.receivedMsat, 0n);

function sellerLosses({ priceMsat }: Ending, side: Side, item: Item): string[] {
  const { owner, place, lot } = item;
  const has = owner === side.name || (place.at === 'output' && place.outpoint === lot.outpoint);
  const received = receivedMsat(side, item);
  if (has || received >= priceMsat) return [];
  return [`the seller does not have the inscription and received ${received} of ${priceMsat} msat`];
}

const saidLosses = ({ name, deals }: Side): string[] =>
  deals.some(({ outcome }) => outcome === 'lost') ? [`the ${name} says himself that he lost`] : [];

/** Every msat is where nodes and payments say it is. */
function moneyFaults({ sides, inFlightMsat, madeMsat, priceMsat, maxFeeMsat }: Ending): string[] {
  const faults: string[] = [];
  if (inFlightMsat !== 0n) faults.push(`${inFlightMsat} msat are still in flight`);
  if (madeMsat !== 0n) faults.push(`${madeMsat} msat came from nowhere`);
  for (const { name, role, isHonest, deals, gainedMsat } of sides.filter((side) => side.isHonest)) {
    const received = deals.reduce((sum, deal) => sum + deal.receivedMsat, 0n);
    const paid = deals.filter(({ payment }) => payment === 'settled');
    const fees = paid.reduce((sum, { feeMsat = 0n }) => sum + feeMsat, 0n);
    const waits = deals.some(({ payment }) => payment === 'pending');
    const expected = received - BigInt(paid.length) * priceMsat - fees;
    if (!waits && role === 'buyer' && gainedMsat !== expected)
      faults.push(`the ${name}'s node gained ${gainedMsat} msat, by its payments ${expected}`);
    if (role === 'seller' && gainedMsat !== received)
      faults.push(`the ${name}'s node gained ${gainedMsat} msat and received ${received}`);
    if (isHonest && fees > maxFeeMsat * BigInt(paid.length)) faults.push(`the ${name} paid ${fees} msat to routers`);
  }
  return faults;
}

const spendingFaults = ({ maxClaimFeeSats }: Ending, { name, role, deals, spentSats }: Side): string[] =>
  role === 'buyer' && spentSats > maxClaimFeeSats * BigInt(deals.length)
    ? [`the ${name} spent ${spentSats} sats on fees for ${deals.length} claims`]
    : [];

/** Wherever it went, the sat lies where the builders promised: at its old offset in output 0. */
function placeFaults({ sides }: Ending, { lot, place, owner }: Item): string[] {
  if (place.at === 'lost') return [`the inscription went into the fee of ${place.txid}`];
  if (owner === undefined || !sides.some(({ name }) => name === owner) || place.outpoint === lot.outpoint) return [];
  if (place.offsetSats === lot.offsetSats && place.outpoint.endsWith(':0')) return [];
  return [`the inscription is at ${place.outpoint}:${place.offsetSats}, not at offset ${lot.offsetSats} of output 0`];
}

const endFaults = ({ name, deals }: Side): string[] =>
  deals.flatMap(({ state }) => (state === 'ended' ? [] : [`the ${name}'s trade has not ended: it is ${state}`]));

function buyerFaults(side: Side, item: Item): string[] {
  const says = dealsOn(side, item).some(({ outcome }) => outcome === 'traded');
  const has = item.owner === side.name;
  if (says === has) return [];
  return [
    `the ${side.name} says ${says ? 'traded' : 'not traded'} and ${has ? 'has' : 'does not have'} the inscription`,
  ];
}

function sellerFaults({ priceMsat }: Ending, side: Side, item: Item): string[] {
  const says = dealsOn(side, item).some(({ outcome }) => outcome === 'traded');
  const received = receivedMsat(side, item);
  if (says === received >= priceMsat) return [];
  return [`the seller says ${says ? 'traded' : 'not traded'} and received ${received} msat`];
}
