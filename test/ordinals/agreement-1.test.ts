import { agreementSuite } from './agreement.suite.ts';

agreementSuite(['1-a', '1-b', '1-c']);
