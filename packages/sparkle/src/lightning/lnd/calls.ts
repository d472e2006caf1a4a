/** What a node is used for: `receive` makes, watches, settles and cancels invoices, `pay` pays them. */
export type LndUse = 'receive' | 'pay';

type Call = {
  service: 'default' | 'invoices' | 'router';
  /** The name under which a macaroon allows it. */
  uri: string;
  uses: readonly LndUse[];
};

const always = ['receive', 'pay'] as const;
const receive = ['receive'] as const;
const pay = ['pay'] as const;

/** Every call this driver makes, and nothing else: the permissions it asks for are written from this table. */
export const calls = Object.freeze({
  getInfo: { service: 'default', uri: '/lnrpc.Lightning/GetInfo', uses: always },
  channelBalance: { service: 'default', uri: '/lnrpc.Lightning/ChannelBalance', uses: always },
  listChannels: { service: 'default', uri: '/lnrpc.Lightning/ListChannels', uses: always },
  addHoldInvoice: { service: 'invoices', uri: '/invoicesrpc.Invoices/AddHoldInvoice', uses: receive },
  addInvoice: { service: 'default', uri: '/lnrpc.Lightning/AddInvoice', uses: receive },
  lookupInvoiceV2: { service: 'invoices', uri: '/invoicesrpc.Invoices/LookupInvoiceV2', uses: receive },
  subscribeSingleInvoice: { service: 'invoices', uri: '/invoicesrpc.Invoices/SubscribeSingleInvoice', uses: receive },
  settleInvoice: { service: 'invoices', uri: '/invoicesrpc.Invoices/SettleInvoice', uses: receive },
  cancelInvoice: { service: 'invoices', uri: '/invoicesrpc.Invoices/CancelInvoice', uses: receive },
  sendPaymentV2: { service: 'router', uri: '/routerrpc.Router/SendPaymentV2', uses: pay },
  trackPaymentV2: { service: 'router', uri: '/routerrpc.Router/TrackPaymentV2', uses: pay },
  // Asks what a macaroon may do. A macaroon that is not allowed to ask is no admin's.
  checkMacaroonPermissions: { service: 'default', uri: '/lnrpc.Lightning/CheckMacaroonPermissions', uses: [] },
} as const satisfies Readonly<Record<string, Call>>);

export type StreamName = 'subscribeSingleInvoice' | 'sendPaymentV2' | 'trackPaymentV2';
export type AskName = Exclude<keyof typeof calls, StreamName>;

/** The least that a macaroon must allow for these uses, as LND names it. */
export const permissionsFor = (uses: readonly LndUse[]): string[] =>
  Object.values(calls)
    .filter((call) => call.uses.some((use) => uses.includes(use)))
    .map(({ uri }) => `uri:${uri}`);

/** The command that makes a macaroon for exactly these uses, in one line; it is run where `lncli` may do everything. */
export const bakeMacaroonLine = ({ uses, saveTo }: { uses: readonly LndUse[]; saveTo: string }): string =>
  ['lncli', 'bakemacaroon', '--save_to', saveTo, ...permissionsFor(uses)].join(' ');
