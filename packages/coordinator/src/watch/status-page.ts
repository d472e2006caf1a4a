import type { AdminTrade, OperatorView } from './admin-view.ts';
import { html, type Html, page } from '../http/html.ts';

const row = (cells: readonly (string | number | bigint)[], kind = ''): Html =>
  html`<tr class="${kind}">
    ${cells.map((cell) => html`<td>${cell}</td>`)}
  </tr> `;

const table = (heads: readonly string[], rows: readonly Html[]): Html =>
  html`<table>
    <thead>
      <tr>
        ${heads.map((head) => html`<th scope="col">${head}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows}
    </tbody>
  </table>`;

const UNKNOWN = 'unknown';
const TRADE_HEADS = ['trade', 'role', 'mode', 'state', 'next', 'height', 'blocks left', 'urgency'];

/** The table, or that its rows cannot be had now. */
const tableOr = (heads: readonly string[], rows: readonly Html[] | undefined): Html =>
  rows === undefined ? html`<p class="alert">cannot be asked now</p>` : table(heads, rows);

const tradeRow = ({ trade_id, role, mode, state, deadline, blocks_left, urgency }: AdminTrade): Html =>
  row(
    [trade_id, role, mode, state, deadline?.what ?? '', deadline?.height ?? '', blocks_left ?? '', urgency],
    urgency === 'none' ? '' : urgency,
  );

/** What an operator sees first: health, money, trades by deadline, what could not be delivered. No script, no other host. */
export function statusPage({ health, reserve, trades, deadLetters, owed }: OperatorView): string {
  const { lightning, bitcoin } = health;
  const connected = (is: boolean) => (is ? 'connected' : 'away');
  const parts = [
    row(['network', health.network]),
    row(['version', health.version]),
    row(
      ['Lightning node', `${connected(lightning.connected)} ${lightning.node_id ?? ''}`],
      lightning.connected ? '' : 'alert',
    ),
    row(
      ['Bitcoin node', `${connected(bitcoin.connected)}, height ${bitcoin.block_height ?? 'unknown'}`],
      bitcoin.connected ? '' : 'alert',
    ),
  ];
  const money = reserve === undefined ? undefined : Object.entries(reserve).map(([name, sats]) => row([name, sats]));
  const letters = deadLetters?.map(({ seq, hook_id, attempts }) => row([seq, hook_id, attempts]));
  const royalties = owed?.map(({ id, to, sats, state, attempts, why }) => row([id, to, sats, state, attempts, why]));
  return page({
    title: `Coordinator: ${health.status}`,
    body: html`<h1>Coordinator: ${health.status}</h1>
      ${table(['part', 'state'], parts)}
      <h2>Reserve</h2>
      ${tableOr(['what', 'sats'], money)}
      <h2>Live trades: ${trades?.length ?? UNKNOWN}</h2>
      ${tableOr(TRADE_HEADS, trades?.map(tradeRow))}
      <h2>Royalties owed over Lightning: ${royalties?.length ?? UNKNOWN}</h2>
      ${tableOr(['royalty', 'to', 'sats', 'state', 'attempts', 'why'], royalties)}
      <h2>Webhooks that reached nobody: ${letters?.length ?? UNKNOWN}</h2>
      ${tableOr(['number', 'webhook', 'attempts'], letters)}`,
  });
}
