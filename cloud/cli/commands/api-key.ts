import type { Command } from 'commander';
import type { ApiKey, IssuedApiKey } from '../answers.ts';
import { examples, family, listing, oneOf, path, type Session } from '../session.ts';
import { age, clockTime } from '../table.ts';

interface CreateOptions {
  role: string;
  ttl?: string;
  json?: boolean;
}

export function apiKeyCommands(session: Session): Command {
  const keys = family('api-key', 'API keys: who may ask the hub for what');
  keys
    .command('create')
    .description('make an API key, for a person or a program; it is shown only now')
    .argument('<name>', 'whose it is; of the keys in force no two have one name')
    .requiredOption(
      '--role <role>',
      'viewer looks, operator changes, admin makes keys too; metrics is for Prometheus alone',
      oneOf('metrics', 'viewer', 'operator', 'admin'),
    )
    .option('--ttl <duration>', 'how long it is good, e.g. 90d; without, until it is revoked')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples(
        'weir api-key create anna --role operator --ttl 90d',
        'weir api-key create prometheus --role metrics > /etc/prometheus/weir-api-key',
      ),
    )
    .action((name: string, options: CreateOptions) => create(session, name, options));
  keys
    .command('list')
    .description('API keys, with when each was used last; those that ended are there for 90 days')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('weir api-key list'))
    .action(async (options: { json?: boolean }) => {
      const items = await session.hub().all<ApiKey>('/api-keys');
      const now = Date.now();
      listing(session, options, items, {
        empty: 'There is no API key.',
        heading: ['NAME', 'ROLE', 'STATE', 'USED', 'MADE BY', 'ID'],
        texts: [0, 4],
        row: (key) => [
          key.name,
          key.role,
          stateOf(key, now),
          key.lastUsedAt === undefined ? 'never' : age(key.lastUsedAt, now),
          key.createdBy,
          key.id,
        ],
      });
    });
  keys
    .command('revoke')
    .description('refuse an API key from now on, in both its forms; what it watches ends')
    .argument('<key>', 'its name or id')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('weir api-key revoke anna'))
    .action(async (key: string, { json }: { json?: boolean }) => {
      const ended = await session.hub().send<ApiKey>('DELETE', path`/api-keys/${key}`);
      if (json) session.out(`${JSON.stringify(ended, null, 2)}\n`);
      else session.note(`${ended.name} (${ended.id}) is refused from now on.\n`);
    });
  return keys;
}

async function create(session: Session, name: string, { role, ttl, json }: CreateOptions): Promise<void> {
  const body = { name, role, ...(ttl !== undefined && { ttl }) };
  const made = await session.hub().send<IssuedApiKey>('POST', '/api-keys', body);
  if (json) {
    session.out(`${JSON.stringify(made, null, 2)}\n`);
    return;
  }
  const pin = made.url.startsWith('https:') ? ` --ca-sha256 ${made.caSha256}` : '';
  const until = made.expiresAt === undefined ? 'until it is revoked' : `until ${clockTime(made.expiresAt)}`;
  session.out(`${made.key}\n`);
  session.note(
    `\nShown only now; good ${until}. To work with it on another machine:\n  weir login ${made.url} --key KEY${pin}\n`,
  );
  if (role === 'metrics') return;
  session.note(
    `The same key for clients of the AWS IoT Data Plane:\n` +
      `  access key id      ${made.accessKeyId}\n  secret access key  ${made.secretAccessKey}\n`,
  );
}

const DAY_MS = 86_400_000;

function stateOf({ revokedAt, expiresAt }: ApiKey, now: number): string {
  if (revokedAt !== undefined) return `revoked ${age(revokedAt, now)}`;
  if (expiresAt === undefined) return 'in force';
  if (expiresAt <= now) return `expired ${age(expiresAt, now)}`;
  const isSoon = expiresAt - now < 2 * DAY_MS;
  return `until ${clockTime(expiresAt).slice(0, isSoon ? 'yyyy-mm-dd hh:mm'.length : 'yyyy-mm-dd'.length)}`;
}
