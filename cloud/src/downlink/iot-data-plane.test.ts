import { expect, test } from 'vitest';
import { CREDENTIALS, startDataPlane } from '../dataplane/dataplane.fixture.ts';
import { downlinkContract } from './downlink.contract.ts';
import { createIotDataPlane } from './iot-data-plane.ts';

downlinkContract("the downlink by the hub's own data plane", {
  async open() {
    const plane = await startDataPlane();
    const downlink = createIotDataPlane({ endpoint: () => plane.url, credentials: CREDENTIALS });
    const close = async () => {
      downlink.close();
      await plane.close();
    };
    return { downlink, published: () => plane.published, close };
  },
});

test('a data plane that is not there is unreachable, which may be tried again', async () => {
  const downlink = createIotDataPlane({ endpoint: () => 'http://127.0.0.1:9', credentials: CREDENTIALS });
  await expect(downlink.getShadow('gw1', 'weir')).rejects.toMatchObject({ code: 'unreachable', retryable: true });
  downlink.close();
});

test('wrong credentials are refused, which is no use to try again', async () => {
  const plane = await startDataPlane();
  const credentials = { ...CREDENTIALS, secretAccessKey: 'wrong' };
  const downlink = createIotDataPlane({ endpoint: () => plane.url, credentials });
  await expect(downlink.publish('a', new Uint8Array())).rejects.toMatchObject({ code: 'refused', retryable: false });
  downlink.close();
  await plane.close();
});
