import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { OpenNodes } from '../../world/nodes.ts';
import { createWorld, type World } from '../../world/world.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { NwcSide } from '../regtest/nwc.ts';
import { driverOver } from '../regtest/lnd-driver.ts';
import { withoutLnd } from '../regtest/parts.ts';
import { startRelay } from '../regtest/relay.ts';
import { LndPair } from './nodes.ts';
import { Said } from './said.ts';
import { Staged } from './staged.ts';

const unwanted = '5a'.repeat(32);
const unwantedHash = createHash('sha256').update(Buffer.from(unwanted, 'hex')).digest('hex');

describe('what traders, drivers and errors say', { skip: withoutBitcoind || withoutLnd }, () => {
  const said = new Said();
  const pair = new LndPair({ said });
  let world: World;
  let side: NwcSide;

  /** The buyer pays from his LND over NWC. */
  const openNodes: OpenNodes = async (place) => {
    const nodes = await pair.open(place);
    const relay = await startRelay();
    place.onStop(() => relay.stop());
    const backend = { lightning: () => nodes.buyer.lightning, height: () => place.regtest.height() };
    side = new NwcSide({ relays: [relay.url], backend, path: join(place.dir, 'buyer.nwc'), maxCltvBlocks: 1_000 });
    await side.open();
    place.onStop(async () => {
      await side.close();
      await nodes.buyer.lightning.close();
    });
    return { ...nodes, buyer: { ...nodes.buyer, lightning: side.wallet } };
  };

  before(async () => {
    world = await createWorld({ log: () => {}, openNodes, traderLog: said.log });
  });
  after(() => world?.stop());

  const macaroons = () =>
    Promise.all(
      ['seller', 'buyer'].map(async (name) => (await readFile(pair.lnds.node(name).macaroonPath)).toString('hex')),
    );

  const nwcSecrets = (): string[] => {
    const secret = new URL(side.connection).searchParams.get('secret');
    assert.ok(secret !== null);
    return [secret, side.connection];
  };

  /** Everything of a driver that can be made to fail; what it throws is kept. */
  const provoke = async (lightning: World['seller']['lightning']): Promise<void> => {
    const invoice = { amountMsat: 1_000_000n, finalCltv: 200, expirySeconds: 600, description: 'x' };
    const deeds = [
      () => lightning.settle(unwanted),
      () => lightning.cancel(unwantedHash),
      () => lightning.createInvoice({ ...invoice, preimage: unwanted, finalCltv: 1 }),
      () => lightning.createInvoice({ ...invoice, preimage: unwanted }),
      () => lightning.createHoldInvoice({ ...invoice, paymentHash: unwantedHash }),
      () => lightning.invoice(unwantedHash),
      () => lightning.payment(unwantedHash),
      () => lightning.pay({ bolt11: 'lnbcrt1', maxFeeMsat: 0n, maxCltvBlocks: 1, timeoutSeconds: 1 }),
    ];
    for (const deed of deeds) await deed().catch((error: unknown) => said.throws(error));
  };

  test('no macaroon, wallet connection or preimage is in it, through trades, outages and refusals', async () => {
    const preimages: string[] = [];
    for (const end of ['traded', 'refunded'] as const) {
      const trade = await Staged.begin(world, { mode: 'hold-first' });
      if (end === 'refunded') await trade.buyerLeaves();
      else await trade.held();
      await pair.lnds.kill('seller');
      await provoke(world.seller.lightning);
      await world.mine(1);
      await pair.up('seller');
      const { sold } = await trade.finish();
      assert.equal(sold?.state === 'ended' && sold.outcome, end);
      if (end === 'traded') preimages.push(await trade.preimage());
    }
    for (const { lightning } of [world.seller, world.buyer]) await provoke(lightning);
    const seller = pair.lnds.node('seller');
    const stranger = driverOver({ ...seller, macaroonPath: seller.certPath }, said.warn);
    await provoke(stranger);
    await stranger.close();
    said.warnings.push(...side.warnings);
    assert.ok(said.lines.length > 10 && said.thrown.length > 15, 'enough was said');
    said.assertKeeps([...(await macaroons()), ...nwcSecrets(), ...preimages, unwanted]);
  });

  test('the search itself finds what it looks for', () => {
    const loud = new Said();
    loud.throws(new Error('outer', { cause: new Error(`with ${unwanted}`) }));
    assert.throws(() => loud.assertKeeps([unwanted]), /a secret was said/);
    const nested = new Said();
    nested.log.warn({ deep: { bytes: new Uint8Array(32).fill(0x5a) } }, 'x');
    assert.throws(() => nested.assertKeeps([unwanted]), /a secret was said/);
  });
});
