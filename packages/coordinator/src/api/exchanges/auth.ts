import type { Exchanges } from '../../http/openapi-document.ts';

export const auth: Exchanges = {
  askChallenge: {
    request: {
      public_key: '5e544995c599d8d92d41726e3436c9a0e450a008a9b5f8aed87a8f6823bdaafe',
    },
    status: 200,
    answer: {
      challenge: '00006b49d25a070d1a2e3441555b687c654cdbec5fe54d33000c4ede75739e96',
      expires_at: 1800000090,
    },
    refusal: {
      status: 400,
      answer: {
        error: 'bad_message',
        field: 'public_key',
        message:
          'public_key must be an x-only key of 64 lowercase hex characters, a point of the curve that somebody can hold (BIP 340); got 64 characters',
        request_id: '0c0d1a3334415a5b6881828fa8a9b6cf',
      },
    },
  },
  openSession: {
    request: {
      public_key: '5e544995c599d8d92d41726e3436c9a0e450a008a9b5f8aed87a8f6823bdaafe',
      challenge: '00006b49d25a070d1a2e3441555b687c654cdbec5fe54d33000c4ede75739e96',
      signature:
        '074f8f72df2c64e9bc0096957052784933fc88e3bacb9c5d2f311288b802d445fe6ee0c8988b0c88d55fe272601672ea426afc9176079cf240e75dd87cdf610d',
    },
    status: 200,
    answer: {
      token: '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef',
      expires_at: 1800086430,
    },
    refusal: {
      status: 401,
      answer: {
        error: 'unauthorized',
        message: 'signature must be by public_key over the challenge and 127.0.0.1:8080; it is not',
        field: 'authorization',
        request_id: '0f0d1a3634415d5b6884828faba9b6d2',
      },
    },
  },
};
