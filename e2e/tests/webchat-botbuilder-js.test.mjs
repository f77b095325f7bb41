import { webChatSuite } from '../lib/suites/webchat.mjs';

webChatSuite('botbuilder-js');
