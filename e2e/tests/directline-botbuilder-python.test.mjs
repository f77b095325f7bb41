import { directLineSuite } from '../lib/suites/directline.mjs';

directLineSuite('botbuilder-python');
