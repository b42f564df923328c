import { bodyOf, collect, discard } from './bodies.ts'
import type { Fault, FaultyAnswer, FaultyRequest, HeaderValues } from './fault.ts'

/** What an answer of a script has besides its status. */
export interface AnswerOptions {
  readonly headers?: HeaderValues | undefined
  /** @default none */
  readonly body?: string | Uint8Array | undefined
}

/** Answers at once; the registry never sees the request. */
export function answerWith(status: number, options: AnswerOptions = {}): Fault {
  return async () => answerOf(status, options)
}

/** Answers at once with an error of the specification. */
export function refuseWith(status: number, code: string, message: string, headers: HeaderValues = {}): Fault {
  return async () => errorAnswer(status, { code, message }, headers)
}

/** Answers with the page that a proxy, a login or a captive portal shows. */
export function htmlPage(status: number = 200): Fault {
  const body = '<!doctype html><title>Sign in</title><p>Please sign in.</p>'
  return answerWith(status, { headers: { 'content-type': 'text/html; charset=utf-8' }, body })
}

/** Redirects: `to` is a URL, or makes one of the request. */
export function redirectTo(to: string | ((request: FaultyRequest) => string), status: number = 307): Fault {
  return async (request) =>
    answerOf(status, { headers: { location: typeof to === 'string' ? to : to(request) } })
}

/** A new value; a function makes it of the old one; undefined takes the header away. */
export type HeaderChange =
  string | undefined | ((value: string | undefined, request: FaultyRequest) => string | undefined)

/**
 * Changes headers of the answer: a wrong Docker-Content-Digest, Content-Length or Content-Type, a hostile Location or
 * Link. Names are in lower case.
 */
export function changeHeaders(changes: Readonly<Record<string, HeaderChange>>): Fault {
  return async (request, next) => {
    const answer = await next(request)
    const changed = Object.entries(changes).map(([name, change]): [string, string | undefined] => [
      name,
      typeof change === 'function' ? change(headerOf(answer, name), request) : change,
    ])
    return { ...answer, headers: { ...answer.headers, ...Object.fromEntries(changed) } }
  }
}

/** Changes the status of the answer, and nothing else. */
export function changeStatus(status: number): Fault {
  return async (request, next) => ({ ...(await next(request)), status })
}

/** Changes the JSON of an answer that succeeded. Error, as the answer 500: a document of more than 16 MiB. */
export function changeJson(edit: (document: unknown) => unknown): Fault {
  return async (request, next) => {
    const answer = await next(request)
    if (answer.status !== 200 || request.method === 'HEAD') return answer
    const bytes = await collect(answer.body, maxDocumentBytes)
    const edited = Buffer.from(JSON.stringify(edit(JSON.parse(bytes.toString()))))
    const headers = { ...answer.headers, 'content-length': `${edited.length}` }
    return { ...answer, headers, body: bodyOf(edited) }
  }
}

/** Answers instead of the registry where that answered with this status; its own answer is thrown away. */
export function insteadOf(status: number, fault: Fault): Fault {
  return async (request, next) => {
    const answer = await next(request)
    if (answer.status !== status) return answer
    await discard(answer.body)
    return fault(request, next)
  }
}

/** An answer with a body that is in memory. */
export function answerOf(status: number, { headers = {}, body = '' }: AnswerOptions = {}): FaultyAnswer {
  const length = `${Buffer.byteLength(body)}`
  const hasLength = status !== 204 && status !== 304
  return {
    status,
    headers: { ...(hasLength && { 'content-length': length }), ...headers },
    body: bodyOf(body),
  }
}

/** An answer with a JSON body. */
export function jsonOf(status: number, document: unknown, headers: HeaderValues = {}): FaultyAnswer {
  const body = JSON.stringify(document)
  return answerOf(status, { headers: { 'content-type': 'application/json', ...headers }, body })
}

/** An error of distribution-spec, "Error Codes". */
export function errorAnswer(
  status: number,
  error: { readonly code: string; readonly message: string },
  headers: HeaderValues = {},
): FaultyAnswer {
  return jsonOf(status, { errors: [error] }, headers)
}

/** The first value of a header. */
export function headerOf({ headers }: Pick<FaultyAnswer, 'headers'>, name: string): string | undefined {
  return [headers[name] ?? []].flat()[0]
}

const maxDocumentBytes = 16 * 1024 * 1024
