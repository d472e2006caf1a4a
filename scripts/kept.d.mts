export type Keeper = { guards(pid: number): void; guardsNothing(): void; release(): void };

export function keeper(dir: string): Keeper;
