import {
  isCertificateCode,
  isNotTlsCode,
  OciError,
  SizeExceedsLimitError,
  UnreachableError,
} from '../../../errors.ts'
import { refusedAddress } from './guard.ts'
import { redactUrl } from './redact.ts'

/** What a failure of the network means for the user; anything that is not one, or says already what it is, is returned unchanged. */
export function networkFailure(error: unknown, url: URL): unknown {
  const code = codeOf(error)
  if (error instanceof OciError || code === undefined || code === 'UND_ERR_INVALID_ARG') return error
  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    const message = `the answer to ${redactUrl(url)} has more bytes in its headers than the limit`
    return new SizeExceedsLimitError(message, { cause: withoutAnswer(error, code) })
  }
  return new UnreachableError(`cannot reach ${url.host}: ${reason(code, url)} (${redactUrl(url)})`, {
    cause: withoutAnswer(error, code),
  })
}

/** The same for a host that is only on the way, in words and without anything of its answer. */
export function failureOnTheWay(error: unknown): { readonly words: string; readonly cause: Error } {
  const code = codeOf(error) ?? 'unknown'
  let words = reasons.get(code) ?? code
  if (isCertificateCode(code)) words = `its certificate is not trusted (${code})`
  if (isNotTlsCode(code)) words = 'it does not speak TLS'
  return { words, cause: withoutAnswer(error, code) }
}

/** An error that is its code alone. */
export function errorWithCode(code: string): Error & { readonly code: string } {
  return Object.assign(new Error(code), { code })
}

/** An error of undici's may hold or quote what was answered, and so a token or a signed URL. */
function withoutAnswer(error: unknown, code: string): Error {
  const cause = errorWithCode(code)
  if (!(error instanceof Error)) return cause
  return Object.assign(cause, {
    ...('syscall' in error && typeof error.syscall === 'string' && { syscall: error.syscall }),
    ...('address' in error && typeof error.address === 'string' && { address: error.address }),
    ...('port' in error && typeof error.port === 'number' && { port: error.port }),
  })
}

const reasons: ReadonlyMap<string, string> = new Map([
  [refusedAddress, 'a server has named it, and it is at an address that is not public'],
  ['ECONNREFUSED', 'connection refused'],
  ['ENOTFOUND', 'the name could not be looked up'],
  ['EAI_AGAIN', 'the name could not be looked up'],
  ['EHOSTUNREACH', 'no route to the host'],
  ['ENETUNREACH', 'no route to the network'],
  ['ETIMEDOUT', 'timed out'],
  ['UND_ERR_CONNECT_TIMEOUT', 'timed out while connecting'],
  ['UND_ERR_HEADERS_TIMEOUT', 'timed out while waiting for an answer'],
  ['UND_ERR_BODY_TIMEOUT', 'timed out in the middle of an answer'],
  ['ECONNRESET', 'the connection was reset'],
  ['EPIPE', 'the connection was closed'],
  ['UND_ERR_SOCKET', 'the connection was closed before the answer was complete'],
  ['ERR_EXCHANGE_TIMEOUT', 'timed out: the whole answer took too long'],
  ['ERR_INFORMATIONAL_FLOOD', 'it sends informational answers without end'],
  ['UND_ERR_DESTROYED', 'the transport was closed'],
  ['UND_ERR_CLOSED', 'the transport was closed'],
])

function reason(code: string, url: URL): string {
  const known = reasons.get(code)
  if (known !== undefined) return known
  if (isNotTlsCode(code)) return 'it does not speak TLS; if it is a plain HTTP registry, allow plain HTTP'
  if (isCertificateCode(code)) {
    return `its certificate is not trusted (${code}); name the CA that signed it, or allow insecure connections`
  }
  if (code === 'HTTPParserError') {
    const hint = url.protocol === 'http:' ? '; if it is an HTTPS registry, do not ask for plain HTTP' : ''
    return `it does not answer in HTTP${hint}`
  }
  return code
}

/** Several addresses that all failed are one AggregateError, whose code is that of the first. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  if (error.name === 'HTTPParserError') return 'HTTPParserError'
  return typeof error.code === 'string' ? error.code : undefined
}
