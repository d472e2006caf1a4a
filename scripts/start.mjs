/** `npm start`: sets up what is missing and plays the stories of world/main.ts. Plain JavaScript without dependencies. */
import { runWorld } from './world.mjs';

const overLnd = /--lightning[ =]lnd\b/.test(process.argv.slice(2).join(' '));
await runWorld({ program: 'world/main.ts', parts: overLnd ? ['lnd'] : [] });
