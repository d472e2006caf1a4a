type Lanes = {
  /** Runs `work` after everything else of its lane; rejects as `work` does, without stopping the lane. */
  run(lane: string, work: () => Promise<void>): Promise<void>;
  /** As `run`, but once only however often it is asked for before it starts: who comes second is answered with the first. */
  later(lane: string, work: () => Promise<void>): Promise<void>;
  /** Resolves when no lane has work left. */
  idle(): Promise<void>;
};

/** One lane per trade: two events of one trade never overlap, two trades never wait for each other. */
export function createLanes(): Lanes {
  const tails = new Map<string, Promise<void>>();
  const waiting = new Map<string, Promise<void>>();

  const run = (lane: string, work: () => Promise<void>): Promise<void> => {
    const mine = (tails.get(lane) ?? Promise.resolve()).then(work);
    const tail = mine
      .catch(() => {})
      .then(() => {
        if (tails.get(lane) === tail) tails.delete(lane);
      });
    tails.set(lane, tail);
    return mine;
  };

  return {
    run,
    later: (lane, work) => {
      const asked = waiting.get(lane);
      if (asked !== undefined) return asked;
      const mine = run(lane, () => {
        waiting.delete(lane);
        return work();
      });
      waiting.set(lane, mine);
      return mine;
    },
    idle: async () => {
      while (tails.size > 0) await Promise.all(tails.values());
    },
  };
}
