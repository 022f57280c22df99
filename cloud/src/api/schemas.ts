/** What the API takes and gives; the OpenAPI document is made of it. */
import {
  BUNDLE_KINDS,
  COMMAND_OUTCOMES,
  DEPLOYMENT_STATES,
  DEVICE_PATTERN,
  FAULT_KINDS,
  GAP_REASONS,
  HASH_PATTERN,
  isDeviceId,
  isGatherer,
  LANES,
  LETTER_HANDLERS,
  LOG_LEVELS,
  NAME_PATTERN,
  reportedDeploymentSchema,
  TAG_CHARS_MAX,
  weirReportedSchema,
} from '@weir/protocols';
import { z } from 'zod';
import { PROBLEM_CODES } from '../condition/problems.ts';
import { DEVICE_STATES } from '../condition/state.ts';
import { PAGE_LIMIT_MAX } from '../fleet/fleet.ts';
import { GAP_STATES } from '../gaps/gaps.ts';
import { connection } from './connection-schema.ts';

export const millis = z.int().describe('milliseconds since 1970-01-01T00:00:00Z');

export const name = z.string().regex(NAME_PATTERN, 'letters, digits and . _ : - ; at most 64, a letter or digit first');
export const deviceId = z.string().regex(DEVICE_PATTERN, 'letters, digits and : _ - ; at most 128');
export const deviceOrGatherer = z
  .string()
  .refine(
    (text) => isDeviceId(text) || isGatherer(text),
    'the name of a device (letters, digits, : _ and -), or GROUP/FUNCTION of one that gathers',
  );
export const hash = z.string().regex(HASH_PATTERN, 'a SHA-256 as 64 hex digits');
export const where = z.enum(['edge', 'cloud']);
export const kind = z.enum(BUNDLE_KINDS);
export const config = z.record(z.string().max(64), z.json());

/** An empty parameter is one that was not given. */
const limit = z.coerce.number().int().min(1).max(PAGE_LIMIT_MAX).optional();
export const after = z.string().max(1024).optional().describe('`next` of the page before');
export const pageQuery = z.object({ limit, after });

export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next: z.string().optional() });
}

const groupNames = z.array(z.string()).optional();
export const token = z.object({
  id: z.string(),
  groups: z.array(z.string()),
  tags: z.record(z.string(), z.string()),
  replace: z.boolean().describe('lets a device of these groups join again'),
  uses: z.int(),
  usesLeft: z.int(),
  createdAt: millis,
  expiresAt: millis,
  state: z.enum(['usable', 'spent', 'expired', 'revoked']),
});

export const device = z.object({
  id: z.string(),
  groups: z.array(z.string()).describe('all that it is in'),
  matched: groupNames.describe('those of them whose selector takes its tags'),
  excluded: groupNames.describe('groups that leave it out, whatever its tags are'),
  over: groupNames.describe('groups that would take it, were it not in as many as it can be'),
  tags: z.record(z.string(), z.string()),
  certificateSerial: z.string(),
  revokedAt: millis.optional().describe('since when it may not connect any more'),
  enrolledAt: millis,
  presence: z
    .object({
      connected: z.boolean(),
      since: millis,
      reason: z.string().optional().describe('why the last connection ended, as AWS IoT has it'),
    })
    .optional(),
  lastSeenAt: millis.optional(),
});

export const deviceState = z.enum(DEVICE_STATES);
export const problemCode = z.enum(PROBLEM_CODES);
export const deviceCondition = device.extend({
  state: deviceState.describe('whether it is there; what each means: docs/operations/fleet.md'),
  stateSince: millis,
  version: z.string().optional().describe('of its agent'),
  problems: z.array(z.object({ code: problemCode, text: z.string() })).describe('what ails it'),
  health: weirReportedSchema.shape.health.unwrap().partial().optional().describe('what it said of itself last'),
});

const refused = z.object({
  counts: z.record(z.string(), z.int()),
  last: z.array(
    z.object({
      at: millis,
      reason: z.string(),
      detail: z.string(),
      bytes: z.int().describe('size of the whole message'),
      head: z.string().describe('its first bytes, base64'),
    }),
  ),
});

export const reading = z.object({
  sensor: z.string(),
  metric: z.string(),
  value: z.union([z.number(), z.boolean(), z.string()]),
  ts: millis,
  unit: z.string().optional(),
  quality: z.string().optional(),
});
export const historyReading = reading.extend({ id: z.string().describe('<device>/<lane>/<epoch>/<seq>') });

