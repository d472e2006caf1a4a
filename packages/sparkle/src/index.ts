export * from './protocol/index.ts';
export { systemClock } from './trader/clock.ts';
export { type DeliveryCheck, verifyDelivery } from './trader/delivery.ts';
export type { Parts } from './trader/parts.ts';
export { type Purchase, Trader } from './trader/trader.ts';
