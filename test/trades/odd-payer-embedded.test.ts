import { oddPayerSuite } from './odd-payer.suite.ts';

// The library asks for three blocks less than it writes into the invoice.
oddPayerSuite({ seller: 'embedded', refusedByNode: 4, refusedByTrade: [1, 3] });
