import { agreementSuite } from './agreement.suite.ts';

agreementSuite(['4-a', '4-c']);
