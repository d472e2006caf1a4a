import type { Chain } from 'sparkle-protocol/chain/chain';
export function localOrdinals({ chain }: { chain: Chain }) {
  const asked = new Set<string>();
  const follow = async (id: string, confirmed: boolean) => {
    let p = id.replace(/i0$/, ':0');
    for (;;) {
      const s = await chain.spender(p, 100);
      if (!s || (confirmed && !s.block)) return p;
      p = s.txid + ':0';
    }
  };
  return {
    async locate(id: string) {
      asked.add(id);
      const tip = await chain.tip();
      return { satpoint: (await follow(id, true)) + ':0', atBlock: tip };
    },
    async inscriptionsIn(o: string) {
      for (const id of asked) if ((await follow(id, false)) === o) return [id];
      return [];
    },
  };
}
