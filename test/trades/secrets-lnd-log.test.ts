import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { decodeInvoice } from 'sparkle-protocol/protocol/bolt11';
import type { Name } from '../../world/party.ts';
import { createWorld, type World } from '../../world/world.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';
import { withoutLnd } from '../regtest/parts.ts';
import { LndPair } from './nodes.ts';
import { Said } from './said.ts';
import { shownIn } from './secret-forms.ts';
import { Staged } from './staged.ts';

const names: readonly Name[] = ['seller', 'buyer'];

/** Where LND itself shows the preimage of a trade, by its own level and subsystem. */
type Shown = Readonly<Record<Name, readonly string[]>>;
const nowhere: Shown = { seller: [], buyer: [] };

const levels: Readonly<Record<string, Shown>> = {
  warn: nowhere,
  'info,SRVR=warn': nowhere,
  // LND's own default.
  info: { seller: [], buyer: ['INF SRVR'] },
  debug: { seller: ['DBG INVC', 'DBG PEER'], buyer: ['DBG PEER', 'INF SRVR'] },
  trace: { seller: ['DBG INVC', 'DBG PEER', 'TRC INVC', 'TRC PEER'], buyer: ['DBG PEER', 'INF SRVR', 'TRC PEER'] },
};

/** The first line of an entry, which may go on for many lines: `2026-01-02 03:04:05.678 [DBG] INVC: …`. */
const ENTRY = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \[(\w+)\] (\w+):/;

/** The entries of a log, each with what it says after its first line. */
function entriesOf(log: string): { where: string; words: string }[] {
  const entries: { where: string; words: string }[] = [];
  for (const line of log.split('\n')) {
    const [, level, subsystem] = ENTRY.exec(line) ?? [];
    const last = entries.at(-1);
    if (level !== undefined) entries.push({ where: `${level} ${subsystem}`, words: line });
    else if (last !== undefined) last.words += `\n${line}`;
  }
  return entries;
}

describe('what LND writes into its own log', { skip: withoutBitcoind || withoutLnd }, () => {
  const said = new Said();
  const pair = new LndPair({ said });
  let world: World;

  before(async () => {
    world = await createWorld({ log: () => {}, openNodes: pair.open, traderLog: said.log });
  });
  after(() => world?.stop());

  const logOf = (name: Name): Promise<string> =>
    readFile(join(dirname(pair.lnds.node(name).certPath), 'logs/bitcoin/regtest/lnd.log'), 'utf8');

  const setLevel = (name: Name, level: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const { lnd } = pair.lnds.node(name);
      lnd.default.debugLevel({ level_spec: level }, (error: unknown) =>
        error === null ? resolve() : reject(error as Error),
      );
    });

  const macaroonOf = async (name: Name): Promise<string> =>
    (await readFile(pair.lnds.node(name).macaroonPath)).toString('hex');

  for (const [level, shown] of Object.entries(levels))
    test(`at ${level}: where preimages are, and that no macaroon is in it`, async () => {
      for (const name of names) await setLevel(name, level);
      const before = await Promise.all(names.map(logOf));
      const secrets: Record<string, string> = {};
      for (const mode of ['hold-first', 'lock-first'] as const) {
        const trade = await Staged.begin(world, { mode });
        await trade.finish();
        secrets[mode] = await trade.preimage();
      }
      for (const [index, name] of names.entries()) {
        const log = await logOf(name);
        assert.ok(log.startsWith(before[index] ?? ''), 'the log was not begun anew');
        const entries = entriesOf(log.slice(before[index]?.length));
        const found = entries.filter(({ words }) => shownIn(words, secrets).length > 0);
        assert.deepEqual([...new Set(found.map(({ where }) => where))].toSorted(), shown[name], name);
        const macaroons = Object.fromEntries(
          await Promise.all(names.map(async (each) => [each, await macaroonOf(each)])),
        );
        assert.deepEqual(shownIn(log, macaroons as Record<string, string>), []);
      }
    });

  test('not even at trace does the payee’s node show the preimage of a plain invoice before it is paid', async () => {
    await setLevel('seller', 'trace');
    const preimage = '7c'.repeat(32);
    const terms = { amountMsat: 1_000_000n, finalCltv: 40, expirySeconds: 600, description: 'x' };
    const { bolt11 } = await world.seller.lightning.createInvoice({ ...terms, preimage });
    await until('the invoice in the log', async () =>
      (await logOf('seller')).includes(decodeInvoice(bolt11).paymentHash),
    );
    assert.deepEqual(shownIn(await logOf('seller'), { preimage }), []);
  });
});
