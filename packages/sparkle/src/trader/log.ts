/** The part of a pino logger that is used. Fields never carry preimages, seeds, credentials or raw transactions. */
export type Log = {
  info(fields: Record<string, unknown>, sentence: string): void;
  warn(fields: Record<string, unknown>, sentence: string): void;
  error(fields: Record<string, unknown>, sentence: string): void;
};

export const silentLog: Log = { info: () => {}, warn: () => {}, error: () => {} };
