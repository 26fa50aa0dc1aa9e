/**
 * The one error that users meet. Its code says what the caller does next, its message what was wrong and where.
 *
 *   code            the caller                               exit code of the command line
 *   invalid         fixes the call, the input or the set-up  2
 *   conflict        starts again: nothing became visible     3
 *   unavailable     tries later                              4
 *   guard           looks at the staged load                 5
 *   commit-unknown  looks before a retry                     6
 *   corrupt         stops                                    7
 *   unsupported     upgrades, or uses another tool           8
 */
export const exitCodes = {
  invalid: 2,
  conflict: 3,
  unavailable: 4,
  guard: 5,
  'commit-unknown': 6,
  corrupt: 7,
  unsupported: 8,
} as const

export type ErrorCode = keyof typeof exitCodes

export interface ErrorDetails {
  /** What to do about it, one sentence in the imperative. */
  fix?: string
  cause?: unknown
  /** Where it happened: keys, versions, columns, row numbers. Never credentials, never whole rows. */
  [place: string]: unknown
}

export class LakeError extends Error {
  readonly code: ErrorCode
  readonly fix: string | undefined
  readonly details: Record<string, unknown>

  constructor(code: ErrorCode, message: string, { fix, cause, ...details }: ErrorDetails = {}) {
    const places = Object.entries(details)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=\`${typeof value === 'string' ? value : JSON.stringify(value)}\``)
    super(places.length > 0 ? `${message}: ${places.join(', ')}` : message, cause === undefined ? undefined : { cause })
    this.name = 'LakeError'
    this.code = code
    this.fix = fix
    this.details = details
  }
}

export function isLakeError(error: unknown, code?: ErrorCode): error is LakeError {
  return error instanceof LakeError && (code === undefined || error.code === code)
}
