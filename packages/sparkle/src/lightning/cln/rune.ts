import { SparkleError } from '../../protocol/errors.ts';

/** What a rune is for. `receive`: sell; `pay`: buy; a driver that may do both needs `all`. */
export type RuneUse = 'receive' | 'pay' | 'all';

const LOOK = ['getinfo', 'listpeerchannels'] as const;
const RECEIVE = [
  'listconfigs',
  'signinvoice',
  // The plugin's page says `injectinvoice`, versions from 0.3.0 register `injectholdinvoice`.
  'injectholdinvoice',
  'injectinvoice',
  'listholdinvoices',
  'settleholdinvoice',
  'cancelholdinvoice',
  'invoice',
  'listinvoices',
  'delinvoice',
] as const;
const PAY = ['xpay', 'listpays'] as const;

/** Every method that the driver calls. */
export type ClnMethod = (typeof LOOK | typeof RECEIVE | typeof PAY)[number];

const METHODS: Readonly<Record<RuneUse, readonly ClnMethod[]>> = {
  receive: [...LOOK, ...RECEIVE],
  pay: [...LOOK, ...PAY],
  all: [...LOOK, ...RECEIVE, ...PAY],
};

/** The restrictions of a rune that grants this use and nothing else: one set of alternatives, any of these methods. */
export const runeRestrictions = (use: RuneUse): string[][] => [METHODS[use].map((method) => `method=${method}`)];

/**
 * The line for the node's operator that makes such a rune. It can move no coins but by paying invoices (`pay`), or none
 * at all (`receive`). Source: lightning-createrune(7).
 */
export const createRuneLine = (use: RuneUse): string =>
  `lightning-cli createrune restrictions='${JSON.stringify(runeRestrictions(use))}'`;

/** A rune as the node printed it. Throws `bad_config` without repeating it: it is a credential. */
export function readRune(text: string): string {
  const rune = text.trim();
  if (/^[A-Za-z0-9_-]{43,}={0,2}$/.test(rune)) return rune;
  throw new SparkleError('bad_config', 'rune must be the base64 text that createrune prints; got another', {
    field: 'rune',
  });
}
