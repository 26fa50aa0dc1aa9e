/**
 * What an error of the AWS SDK means to the caller. It never carries a credential on: S3 answers a bad signature with
 * the access key and the string to sign, and the SDK hangs both on its errors.
 *
 *   no such bucket, access, credentials, region, clock   invalid, with a fix
 *   connection, time-out, 5xx, throttling                unavailable, with the host
 *   not implemented                                      unsupported
 *   anything without a sign of S3 or the network         stays what it is: a bug of ours
 */
import { LakeError } from '../errors.js'

export interface S3Place {
  doing: string
  bucket: string
  host: string
  key?: string | undefined
  /** Texts that no message may hold. */
  secrets: readonly string[]
}

export function s3Error(error: unknown, place: S3Place): unknown {
  if (error instanceof LakeError || !(error instanceof Error)) return error
  const { doing, bucket, host, key } = place
  const status = statusOf(error)
  const name = codeOf(error)
  const details = { bucket, key, host, cause: withoutSecrets(error, place.secrets) }
  if (name === 'NoSuchBucket') {
    const fix = 'Create the bucket, or check its name and the endpoint.'
    return new LakeError('invalid', `${doing}: no such bucket`, { ...details, fix })
  }
  if (skewNames.has(name)) {
    const fix = 'Set the clock of this machine.'
    return new LakeError('invalid', `${doing}: the clocks of this machine and of the store differ too much`, {
      ...details,
      fix,
    })
  }
  if (credentialNames.has(name) || /CredentialsProviderError|TokenProviderError/.test(error.name)) {
    const fix = 'Check the credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.'
    return new LakeError('invalid', `${doing}: the credentials are missing or not accepted`, { ...details, fix })
  }
  if (status === 301 || name === 'PermanentRedirect' || name === 'AuthorizationHeaderMalformed') {
    const fix = 'Set the region of the bucket (AWS_REGION) and the right endpoint.'
    return new LakeError('invalid', `${doing}: the bucket is in another region`, { ...details, fix })
  }
  if (status === 403 || status === 401) {
    const fix = 'Check the credentials, and that they may read, list, write and delete in this bucket.'
    return new LakeError('invalid', `${doing}: access denied`, { ...details, fix })
  }
  if (status === 501 || name === 'NotImplemented') {
    const fix = 'Use a store that does, for instance S3 or MinIO.'
    return new LakeError('unsupported', `${doing}: the store does not implement this`, { ...details, fix })
  }
  if (/^(CERT_|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/.test(name)) {
    const fix = 'Trust its certificate (NODE_EXTRA_CA_CERTS), or correct the endpoint.'
    return new LakeError('invalid', `${doing}: the certificate of the endpoint is not trusted`, { ...details, fix })
  }
  if (isTransient(error)) {
    const fix = 'Check that the endpoint can be reached, and try again later.'
    return new LakeError('unavailable', `${doing}: the store does not answer (${name || status})`, { ...details, fix })
  }
  if (status === undefined) return error
  const fix = 'Check the table, the bucket and the endpoint.'
  return new LakeError('invalid', `${doing}: refused by the store (${status} ${name})`, { ...details, fix })
}

/** Whether the same request may succeed later. */
export function isTransient(error: unknown): boolean {
  const status = statusOf(error)
  if (status !== undefined && (status >= 500 || [408, 409, 425, 429].includes(status))) return status !== 501
  const name = codeOf(error)
  return transientNames.has(name) || (status === undefined && /^(E[A-Z_0-9]+|UND_ERR_\w+)$/.test(name))
}

export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined
  const { $metadata } = error
  if (typeof $metadata !== 'object' || $metadata === null || !('httpStatusCode' in $metadata)) return undefined
  return typeof $metadata.httpStatusCode === 'number' ? $metadata.httpStatusCode : undefined
}

/** There is no such object. A 404 for other reasons (no bucket, versitygw's unknown user) is not that. */
export function isAbsent(error: unknown): boolean {
  return statusOf(error) === 404 && ['NoSuchKey', ...bareNames].includes(codeOf(error))
}

/** The upload was completed or aborted, or never was. */
export function isUploadGone(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'NoSuchUpload' || (statusOf(error) === 404 && bareNames.includes(code))
}

/** How a status without a body is called: by the SDK's model, or by nobody. */
const bareNames = ['NotFound', 'UnknownError', 'Unknown', '404', '']

/** How often the SDK sent the request that failed. */
export function attemptsOf(error: unknown): number {
  if (!(error instanceof Error) || !('$metadata' in error)) return 1
  const { $metadata } = error
  if (typeof $metadata !== 'object' || $metadata === null || !('attempts' in $metadata)) return 1
  return typeof $metadata.attempts === 'number' ? $metadata.attempts : 1
}

/** S3's code, Node's, or the error's name. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  for (const field of ['Code', 'code'] as const) {
    const value: unknown = Reflect.get(error, field)
    if (typeof value === 'string' && value !== '') return value
  }
  return error.name === 'Error' ? '' : error.name
}

const credentialNames = new Set([
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidToken',
  'TokenRefreshRequired',
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'XAdminUserNotFound',
])
const skewNames = new Set(['RequestTimeTooSkewed', 'RequestExpired', 'RequestInTheFuture'])
const transientNames = new Set([
  'TimeoutError',
  'RequestTimeout',
  'SlowDown',
  'SlowDownRead',
  'SlowDownWrite',
  'InternalError',
  'ServiceUnavailable',
  'Throttling',
  'ThrottlingException',
  'OperationAborted',
])

function withoutSecrets(error: Error, secrets: readonly string[]): Error {
  let message = error.message.replace(/\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g, '…')
  for (const secret of secrets) if (secret !== '') message = message.replaceAll(secret, '…')
  const clean = new Error(message)
  clean.name = error.name
  return Object.assign(clean, { code: codeOf(error), status: statusOf(error) })
}
