import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createRuneLine } from 'sparkle-protocol/lightning/cln/rune';
import { clnCapabilities } from 'sparkle-protocol/lightning/cln/node';
import { ldkCapabilities } from 'sparkle-protocol/lightning/ldk/node';
import type { LightningCapabilities } from 'sparkle-protocol/lightning/lightning';
import { bakeMacaroonLine } from 'sparkle-protocol/lightning/lnd/calls';
import { LND_HOLD_EXPIRY_MARGIN_BLOCKS } from 'sparkle-protocol/lightning/lnd/credentials';
import { lndCapabilities } from 'sparkle-protocol/lightning/lnd/node';
import { nwcCapabilities } from 'sparkle-protocol/lightning/nwc/nwc';
import { phoenixdCapabilities } from 'sparkle-protocol/lightning/phoenixd';
import { sparkCapabilities } from 'sparkle-protocol/lightning/spark/spark';
import { type Deed, lacking } from 'sparkle-protocol/trader/needs';

const PAYER_METHODS = ['pay_invoice', 'lookup_invoice'];

/** What each driver states of itself, in the ways it is commonly connected. */
export const nodes: Readonly<Record<string, LightningCapabilities>> = {
  'LDK, embedded': ldkCapabilities,
  'LND, to receive and pay': lndCapabilities(['receive', 'pay'], LND_HOLD_EXPIRY_MARGIN_BLOCKS),
  'LND, to receive': lndCapabilities(['receive'], LND_HOLD_EXPIRY_MARGIN_BLOCKS),
  'LND, to pay': lndCapabilities(['pay'], LND_HOLD_EXPIRY_MARGIN_BLOCKS),
  'Core Lightning with `hold`': clnCapabilities({ use: 'all', margin: 18 }),
  'Core Lightning without it': clnCapabilities({ use: 'all', margin: undefined }),
  'NWC, a wallet that holds': nwcCapabilities({ offers: () => true, tellsHeight: true, marginBlocks: 0 }),
  'NWC, a wallet that pays': nwcCapabilities({
    offers: (method) => PAYER_METHODS.includes(method),
    tellsHeight: false,
    marginBlocks: 0,
  }),
  Spark: sparkCapabilities,
  phoenixd: phoenixdCapabilities,
};

const DEEDS: readonly Deed[] = ['buy hold-first', 'buy lock-first', 'sell hold-first', 'sell lock-first'];
const COLUMNS = [
  ['pays', 'pay'],
  ['route cap', 'routeCap'],
  ['fee cap', 'feeCap'],
  ['hold for H', 'hold'],
  ['cancel', 'cancel'],
  ['tells the end of a hold', 'holdDeadline'],
  ['final CLTV', 'finalCltv'],
  ['own preimage', 'ownPreimage'],
] as const;

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** The table of docs/nodes.md: what a node promises, and what a trade may be run with. */
function capabilityTable(): string {
  const head = ['node', ...COLUMNS.map(([title]) => title), 'gives a hold back early, blocks', ...DEEDS];
  const rows = Object.entries(nodes).map(([name, capabilities]) => [
    name,
    ...COLUMNS.map(([, capability]) => (capabilities[capability] ? 'yes' : 'no')),
    capabilities.hold ? String(capabilities.holdExpiryMarginBlocks) : '-',
    ...DEEDS.map((deed) => (lacking(deed, capabilities).length === 0 ? '**yes**' : 'no')),
  ]);
  return [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
}

const fenced = (line: string): string => `\`\`\`\n${line}\n\`\`\``;

/** What stands in docs/nodes.md between `<!-- name -->` and `<!-- end of name -->`. */
const sections: Readonly<Record<string, () => string>> = {
  capabilities: capabilityTable,
  'macaroon to receive': () => fenced(bakeMacaroonLine({ uses: ['receive'], saveTo: 'sparkle-receive.macaroon' })),
  'macaroon to pay': () => fenced(bakeMacaroonLine({ uses: ['pay'], saveTo: 'sparkle-pay.macaroon' })),
  'macaroon to receive and pay': () =>
    fenced(bakeMacaroonLine({ uses: ['receive', 'pay'], saveTo: 'sparkle.macaroon' })),
  'rune to receive': () => fenced(createRuneLine('receive')),
  'rune to pay': () => fenced(createRuneLine('pay')),
  'rune to receive and pay': () => fenced(createRuneLine('all')),
};

const file = fileURLToPath(new URL('../docs/nodes.md', import.meta.url));

/** The page as it should be and as it is; with UPDATE set it is written first. */
export function nodesPage(): { expected: string; found: string } {
  const found = readFileSync(file, 'utf8');
  const expected = Object.entries(sections).reduce((text, [name, make]) => {
    const [start, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
    const [before, after] = [text.indexOf(start), text.indexOf(end)];
    if (before < 0 || after < before) throw new Error(`docs/nodes.md must have the section ${name}`);
    return `${text.slice(0, before + start.length)}\n\n${make()}\n\n${text.slice(after)}`;
  }, found);
  if (process.env['UPDATE'] === undefined) return { expected, found };
  writeFileSync(file, expected);
  return { expected, found: expected };
}
