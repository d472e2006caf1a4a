import { agreementSuite } from './agreement.suite.ts';

agreementSuite(['3-a', '3-b', '3-c']);
