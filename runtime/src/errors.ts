/** The user asked for something that cannot be: what was wrong, where, and what to do about it. Exit code 2, HTTP 4xx. */
export class UsageError extends Error {
  /** Stable, kebab-case. */
  readonly code: string;
  readonly remedy: string | undefined;

  constructor(code: string, message: string, remedy?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UsageError';
    this.code = code;
    this.remedy = remedy;
  }
}
