import type { Clock } from 'sparkle-protocol/trader/clock';
import type { Alarm } from './guardian.ts';
import { type GuardOptions, postOnce } from '../news/webhook-guard.ts';
import { signatureHeader, signatureOf } from '../news/webhooks-signature.ts';

/**
 * Posts an alarm to the operator at once and past the database, which may be what the alarm is about. Throws when nobody
 * took it. The operator's own address may be in a private network.
 */
export const alarmPoster =
  (of: {
    url: string;
    secret: string;
    guard: Omit<GuardOptions, 'privateOrigins'>;
    clock: Pick<Clock, 'nowSeconds'>;
  }) =>
  async (alarm: Alarm): Promise<void> => {
    const { url, secret, guard, clock } = of;
    const seconds = clock.nowSeconds();
    const subject = alarm.tradeId ?? 'coordinator';
    const body = JSON.stringify({ event: 'alarm', subject, created_at: seconds, data: alarm });
    const headers = { [signatureHeader]: signatureOf({ secret, seconds, body }) };
    const status = await postOnce({ to: url, body, headers }, { ...guard, privateOrigins: [new URL(url).origin] });
    if (status < 200 || status > 299) throw new Error(`the address for alarms answered ${status}`);
  };
