/** @see AWS IoT API reference, IoT data plane, common errors */
const ERRORS: Readonly<Record<number, string>> = {
  400: 'InvalidRequestException',
  401: 'UnauthorizedException',
  403: 'ForbiddenException',
  404: 'ResourceNotFoundException',
  405: 'MethodNotAllowedException',
  409: 'ConflictException',
  413: 'RequestEntityTooLargeException',
  415: 'UnsupportedDocumentEncodingException',
  429: 'ThrottlingException',
  500: 'InternalFailureException',
  503: 'ServiceUnavailableException',
  504: 'GatewayTimeoutException',
};

/** Told to the caller in AWS's words. */
export class DataPlaneError extends Error {
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.name = 'DataPlaneError';
    this.statusCode = statusCode;
  }
}

/** What the header `x-amzn-errortype` says; undefined: AWS has no such error. */
export function errorTypeOf(statusCode: number | undefined): string | undefined {
  return statusCode === undefined ? undefined : ERRORS[statusCode];
}
