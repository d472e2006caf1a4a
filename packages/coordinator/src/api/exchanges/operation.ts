import type { Exchanges } from '../../http/openapi-document.ts';

export const operation: Exchanges = {
  health: {
    status: 200,
    answer: {
      status: 'ok',
      version: '2.0.0',
      network: 'regtest',
      lightning: {
        connected: true,
        node_id: '026b920243335e5ae55be8ee14674317df4c81b8e763c83f0432c8d2f8ccf3e5e1',
      },
      bitcoin: {
        connected: true,
        block_height: 201,
      },
    },
  },
  live: {
    status: 200,
    answer: {
      live: true,
    },
  },
  ready: {
    status: 200,
    answer: {
      ready: true,
      waiting_for: [],
    },
  },
};
