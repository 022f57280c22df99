/** What a check of the device found. */
export interface Finding {
  /** What was looked at. */
  name: string;
  level: 'ok' | 'warn' | 'fail';
  detail: string;
  /** What to do about it; of every finding that is not ok. */
  remedy?: string;
}

export function ok(name: string, detail: string): Finding {
  return { name, level: 'ok', detail };
}

/** The agent runs, with less than it could have. */
export function warn(name: string, detail: string, remedy: string): Finding {
  return { name, level: 'warn', detail, remedy };
}

/** The agent does not do its work like this. */
export function fail(name: string, detail: string, remedy: string): Finding {
  return { name, level: 'fail', detail, remedy };
}

/** For a person at a terminal. */
export function formatFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ name }) => name.length));
  const lines = findings.flatMap(({ name, level, detail, remedy }) => {
    const line = `${level.padEnd(4)}  ${name.padEnd(width)}  ${detail}`;
    return remedy === undefined ? [line] : [line, `${' '.repeat(width + 8)}-> ${remedy}`];
  });
  const count = (level: Finding['level']) => findings.filter((each) => each.level === level).length;
  return [...lines, '', `${count('ok')} ok, ${count('warn')} warnings, ${count('fail')} failures`].join('\n');
}
