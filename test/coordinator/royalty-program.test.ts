import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createInvoice } from 'lightning';
import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import type { CheckoutStateWire, PreparedWire, ProofWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import { rescueSeed, tradeKeys } from 'sparkle-protocol/protocol/keys';
import { certificates, Creator } from '../../packages/coordinator/src/royalties/creator.suite.ts';
import type { MonthWire } from '../../packages/coordinator/src/watch/ledger-report.ts';
import { freePorts } from '../../scripts/ports.mjs';
import { type Asking, ask as askAt } from '../../world/ask.ts';
import { Owner } from '../../world/owner.ts';
import { type Regtest, startRegtest, withoutBitcoind } from '../regtest/bitcoind.ts';
import { KeptProcess, newFolder, until } from '../regtest/kept-process.ts';
import { driverOver } from '../regtest/lnd-driver.ts';
import { type Lnd, lndChannelHeardOf, lndSynced, openLndChannel, startLnd } from '../regtest/lnd.ts';
import { withoutLnd, withoutPostgres } from '../regtest/parts.ts';
import { startPostgres } from '../regtest/postgres.ts';
import { buyerWith, checkoutBody, claimOf, listingBody, termsIn } from './buyer-http.ts';
import { ADMIN_TOKEN, flags, MAIN, operatorEnv, WALLET } from './operator.ts';

const BUYER_SEED = rescueSeed('letter advice cage absurd amount doctor acoustic avoid letter advice cage above');
const ASKED_SATS = 60_000n;
const ROYALTY_MSAT = 3_000_000n;
const PATIENCE = { patienceMilliseconds: 90_000, everyMilliseconds: 200 };
/** Killed at its first order to pay. */
const dyingFlags = [...flags, '--import', new URL('die-at-pay.ts', import.meta.url).href];

/**
 * The program over LND and PostgreSQL, which pays a creator over his Lightning address: from its node, over that of the
 * buyers, which takes a fee, to his.
 */
describe(
  'a royalty over Lightning, paid by the coordinator as a program',
  { skip: withoutBitcoind || withoutLnd || withoutPostgres },
  () => {
    const undo: (() => unknown)[] = [];
    let regtest: Regtest;
    let nodes: { ours: Lnd; buyers: Lnd; creators: Lnd };
    let drivers: { ours: Lightning; buyers: Lightning; creators: Lightning };
    let creator: Creator;
    let owner: Owner;
    let collectionId: string;
    let ports: number[];
    let folder: string;
    let env: Record<string, string>;
    let index = 0;
    /** What our node and the creator's have before the first sale. */
    let opening: { ours: bigint; creators: bigint };

    before(async () => {
      folder = await newFolder('royalty');
      undo.push(() => rmSync(folder, { recursive: true, force: true }));
      regtest = await startRegtest();
      undo.push(() => regtest.stop());
      const postgres = await startPostgres({ writes: 'fast' });
      undo.push(() => postgres.stop());
      await regtest.wallet('buyer');
      await regtest.wallet(WALLET);
      for (let coins = 0; coins < 10; coins += 1)
        await regtest.pay({ to: await regtest.address(WALLET), sats: 300_000n });
      await openNodes();
      creator = await Creator.open(async ({ amountMsat, descriptionHash }) => {
        const { lnd } = nodes.creators;
        const asked = { mtokens: String(amountMsat), description_hash: descriptionHash };
        return (await createInvoice({ lnd, ...asked })).request;
      }, '127.0.0.1');
      undo.push(() => creator.close());
      owner = await Owner.open({ regtest }, 'owner');
      const recipients = [{ label: 'artist', lightning_address: creator.address }];
      const genesis = {
        p: 'sparkle',
        op: 'genesis',
        collection: { name: 'Stars' },
        royalties: { bps: 500, recipients },
      };
      ({ inscriptionId: collectionId } = await owner.inscribe(JSON.stringify(genesis)));
      ports = await freePorts(2);
      env = asOperator(await postgres.newDatabase());
      opening = await holdings();
    });
    after(async () => {
      for (const step of undo.toReversed()) await step();
    });

    async function openNodes(): Promise<void> {
      const started = ['ours', 'buyers', 'creators'].map((name) => startLnd({ regtest, name }));
      const [ours, buyers, creators] = await Promise.all(started);
      assert.ok(ours !== undefined && buyers !== undefined && creators !== undefined);
      nodes = { ours, buyers, creators };
      undo.push(() => Promise.all(Object.values(nodes).map((node) => node.stop())));
      const channel = { from: buyers, sats: 2_000_000n, kind: 'public' } as const;
      await openLndChannel(regtest, { ...channel, to: ours, pushSats: 100_000n });
      const further = await openLndChannel(regtest, { ...channel, to: creators, pushSats: 50_000n });
      await lndChannelHeardOf(further, [ours]);
      const quiet = () => {};
      drivers = {
        ours: driverOver(ours, quiet),
        buyers: driverOver(buyers, quiet),
        creators: driverOver(creators, quiet),
      };
      undo.push(() => Promise.all(Object.values(drivers).map((driver) => driver.close())));
    }

    function asOperator(databaseUrl: string): Record<string, string> {
      const ca = join(folder, 'ca.pem');
      writeFileSync(ca, certificates.ca);
      return {
        ...operatorEnv({ node: regtest.node, lnd: nodes.ours, databaseUrl, folder, ports }),
        ...{ LIGHTNING_ROYALTIES: 'yes', LNURL_PRIVATE_ORIGINS: creator.origin, NODE_EXTRA_CA_CERTS: ca },
      };
    }

    async function holdings(): Promise<typeof opening> {
      const owned = async (of: Lightning) => (await of.balance()).ownedMsat;
      return { ours: await owned(drivers.ours), creators: await owned(drivers.creators) };
    }
    const cameMsat = async () => (await holdings()).creators - opening.creators;

    const ask = <Body>(method: string, path: string, asking?: Asking) =>
      askAt<Body>(method, `http://127.0.0.1:${ports[0]}${path}`, asking);
    const asOperatorAsks = async <Body>(path: string) =>
      (await askAt<Body>('GET', `http://127.0.0.1:${ports[1]}${path}`, { token: ADMIN_TOKEN })).body;
    const owed = async () =>
      (await asOperatorAsks<{ owed: { sats: string; state: string }[] }>('/admin/royalties')).owed.map(
        ({ sats, state }) => `${state} ${sats}`,
      );

    async function started(args: readonly string[], more: Record<string, string> = {}): Promise<KeptProcess> {
      const program = new KeptProcess({
        ...{ title: 'the coordinator', command: process.execPath, dir: folder },
        ...{ args: [...args, MAIN], env: { ...env, ...more } },
      });
      undo.push(() => program.end('SIGKILL'));
      const isReady = () =>
        fetch(`http://127.0.0.1:${ports[0]}/readyz`).then(
          ({ status }) => status === 200,
          () => false,
        );
      await program.up(isReady, PATIENCE);
      return program;
    }

    async function mine(blocks: number): Promise<void> {
      await regtest.mine(blocks);
      await lndSynced(regtest, Object.values(nodes));
    }

    async function statusOf({ checkout_id }: PreparedWire): Promise<string> {
      return (await ask<CheckoutStateWire>('POST', '/api/checkout/status', { body: { checkout_id } })).body.status;
    }

    /** A sale up to the claim that its buyer hands over; from then on it is the coordinator's to end it. */
    async function sold(): Promise<PreparedWire> {
      const child = { p: 'sparkle', op: 'child', collection_ref: collectionId, token: { id: (index += 1) } };
      const inscribed = await owner.inscribe(JSON.stringify(child));
      await mine(1);
      const { inscriptionId } = inscribed;
      const body = listingBody({ inscriptionId, priceSats: ASKED_SATS, ...(await owner.list(inscribed, ASKED_SATS)) });
      assert.equal((await ask('POST', '/v1/trade', { body })).status, 201);
      const keys = tradeKeys({ seed: BUYER_SEED, network: 'regtest', index });
      const { body: quote } = await ask<QuoteWire>('POST', '/v1/quote', { body: { inscription_id: inscriptionId } });
      assert.equal(quote.pricing.creator_royalty_sats, 3_000);
      const address = await regtest.address('buyer');
      const asked = checkoutBody(quote, buyerWith(keys, address));
      const { body: checkout } = await ask<PreparedWire>('POST', '/api/checkout/prepare', { body: asked });
      const caps = { maxFeeMsat: 100_000n, maxCltvBlocks: 432, timeoutSeconds: 60 };
      await drivers.buyers.pay({ bolt11: checkout.invoice ?? '', ...caps });
      await until('the fill is there', async () => (await statusOf(checkout)) === 'broadcast', PATIENCE);
      await mine(1);
      const { token, trade_id: id } = checkout;
      const proof = (await ask<ProofWire>('GET', `/v1/trade/${id}/proof`, { token })).body;
      const terms = termsIn(proof, keys);
      assert.ok(terms !== undefined);
      const claim = claimOf({ keys, address }, { terms, lockOutpoint: proof.lock?.outpoint ?? '' });
      const finalize = { payment_preimage: keys.preimage, claim };
      await until(
        'the claim is taken',
        async () => (await ask('POST', `/v1/trade/${id}/finalize`, { token, body: finalize })).status === 200,
        PATIENCE,
      );
      return checkout;
    }

    /** What the books say, once what is in them is what the node has. */
    async function booked(): Promise<Map<string, bigint>> {
      const month = new Date().toISOString().slice(0, 7);
      let books = new Map<string, bigint>();
      const agree = async () => {
        await mine(1);
        const { accounts } = await asOperatorAsks<MonthWire>(`/admin/report?month=${month}`);
        books = new Map(accounts.map(({ account, balance_msat: msat }) => [account, BigInt(msat)]));
        return books.get('lightning') === (await holdings()).ours - opening.ours;
      };
      await until('the books have what the node has', agree, PATIENCE);
      return books;
    }

    test('arrives at the creator’s node after the sale, and the books have it and its way to the msat', async () => {
      const program = await started(flags);
      const checkout = await sold();
      await until('the royalty arrives', async () => (await cameMsat()) === ROYALTY_MSAT, PATIENCE);
      await mine(1);
      await until('the sale is confirmed', async () => (await statusOf(checkout)) === 'confirmed', PATIENCE);
      await until('nothing is owed', async () => (await owed()).length === 0, PATIENCE);
      const books = await booked();
      const fee = books.get('routing_fees') ?? 0n;
      assert.ok(fee > 0n && fee <= 35_000n, `${fee}`);
      assert.deepEqual([books.get('royalties'), books.get('owed_royalties')], [ROYALTY_MSAT, 0n]);
      assert.equal(
        [...books.values()].reduce((sum, msat) => sum + msat, 0n),
        0n,
      );
      await program.end('SIGTERM');
    });

    for (const [nth, when] of [
      [2n, 'before'],
      [3n, 'after'],
    ] as const)
      test(`is paid once when the program is killed right ${when} its node is told to pay`, async () => {
        const dying = await started(dyingFlags, { DIE_AT_PAY: when });
        await sold();
        await until('the program is killed', () => !dying.running, PATIENCE);
        const atDeath = await cameMsat();
        if (when === 'before') assert.equal(atDeath, (nth - 1n) * ROYALTY_MSAT);
        const program = await started(flags);
        await until('the royalty has arrived', async () => (await cameMsat()) === nth * ROYALTY_MSAT, PATIENCE);
        await until('nothing is owed', async () => (await owed()).length === 0, PATIENCE);
        const books = await booked();
        assert.deepEqual([books.get('royalties'), books.get('owed_royalties')], [nth * ROYALTY_MSAT, 0n]);
        assert.equal(await cameMsat(), nth * ROYALTY_MSAT);
        await program.end('SIGTERM');
      });
  },
);
