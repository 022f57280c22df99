/** `README.md` is what others implement from: its numbers and words are those of the code. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ALERT_REASONS, ALERT_STATES, SEVERITIES } from './alert/transition.ts';
import { BATCH_LIMITS, BATCH_VERSION } from './batch/batch.ts';
import { BATCH_FAULTS } from './batch/batch-error.ts';
import { SERIES_MAX } from './batch/columns.ts';
import {
  AGENT_COMMAND_PREFIX,
  COMMAND_BYTES_MAX,
  COMMAND_DEPTH_MAX,
  COMMAND_EXPIRY_MS_MAX,
  COMMAND_OUTCOMES,
} from './command/command.ts';
import { PAYLOAD_FAULTS, READINGS_PER_PAYLOAD_MAX } from './formats/payload.ts';
import { BUNDLE_BYTES_MAX } from './function/manifest.ts';
import { LABEL_BYTES_MAX, TEXT_BYTES_MAX, TS_MAX } from './reading.ts';
import { FAULT_KINDS, LETTER_ENDS, LETTER_HANDLERS } from './report/dead-letter.ts';
import { GAP_REASONS } from './report/gap.ts';
import { LOG_LEASE_MS_MAX, LOG_LEVELS, LOG_LINES_MAX, LOG_TEXT_CHARS_MAX } from './report/log.ts';
import { REPORT_BYTES_MAX, REPORT_DEPTH_MAX, REPORT_TYPES, REPORTS_PER_BATCH_MAX } from './report/report.ts';
import { SHADOW_LIMITS } from './shadow/document.ts';
import { DEPLOYMENT_STATES } from './shadow/weir.ts';
import { commandTopic, LANES, LANES_BY_URGENCY } from './topics.ts';
import { ENVELOPE_BYTES_MAX, PAYLOAD_TYPES } from './trust/envelope.ts';
import { REFUSAL_CODES } from './trust/refusal.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8').replaceAll(/\s+/g, ' ');

test.each([
  `| bytes of a batch | ${BATCH_LIMITS.bytesMax} |`,
  `| items of a batch | ${BATCH_LIMITS.itemsMax} |`,
  `| series of a batch | ${SERIES_MAX} |`,
  `| reports of a batch | ${REPORTS_PER_BATCH_MAX} |`,
  `| bytes of a report | ${REPORT_BYTES_MAX} |`,
  `| depth of a report | ${REPORT_DEPTH_MAX} |`,
  `The topic is \`${commandTopic('<device>')}\``,
  `at most ${COMMAND_BYTES_MAX} bytes, nested at most ${COMMAND_DEPTH_MAX} deep`,
  `1 to ${COMMAND_EXPIRY_MS_MAX}`,
  `begins with \`${AGENT_COMMAND_PREFIX}\``,
  `Lanes, most urgent first: ${LANES_BY_URGENCY.map((lane) => `\`${lane}\``).join(', ')}.`,
  `Batch, version ${BATCH_VERSION}`,
  `at most ${READINGS_PER_PAYLOAD_MAX} readings`,
  `at most ${TEXT_BYTES_MAX} bytes of UTF-8`,
  `a text of 1 to ${LABEL_BYTES_MAX} bytes`,
  `0 to ${TS_MAX}`,
  `(at most ${LOG_LEASE_MS_MAX}; 0: no longer)`,
  `\`lines\` (at most ${LOG_LINES_MAX})`,
  `\`text\` has at most ${LOG_TEXT_CHARS_MAX} characters`,
  `at most ${BUNDLE_BYTES_MAX} of them`,
  `at most ${ENVELOPE_BYTES_MAX.root} bytes, one of a release at most ${ENVELOPE_BYTES_MAX.release}`,
  ...Object.values(PAYLOAD_TYPES).map((type) => `| \`${type}\` |`),
  `the limit of ${SHADOW_LIMITS.bytesMax} bytes`,
])('the specification says: %s', (sentence) => {
  expect(readme).toContain(sentence);
});

test('the specification names every lane, state, reason, severity, fault and type of report', () => {
  const words = [
    ...BATCH_FAULTS,
    ...PAYLOAD_FAULTS,
    ...LANES,
    ...ALERT_STATES,
    ...ALERT_REASONS,
    ...SEVERITIES,
    ...DEPLOYMENT_STATES,
    ...REPORT_TYPES,
    ...COMMAND_OUTCOMES,
    ...FAULT_KINDS,
    ...LETTER_HANDLERS,
    ...LETTER_ENDS,
    ...LOG_LEVELS,
    ...GAP_REASONS,
    ...REFUSAL_CODES,
  ];
  expect(words.filter((word) => !readme.includes(`\`${word}\``))).toEqual([]);
});
