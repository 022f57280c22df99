/** A broker for the tests of this package, on a free port of the loopback. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Aedes, type PublishPacket } from 'aedes';

export interface TestBroker {
  readonly port: number;
  /** In order of arrival; a message sent twice is here twice. */
  readonly arrived: { topic: string; payload: string }[];
  /** Called before a message is acknowledged; throwing closes the connection without an acknowledgement. */
  onMessage: (count: number) => void;
  close(): Promise<void>;
}

export async function openBroker(options: { port?: number; password?: string } = {}): Promise<TestBroker> {
  const aedes = await Aedes.createBroker();
  const server = createServer((socket) => aedes.handle(socket));
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const broker = {
    port: 0,
    arrived: [] as { topic: string; payload: string }[],
    onMessage: (_count: number) => {},
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
      await new Promise<void>((closed) => aedes.close(closed));
    },
  };
  aedes.authenticate = (_client, _username, password, done) => {
    const right = options.password === undefined || password?.toString() === options.password;
    done(right ? null : Object.assign(new Error('wrong password'), { returnCode: 4 }), right);
  };
  aedes.authorizePublish = (_client, packet: PublishPacket, done) => {
    broker.arrived.push({ topic: packet.topic, payload: packet.payload.toString() });
    try {
      broker.onMessage(broker.arrived.length);
      done(null);
    } catch (error) {
      done(error as Error);
    }
  };
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  broker.port = (server.address() as AddressInfo).port;
  return broker;
}
