import { LndPayments } from 'sparkle-protocol/lightning/lnd/payments';

/** Loaded before the program: it is killed, as by `kill -9`, right before or right after it tells LND to pay. */
const { pay } = LndPayments.prototype;

LndPayments.prototype.pay = async function payAndDie(this: LndPayments, request): Promise<void> {
  if (process.env['DIE_AT_PAY'] === 'after') await pay.call(this, request);
  process.kill(process.pid, 'SIGKILL');
  await new Promise<never>(() => {});
};
