import { existsSync, readFileSync } from 'node:fs';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { rescueSeed } from 'sparkle-protocol/protocol/keys';
import { canPay } from 'sparkle-protocol/protocol/layout';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import { ordOrdinals } from 'sparkle-protocol/ordinals/ord';
import type { CommandContext } from './commands.ts';
import type { Config } from '../config/config.ts';
import { lookAtDatabase } from '../database/database-look.ts';
import { openBitcoin, openLightning, ordOptions } from './drivers.ts';

/** Looks at one part and says in words how it is; throws what is wrong with it. */
type Look = (config: Config) => Promise<string>;

/** No transaction and no payment has it. A node that knows all transactions says so; another cannot tell. */
const NO_HASH = `${'0'.repeat(63)}1`;
/** A fill takes three. */
const FEWEST_COINS = 3;

function assertNetwork(part: string, came: NetworkName, { network }: Config): void {
  if (came !== network)
    throw new SparkleError('wrong_network', `NETWORK is ${network}; the ${part} is on ${came}`, { part, came });
}

async function lookAtPhrase({ rescuePhraseFile: file }: Config): Promise<string> {
  if (!existsSync(file)) return `${file} is not there; the first start writes a new phrase to it`;
  rescueSeed(readFileSync(file, 'utf8').trim());
  return `${file} holds one`;
}

/** The same over the Bitcoin node, whose connection ends with the look. */
const overBitcoin =
  (look: (config: Config, bitcoin: ReturnType<typeof openBitcoin>) => Promise<string>): Look =>
  async (config) => {
    const bitcoin = openBitcoin(config);
    try {
      return await look(config, bitcoin);
    } finally {
      await bitcoin.chain.close();
    }
  };

const lookAtBitcoin = overBitcoin(async (config, { chain }) => {
  assertNetwork('Bitcoin node', await chain.network(), config);
  await chain.transaction(NO_HASH);
  const { height } = await chain.tip();
  return `${config.network}, height ${height}, every transaction is indexed`;
});

const lookAtWallet = overBitcoin(async (config, { wallet }) => {
  const all = await wallet.coins();
  const coins = all.filter(canPay);
  const sats = coins.reduce((sum, { valueSats }) => sum + valueSats, 0n);
  const useless = all.length - coins.length;
  const others =
    useless === 0 ? '' : `; ${useless} more cannot be used: not at a native segwit address (bech32, bech32m)`;
  const few = coins.length < FEWEST_COINS ? `; a fill takes ${FEWEST_COINS}: nothing can be sold yet` : '';
  return `${config.bitcoin.wallet} has ${coins.length} coins of together ${sats} sats${others}${few}`;
});

async function lookAtLightning(config: Config): Promise<string> {
  const lightning = await openLightning(config, { info() {}, warn() {}, error() {} });
  try {
    assertNetwork('Lightning node', await lightning.network(), config);
    const { hold, finalCltv } = lightning.capabilities;
    if (!hold || !finalCltv)
      throw new SparkleError('not_supported', 'the Lightning node must make hold invoices with a final CLTV of ours');
    // What its credential does not allow shows here, and not with the first sale.
    await lightning.invoice(NO_HASH);
    const node = `${config.lightning.type} ${await lightning.nodeId()}`;
    if (config.limits.forwardSats === 0n && !config.royalties.overLightning) return node;
    await lightning.payment(NO_HASH);
    return `${node}; it can send ${(await lightning.balance()).spendableMsat / 1000n} sats`;
  } finally {
    await lightning.close();
  }
}

const lookAtOrdinals = overBitcoin(async ({ ordUrl }, { chain }) => {
  if (ordUrl === undefined) return 'traced through the Bitcoin node; ORD_URL is not given';
  const { height, runes } = await ordOrdinals(ordOptions(ordUrl, chain)).health();
  return `ord at height ${height}, ${runes ? 'with' : 'without'} runes`;
});

const LOOKS: readonly (readonly [string, Look])[] = [
  ['rescue phrase', lookAtPhrase],
  ['database', ({ databaseUrl: url, network }) => lookAtDatabase({ url, network })],
  ['bitcoin', lookAtBitcoin],
  ['wallet', lookAtWallet],
  ['lightning', lookAtLightning],
  ['inscriptions', lookAtOrdinals],
  ['admin API', async ({ admin }) => (admin === undefined ? 'none: ADMIN_TOKEN is not given' : `port ${admin.port}`)],
  ['alarms', async ({ alerts }) => (alerts === undefined ? 'in the log alone: WEBHOOK_URL is not given' : 'posted')],
];

/**
 * `coordinator check`: reads the configuration and asks every part that it names, without serving, and changes nothing. One
 * line a part. Throws `bad_config` for the configuration, `refused` when a part is not as it must be.
 */
export async function check({ config: read, terminal }: CommandContext): Promise<void> {
  const config = read();
  const bad: string[] = [];
  for (const [name, look] of LOOKS) {
    const say = (word: string, sentence: string) => terminal.out(`${word.padEnd(4)} ${name}: ${sentence}\n`);
    try {
      say('ok', await look(config));
    } catch (error) {
      bad.push(name);
      say('BAD', error instanceof Error ? error.message : String(error));
    }
  }
  if (bad.length > 0)
    throw new SparkleError('refused', `every part must be as it is needed; not so: ${bad.join(', ')}`, { parts: bad });
}
