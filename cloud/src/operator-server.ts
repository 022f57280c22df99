/** The hub's server for operators, and for clients of the IoT Data Plane: HTTP on this machine, else HTTPS. */
import type { Server } from 'node:https';
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { ROUTER_OPTIONS, registerOperatorApi } from './api/api.ts';
import { answerUnknownRoute, handleError } from './api/error.ts';
import {
  answerBadPath,
  answerUnknownOperation,
  type DataPlanePorts,
  isDataPlanePath,
  registerDataPlane,
} from './dataplane/dataplane.ts';
import { bySignature, type DataPlaneGuardPorts } from './dataplane/guard.ts';
import type { ApiCertificate } from './identity/api-certificate.ts';
import { explain, type ListenOptions } from './listen.ts';

export interface OperatorServerPorts {
  operators: Parameters<typeof registerOperatorApi>[1];
  dataPlane: DataPlanePorts & DataPlaneGuardPorts;
  /** Absent: HTTP. */
  certificate?: ApiCertificate;
}

export interface OperatorServerOptions extends ListenOptions {
  connectionsMax: number;
  requestTimeoutMs: number;
  headersTimeoutMs: number;
}

export interface OperatorServer {
  /** @returns the port. @throws {UsageError} `port-taken`, `port-refused`, `certificate-invalid` */
  start(): Promise<number>;
  stop(): Promise<void>;
  /** Shows the certificate that there is by now. @returns true when it is another. @throws {UsageError} as `start` */
  renewCertificate(): Promise<boolean>;
}

/** A bundle of the largest size, and a little around it. */
const BODY_BYTES_MAX = 2 * 1024 * 1024;
/** A key, a signature and what browsers send of themselves. */
const HEADER_BYTES_MAX = 16 * 1024;
/** At most so much later than it is over its time a request is ended. */
const TIMEOUT_CHECK_MS = 1_000;

export function createOperatorServer(ports: OperatorServerPorts, options: OperatorServerOptions): OperatorServer {
  const { certificate } = ports;
  let app: FastifyInstance | undefined;
  return {
    async start() {
      await certificate?.load();
      app = makeApp(ports, options);
      await registerDataPlane(app, ports.dataPlane, bySignature(ports.dataPlane));
      await registerOperatorApi(app, ports.operators);
      try {
        await app.listen({ host: options.host, port: options.port });
      } catch (error) {
        throw explain(error as NodeJS.ErrnoException, options);
      }
      return (app.server.address() as { port: number }).port;
    },
    stop: async () => app?.close(),
    async renewCertificate() {
      if (certificate === undefined || !(await certificate.load())) return false;
      (app!.server as unknown as Server).setSecureContext(certificate.options());
      return true;
    },
  };
}

function makeApp({ certificate, dataPlane }: OperatorServerPorts, options: OperatorServerOptions): FastifyInstance {
  const http = {
    headersTimeout: options.headersTimeoutMs,
    maxHeaderSize: HEADER_BYTES_MAX,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
  };
  const about = {
    // For what fails; each request is not told of.
    loggerInstance: dataPlane.logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: options.requestTimeoutMs,
    forceCloseConnections: true,
    routerOptions: ROUTER_OPTIONS,
    frameworkErrors(error: FastifyError, request: FastifyRequest, reply: FastifyReply) {
      if (!answerBadPath(request.url, reply)) handleError(error, request, reply);
    },
  } as const;
  const app =
    certificate === undefined
      ? fastify({ ...about, http })
      : (fastify({ ...about, https: { ...http, ...certificate.options() } }) as unknown as FastifyInstance);
  app.server.maxConnections = options.connectionsMax;
  app.setErrorHandler(handleError);
  app.setNotFoundHandler((request, reply) =>
    isDataPlanePath(request.url) ? answerUnknownOperation(request.url, reply) : answerUnknownRoute(request, reply),
  );
  return app;
}
