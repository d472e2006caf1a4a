import { getChannels, getClosedChannels, getInvoices, getPayments } from 'lightning';
import type { Stage } from './stage.ts';

const ALL = 10_000;

/** All that both nodes say of payments, held against the hashes that sales were paid by: each once, and nothing is left. */
export async function wrongOnLightning({ nodes }: Stage, paidHashes: readonly string[]): Promise<string[]> {
  const [ours, buyers] = [nodes.ours.lnd, nodes.buyers.lnd];
  const wrong: string[] = [];
  const { invoices } = await getInvoices({ lnd: ours, limit: ALL });
  const held = invoices.filter(({ is_held }) => is_held === true);
  if (held.length > 0) wrong.push(`${held.length} payments are held and belong to no trade`);
  const received = invoices.filter(({ is_confirmed }) => is_confirmed).map(({ id }) => id);
  if (!areSame(received, paidHashes))
    wrong.push(`${received.length} invoices are settled for ${paidHashes.length} sales`);
  const { payments } = await getPayments({ lnd: buyers, limit: ALL });
  const paid = payments.filter(({ is_confirmed }) => is_confirmed).map(({ id }) => id);
  if (!areSame(paid, paidHashes)) wrong.push(`${paid.length} payments are settled for ${paidHashes.length} sales`);
  for (const { name, lnd } of [nodes.ours, nodes.buyers]) {
    const { channels } = await getChannels({ lnd });
    const pending = channels.flatMap(({ pending_payments }) => pending_payments);
    if (pending.length > 0) wrong.push(`${pending.length} payments lie in the channels of ${name}`);
    const closed = (await getClosedChannels({ lnd })).channels.length;
    if (closed > 0) wrong.push(`${closed} channels of ${name} were closed`);
  }
  return wrong;
}

/** As lists, so that what is there twice does not look like once. */
const areSame = (one: readonly string[], other: readonly string[]): boolean =>
  one.toSorted().join() === other.toSorted().join();
