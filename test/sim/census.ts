/** Every state of every machine, as the simulator counts them: whoever plays them does not matter. */
export const states: readonly string[] = [
  ...['requested', 'paying', 'verifying', 'claiming', 'withdrawn', 'ended'].map((state) => `buyer hold-first ${state}`),
  ...['requested', 'verifying', 'arming', 'paying', 'claiming', 'ended'].map((state) => `buyer lock-first ${state}`),
  ...[
    ...['quoting', 'invoiced', 'building', 'locking', 'aborting', 'locked', 'refunding', 'settling', 'canceling'],
    'ended',
  ].map((state) => `seller hold-first ${state}`),
  ...[
    ...['building', 'locking', 'aborting', 'invoicing', 'invoiced', 'withdrawing', 'waiting', 'refunding', 'ended'],
  ].map((state) => `seller lock-first ${state}`),
];

/** Names under which troubles are counted, one for each kind at least. */
export const adversityNames: readonly string[] = [
  ...[
    'reorg',
    'fee spike',
    'ignored lock',
    'ignored claim',
    'ignored refund',
    'eviction',
    'old version',
    'blindness',
    'chain outage',
  ],
  ...['late settlement', 'stuck payment', 'late payer', 'many parts', 'node outage', 'unknown outcome'],
  ...['messages', 'fuse', 'crash', 'pulled plug', 'deafness', 'buyer walks away', 'seller walks away'],
  ...['buyer aborts', 'seller aborts', 'rival', 'seller moves it', 'meddler', 'buyer says abort and goes on'],
  ...['buyer cycles slowly', 'buyer cycles at once', 'buyer never claims', 'seller takes what he can'],
];
