import { downlinkContract } from './downlink.contract.ts';
import { createMemoryDownlink } from './memory.ts';

downlinkContract('the downlink in memory', {
  async open() {
    const downlink = createMemoryDownlink();
    return { downlink, published: () => downlink.published, close: async () => {} };
  },
});
