import type { Exchanges } from '../../http/openapi-document.ts';

export const webhooks: Exchanges = {
  makeWebhook: {
    request: {
      url: 'https://market.example/told',
      events: ['trade'],
    },
    status: 201,
    answer: {
      webhook_id: 'bf39ddf2-4254-4fd4-9d02-7c30ff8931d2',
      url: 'https://market.example/told',
      events: ['trade'],
      created_at: 1800000270,
      secret: '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
    },
    refusal: {
      status: 400,
      answer: {
        error: 'bad_message',
        message:
          'url must be an https address of at most 500 characters, without a password, of a service on the open Internet; it leads elsewhere or nowhere',
        field: 'url',
        request_id: '410d1a6834418f5b68b6828fdda9b604',
      },
    },
  },
  listWebhooks: {
    status: 200,
    answer: {
      webhooks: [
        {
          webhook_id: 'bf39ddf2-4254-4fd4-9d02-7c30ff8931d2',
          url: 'https://market.example/told',
          events: ['trade'],
          created_at: 1800000270,
        },
      ],
    },
    refusal: {
      status: 401,
      answer: {
        error: 'unauthorized',
        message: 'authorization must be Bearer and a token, or Nostr and a NIP-98 event; got nothing',
        field: 'authorization',
        request_id: '440d1a6b3441925b68b9828fe0a9b607',
      },
    },
  },
  removeWebhook: {
    parameters: {
      id: 'bf39ddf2-4254-4fd4-9d02-7c30ff8931d2',
    },
    status: 200,
    answer: {
      webhook_id: 'bf39ddf2-4254-4fd4-9d02-7c30ff8931d2',
    },
    refusal: {
      status: 404,
      answer: {
        error: 'not_found',
        message: 'id must be that of a webhook of this key; there is none',
        field: 'id',
        request_id: '460d1a6d3441945b68bb828fe2a9b609',
      },
    },
  },
};
