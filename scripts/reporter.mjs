import { Ending } from './ending.mjs';
import { Rooms } from './rooms.mjs';

/**
 * One line a room when all is well, every failure in full, and at the end the shared suites by driver and the counts as
 * node's own runner writes them.
 */
export default async function* reporter(events) {
  const rooms = new Rooms();
  const ending = new Ending();
  for await (const event of events) {
    ending.on(event);
    const text = rooms.on(event);
    if (text !== '') yield text;
  }
  yield ending.text();
}
