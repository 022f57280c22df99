/** The hub's HTTP server for operators, and for clients of the IoT Data Plane. */
import fastify from 'fastify';
import { ROUTER_OPTIONS, registerOperatorApi } from './api/api.ts';
import { answerUnknownRoute, handleError } from './api/error.ts';
import {
  answerUnknownOperation,
  type DataPlanePorts,
  isDataPlanePath,
  registerDataPlane,
} from './dataplane/dataplane.ts';
import { bySignature, type DataPlaneGuardPorts } from './dataplane/guard.ts';
import { explain, type ListenOptions } from './listen.ts';

export interface OperatorServerPorts {
  operators: Parameters<typeof registerOperatorApi>[1];
  dataPlane: DataPlanePorts & DataPlaneGuardPorts;
}

export interface OperatorServer {
  /** @returns the port. @throws {UsageError} `port-taken`, `port-refused` */
  start(): Promise<number>;
  stop(): Promise<void>;
}

/** A bundle of the largest size, and a little around it. */
const BODY_BYTES_MAX = 2 * 1024 * 1024;

export function createOperatorServer(ports: OperatorServerPorts, options: ListenOptions): OperatorServer {
  const app = fastify({ bodyLimit: BODY_BYTES_MAX, forceCloseConnections: true, routerOptions: ROUTER_OPTIONS });
  app.setErrorHandler(handleError);
  app.setNotFoundHandler((request, reply) =>
    isDataPlanePath(request.url) ? answerUnknownOperation(request.url, reply) : answerUnknownRoute(request, reply),
  );
  return {
    async start() {
      await registerDataPlane(app, ports.dataPlane, bySignature(ports.dataPlane));
      await registerOperatorApi(app, ports.operators);
      try {
        await app.listen({ host: options.host, port: options.port });
      } catch (error) {
        throw explain(error as NodeJS.ErrnoException, options);
      }
      return (app.server.address() as { port: number }).port;
    },
    stop: () => app.close(),
  };
}
