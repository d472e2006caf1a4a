import { refuse } from './bolt11-rule.ts';
import { type NetworkName, networks } from './network.ts';

/** What the human-readable part says. No amount: the payer chooses one. */
export type InvoicePrefix = { network: NetworkName; amountMsat?: bigint };

const MAX_MSAT = 21_000_000n * 10n ** 11n;
/** 21 million bitcoin in pico-bitcoin has 20 digits: a longer number is refused before it costs anything. */
const MAX_DIGITS = 20;

/** Largest unit first: a writer takes the first that divides the amount (BOLT 11: shortest representation). */
const UNITS: readonly (readonly [multiplier: string, msat: bigint])[] = [
  ['', 10n ** 11n],
  ['m', 10n ** 8n],
  ['u', 10n ** 5n],
  ['n', 100n],
];

/** Testnet and testnet4 share `tb`, so an invoice cannot tell them apart: it is read as testnet. */
const READ_AS: readonly NetworkName[] = ['mainnet', 'testnet', 'signet', 'regtest'];

/** Reads the part before the separator, lowercase. */
export function readInvoicePrefix(prefix: string): InvoicePrefix {
  // An amount starts with a digit, so the whole run of letters is the currency: `bcrt` is never read as `bc`.
  const parts = /^ln([a-z]+)(.*)$/.exec(prefix);
  if (parts === null) refuse('prefix', `an invoice starts with ln and a currency; got ${JSON.stringify(prefix)}`);
  const [, currency = '', amount = ''] = parts;
  const network = READ_AS.find((name) => networks[name].invoicePrefix === currency);
  if (network === undefined) refuse('network', `no known network has invoices that start with ln${currency}`);
  return amount === '' ? { network } : { network, amountMsat: readAmount(amount) };
}

function readAmount(amount: string): bigint {
  const parts = /^([0-9]+)([a-z]?)$/.exec(amount);
  if (parts === null) refuse('amount', `the amount must be digits and at most one letter; got ${amount}`);
  const [, digits = '', multiplier = ''] = parts;
  if (digits.startsWith('0'))
    refuse('leading_zero', `the amount must be positive, without leading zeros; got ${amount}`);
  if (digits.length > MAX_DIGITS) refuse('amount_overflow', `the amount has ${digits.length} digits`);
  const msat = multiplier === 'p' ? msatOfPico(digits) : BigInt(digits) * unitOf(multiplier);
  if (msat > MAX_MSAT) refuse('amount_overflow', `the amount is more than 21 million bitcoin: ${amount}`);
  return msat;
}

function unitOf(multiplier: string): bigint {
  const unit = UNITS.find(([letter]) => letter === multiplier);
  return unit === undefined ? refuse('multiplier', `the multiplier must be m, u, n or p; got ${multiplier}`) : unit[1];
}

function msatOfPico(digits: string): bigint {
  if (!digits.endsWith('0')) refuse('sub_msat', `${digits} pico-bitcoin is not a whole number of msat`);
  return BigInt(digits) / 10n;
}

/** Writes the part before the separator. Throws `bad_invoice` when the amount is not 1 msat to 21 million bitcoin. */
export function writeInvoicePrefix({ network, amountMsat }: InvoicePrefix): string {
  const start = `ln${networks[network].invoicePrefix}`;
  if (amountMsat === undefined) return start;
  if (amountMsat <= 0n || amountMsat > MAX_MSAT)
    refuse('not_writable', `amountMsat must be 1 to ${MAX_MSAT}; got ${amountMsat}`, { field: 'amountMsat' });
  const unit = UNITS.find(([, msat]) => amountMsat % msat === 0n);
  return unit === undefined ? `${start}${amountMsat}0p` : `${start}${amountMsat / unit[1]}${unit[0]}`;
}
