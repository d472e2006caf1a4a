import { memoryDisk, memoryStore } from './memory.ts';
import { storeSuite } from './store.suite.ts';

storeSuite('memory', async () => {
  const disk = memoryDisk();
  return { open: async () => memoryStore(disk), remove: async () => undefined };
});
