/** AWS's own SDK for devices, unmodified, against a hub: shadows by MQTT with the device's certificate. */
import { iot, iotshadow, mqtt } from 'aws-iot-device-sdk-v2';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type JoinedDevice, joinDevice } from '../support/joined-device.ts';
import { eventually, System } from '../support/system.ts';

const system = new System();
let device: JoinedDevice;
let connection: mqtt.MqttClientConnection;
let shadows: iotshadow.IotShadowClientv2;

const thingName = 'gw1';
const RESPONSE_OPTIONS = {
  maxRequestResponseSubscriptions: 8,
  maxStreamingSubscriptions: 8,
  operationTimeoutInSeconds: 10,
};

beforeAll(async () => {
  await system.startHub();
  await system.weir('group', 'create', 'plant');
  const { token } = await system.weirJson<{ token: string }>('token', 'create', '--group', 'plant');
  device = await joinDevice(system, thingName, token);
  connection = connectionOf(device.device);
  await connection.connect();
  shadows = iotshadow.IotShadowClientv2.newFromMqtt311(connection, RESPONSE_OPTIONS);
});

afterAll(async () => {
  shadows.close();
  await connection.disconnect();
  await system.stop();
});

function connectionOf(clientId: string): mqtt.MqttClientConnection {
  const config = iot.AwsIotMqttConnectionConfigBuilder.new_mtls_builder(device.certificate, device.key)
    .with_certificate_authority(device.ca)
    .with_endpoint('localhost')
    .with_port(system.hubPorts.mqtt)
    .with_client_id(clientId)
    .with_clean_session(true)
    .build();
  return new mqtt.MqttClient().new_connection(config);
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: { modeledError?: iotshadow.model.V2ErrorResponse }) => error.modeledError,
  );

describe.each([
  ['the classic shadow', undefined],
  ['a named shadow', 'settings'],
])('%s', (_, shadowName) => {
  const update = (state: object, more: object = {}) =>
    shadowName === undefined
      ? shadows.updateShadow({ thingName, state, ...more })
      : shadows.updateNamedShadow({ thingName, shadowName, state, ...more });
  const get = () =>
    shadowName === undefined ? shadows.getShadow({ thingName }) : shadows.getNamedShadow({ thingName, shadowName });
  const remove = () =>
    shadowName === undefined
      ? shadows.deleteShadow({ thingName })
      : shadows.deleteNamedShadow({ thingName, shadowName });

  test('is not there at first, is updated, got, and deleted, and counts on', async () => {
    expect(await failure(get())).toMatchObject({ code: 404 });
    expect(await update({ desired: { interval: 5, mode: 'slow' } })).toMatchObject({
      version: 1,
      state: { desired: { interval: 5, mode: 'slow' } },
    });
    await update({ reported: { interval: 5 } });
    expect(await get()).toMatchObject({
      version: 2,
      state: { desired: { interval: 5, mode: 'slow' }, reported: { interval: 5 }, delta: { mode: 'slow' } },
    });
    expect(await failure(update({ reported: { a: 1 } }, { version: 1 }))).toMatchObject({ code: 409 });
    expect(await remove()).toMatchObject({ version: 2 });
    expect(await failure(get())).toMatchObject({ code: 404 });
    expect(await update({ reported: { a: 1 } })).toMatchObject({ version: 3 });
  });

  test('streams of deltas and of documents tell what changes, and from what to what', async () => {
    const deltas: iotshadow.model.ShadowDeltaUpdatedEvent[] = [];
    const documents: iotshadow.model.ShadowUpdatedEvent[] = [];
    const named = { thingName, shadowName: shadowName! };
    const deltaStream =
      shadowName === undefined
        ? shadows.createShadowDeltaUpdatedStream({ thingName })
        : shadows.createNamedShadowDeltaUpdatedStream(named);
    const documentStream =
      shadowName === undefined
        ? shadows.createShadowUpdatedStream({ thingName })
        : shadows.createNamedShadowUpdatedStream(named);
    onTestFinished(() => {
      deltaStream.close();
      documentStream.close();
    });
    let established = 0;
    for (const stream of [deltaStream, documentStream]) stream.addListener('subscriptionStatus', () => established++);
    deltaStream.addListener('incomingPublish', ({ message }) => deltas.push(message));
    documentStream.addListener('incomingPublish', ({ message }) => documents.push(message));
    deltaStream.open();
    documentStream.open();
    await eventually('both streams', () => established === 2 || undefined);
    const { version } = await update({ desired: { level: 7 }, reported: null });
    await eventually('delta and documents', () => (deltas.length > 0 && documents.length > 0) || undefined);
    expect(deltas[0]).toMatchObject({ state: { level: 7 }, version });
    expect(documents[0]).toMatchObject({ current: { state: { desired: { level: 7 } }, version } });
  });
});

test('a client id other than the name in the certificate is refused', async () => {
  await expect(connectionOf('gw2').connect()).rejects.toThrow();
});
