/** The id of a trade as the published API writes it: the protocol's 32 hex characters with the dashes of a UUID. */
export const uuidOf = (tradeId: string): string =>
  tradeId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

export const tradeIdOf = (uuid: string): string => uuid.replaceAll('-', '');
