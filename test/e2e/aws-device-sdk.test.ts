/** AWS's own SDK for devices, unmodified, against a hub: shadows by MQTT with the device's certificate. */
import { IoTDataPlaneClient, PublishCommand } from '@aws-sdk/client-iot-data-plane';
import { iot, iotshadow, mqtt, mqtt5 } from 'aws-iot-device-sdk-v2';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type JoinedDevice, joinDevice } from '../support/joined-device.ts';
import { eventually, System } from '../support/system.ts';

const system = new System();
const VERSIONS = [
  ['MQTT 3.1.1', 'gw1'],
  ['MQTT 5', 'gw5'],
] as const;
type ThingName = (typeof VERSIONS)[number][1];
const devices = {} as Record<ThingName, JoinedDevice>;
const clients = {} as Record<ThingName, iotshadow.IotShadowClientv2>;
let connection: mqtt.MqttClientConnection;
let client5: mqtt5.Mqtt5Client;

const RESPONSE_OPTIONS = {
  maxRequestResponseSubscriptions: 8,
  maxStreamingSubscriptions: 8,
  operationTimeoutInSeconds: 10,
};

beforeAll(async () => {
  await system.startHub();
  await system.weir('group', 'create', 'plant');
  for (const [, name] of VERSIONS) {
    const { token } = await system.weirJson<{ token: string }>('token', 'create', '--group', 'plant');
    devices[name] = await joinDevice(system, name, token);
  }
  connection = connectionOf('gw1');
  await connection.connect();
  clients.gw1 = iotshadow.IotShadowClientv2.newFromMqtt311(connection, RESPONSE_OPTIONS);
  client5 = clientOf('gw5');
  const connected = new Promise((resolve) => client5.on('connectionSuccess', resolve));
  client5.start();
  await connected;
  clients.gw5 = iotshadow.IotShadowClientv2.newFromMqtt5(client5, RESPONSE_OPTIONS);
});

afterAll(async () => {
  for (const shadows of Object.values(clients)) shadows.close();
  await connection.disconnect();
  const stopped = new Promise((resolve) => client5.on('stopped', resolve));
  client5.stop();
  await stopped;
  client5.close();
  await system.stop();
});

function connectionOf(clientId: string): mqtt.MqttClientConnection {
  const { certificate, key, ca } = devices.gw1;
  const config = iot.AwsIotMqttConnectionConfigBuilder.new_mtls_builder(certificate, key)
    .with_certificate_authority(ca)
    .with_endpoint('localhost')
    .with_port(system.hubPorts.mqtt)
    .with_client_id(clientId)
    .with_clean_session(true)
    .build();
  return new mqtt.MqttClient().new_connection(config);
}

function clientOf(clientId: string): mqtt5.Mqtt5Client {
  const { certificate, key, ca } = devices.gw5;
  const config = iot.AwsIotMqtt5ClientConfigBuilder.newDirectMqttBuilderWithMtlsFromMemory(
    'localhost',
    certificate,
    key,
  )
    .withCertificateAuthority(ca)
    .withPort(system.hubPorts.mqtt)
    .withConnectProperties({ clientId, keepAliveIntervalSeconds: 60, sessionExpiryIntervalSeconds: 3_600 })
    .build();
  return new mqtt5.Mqtt5Client(config);
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: { modeledError?: iotshadow.model.V2ErrorResponse }) => error.modeledError,
  );

const SHADOWS = [
  ['the classic shadow', undefined],
  ['a named shadow', 'settings'],
] as const;

describe.each(
  VERSIONS.flatMap(([version, thing]) => SHADOWS.map(([title, name]) => [version, title, thing, name] as const)),
)('by %s: %s', (_version, _title, thingName, shadowName) => {
  let shadows: iotshadow.IotShadowClientv2;
  beforeAll(() => {
    shadows = clients[thingName];
  });
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
    const named = { thingName, shadowName: shadowName ?? '' };
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

test('by MQTT 5 the SDK knows why it was refused, and what is not there', async () => {
  const refused = clientOf('gw1');
  const failed = new Promise<mqtt5.ConnectionFailureEvent>((resolve) => refused.on('connectionFailure', resolve));
  refused.start();
  expect((await failed).connack?.reasonCode).toBe(mqtt5.ConnectReasonCode.ClientIdentifierNotValid);
  refused.stop();
  refused.close();
  const topicFilter = 'weir/1/gw1/command';
  const { reasonCodes } = await client5.subscribe({ subscriptions: [{ topicFilter, qos: mqtt5.QoS.AtLeastOnce }] });
  expect(reasonCodes).toEqual([mqtt5.SubackReasonCode.NotAuthorized]);
});

test('what a program says beside a message by the data plane reaches a device by MQTT 5', async () => {
  const { accessKeyId, secretAccessKey } = await system.weirJson<{ accessKeyId: string; secretAccessKey: string }>(
    ...['api-key', 'create', 'program', '--role', 'operator'],
  );
  const credentials = { accessKeyId, secretAccessKey };
  const program = new IoTDataPlaneClient({
    endpoint: `http://127.0.0.1:${system.hubPorts.api}`,
    region: 'local',
    credentials,
  });
  const topic = 'weir/1/gw5/command';
  await client5.subscribe({ subscriptions: [{ topicFilter: topic, qos: mqtt5.QoS.AtLeastOnce }] });
  const heard = new Promise<mqtt5.PublishPacket>((resolve) => {
    client5.on('messageReceived', ({ message }) => message.topicName === topic && resolve(message));
  });
  const userProperties = '[{"color":"red"},{"color":"blue"}]';
  await program.send(
    new PublishCommand({ topic, qos: 1, payload: Buffer.from('{}'), contentType: 'json', userProperties }),
  );
  expect(await heard).toMatchObject({
    contentType: 'json',
    userProperties: [
      { name: 'color', value: 'red' },
      { name: 'color', value: 'blue' },
    ],
  });
  program.destroy();
});
