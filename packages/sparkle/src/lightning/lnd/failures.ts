import { SparkleError } from '../../protocol/errors.ts';

/** How a call to LND failed: a gRPC status code and LND's words. */
export type LndFailure = { code: number; words: string };

// gRPC status codes.
const UNKNOWN = 2;
const DEADLINE_EXCEEDED = 4;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/** Why nothing is known: for people and for logs. What to do is the same for all of them: look again later. */
type UnknownReason =
  | 'unreachable'
  | 'timeout_unknown'
  | 'unauthorized'
  | 'bad_certificate'
  | 'starting'
  | 'rate_limited'
  | 'unexpected';

const MOST_WORDS = 200;

// LND answers no secret back; should it ever, a preimage is 64 characters of hex and a macaroon is longer.
const withoutSecrets = (words: string): string =>
  words.replace(/[0-9a-zA-Z+/=_-]{64,}/g, '(hidden)').slice(0, MOST_WORDS);

/** What the gRPC client gives as an error, whatever it is. */
export function failureOf(thrown: unknown): LndFailure {
  const text = (key: string): unknown =>
    typeof thrown === 'object' && thrown !== null ? Reflect.get(thrown, key) : undefined;
  const [code, details, message] = [text('code'), text('details'), text('message')];
  const words = [details, message].find((each) => typeof each === 'string') ?? 'no words';
  return { code: typeof code === 'number' ? code : UNKNOWN, words: withoutSecrets(words as string) };
}

/** What LND said instead of an answer, and nothing of the kind that this driver knows. */
export const unexpected = (words: string): LndFailure => ({ code: UNKNOWN, words });
export const timedOut = (what: string): LndFailure => ({ code: DEADLINE_EXCEEDED, words: `no answer to ${what}` });
export const unreachable = (words: string): LndFailure => ({ code: UNAVAILABLE, words });

/** The connection, not the call, is what failed. */
export const isDisconnected = ({ code }: LndFailure): boolean => code === UNAVAILABLE || code === DEADLINE_EXCEEDED;

const texts = {
  // A call that the macaroon does not allow comes back as a plain error with these words.
  denied: /permission denied|macaroon|verification failed/i,
  certificate: /certificate|self.signed|altname|wrong version number/i,
  starting: /in the process of starting|wallet locked|wallet not created|waiting to start|unknown service/i,
  unknownInvoice: /unable to locate invoice|there are no existing invoices/i,
  unknownPayment: /payment isn't initiated/i,
  invoiceExists: /invoice with payment hash already exists/i,
  badCltv: /CLTV delta of \d+ must be greater/i,
  notHeld: /invoice still open|invoice already cancell?ed|invoice not accepted/i,
  settled: /invoice already settled/i,
  alreadyPaying: /invoice is already paid|payment is in transition|payment already exists/i,
  noRoom: /cltv limit \d+ should be greater than|self-payments not allowed/i,
  expired: /invoice expired/i,
} as const;

/** Whether LND said this. Texts of LND 0.18 to 0.21. */
export const says = ({ words }: LndFailure, what: keyof typeof texts): boolean => texts[what].test(words);

function reasonOf(failure: LndFailure): UnknownReason {
  const { code } = failure;
  if (code === DEADLINE_EXCEEDED) return 'timeout_unknown';
  if (code === UNAVAILABLE) return says(failure, 'certificate') ? 'bad_certificate' : 'unreachable';
  if (code === PERMISSION_DENIED || code === UNAUTHENTICATED) return 'unauthorized';
  if (code === RESOURCE_EXHAUSTED) return 'rate_limited';
  // Before `unauthorized`: a locked wallet's words name macaroons too.
  if (says(failure, 'starting')) return 'starting';
  return says(failure, 'denied') ? 'unauthorized' : 'unexpected';
}

/** Whether nothing can be done on this node with this macaroon. */
export const isDenied = (failure: LndFailure): boolean => reasonOf(failure) === 'unauthorized';

const meanings: Readonly<Record<UnknownReason, string>> = {
  unreachable: 'LND cannot be reached',
  timeout_unknown: 'LND did not answer in time',
  unauthorized: 'the macaroon does not allow this, or LND does not know it',
  bad_certificate: 'LND shows another certificate than the one it was given',
  starting: 'LND is starting or its wallet is locked',
  rate_limited: 'LND refuses more calls for now',
  unexpected: 'LND answered what this driver does not know',
};

/** `lightning_unavailable`: whether the call has done anything is not known. */
export function unknownOutcome(what: string, failure: LndFailure): SparkleError {
  const reason = reasonOf(failure);
  return new SparkleError('lightning_unavailable', `${what}: ${meanings[reason]} (${failure.words})`, {
    ...{ reason, what, said: failure.words },
  });
}

/** A failure of LND on its way from the call to whoever knows what it means there. */
export class LndCallFailed extends Error {
  readonly what: string;
  readonly failure: LndFailure;

  constructor(what: string, failure: LndFailure) {
    super(`${what}: ${failure.words}`);
    this.name = 'LndCallFailed';
    this.what = what;
    this.failure = failure;
  }
}

/** What broke, where all that matters is that something did. */
export const brokenBy = (error: unknown): LndFailure =>
  error instanceof LndCallFailed ? error.failure : failureOf(error);
