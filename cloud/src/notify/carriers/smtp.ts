/** Mail over SMTP by nodemailer, over a connection that was made under the rule of addresses. One connection for each mail. */
import type { OpenSocket } from '@weir/runtime';
import { createTransport } from 'nodemailer';
import type { Mail, Outcome, SmtpServer } from '../kinds/kind.ts';
import { plainLine } from '../words.ts';

/** Of one step of the dialogue; the attempt as a whole has its own time. */
const STEP_MS = 15_000;

export function smtpSender(open: OpenSocket) {
  return async (server: SmtpServer, mail: Mail, signal: AbortSignal): Promise<Outcome> => {
    const { host, port, tls, user, password, ca } = server;
    const connection = await open({ host, port }, signal);
    const abandon = () => connection.destroy();
    signal.addEventListener('abort', abandon, { once: true });
    const transport = createTransport({
      ...{ host, port, connection },
      secure: tls === 'immediate',
      requireTLS: tls === 'starttls',
      ignoreTLS: tls === 'never',
      opportunisticTLS: tls === 'opportunistic',
      ...(user !== undefined && { auth: { user, pass: password ?? '' } }),
      tls: { ...(ca !== undefined && { ca }), ...(tls === 'opportunistic' && { rejectUnauthorized: false }) },
      ...{ connectionTimeout: STEP_MS, greetingTimeout: STEP_MS, socketTimeout: STEP_MS },
      // No files, no addresses of the web: all that it sends is here.
      ...{ disableFileAccess: true, disableUrlAccess: true },
    });
    try {
      return accepted((await transport.sendMail(contentOf(mail))) as Sent);
    } catch (error) {
      if (signal.aborted) throw error;
      return outcomeOf(error as Error & { code?: string; responseCode?: number });
    } finally {
      signal.removeEventListener('abort', abandon);
      transport.close();
      connection.destroy();
    }
  };
}

interface Sent {
  /** Addresses. */
  rejected?: string[];
  rejectedErrors?: { recipient?: string; message: string }[];
}

function accepted({ rejected = [], rejectedErrors = [] }: Sent): Outcome {
  if (rejected.length === 0) return { kind: 'delivered', detail: 'accepted by the mail server' };
  const told = rejectedErrors.map(({ recipient, message }) => `${recipient ?? 'one'}: ${message}`);
  const leftOut = plainLine(
    `the mail server did not take it for ${(told.length > 0 ? told : rejected).join('; ')}`,
    300,
  );
  return { kind: 'delivered', detail: `accepted, but for ${rejected.length} of the recipients`, leftOut };
}

function contentOf({ references, date, ...mail }: Mail) {
  return {
    ...mail,
    date: new Date(date),
    references,
    ...(references[0] !== undefined && { inReplyTo: references[0] }),
    // So that no holiday reply comes of it. @see RFC 3834 section 5
    headers: { 'Auto-Submitted': 'auto-generated' },
    textEncoding: 'quoted-printable' as const,
  };
}

/** What the server says of this mail for good is its refusal; of who we are, it may be mended. @see RFC 5321 section 4.2.1 */
function outcomeOf({ code, responseCode, message }: Error & { code?: string; responseCode?: number }): Outcome {
  const detail = plainLine(message, 300);
  const isOfMail = code === 'EENVELOPE' || code === 'EMESSAGE';
  const isForGood = responseCode !== undefined && responseCode >= 500;
  return { kind: isOfMail && isForGood ? 'refused' : 'unavailable', detail };
}
