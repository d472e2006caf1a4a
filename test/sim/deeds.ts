import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { decodeTransaction } from 'sparkle-protocol/protocol/draft';
import { readMessage, writeMessage, type TradeMessage } from 'sparkle-protocol/protocol/messages';
import { identityKey, tradeKeys } from 'sparkle-protocol/protocol/keys';
import type { Parts } from 'sparkle-protocol/trader/parts';
import type { TradeMode } from 'sparkle-protocol/protocol/trade/terms';
import type { Chance } from './chance.ts';
import { CyclingBuyer } from './cycling.ts';
import type { Trouble } from './trouble.ts';
import type { Tamper, World } from './world.ts';

/** A trouble that the buyer makes. */
export const bad = (deed: Omit<Trouble, 'dishonest' | 'told'> & { told?: string }): Trouble => ({
  told: 'he has his program do it',
  ...deed,
  dishonest: 'buyer',
  prepare: (world) => {
    world.party('buyer').isHonest = false;
    deed.prepare?.(world);
  },
});

const byBuyer = (tamper: Tamper): Pick<Trouble, 'tampers'> => ({ tampers: { buyer: tamper } });

/** Where the lock is, as the buyer's program has written it down. */
function lockOf(world: World): { outpoint: string; refundHeight: number } | undefined {
  for (const trade of world.party('buyer').trades())
    if (trade.role === 'buyer' && 'outpoint' in trade && trade.terms !== undefined && trade.outpoint !== undefined)
      return { outpoint: trade.outpoint, refundHeight: trade.terms.refundHeight };
  return undefined;
}

export const neverPays = (): Trouble =>
  bad({
    name: 'buyer never pays',
    ...byBuyer((parts) => ({ ...parts, lightning: { ...parts.lightning, pay: async () => undefined } })),
  });

/** Keeps the payment back and sends it when it is too late, or nearly. */
function paysLate(lateBlocks: number): Trouble {
  const kept: { atHeight: number; pay: () => Promise<void> }[] = [];
  const tamper: Tamper = (parts, world) => ({
    ...parts,
    lightning: {
      ...parts.lightning,
      pay: async (request) =>
        void kept.push({ atHeight: world.height + lateBlocks, pay: () => parts.lightning.pay(request) }),
    },
  });
  return bad({
    name: 'buyer pays late',
    told: `${lateBlocks} blocks`,
    ...byBuyer(tamper),
    prepare: (world) =>
      void world.actors.push({
        tick: async () => {
          const due = kept.filter(({ atHeight }) => atHeight <= world.height);
          for (const each of due) {
            kept.splice(kept.indexOf(each), 1);
            await each.pay().catch(onlyRefusals);
          }
        },
      }),
  });
}

const onlyRefusals = (error: unknown): void => {
  if (!(error instanceof SparkleError)) throw error;
};

/** A careless node of the seller's takes what it gets: the trader must look himself. */
const paysWrong = (name: string, sending: Parameters<ReturnType<World['party']>['node']['setSending']>[0]): Trouble =>
  bad({
    name,
    told: "the seller's node does not mind",
    prepare: (world) => {
      world.party('buyer').node.setSending(sending);
      world.party('seller').node.setArrivals('unchecked');
    },
  });

/** Holds his claims back until `blocks` after the refund height, or for ever. */
function claimsAt(blocks: number | 'never'): Trouble {
  let kept: string | undefined;
  const tamper: Tamper = (parts, world) => ({
    ...parts,
    chain: {
      ...parts.chain,
      broadcast: async (raws) => {
        const lock = lockOf(world);
        const claim = raws.find((raw) => decodeTransaction(raw).inputs[0]?.outpoint === lock?.outpoint);
        if (lock === undefined || claim === undefined || isTime(world, lock.refundHeight))
          return parts.chain.broadcast(raws);
        kept = claim;
      },
    },
  });
  const isTime = (world: World, refundHeight: number): boolean =>
    blocks !== 'never' && world.height >= refundHeight + blocks;
  return bad({
    name: blocks === 'never' ? 'buyer never claims' : `buyer claims at R${blocks < 0 ? '' : '+'}${blocks}`,
    ...byBuyer(tamper),
    prepare: (world) =>
      void world.actors.push({
        tick: async () => {
          const lock = lockOf(world);
          if (kept === undefined || lock === undefined || !isTime(world, lock.refundHeight)) return;
          const raw = kept;
          kept = undefined;
          world.story.note('the buyer sends the claim that he kept back');
          await world.chain.broadcast([raw]).catch(onlyRefusals);
        },
      }),
  });
}

