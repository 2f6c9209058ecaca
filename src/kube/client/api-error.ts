/** What an API server's refusal, or its silence, means to the caller. */

export interface ApiError {
  kind: ApiErrorKind
  /** HTTP status; 0: there was no answer. */
  status: number
  /** For people, mostly the server's own words. */
  message: string
  /** The server asks to be left alone for so long. */
  retryAfterMs?: number
}

export type ApiErrorKind =
  /** The object, or its whole type, does not exist. */
  | 'notFound'
  | 'alreadyExists'
  /** The object has changed since it was read. */
  | 'conflict'
  /** The resourceVersion to go on from is no longer known (410). */
  | 'gone'
  /** The server will never take this request. */
  | 'invalid'
  | 'forbidden'
  | 'unauthorized'
  /** No connection, no answer in time, or a server that cannot answer now: try again later. */
  | 'unavailable'
  /** The caller's own signal. */
  | 'aborted'

/** From an HTTP status of 400 or more and the body, which is a metav1.Status unless something else answered. */
export function apiErrorOf(status: number, body: string, retryAfter?: string): ApiError {
  const { reason, message, details } = statusOf(body)
  const seconds = retryAfter === undefined ? details?.retryAfterSeconds : Number(retryAfter)
  const error: ApiError = {
    kind: kindOf(status, reason),
    status,
    message: message ?? `the API server answered ${status}${body === '' ? '' : `: ${body.slice(0, 200)}`}`,
  }
  if (seconds !== undefined && seconds > 0) error.retryAfterMs = 1000 * seconds
  return error
}

/** There was no answer; `message` says why. */
export function unavailable(message: string): ApiError {
  return { kind: 'unavailable', status: 0, message }
}

function kindOf(status: number, reason: string | undefined): ApiErrorKind {
  switch (status) {
    case 401:
      return 'unauthorized'
    case 403:
      return 'forbidden'
    case 404:
      return 'notFound'
    case 409:
      return reason === 'AlreadyExists' ? 'alreadyExists' : 'conflict'
    case 410:
      return 'gone'
    case 408:
    case 429:
      return 'unavailable'
    default:
      return status >= 500 ? 'unavailable' : 'invalid'
  }
}

interface PartialStatus {
  reason?: string
  message?: string
  details?: { retryAfterSeconds?: number }
}

function statusOf(body: string): PartialStatus {
  try {
    const value: unknown = JSON.parse(body)
    if (typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'Status')
      return value as PartialStatus
  } catch {
    // A proxy in between answered in its own words.
  }
  return {}
}
