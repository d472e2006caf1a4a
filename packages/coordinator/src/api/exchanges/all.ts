import type { Exchanges } from '../../http/openapi-document.ts';
import { auth } from './auth.ts';
import { checkout } from './checkout.ts';
import { messages } from './messages.ts';
import { offers } from './offers.ts';
import { operation } from './operation.ts';
import { trades } from './trades.ts';
import { webhooks } from './webhooks.ts';

/**
 * Examples of the API's description: what a coordinator on a chain of its own was sent and has answered, but for secrets.
 * The files beside this one are written by test/coordinator/examples.test.ts (UPDATE=1), which checks them as well.
 */
export const exchanges: Exchanges = {
  ...operation,
  ...auth,
  ...checkout,
  ...trades,
  ...messages,
  ...offers,
  ...webhooks,
};
