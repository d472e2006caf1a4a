export type Keeper = { guards(pid: number): void; guardsNothing(): void; release(): void };

export function freePorts(count: number): Promise<number[]>;

export function keeper(dir: string): Keeper;
