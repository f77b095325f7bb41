import { directLineSuite } from '../lib/suites/directline.mjs';

directLineSuite('agents-python');