/** Writes other messages than his program would, and signs them. */
function says(name: string, change: (message: TradeMessage, parts: Parts) => TradeMessage[]): Trouble {
  const tamper: Tamper = (parts) => {
    const { secret } = identityKey(parts);
    const written = (message: TradeMessage): string =>
      writeMessage(message, { secret, auxRand: parts.clock.randomBytes(32) });
    return {
      ...parts,
      market: {
        ...parts.market,
        send: async (to, { from, text }) => {
          const { message } = readMessage(text, { nowSeconds: parts.clock.nowSeconds() });
          for (const each of change(message, parts)) await parts.market.send(to, { from, text: written(each) });
        },
      },
    };
  };
  return bad({ name, ...byBuyer(tamper) });
}

const asksForLess = (): Trouble =>
  says('buyer asks for less', (message) =>
    message.op === 'trade_request' ? [{ ...message, offerSats: message.offerSats - 1n }] : [message],
  );

const asksTwice = (): Trouble =>
  says('buyer asks twice by one hash', (message) =>
    message.op === 'trade_request' && message.signed !== undefined
      ? [message, { ...message, signed: { ...message.signed, tradeId: 'ab'.repeat(16) } }]
      : [message],
  );

const usesAnotherKey = (): Trouble =>
  says('buyer asks with a key that is not his', (message) =>
    message.op === 'trade_request' ? [{ ...message, claimKey: 'ff'.repeat(32) }] : [message],
  );

const completesEarly = (): Trouble =>
  says('buyer says complete at once', (message, { seed, network }) =>
    message.op === 'trade_request' && message.signed !== undefined
      ? [
          message,
          {
            op: 'trade_complete',
            inscriptionId: message.inscriptionId,
            claimTxid: '00'.repeat(32),
            preimage: tradeKeys({ seed, network, index: 0 }).preimage,
            signed: { tradeId: message.signed.tradeId, from: message.signed.from, expiresAt: message.signed.expiresAt },
          },
        ]
      : [message],
  );

/** More than a hundredth of any price. */
const FAR_TOO_MUCH_MSAT = 200_000_000n;

/** All that a bad buyer may do in this trade; one of them is drawn. */
export function deeds(chance: Chance, mode: TradeMode): [() => Trouble, ...(() => Trouble)[]] {
  const anyMode: [() => Trouble, ...(() => Trouble)[]] = [
    neverPays,
    () => paysLate(chance.oneOf([1, 8, 12, 13, 30, 60] as const)),
    asksForLess,
    asksTwice,
    usesAnotherKey,
    completesEarly,
  ];
  if (mode === 'lock-first') return anyMode;
  return [
    ...anyMode,
    () => paysWrong('buyer pays a msat less', { extraMsat: -1n }),
    () => paysWrong('buyer pays far too much', { extraMsat: FAR_TOO_MUCH_MSAT }),
    paysShort,
    () => claimsAt('never'),
    () => claimsAt(chance.oneOf([-40, -2, -1, 0, 1, 3, 20] as const)),
    () => cycles('slowly'),
    () => cycles('at once'),
  ];
}

/** A payment that goes back before the refund is open, and a claim in between. */
function paysShort(): Trouble {
  const parts = [{ paddingBlocks: -90, lateBlocks: 0, travelBlocks: 0 }];
  const pays = paysWrong('buyer pays with a short HTLC', { parts });
  const claims = claimsAt(-2);
  return {
    ...claims,
    name: pays.name,
    told: `${pays.told ?? ''}, and he claims late`,
    prepare: (world) => {
      pays.prepare?.(world);
      claims.prepare?.(world);
    },
  };
}

/** A claim that comes when the refund is open already, or nearly, or that never comes. */
export function lateClaim(chance: Chance): Trouble {
  const deed = chance.oneOf(['late', 'late', 'never', 'cycles'] as const);
  if (deed === 'cycles') return cycles(chance.oneOf(['slowly', 'at once'] as const));
  return claimsAt(deed === 'never' ? deed : chance.between(-8, 40));
}

/** R7: after the refund height, throws every refund out of the mempool by a claim, and the claim by something else. */
export const cycles = (pace: 'slowly' | 'at once'): Trouble => ({
  ...claimsAt('never'),
  name: `buyer cycles ${pace}`,
  prepare: (world) => {
    claimsAt('never').prepare?.(world);
    world.actors.push(new CyclingBuyer(world, pace));
  },
});