const setting = z.object({ hash: z.string(), where, config });
export const deployment = setting.extend({
  group: z.string(),
  name: z.string(),
  kind,
  version: z.string(),
  bytes: z.int(),
  setAt: millis,
  gathers: z.literal(true).optional().describe('in the cloud, with one state for the whole group'),
  isRule: z.literal(true).optional().describe('a function that is the condition of a rule'),
  dryRun: z.boolean().optional().describe('of the rules of a group: true is one on trial, which tells nobody'),
  order: z.int().describe('of two groups of one priority that want the same name, the higher one wins'),
  priority: z.int().optional().describe('of the group; absent: 0'),
  previous: setting.optional(),
});

export const deploymentSet = deployment.extend({
  atOnce: z.boolean().describe('false: a rollout carries it to the devices, and it stands once that is done'),
  warnings: z.array(z.string()).optional().describe('what will not be as whoever did it may expect'),
});

const groupSummaryFields = {
  name: z.string(),
  createdAt: millis,
  selector: z.string().optional().describe('takes devices by their tags, beside those that are listed'),
  priority: z.int().describe('of groups that want the same name the highest goes first'),
  alertAfterMs: z
    .int()
    .nullable()
    .optional()
    .describe('how long a device may be away before somebody is told; null: nobody is; absent: as the hub has it'),
};
export const groupSummary = z.object(groupSummaryFields);
export const group = z.object({
  ...groupSummaryFields,
  members: z
    .object({ total: z.int(), listed: z.int(), matched: z.int() })
    .describe('`listed` and `matched` may be the same devices'),
  devices: z.array(z.string()).describe('the first thousand'),
  deployments: z.array(deployment),
  placing: z.int().optional().describe('devices that were looked at while a change of a selector is carried out'),
});
export const groupMember = z.object({
  device: z.string(),
  listed: z.boolean().describe('it was put into the group, or joined with a token for it'),
  matched: z.boolean().describe('the selector takes its tags'),
});
export const tags = z
  .record(z.string().max(64), z.string().max(TAG_CHARS_MAX))
  .describe('names: letters, digits and . _ : - ; values: at most 256 characters');

export const deploymentStatus = z.object({
  device: z.string().describe('of a function that gathers: <group>/<function>'),
  connected: z.boolean(),
  name: z.string(),
  where,
  wanted: z.object({ group: z.string(), kind, version: z.string(), hash: z.string() }).optional(),
  overridden: z.array(z.string()).describe('groups that want the same name and lose'),
  why: z.string().optional().describe('why this one is wanted, in one sentence'),
  lost: z
    .array(z.object({ group: z.string(), version: z.string(), why: z.string() }))
    .optional()
    .describe('what those groups want, and why it is not what runs'),
  reported: reportedDeploymentSchema
    .omit({ kind: true })
    .optional()
    .describe('what the device said last, as the shadow weir has it; `config` is the digest of its configuration'),
  state: z.enum([...DEPLOYMENT_STATES, 'pending', 'removing']),
  problem: z.string().optional(),
});

export const command = z.object({
  id: z.string(),
  device: z.string(),
  name: z.string(),
  function: z.string().optional(),
  createdAt: millis,
  expiresAt: millis,
  state: z
    .enum(['waiting', ...COMMAND_OUTCOMES])
    .describe('an expired command may still turn out otherwise: the device may have run it in time, and told it late'),
  endedAt: millis.optional(),
  detail: z.string().optional().describe('why it is not done'),
});
export const commandDetail = command.extend({ payload: z.json() });

export const deadLetterId = z
  .string()
  .regex(/^[0-9a-z]{9,10}-[0-9a-f]{8}$/, 'an id as the list of dead letters has it');
export const deadLetter = z.object({
  id: z.string(),
  device: z.string(),
  where: where.describe('where the function runs, and the whole of the letter is'),
  function: z.string(),
  version: z.string().describe('that could not take it'),
  hash: z.string(),
  at: millis.describe('when the input came'),
  replays: z.int().describe('how often it was run again, and failed again'),
  error: z.object({ kind: z.enum(FAULT_KINDS), message: z.string(), place: z.string().optional() }),
  readings: z.int().optional().describe('how many, of a letter of readings'),
  handler: z.enum(LETTER_HANDLERS).optional().describe('that could not take it, of a letter of anything else'),
  asked: z
    .object({ what: z.enum(['replay', 'remove']), at: millis, expiresAt: millis })
    .optional()
    .describe('what is to be done with it, and was not done yet'),
  answer: z
    .object({ at: millis, detail: z.string() })
    .optional()
    .describe('why it was not run again when it should be'),
});
export const deadLetterDetail = deadLetter.extend({
  stack: z.string().describe('in what the user wrote'),
  input: z.array(reading).optional().describe('the readings; fewer than `readings`: the rest is on the device'),
  value: z.string().optional().describe('JSON of what was to be handled; absent: it is on the device'),
});

