import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import { freePorts } from '../../scripts/ports.mjs';
import { Owner } from '../../world/owner.ts';
import { type Regtest, startSignet, withoutBitcoind } from '../regtest/bitcoind.ts';
import { KeptProcess, newFolder } from '../regtest/kept-process.ts';
import { type Lnd, startLnd } from '../regtest/lnd.ts';
import { type OrdServer, startOrd } from '../regtest/ord.ts';
import { program as partProgram, withoutLnd, withoutOrd, withoutPostgres } from '../regtest/parts.ts';
import { startPostgres } from '../regtest/postgres.ts';
import { listingBody } from './buyer-http.ts';

const MAIN = fileURLToPath(new URL('../../packages/coordinator/src/main.ts', import.meta.url));
const flags = ['--conditions=sparkle-source', '--import', import.meta.resolve('tsx')];
const PATIENCE = { patienceMilliseconds: 90_000, everyMilliseconds: 100 };
const RPC_PASSWORD = 'a-password-of-an-operator';
const ADMIN_PASSWORD = 'a-token-of-an-operator-long-enough-to-be-one';
const ASKED_SATS = 60_000n;
const COINS = 6;
const COIN_SATS = 300_000n;

const page = readFileSync(new URL('../../docs/operate.md', import.meta.url), 'utf8');

/** A block of the page: a file, which begins with its name, or what stands below a comment. */
function block(beginning: string): string {
  const start = page.indexOf(beginning);
  const end = page.indexOf('\n```\n', start + beginning.length);
  if (start < 0 || end < 0) throw new Error(`docs/operate.md has no block that begins with ${beginning}`);
  return page.slice(start + beginning.length, end);
}
const fileOf = (name: string): string => block(`\`\`\`ini\n# ${name}\n`);
const shownBelow = (comment: string): string[] => block(`<!-- ${comment} -->\n\`\`\`\n`).split('\n');

const variablesOf = (text: string): Record<string, string> =>
  Object.fromEntries(
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );

/** A line of the program's with what differs each time left out. */
const shape = (line: string): string =>
  line.replaceAll(/\b0[23][0-9a-f]{64}\b/g, 'NODE').replaceAll(/(height|port) [0-9]+/g, '$1 N');

/** The credential of the page, baked as its line says. */
async function receiveMacaroon({ lnd }: Lnd): Promise<Buffer> {
  const [, id = '', rights = ''] = /--root_key_id ([0-9]+) --save_to sparkle-receive\.macaroon (.*)$/m.exec(page) ?? [];
  const permissions = rights.split(' ').map((right) => ({ entity: 'uri', action: right.replace(/^uri:/, '') }));
  const request = { permissions, root_key_id: Number(id) };
  return new Promise((resolve, reject) =>
    lnd.default.bakeMacaroon(request, (error: Error | null, answer: { macaroon: string }) =>
      error === null ? resolve(Buffer.from(answer.macaroon, 'hex')) : reject(error),
    ),
  );
}

