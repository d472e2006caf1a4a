import { badHeader, bitsOf, checkWork, targetOf, type Header } from './header.ts';
import type { NetworkName } from './network.ts';

/** How a network finds the target of its next block. */
type DifficultyRules = {
  easiestBits: number;
  /** Whether the target follows the time that 2016 blocks took. */
  retargets: boolean;
  /** Whether a block may be easiest when it comes 20 minutes after the one before it. */
  easyAfterPause: boolean;
  /** BIP 94: a new target follows the first block of its period, and its first block may not step back in time. */
  bip94: boolean;
};

/** Source: chainparams.cpp of Bitcoin Core 29. What a signet's blocks must sign is not in their headers. */
const difficultyRules: Readonly<Record<NetworkName, DifficultyRules>> = {
  mainnet: { easiestBits: 0x1d00_ffff, retargets: true, easyAfterPause: false, bip94: false },
  testnet: { easiestBits: 0x1d00_ffff, retargets: true, easyAfterPause: true, bip94: false },
  testnet4: { easiestBits: 0x1d00_ffff, retargets: true, easyAfterPause: true, bip94: true },
  signet: { easiestBits: 0x1e03_77ae, retargets: true, easyAfterPause: false, bip94: false },
  regtest: { easiestBits: 0x207f_ffff, retargets: false, easyAfterPause: true, bip94: false },
};

/** The bits of the easiest block that a network takes. */
export const easiestBits = (network: NetworkName): number => difficultyRules[network].easiestBits;

/** Blocks between two changes of the target. */
export const PERIOD_BLOCKS = 2016;
const SPACING_SECONDS = 600;
const PERIOD_SECONDS = PERIOD_BLOCKS * SPACING_SECONDS;
const MEDIAN_BLOCKS = 11;
/** BIP 94. */
const MOST_STEP_BACK_SECONDS = 600;

/** What a header's rules look back at: the verified header at a height of the same chain, as far as it is kept. */
export type Ancestors = (height: number) => Pick<Header, 'bits' | 'timeSeconds'> | undefined;

type Place = { network: NetworkName; height: number; before: Ancestors };

/** The height at which the period of `height` begins. */
export const periodStart = (height: number): number => height - (height % PERIOD_BLOCKS);

function ancestor({ before, height }: Pick<Place, 'before' | 'height'>): Pick<Header, 'bits' | 'timeSeconds'> {
  const found = before(height);
  if (found === undefined) throw new RangeError(`the header at height ${height} is not kept`);
  return found;
}

/** The target after a whole period; `firstTimeSeconds` and `last` are the period's ends. Source: pow.cpp. */
export function retarget(period: {
  network: NetworkName;
  firstTimeSeconds: number;
  lastTimeSeconds: number;
  bits: number;
}): number {
  const { network, firstTimeSeconds, lastTimeSeconds, bits } = period;
  const took = lastTimeSeconds - firstTimeSeconds;
  const seconds = Math.min(Math.max(took, PERIOD_SECONDS / 4), PERIOD_SECONDS * 4);
  const target = (targetOf(bits) * BigInt(seconds)) / BigInt(PERIOD_SECONDS);
  const easiest = easiestBits(network);
  return target > targetOf(easiest) ? easiest : bitsOf(target);
}

/** Skips the blocks that were easy after a pause, back to one that shows the period's own target. */
function bitsOfPeriod({ before, height, network }: Place): number {
  const easiest = easiestBits(network);
  let at = height - 1;
  while (at % PERIOD_BLOCKS !== 0 && before(at - 1) !== undefined && ancestor({ before, height: at }).bits === easiest)
    at -= 1;
  return ancestor({ before, height: at }).bits;
}

/** The bits that the block at `height` must have when it says `timeSeconds`. Source: pow.cpp of Bitcoin Core 29. */
export function requiredBits({ network, height, before, timeSeconds }: Place & { timeSeconds: number }): number {
  const { retargets, easyAfterPause, bip94 } = difficultyRules[network];
  const last = ancestor({ before, height: height - 1 });
  if (!retargets) return last.bits;
  if (height % PERIOD_BLOCKS === 0) {
    const start = ancestor({ before, height: height - PERIOD_BLOCKS });
    const ends = { firstTimeSeconds: start.timeSeconds, lastTimeSeconds: last.timeSeconds };
    return retarget({ network, ...ends, bits: bip94 ? start.bits : last.bits });
  }
  if (!easyAfterPause) return last.bits;
  if (timeSeconds > last.timeSeconds + 2 * SPACING_SECONDS) return easiestBits(network);
  return bitsOfPeriod({ before, height, network });
}

/** BIP 113: the middle of the times of the eleven blocks before. */
function medianTime({ before, height }: Pick<Place, 'before' | 'height'>): number | undefined {
  const times: number[] = [];
  for (let at = height - 1; at >= Math.max(0, height - MEDIAN_BLOCKS); at -= 1) {
    const time = before(at)?.timeSeconds;
    // Where a checkpoint cuts the chain off, the rule cannot be judged.
    if (time === undefined) return undefined;
    times.push(time);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)];
}

function checkTime(header: Header, { network, height, before }: Place): void {
  const median = medianTime({ before, height });
  if (median !== undefined && header.timeSeconds <= median)
    throw badHeader('bad_time', `block ${header.hash} must be later than the median of the eleven before it`, {
      height,
    });
  if (!difficultyRules[network].bip94 || height % PERIOD_BLOCKS !== 0) return;
  if (header.timeSeconds < ancestor({ before, height: height - 1 }).timeSeconds - MOST_STEP_BACK_SECONDS)
    throw badHeader('bad_time', `block ${header.hash} steps back in time by more than 600 s`, { height });
}

/**
 * Checks that a header may follow `previous` at `height`: linkage, the target that the rules of the network ask for,
 * its work, and its time against those before it. `before` must know the headers back to the start of the period before.
 * Throws `bad_proof`.
 */
export function checkNextHeader(header: Header, place: Place & { previous: string }): void {
  const { height, previous, before, network } = place;
  if (header.previous !== previous)
    throw badHeader('broken_linkage', `block ${header.hash} at height ${height} must follow ${previous}`, { height });
  const bits = requiredBits({ network, height, before, timeSeconds: header.timeSeconds });
  if (header.bits !== bits) {
    const [wanted, came] = [bits.toString(16), header.bits.toString(16)];
    throw badHeader('bad_difficulty', `block ${header.hash} must have the bits ${wanted}; got ${came}`, { height });
  }
  checkWork(header);
  checkTime(header, place);
}