export const logLine = z.object({
  device: z.string(),
  where,
  function: z.string(),
  level: z.enum(LOG_LEVELS),
  text: z.string(),
  ts: millis.describe('event time'),
  at: millis.describe('when the hub had it'),
  left: z.int().describe('lines of the function that were left out before it, for they were too many at a time'),
});

const items = z.int();
const reasons = z.partialRecord(z.enum(GAP_REASONS), items);

export const gap = z.object({
  lane: z.string(),
  life: z.string(),
  run: z.string().optional().describe('of the agent; absent: of the run before these numbers, or behind them'),
  seq: z.int().describe('first number'),
  through: z.int().describe('one more than the last'),
  missing: items.describe('of these numbers, did not come'),
  dropped: items.describe('of those missing, the device says it gave up'),
  state: z
    .enum(GAP_STATES)
    .describe(
      'dropped: the device told of it; waiting: may be on its way; unexplained: lost without a word; ended: of a life of the device that is over',
    ),
  noticedAt: millis,
  reasons: reasons.optional().describe('why, and how many'),
  droppedAt: millis.optional().describe('clock of the device'),
  from: millis.optional().describe('event time of the first reading, where it is known'),
  to: millis.optional().describe('event time of the last reading, where it is known'),
});

export const historyPage = pageOf(historyReading).extend({
  gaps: z
    .array(gap)
    .optional()
    .describe(
      'with the first page: what the device gave up of the range, of any sensor, where its times are known; at most 100',
    ),
});

const restored = z.object({
  at: millis,
  life: z.string(),
  run: z.string().describe('of the agent, the first since'),
  lane: z.string(),
  seq: z.int().describe('from this number on it gives numbers again'),
  reached: z.int().describe('below this one they had been given before'),
  wasOver: z.boolean().describe('the device had begun another life meanwhile'),
});

const missing = { dropped: items, waiting: items, unexplained: items, ended: items };
export const deviceGaps = z.object({ device: z.string(), ...missing });

export const gapSummary = z.object({
  lanes: z.array(z.object({ lane: z.string(), ...missing })),
  told: z.partialRecord(z.enum(LANES), reasons).describe('what the device says it gave up, ever'),
  lives: z
    .object({
      count: z.int(),
      current: z.string().optional(),
      last: z.array(z.object({ life: z.string(), at: millis })),
    })
    .describe('a device that is set up anew begins another life'),
  older: z.object({ missing: items, dropped: items }).describe('of lives that are not listed any more'),
  restored: z
    .object({ count: z.int(), last: z.array(restored) })
    .describe('how often the device went on from an old copy of its disk'),
});

const jsonObject = z.record(z.string(), z.json());
export const deviceDetail = deviceCondition.extend({
  connection: connection.optional().describe('the one it has, or had within the last half hour'),
  shadow: z
    .object({ desired: jsonObject.optional(), reported: jsonObject.optional(), version: z.int() })
    .optional()
    .describe('the shadow `weir`'),
  deployments: z.array(deploymentStatus),
  refused,
  deadLetters: z
    .object({ waiting: z.int(), dropped: z.int().describe('gone at a limit') })
    .describe('input that functions could not take'),
  gaps: gapSummary.describe('items that the hub does not have'),
  latest: z.array(reading).describe('the newest reading of each series'),
});

export { episodeDetail, episodeSeen } from './episode-schema.ts';

export const day = z.string().describe('a day of UTC, as 2026-11-21');
const used = {
  invocations: z.int(),
  readings: z.int(),
  cpuMs: z.number(),
  heapBytesMax: z.int().describe('the largest heap seen'),
  errors: z.int(),
  outputs: z.int(),
};
const measured = {
  memoryMb: z.int().describe('limit of the function'),
  from: millis,
  to: millis,
};
export const usage = z.object({ function: z.string(), version: z.string(), where, ...measured, ...used });

const bill = z.object({ requests: z.number(), gbSeconds: z.number(), usd: z.number() });
const lambdaCost = z.object({
  batched: bill.describe('a request for each invocation, as Weir batches'),
  oneByOne: bill.describe('a request for each reading'),
});
export const lambdaEstimate = z.object({
  since: day,
  architecture: z.string(),
  prices: z.object({ perMillionRequests: z.number(), perGbSecond: z.number() }).describe('US dollars'),
  priceList: z.object({ region: z.string(), asOf: z.string(), source: z.string() }).describe('of what was not given'),
  items: z.array(
    z.object({
      function: z.string(),
      ...measured,
      ...used,
      month: lambdaCost.optional().describe('30 days; absent when it was measured for less than a minute'),
    }),
  ),
  total: lambdaCost.describe('of a month, without those measured for too short a time'),
  totalAfterFreeTier: lambdaCost.describe('less the million requests and 400000 GB-seconds of an account'),
});