/** What docs/operate.md says, done word for word: its files, its lines, on a signet of our own. */
describe(
  'a coordinator on signet, as docs/operate.md brings it up',
  { skip: withoutBitcoind || withoutLnd || withoutOrd || withoutPostgres },
  () => {
    const undo: (() => unknown)[] = [];
    let signet: Regtest;
    let ord: OrdServer;
    let owner: Owner;
    let folder: string;
    let env: Record<string, string>;
    let program: KeptProcess;
    let api: string;
    let admin: string;

    before(async () => {
      folder = await newFolder('operator');
      undo.push(() => rmSync(folder, { recursive: true, force: true }));
      const [blocks = 0, transactions = 0, port = 0, adminPort = 0] = await freePorts(4);
      // Others on this machine have the ports of the page.
      const here = (text: string): string =>
        text
          .replaceAll('127.0.0.1:28333', `127.0.0.1:${blocks}`)
          .replaceAll('127.0.0.1:28334', `127.0.0.1:${transactions}`)
          .replaceAll('RPC_PASSWORD', RPC_PASSWORD)
          .replaceAll('ADMIN_PASSWORD', ADMIN_PASSWORD);
      const written = (name: string, text = here(fileOf(name))): string => {
        writeFileSync(join(folder, name), text, { mode: 0o600 });
        return join(folder, name);
      };
      signet = await startSignet({ args: [`-conf=${written('bitcoin.conf')}`] });
      undo.push(() => signet.stop());
      const [postgres, node, ordServer] = await Promise.all([
        startPostgres({ writes: 'fast' }),
        startLnd({ regtest: signet, name: 'operator', args: [`--configfile=${written('lnd.conf')}`] }),
        startOrd({ regtest: signet }),
        fundedAsThePageSays(),
      ]);
      ord = ordServer;
      undo.push(() => Promise.all([postgres.stop(), node.stop(), ord.stop()]));
      writeFileSync(join(folder, 'lnd.macaroon'), await receiveMacaroon(node));
      env = {
        ...variablesOf(here(fileOf('coordinator.env'))),
        ...{ DATABASE_URL: await postgres.newDatabase(), BITCOIN_RPC_PORT: String(signet.node.rpcPort) },
        ...{ LND_HOST: node.socket, LND_CERT_PATH: node.certPath, LND_MACAROON_PATH: join(folder, 'lnd.macaroon') },
        ...{ PORT: String(port), ADMIN_PORT: String(adminPort) },
        // For pg_dump.
        PATH: `${(await partProgram('postgres')).dir}:${process.env['PATH']}`,
      };
      api = `http://127.0.0.1:${port}`;
      admin = `http://127.0.0.1:${adminPort}`;
      const start = { title: 'the coordinator', command: process.execPath, args: [...flags, MAIN], dir: folder };
      // On a chain as short as this one only an index that is told so knows of inscriptions.
      program = new KeptProcess({ ...start, env: { ...env, ORD_URL: ord.url } });
      undo.push(() => program.end('SIGTERM'));
    });
    after(async () => {
      for (const step of undo.toReversed()) await step();
    });

    async function fundedAsThePageSays(): Promise<void> {
      assert.ok(page.includes('createwallet wallet_name=sparkle') && page.includes('getnewaddress "" bech32m'));
      await signet.wallet('sparkle');
      for (let coin = 0; coin < COINS; coin += 1)
        await signet.pay({ to: await signet.rpc('getnewaddress', ['', 'bech32m'], 'sparkle'), sats: COIN_SATS });
      // Mines a block, with all of that in it.
      owner = await Owner.open({ regtest: signet }, 'owner');
    }

    const command = (...args: string[]) =>
      spawnSync(process.execPath, [...flags, MAIN, ...args], { cwd: folder, env, encoding: 'utf8' });
    const ready = () => fetch(`${api}/readyz`).then(async (response) => (response.ok ? response.json() : undefined));

    async function ask<Body>(path: string, body: unknown, status: number): Promise<Body> {
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(`${api}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
      const answer = (await response.json()) as Body;
      assert.equal(response.status, status, JSON.stringify(answer));
      return answer;
    }

    test('check prints what the page shows, line by line, before the first start', () => {
      const { status, stdout, stderr } = command('check');
      assert.deepEqual([status, stderr], [0, '']);
      assert.deepEqual(stdout.trim().split('\n').map(shape), shownBelow('what check prints').map(shape));
    });

    test('it serves, answers readiness as the page says, and shows its operator the page that is shown there', async () => {
      await program.up(async () => (await ready().catch(() => undefined)) !== undefined, PATIENCE);
      assert.ok(page.includes(`\`${JSON.stringify(await ready())}\``));
      const authorization = `Basic ${Buffer.from(`operator:${ADMIN_PASSWORD}`).toString('base64')}`;
      const shown = await (await fetch(`${admin}/`, { headers: { authorization } })).text();
      for (const line of shownBelow('what the status page shows'))
        assert.ok(shown.includes(line.split('  ')[0] ?? ''), line);
    });

    test('an owner lists, and a buyer is quoted', async () => {
      const inscribed = await owner.inscribe('on signet');
      await ord.caughtUp();
      const { inscriptionId } = inscribed;
      const listed = await owner.list(inscribed, ASKED_SATS);
      await ask('/v1/trade', listingBody({ inscriptionId, priceSats: ASKED_SATS, ...listed }), 201);
      const quote = await ask<QuoteWire>('/v1/quote', { inscription_id: inscriptionId }, 200);
      assert.equal(quote.pricing.seller_sats, Number(ASKED_SATS));
    });

    test('a macaroon that may not pay is found before the first sale is passed on', () => {
      const { status, stdout } = spawnSync(process.execPath, [...flags, MAIN, 'check'], {
        ...{ cwd: folder, encoding: 'utf8' },
        env: { ...env, FORWARD_SATS: '100000' },
      });
      assert.equal(status, 1);
      assert.match(stdout, /^BAD {2}lightning: trackPaymentV2: the macaroon does not allow this/m);
    });

    test('backs itself up, and ends when it is told to', async () => {
      const { status, stdout, stderr } = command('backup', 'copy');
      assert.deepEqual([status, stderr], [0, '']);
      assert.match(stdout, /^copy holds [0-9]+ tables and was read back/);
      await program.end('SIGTERM');
      await assert.rejects(ready());
    });
  },
);
