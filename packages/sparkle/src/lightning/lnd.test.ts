import { startRegtest } from '../../../../test/regtest/bitcoind.ts';
import {
  lndChannelHeardOf,
  lndChannelUp,
  lndSynced,
  openLndChannel,
  startLnd,
  type Lnd,
} from '../../../../test/regtest/lnd.ts';
import { driverOver } from '../../../../test/regtest/lnd-driver.ts';
import { withoutLnd } from '../../../../test/regtest/parts.ts';
import { lightningSuite, type LightningWorld } from './lightning.suite.ts';

const quiet = (): void => undefined;

/** payer - router - payee, with public channels; the router is also the rival. */
async function openWorld(): Promise<LightningWorld> {
  const regtest = await startRegtest();
  const start = (name: string): Promise<Lnd> => startLnd({ regtest, name });
  const [payer, router, payee] = await Promise.all([start('payer'), start('router'), start('payee')]);
  const nodes = { payer, router, payee };
  const drivers = {
    payer: driverOver(payer, quiet),
    router: driverOver(router, quiet),
    payee: driverOver(payee, quiet),
  };
  const terms = { sats: 2_000_000n, pushSats: 300_000n, kind: 'public' } as const;
  const first = await openLndChannel(regtest, { from: payer, to: router, ...terms });
  const second = await openLndChannel(regtest, { from: router, to: payee, ...terms });
  await lndChannelHeardOf(second, [payer]);
  return {
    payer: drivers.payer,
    payee: drivers.payee,
    rival: drivers.router,
    async mine(blocks) {
      await regtest.mine(blocks);
      await lndSynced(regtest, Object.values(nodes));
    },
    height: () => regtest.height(),
    async restart(which) {
      // In order: what LND accepted within milliseconds of a crash it may give back; its own tests show that.
      await nodes[which].down();
      await nodes[which].up();
      await lndChannelUp(first, [payer, router]);
      await lndChannelUp(second, [router, payee]);
    },
    async close() {
      await Promise.all(Object.values(drivers).map((driver) => driver.close()));
      await Promise.all(Object.values(nodes).map((node) => node.stop()));
      await regtest.stop();
    },
  };
}

lightningSuite('LND', openWorld, { without: [], skip: withoutLnd });
