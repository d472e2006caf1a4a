import { agreementSuite } from './agreement.suite.ts';

agreementSuite(['2-a', '2-b', '2-c']);
