/** `weir hub`: configuration, adapters, the hub, signals. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createSandbox, makePrivateFolder, nodeHttp } from '@weir/runtime';
import pino from 'pino';
import { announcement, firstAdminKey, localKey, replaceLocalKey } from './access/first-keys.ts';
import { openMasterKey } from './access/master-key.ts';
import { openAccess } from './access/stored-access.ts';
import { apiUrl, certificateHosts, publicApiUrl, schemeOfApi } from './addresses.ts';
import { openAudit } from './audit/stored-audit.ts';
import { systemClock } from './clock/clock.ts';
import { readCliFile, writeCliFile } from './config/cli-file.ts';
import type { HubConfig } from './config/config.ts';
import { loadConfig } from './config/load.ts';
import { createHub } from './hub.ts';
import { openIdentity } from './identity/identity.ts';
import { openSqliteLog } from './log/sqlite.ts';
import type { Logger } from './logger.ts';
import { socketNetwork } from './network.ts';
import { LAN_NETWORKS } from './notify/reach.ts';
import { openSecretsKey } from './secrets/at-rest.ts';
import { openSqliteStore } from './store/sqlite.ts';
import { openHubKey } from './trust/hub-key.ts';
import { consumedPositions } from './workers/commit.ts';

export interface RunHubOptions {
  /** Folder of everything the hub keeps. */
  data: string;
  /** YAML file. */
  config?: string;
  /** These go before the file; 0: any free port. */
  mqttPort?: number;
  devicePort?: number;
  apiPort?: number;
  logLevel?: string;
  /** Channels may reach the private networks of a site. */
  allowLan?: boolean;
  /** Makes the admin key that was printed at the first start anew, and prints it. */
  resetAdminKey?: boolean;
}

const OWNER_ONLY = 0o077;
/** A supervisor that sends SIGTERM waits five seconds. */
const STOP_MS_MAX = 4_500;

/**
 * Runs a hub until SIGTERM or SIGINT. Prints `ready {"mqtt":…,"device":…,"api":…}` when it is up; the log goes to stderr.
 *
 * @throws {UsageError} when it cannot start for a reason that its user can mend
 */
export async function runHub(options: RunHubOptions): Promise<void> {
  // Whatever is written from here on, its databases too, is its owner's alone.
  process.umask(OWNER_ONLY);
  const logger = pino({ level: options.logLevel ?? 'info' }, pino.destination(2));
  const config = withNetworks(withPorts(await loadConfig(options.config), options), options);
  const cleanups: (() => Promise<void>)[] = [];
  const stopAll = async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  const stopped = untilSignal(logger);
  try {
    await start(options, config, logger, cleanups);
    await stopped;
    const deadline = setTimeout(() => {
      logger.error('the hub did not stop in time; what is acknowledged is safe');
      process.exit(1);
    }, STOP_MS_MAX);
    await stopAll();
    clearTimeout(deadline);
    logger.info('stopped');
  } catch (error) {
    await stopAll();
    throw error;
  }
}

async function start(
  { data, resetAdminKey = false }: RunHubOptions,
  config: HubConfig,
  logger: Logger,
  cleanups: (() => Promise<void>)[],
): Promise<void> {
  const random = (bytes: number) => randomBytes(bytes);
  const clock = systemClock;
  await makePrivateFolder(data);
  const store = await openSqliteStore({ file: join(data, 'store.db') });
  cleanups.push(() => store.close());
  const log = await openSqliteLog({
    ...{ file: join(data, 'log.db'), ...config.log },
    consumed: await consumedPositions(store),
    onBehind: (positions) =>
      logger.warn({ positions }, 'log.db is older than store.db: what was in it alone and not yet worked off is gone'),
  });
  cleanups.push(() => log.close());
  const identity = await openIdentity({
    folder: join(data, 'ca'),
    hosts: certificateHosts(config),
    now: clock.now(),
    random,
  });
  const signingKey = await openHubKey(data, random);
  const masterKey = await openMasterKey(data, random);
  const access = await openAccess({ store, random, now: clock.now, logger }, { masterKey });
  const { keep: keepMs, changesMax, othersMax } = config.audit;
  const audit = await openAudit({ store, now: clock.now, logger }, { keepMs, changesMax, othersMax });
  cleanups.push(() => audit.stop());
  const adminKey = await firstAdminKey({ access, audit }, resetAdminKey);
  const apiKey = await localKey({ access, audit }, (await readCliFile(data))?.apiKey);
  const sandbox = createSandbox({
    rssBytesMax: config.workers.sandboxBytesMax,
    log: (level, message) => logger[level](message),
  });
  cleanups.push(() => sandbox.stop());
  const sendHttp = nodeHttp(config.functions.requests);
  const hub = createHub(
    {
      log,
      store,
      identity,
      signingKey,
      access,
      audit,
      sandbox,
      sendHttp,
      network: socketNetwork,
      clock,
      random,
      logger,
    },
    { config, secretsKey: await openSecretsKey(data, random) },
  );
  cleanups.push(() => hub.stop());
  const address = await hub.start();
  const url = apiUrl(config, address);
  const ca = schemeOfApi(config) === 'https' ? { ca: identity.ca } : {};
  const writeKey = (key: string) => writeCliFile(data, { url, apiKey: key, ...ca });
  await writeKey(apiKey);
  const failed = (error: Error) => logger.error({ error: error.message }, 'no new key for commands on this machine');
  replaceLocalKey({ access, audit }, apiKey, writeKey, failed);
  if (adminKey !== undefined)
    process.stdout.write(announcement(adminKey, { url: publicApiUrl(config, address), caSha256: identity.caSha256 }));
  if (config.listen.api.insecure) {
    const { host } = config.listen.api;
    logger.warn({ host }, 'the operator API speaks plain HTTP (listen.api.insecure): API keys can be read on the way');
  }
  logger.info({ ...address, data }, 'the hub is up');
  process.stdout.write(`ready ${JSON.stringify(address)}\n`);
}

function withPorts(config: HubConfig, { mqttPort, devicePort, apiPort }: RunHubOptions): HubConfig {
  const { mqtt, device, api } = config.listen;
  const at = <T extends { port: number }>(listener: T, port: number | undefined) =>
    port === undefined ? listener : { ...listener, port };
  return { ...config, listen: { mqtt: at(mqtt, mqttPort), device: at(device, devicePort), api: at(api, apiPort) } };
}

function withNetworks(config: HubConfig, { allowLan = false }: RunHubOptions): HubConfig {
  if (!allowLan) return config;
  const { notify } = config;
  return { ...config, notify: { ...notify, allowNetworks: [...notify.allowNetworks, ...LAN_NETWORKS] } };
}

function untilSignal(logger: Logger): Promise<void> {
  return new Promise((resolve) => {
    let stopping = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      // A launcher passes on what the terminal has sent to both.
      process.on(signal, () => {
        if (!stopping) logger.info({ signal }, 'stopping');
        stopping = true;
        resolve();
      });
    }
  });
}
