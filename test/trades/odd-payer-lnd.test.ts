import { oddPayerSuite } from './odd-payer.suite.ts';

oddPayerSuite({ seller: 'LND', refusedByNode: 1, refusedByTrade: [] });
