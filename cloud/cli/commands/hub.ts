import { type Command, Command as NewCommand } from 'commander';
import { examples, oneOf, portNumber } from '../session.ts';

interface HubOptions {
  data: string;
  config?: string;
  mqttPort?: number;
  devicePort?: number;
  apiPort?: number;
  logLevel?: string;
  resetAdminKey?: boolean;
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;

export function hubCommand(): Command {
  return new NewCommand('hub')
    .description('run a hub, until Ctrl-C')
    .option('--data <dir>', 'folder of its data, keys and certificates', '.weir/hub')
    .option('--config <file>', 'configuration (YAML)')
    .option('--mqtt-port <n>', 'for devices: MQTT over TLS; 0 takes a free one', portNumber)
    .option('--device-port <n>', 'for devices: HTTPS; 0 takes a free one', portNumber)
    .option('--api-port <n>', 'for operators: HTTP; 0 takes a free one', portNumber)
    .option('--log-level <level>', LOG_LEVELS.join(', '), oneOf(...LOG_LEVELS))
    .option('--allow-lan', 'alerts may go to receivers in private networks (10/8, 172.16/12, 192.168/16, fc00::/7)')
    .option('--reset-admin-key', 'makes and prints the first admin key anew; the old one is revoked')
    .addHelpText('after', examples('weir hub', 'weir hub --data /var/lib/weir --config /etc/weir/hub.yaml'))
    .action(async (options: HubOptions) => {
      // The one command that is no client: it is the hub. Loaded here so that the others start without it.
      const { runHub } = await import('../../src/main.ts');
      await runHub(options);
    });
}
