import type { Exchanges } from '../../http/openapi-document.ts';

export const messages: Exchanges = {
  sendMessage: {
    request: {
      to: 'be49b0fe7a0f455ee71b8a731b1b268a8a427f8ee3896149263579ac05243500',
      text: 'a signed message of the protocol',
    },
    status: 201,
    answer: {
      seq: 1,
    },
    refusal: {
      status: 400,
      answer: {
        error: 'bad_message',
        field: 'to',
        message:
          'to must be an x-only key of 64 lowercase hex characters, a point of the curve that somebody can hold (BIP 340); got "buyer"',
        request_id: '350d1a5c3441835b68aa828fd1a9b6f8',
      },
    },
  },
  readMessages: {
    parameters: {
      since: '0',
      limit: '10',
    },
    status: 200,
    answer: {
      messages: [
        {
          seq: 1,
          from: '5e544995c599d8d92d41726e3436c9a0e450a008a9b5f8aed87a8f6823bdaafe',
          text: 'a signed message of the protocol',
          received_at: 1800000210,
        },
      ],
      next_since: 1,
    },
    refusal: {
      status: 401,
      answer: {
        error: 'unauthorized',
        message: 'authorization must be Bearer and a token, or Nostr and a NIP-98 event; got nothing',
        field: 'authorization',
        request_id: '370d1a5e3441855b68ac828fd3a9b6fa',
      },
    },
  },
  ackMessages: {
    request: {
      seq: 1,
    },
    status: 200,
    answer: {
      seq: 1,
    },
    refusal: {
      status: 400,
      answer: {
        error: 'bad_message',
        field: 'seq',
        message: 'seq must be a whole number of messages from 0 to 9007199254740991; got -1',
        request_id: '390d1a603441875b68ae828fd5a9b6fc',
      },
    },
  },
};
