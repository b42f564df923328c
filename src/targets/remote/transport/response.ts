import { STATUS_CODES } from 'node:http'
import { z } from 'zod'
import { printable } from '../../../content/printable.ts'
import { tryParseJson } from '../../../content/try-parse-json.ts'
import {
  AuthError,
  NotFoundError,
  ResponseError,
  SizeExceedsLimitError,
  UnreachableError,
  type OciError,
  type RegistryErrorDetail,
} from '../../../errors.ts'
import { longestTimer } from '../../pause.ts'
import type { HttpResponse } from './http.ts'
import { redactUrl } from './redact.ts'
import { parseRetryAfter } from './retry-after.ts'
import { repeatsSecret } from './secrets.ts'

/**
 * Fails unless the status is one of these; the body is left for the caller only if it is.
 * `what` names the resource. Errors: NOT_FOUND for 404, AUTH for 401, 403 and 407 (of a proxy), else RESPONSE.
 */
export async function expectStatus(
  response: HttpResponse,
  statuses: readonly number[],
  what: string,
): Promise<void> {
  if (!statuses.includes(response.status)) {
    throw errorByStatus(await responseError(response, what), what)
  }
}

/** What a response means for `what`, by its status. Errors as of `expectStatus`. */
export function errorByStatus(cause: ResponseError, what: string): OciError {
  const told = summary(cause.errors)
  const detail = told === '' ? '' : ` (${told})`
  const { host } = new URL(cause.url)
  switch (cause.status) {
    case 401:
      return new AuthError(
        `${host} does not give access to ${what} without credentials, or with these: ` +
          `give a user name and a password that it knows${detail}`,
        { cause },
      )
    case 403:
      return new AuthError(
        `${host} denies access to ${what}: it takes credentials with more rights${detail}`,
        { cause },
      )
    case 404:
      return new NotFoundError(`${what} was not found${detail}`, { cause })
    case 407:
      return new AuthError(
        `the proxy on the way to ${host} wants a user name and a password, or others than these`,
        { cause },
      )
    default:
      return cause
  }
}

/**
 * A ResponseError, whatever the status is. Reads the body: the errors of the specification if it is that, else nothing
 * of it. Of an error whose message repeats a secret which was sent there is only the code, as of all with `codesOnly`; one
 * whose code repeats it is left out.
 */
export async function responseError(
  response: HttpResponse,
  what: string,
  { codesOnly = false }: { readonly codesOnly?: boolean | undefined } = {},
): Promise<ResponseError> {
  const { method, status } = response
  const url = redactUrl(response.url)
  const told = await registryErrors(response)
  const secrets = response.secrets?.() ?? []
  const errors = told.flatMap((error) => {
    // A proxy that says what it did not like about a request may say all of it.
    if (repeatsSecret(error.code, secrets)) return []
    return codesOnly || repeatsSecret(error.message, secrets) ? codeAlone(error) : [error]
  })
  const detail = summary(errors)
  const meaning = STATUS_CODES[status] === undefined ? '' : ` ${STATUS_CODES[status]}`
  const message = `${what}: ${method} ${url} was answered with ${status}${meaning}${detail && `: ${detail}`}`
  const retryAfterMilliseconds = parseRetryAfter(response.header('retry-after'), Date.now())
  return new ResponseError(message, { method, url, status, errors, retryAfterMilliseconds })
}

function codeAlone({ code }: RegistryErrorDetail): readonly RegistryErrorDetail[] {
  return /^[A-Z][A-Z_]{2,40}$/.test(code) ? [{ code, message: '' }] : []
}

/** A response with an acceptable status says something that cannot be used. */
export function unusable({ method, status, url }: HttpResponse, reason: string): ResponseError {
  const redacted = redactUrl(url)
  return new ResponseError(`${method} ${redacted}: ${reason}`, { method, url: redacted, status, errors: [] })
}

/**
 * The whole body of a document. Errors: SIZE_EXCEEDS_LIMIT; UNREACHABLE also for one that takes longer than the total
 * time, however steadily it comes.
 */
export async function readBody(response: HttpResponse, maxBytes: number): Promise<Uint8Array> {
  if (Number(response.header('content-length') ?? 0) > maxBytes) {
    await response.discard()
    throw tooLarge(response, maxBytes)
  }
  const left = response.started + response.limits.totalTimeout - performance.now()
  const late = (): void => response.breakOff('ERR_EXCHANGE_TIMEOUT')
  const timer = setTimeout(late, Math.min(Math.max(0, left), longestTimer))
  try {
    return await readUpTo(response, maxBytes)
  } finally {
    clearTimeout(timer)
  }
}

async function readUpTo(response: HttpResponse, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body) {
    size += chunk.length
    if (size > maxBytes) throw tooLarge(response, maxBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function tooLarge({ method, url }: HttpResponse, maxBytes: number): SizeExceedsLimitError {
  return new SizeExceedsLimitError(
    `the answer to ${method} ${redactUrl(url)} has more than the limit of ${maxBytes} bytes`,
  )
}

/** Entries that are not as the specification says are left out; HTML, an empty body and a cut connection have none. */
async function registryErrors(response: HttpResponse): Promise<readonly RegistryErrorDetail[]> {
  const text = await beginningOf(response)
  await response.discard()
  const { errors = [] } = errorsSchema.safeParse(tryParseJson(text)).data ?? {}
  return errors.flatMap((entry) => errorSchema.safeParse(entry).data ?? [])
}

/** The status is the answer; a body that cannot be read does not change it. */
async function beginningOf(response: HttpResponse): Promise<string> {
  try {
    return Buffer.from(await readBody(response, response.limits.errorBytes)).toString()
  } catch (error) {
    if (error instanceof SizeExceedsLimitError || error instanceof UnreachableError) return ''
    throw error
  }
}

const errorsSchema = z.object({ errors: z.array(z.unknown()) })

const errorSchema: z.ZodType<RegistryErrorDetail> = z.object({
  code: z.union([z.string(), z.number()]).transform(String),
  message: z.string().catch(''),
})

/** The first three errors, as far as a terminal and a reader can take them. */
function summary(errors: readonly RegistryErrorDetail[]): string {
  return errors
    .slice(0, 3)
    .map(({ code, message }) => printable(`${code}${message && ` ${message}`}`.slice(0, 300)))
    .join('; ')
}
