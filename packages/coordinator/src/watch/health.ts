import { type NetworkName, networkNames } from 'sparkle-protocol/protocol/network';
import { type Clock, within } from 'sparkle-protocol/trader/clock';
import { z } from 'zod';

export const healthSchema = z
  .object({
    status: z.enum(['ok', 'degraded']).describe('degraded: a part cannot be reached, see which'),
    version: z.string(),
    network: z.enum(networkNames as [NetworkName, ...NetworkName[]]),
    lightning: z.object({ connected: z.boolean(), node_id: z.string().nullable() }),
    bitcoin: z.object({ connected: z.boolean(), block_height: z.int().nullable() }),
  })
  .meta({ id: 'Health', description: 'What the service depends on. Source: coordinator API of v0.3, part 2.3' });

export type Health = z.infer<typeof healthSchema>;

export type HealthParts = {
  version: string;
  network: NetworkName;
  /** Identity of the Lightning node; rejects while it is away. */
  nodeId(): Promise<string>;
  /** Height of the best block; rejects while no chain can be asked. */
  blockHeight(): Promise<number>;
  clock: Clock;
};

const MOST_WAIT_MILLISECONDS = 2_000;
const FRESH_SECONDS = 1;

/** Asks both parts, each for two seconds at most; all who ask within a second are given one answer. */
export function healthOf(parts: HealthParts): () => Promise<Health> {
  const { clock, version, network } = parts;
  let last: { at: number; answer: Promise<Health> } | undefined;
  const bounded = <T>(answer: Promise<T>): Promise<T | undefined> =>
    within(clock, MOST_WAIT_MILLISECONDS, answer).catch(() => undefined);
  const ask = async (): Promise<Health> => {
    const [nodeId, height] = await Promise.all([bounded(parts.nodeId()), bounded(parts.blockHeight())]);
    return {
      status: nodeId !== undefined && height !== undefined ? 'ok' : 'degraded',
      version,
      network,
      lightning: { connected: nodeId !== undefined, node_id: nodeId ?? null },
      bitcoin: { connected: height !== undefined, block_height: height ?? null },
    };
  };
  return () => {
    const at = clock.nowSeconds();
    if (last === undefined || at - last.at >= FRESH_SECONDS) last = { at, answer: ask() };
    return last.answer;
  };
}
