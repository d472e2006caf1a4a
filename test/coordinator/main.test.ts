import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import type { CheckoutStateWire, PreparedWire, ProofWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import { rescueSeed, tradeKeys } from 'sparkle-protocol/protocol/keys';
import { buildLock } from 'sparkle-protocol/protocol/lock';
import type { MonthWire } from '../../packages/coordinator/src/watch/ledger-report.ts';
import { freePorts } from '../../scripts/ports.mjs';
import { type Answer, type Asking, ask as askAt } from '../../world/ask.ts';
import { Owner } from '../../world/owner.ts';
import { type Regtest, scriptOf, startRegtest, withoutBitcoind } from '../regtest/bitcoind.ts';
import { KeptProcess, newFolder, until } from '../regtest/kept-process.ts';
import { driverOver } from '../regtest/lnd-driver.ts';
import { type Lnd, lndSynced, openLndChannel, startLnd } from '../regtest/lnd.ts';
import { program as partProgram, withoutLnd, withoutPostgres } from '../regtest/parts.ts';
import { type Postgres, startPostgres } from '../regtest/postgres.ts';
import { buyerWith, checkoutBody, claimOf, listingBody, termsIn } from './buyer-http.ts';
import { ADMIN_TOKEN, flags, MAIN, operatorEnv, WALLET } from './operator.ts';

const BUYER_SEED = rescueSeed('letter advice cage absurd amount doctor acoustic avoid letter advice cage above');
const ASKED_SATS = 60_000n;
const PATIENCE = { patienceMilliseconds: 90_000, everyMilliseconds: 100 };

/** The program as an operator starts it, over real parts, asked as anybody asks it. */
describe(
  'the coordinator as a program, over LND and PostgreSQL',
  { skip: withoutBitcoind || withoutLnd || withoutPostgres },
  () => {
    const undo: (() => unknown)[] = [];
    let regtest: Regtest;
    let nodes: { ours: Lnd; buyers: Lnd };
    let lightning: Lightning;
    /** The coordinator's own node, and its wallet, as they were before the first sale. */
    let receiving: Lightning;
    let opening: { walletSats: bigint; lightningMsat: bigint };
    let postgres: Postgres;
    let operator: Awaited<ReturnType<typeof asOperator>>;
    let program: KeptProcess;
    let ports: number[];
    let folder: string;

    before(async () => {
      folder = await newFolder('coordinator');
      undo.push(() => rmSync(folder, { recursive: true, force: true }));
      regtest = await startRegtest();
      undo.push(() => regtest.stop());
      postgres = await startPostgres({ writes: 'fast' });
      undo.push(() => postgres.stop());
      await regtest.wallet('buyer');
      await regtest.wallet(WALLET);
      for (let coins = 0; coins < 5; coins += 1)
        await regtest.pay({ to: await regtest.address(WALLET), sats: 300_000n });
      const [ours, buyers] = await Promise.all(['ours', 'buyers'].map((name) => startLnd({ regtest, name })));
      assert.ok(ours !== undefined && buyers !== undefined);
      nodes = { ours, buyers };
      undo.push(() => Promise.all([ours.stop(), buyers.stop()]));
      await openLndChannel(regtest, { from: buyers, to: ours, sats: 2_000_000n, pushSats: 10_000n, kind: 'public' });
      lightning = driverOver(buyers, () => {});
      undo.push(() => lightning.close());
      receiving = driverOver(nodes.ours, () => {});
      undo.push(() => receiving.close());
      opening = await holdings();
      ports = await freePorts(2);
      operator = await asOperator();
      program = new KeptProcess(operator);
      undo.push(() => program.end('SIGTERM'));
      await start();
    });
    after(async () => {
      for (const step of undo.toReversed()) await step();
    });

    async function holdings(): Promise<typeof opening> {
      const coins = await regtest.rpc<{ amount: number }[]>('listunspent', [0], WALLET);
      const walletSats = coins.reduce((sum, { amount }) => sum + BigInt(Math.round(amount * 1e8)), 0n);
      return { walletSats, lightningMsat: (await receiving.balance()).ownedMsat };
    }

    async function asOperator() {
      const databaseUrl = await postgres.newDatabase();
      const env = operatorEnv({ node: regtest.node, lnd: nodes.ours, databaseUrl, folder, ports });
      return { title: 'the coordinator', command: process.execPath, args: [...flags, MAIN], dir: folder, env };
    }

    const start = () => program.up(async () => (await ready()) === 200, PATIENCE);
    const ready = (): Promise<number> =>
      fetch(`http://127.0.0.1:${ports[0]}/readyz`).then(
        ({ status }) => status,
        () => 0,
      );

    const ask = <Body>(method: string, path: string, asking?: Asking): Promise<Answer<Body>> =>
      askAt(method, `http://127.0.0.1:${ports[0]}${path}`, asking);

    async function mine(blocks: number): Promise<void> {
      await regtest.mine(blocks);
      await lndSynced(regtest, [nodes.ours, nodes.buyers]);
    }

    async function reaches({ checkout_id }: PreparedWire, status: string): Promise<CheckoutStateWire> {
      const state = async () =>
        (await ask<CheckoutStateWire>('POST', '/api/checkout/status', { body: { checkout_id } })).body;
      await until(
        `the checkout is ${status}`,
        async () => {
          if ((await state()).status === status) return true;
          if ((await regtest.rpc<string[]>('getrawmempool')).length > 0) await mine(1);
          return false;
        },
        PATIENCE,
      );
      return state();
    }

    async function listed(owner: Owner): Promise<{ inscriptionId: string; payoutAddress: string }> {
      const inscribed = await owner.inscribe('sold by a program');
      await mine(1);
      const { psbt, payoutAddress } = await owner.list(inscribed, ASKED_SATS);
      const { inscriptionId } = inscribed;
      const body = listingBody({ inscriptionId, priceSats: ASKED_SATS, payoutAddress, psbt });
      const { status, body: answer } = await ask('POST', '/v1/trade', { body });
      assert.equal(status, 201, JSON.stringify(answer));
      return { inscriptionId, payoutAddress };
    }

    async function prepared(inscriptionId: string, index: number) {
      const keys = tradeKeys({ seed: BUYER_SEED, network: 'regtest', index });
      const { body: quote } = await ask<QuoteWire>('POST', '/v1/quote', { body: { inscription_id: inscriptionId } });
      const address = await regtest.address('buyer');
      const body = checkoutBody(quote, buyerWith(keys, address));
      const { body: checkout, status } = await ask<PreparedWire>('POST', '/api/checkout/prepare', { body });
      assert.equal(status, 200, JSON.stringify(checkout));
      return { keys, checkout, address };
    }

    async function claimed({ keys, checkout, address }: Awaited<ReturnType<typeof prepared>>): Promise<string> {
      const { body: proof } = await ask<ProofWire>('GET', `/v1/trade/${checkout.trade_id}/proof`, {
        token: checkout.token,
      });
      const terms = termsIn(proof, keys);
      assert.ok(terms !== undefined && proof.lock !== undefined);
      const [txid, vout] = proof.lock.outpoint.split(':');
      const found = await regtest.rpc<{ scriptPubKey: { hex: string } }>('gettxout', [txid, Number(vout)]);
      assert.equal(found.scriptPubKey.hex, buildLock(terms).script);
      const claim = claimOf({ keys, address }, { terms, lockOutpoint: proof.lock.outpoint });
      const path = `/v1/trade/${checkout.trade_id}/finalize`;
      const body = { payment_preimage: keys.preimage, claim };
      let answer: Answer<{ txid: string }> | undefined;
      // What the killed process had in hand is its successor's once its lease has run out.
      await until(
        'the claim is taken',
        async () => (answer = await ask('POST', path, { token: checkout.token, body })).status !== 409,
        PATIENCE,
      );
      assert.equal(answer?.status, 200, JSON.stringify(answer?.body));
      return answer.body.txid;
    }

    test('sells what an owner has listed, and is killed in the middle of it: the trade ends right', async () => {
      const owner = await Owner.open({ regtest }, 'owner');
      const { inscriptionId, payoutAddress } = await listed(owner);
      const bought = await prepared(inscriptionId, 1);
      const { checkout, address } = bought;
      await lightning.pay({
        bolt11: checkout.invoice ?? '',
        maxFeeMsat: 100_000n,
        maxCltvBlocks: 432,
        timeoutSeconds: 60,
      });
      await reaches(checkout, 'broadcast');
      await program.end('SIGKILL');
      await mine(1);
      await start();
      const txid = await claimed(bought);
      const { transfer, payment } = await reaches(checkout, 'confirmed');
      assert.equal(transfer?.txid, txid);
      assert.equal(payment?.received_sats, checkout.payment_request.amount_sats);
      const { scriptPubKey } = await regtest.rpc<{ scriptPubKey: { hex: string } }>('gettxout', [txid, 0]);
      assert.equal(scriptPubKey.hex, scriptOf(address));
      assert.equal(await owner.receivedSats(payoutAddress), ASKED_SATS);
      await until(
        'the payment is settled',
        async () => (await lightning.payment(bought.keys.paymentHash)).state === 'settled',
        PATIENCE,
      );
    });

    test('tells an operator who has the token how it is, and nobody else', async () => {
      const admin = `http://127.0.0.1:${ports[1]}`;
      assert.equal((await fetch(`${admin}/metrics`)).status, 401);
      const metrics = await fetch(`${admin}/metrics`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
      assert.match(await metrics.text(), /^sparkle_snapshot_up 1$/m);
      const { body } = await ask<{ status: string; network: string }>('GET', '/api/health');
      assert.deepEqual([body.status, body.network], ['ok', 'regtest']);
    });

    async function command(...args: string[]) {
      const { dir = '' } = await partProgram('postgres');
      const env = { ...operator.env, PATH: `${dir}:${process.env['PATH']}` };
      return spawnSync(process.execPath, [...flags, MAIN, ...args], { cwd: folder, env, encoding: 'utf8' });
    }

    test('has the sale in its books to the sat, as wallet and node have it, and reports it while it serves', async () => {
      const month = new Date().toISOString().slice(0, 7);
      const booked = async (): Promise<Map<string, bigint>> => {
        const { status, stdout, stderr } = await command('report', '--month', month, '--json');
        assert.deepEqual([status, stderr], [0, '']);
        const { accounts } = JSON.parse(stdout) as MonthWire;
        return new Map(accounts.map(({ account, balance_msat }) => [account, BigInt(balance_msat)]));
      };
      let books = new Map<string, bigint>();
      const isBooked = async () => {
        books = await booked();
        if (books.has('delivered') && books.has('sales')) return true;
        await mine(1);
        return false;
      };
      await until('the sale is in the books', isBooked, PATIENCE);
      const { walletSats, lightningMsat } = await holdings();
      assert.equal(books.get('coins'), (walletSats - opening.walletSats) * 1000n);
      assert.equal(books.get('lightning'), lightningMsat - opening.lightningMsat);
      assert.equal(books.get('locks'), 0n);
      assert.equal(
        [...books.values()].reduce((sum, msat) => sum + msat, 0n),
        0n,
      );
      const { stdout } = await command('report', '--month', month);
      assert.match(stdout, /^together +([0-9.]+) +\1 +0\.000 /m);
    });

    test('checks all its parts without serving, beside a coordinator that runs', async () => {
      const { status, stdout, stderr } = await command('check');
      assert.deepEqual([status, stderr], [0, '']);
      for (const line of [
        /^ok {3}database: its tables are up to date$/m,
        /^ok {3}bitcoin: regtest, height [0-9]+, every transaction is indexed$/m,
        /^ok {3}wallet: coordinator has [0-9]+ coins of together [0-9]+ sats$/m,
        /^ok {3}lightning: lnd 0[23][0-9a-f]{64}$/m,
      ])
        assert.match(stdout, line);
    });

    test('copies its database while it serves, and overwrites nothing', async () => {
      const { status, stdout, stderr } = await command('backup', 'copy.dump');
      assert.deepEqual([status, stderr], [0, '']);
      assert.match(stdout, /^copy\.dump holds [0-9]+ tables and was read back/);
      assert.equal((await command('backup', 'copy.dump')).status, 2);
    });

    test('ends when it is told to, and comes back', async () => {
      await program.end('SIGTERM');
      assert.equal(await ready(), 0);
      await start();
    });

    test('says all that is wrong with its configuration at once, and repeats no secret', () => {
      const env = { PATH: process.env['PATH'], NETWORK: 'mars', PORT: '70000', ADMIN_TOKEN: 'f00dfeed' };
      const { status, stderr } = spawnSync(process.execPath, [...flags, MAIN], { cwd: folder, env, encoding: 'utf8' });
      assert.equal(status, 2);
      for (const name of ['NETWORK', 'PORT', 'ADMIN_TOKEN', 'BITCOIN_RPC_USER'])
        assert.match(stderr, new RegExp(`^- ${name}`, 'm'));
      assert.doesNotMatch(stderr, /f00dfeed/);
    });
  },
);
