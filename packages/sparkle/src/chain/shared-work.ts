/** Work under the same key that is already running is waited for instead of done twice. */
export function sharedWork<T>(): (key: string, work: () => Promise<T>) => Promise<T> {
  const running = new Map<string, Promise<T>>();
  return (key, work) => {
    const same = running.get(key);
    if (same !== undefined) return same;
    const own = work().finally(() => running.delete(key));
    running.set(key, own);
    return own;
  };
}
