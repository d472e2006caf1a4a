import { isDenied, unknownOutcome } from './failures.ts';
import { failureIn, type LndRpc } from './rpc.ts';
import { wire } from './wire.ts';

/** What an admin's macaroon allows and no trade needs: whoever has it takes all coins, or makes himself more macaroons. */
const POWERS = [
  { entity: 'onchain', action: 'write', words: 'spending coins' },
  { entity: 'macaroon', action: 'generate', words: 'making macaroons' },
] as const;

/**
 * What the macaroon allows too much, in words. Only asks, and does nothing. A macaroon that may not ask about macaroons
 * is no admin's.
 */
export async function excessivePowers(rpc: LndRpc, macaroon: Uint8Array): Promise<string[]> {
  const found: string[] = [];
  for (const { entity, action, words } of POWERS)
    if (await allows(rpc, { macaroon, permissions: [{ entity, action }] })) found.push(words);
  return found;
}

async function allows(rpc: LndRpc, request: object): Promise<boolean> {
  try {
    return (await rpc.ask('checkMacaroonPermissions', request, wire.permitted)).valid;
  } catch (error) {
    const failure = failureIn(error);
    if (isDenied(failure)) return false;
    throw unknownOutcome('checkMacaroonPermissions', failure);
  }
}
