import type { BreakableCall } from 'sparkle-protocol/lightning/memory';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { paymentHashOf } from 'sparkle-protocol/protocol/trade/step';
import type { Adversity } from './adversity.ts';
import type { Who } from './trouble.ts';
import { anytime, drawBlocks, drawWho, said } from './when.ts';
import type { World } from './world.ts';

const lateSettlement: Adversity = {
  name: 'late settlement',
  weight: 2,
  draw: ({ chance }) => {
    const learnsAfterBlocks = chance.oneOf([5, 40, 100, 2000] as const);
    return {
      name: 'late settlement',
      told: `the payer learns ${learnsAfterBlocks} blocks later, at most in the last block`,
      prepare: (world) => world.party('buyer').node.setSending({ learnsAfterBlocks }),
    };
  },
};

export const stuckPayment: Adversity = {
  name: 'stuck payment',
  weight: 2,
  draw: ({ chance }) => {
    const to = chance.oneOf(['payee', 'payee', 'payer'] as const);
    const afterBlocks = chance.oneOf([0, 3, 11, 12, 13, 30, 80, 200] as const);
    return {
      name: 'stuck payment',
      told: `the payment is stuck and goes on to the ${to} after ${afterBlocks} blocks`,
      prepare: (world) => world.party('buyer').node.setSending({ fate: 'stuck' }),
      when: { who: 'buyer', state: 'paying', afterBlocks, amidCalls: 0 },
      begin: (world) => release(world, to),
    };
  },
};

/** Another payment is not stuck any more either: whoever pays again has waited for this one to fail. */
function release(world: World, to: 'payee' | 'payer'): void {
  const { node } = world.party('buyer');
  node.setSending({ fate: 'arrives' });
  for (const trade of world.party('buyer').trades()) {
    const paymentHash = paymentHashOf(trade);
    if (paymentHash === undefined) continue;
    try {
      node.release({ paymentHash, to });
    } catch (error) {
      // Nothing was sent for this one.
      if (!(error instanceof SparkleError)) throw error;
    }
  }
}

const latePayer: Adversity = {
  name: 'late payer',
  weight: 2,
  draw: ({ chance }) => {
    const lateBlocks = chance.between(1, 60);
    const travelBlocks = chance.oneOf([0, 0, 1, 5] as const);
    return {
      name: 'late payer',
      told: `pays ${lateBlocks} blocks late and the payment travels ${travelBlocks}`,
      prepare: (world) =>
        world.party('buyer').node.setSending({ parts: [{ paddingBlocks: 3, lateBlocks, travelBlocks }] }),
    };
  },
};

const manyParts: Adversity = {
  name: 'many parts',
  weight: 2,
  draw: ({ chance }) => {
    const parts = Array.from({ length: chance.between(2, 12) }, () => ({
      paddingBlocks: chance.oneOf([1, 3, 3, 20, 40] as const),
      lateBlocks: chance.oneOf([0, 0, 0, 1, 4] as const),
      travelBlocks: chance.oneOf([0, 0, 0, 1, 6] as const),
    }));
    return {
      name: 'many parts',
      told: `pays in ${parts.length} parts`,
      prepare: (world) => world.party('buyer').node.setSending({ parts }),
    };
  },
};

export const nodeOutage: Adversity = {
  name: 'node outage',
  weight: 3,
  draw: (draw) => {
    const when = anytime(draw);
    const lastsBlocks = drawBlocks(draw, { least: 1, most: 8 });
    return {
      name: 'node outage',
      told: `the ${when.who}'s node is away for ${lastsBlocks} blocks, ${said(when)}`,
      when,
      lastsBlocks,
      costBlocks: lastsBlocks,
      begin: (world) => world.party(when.who).node.crash(),
      end: (world) => world.party(when.who).node.restart(),
    };
  },
};

const calls: Readonly<Record<Who, readonly [BreakableCall, ...BreakableCall[]]>> = {
  buyer: ['pay', 'pay', 'pay', 'payment'],
  seller: ['createHoldInvoice', 'createInvoice', 'settle', 'settle', 'cancel', 'invoice'],
};

const unknownOutcome: Adversity = {
  name: 'unknown outcome',
  weight: 4,
  draw: ({ chance }) => {
    const who = drawWho(chance);
    const call = chance.oneOf(calls[who]);
    const breakages = Array.from({ length: chance.between(1, 3) }, () => ({
      call,
      when: chance.oneOf(['before', 'after'] as const),
    }));
    return {
      name: 'unknown outcome',
      told: `the ${who} gets no answer to ${breakages.map(({ when }) => `${call} (lost ${when})`).join(', ')}`,
      prepare: (world) => breakages.forEach((breakage) => world.party(who).node.breakNext(breakage)),
    };
  },
};

export const lightningAdversities: readonly Adversity[] = [
  lateSettlement,
  stuckPayment,
  latePayer,
  manyParts,
  nodeOutage,
  unknownOutcome,
];
