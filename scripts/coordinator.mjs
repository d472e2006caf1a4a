/** `npm run coordinator`: a coordinator on a private chain with everything it needs, and a wallet to buy with. */
import { runWorld } from './world.mjs';

await runWorld({ program: 'world/coordinator.ts', parts: [] });
