import { webChatSuite } from '../lib/suites/webchat.mjs';

webChatSuite('agents-python');
