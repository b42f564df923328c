import { ResponseError } from '../../../errors.ts'
import type { HttpRequest, HttpResponse, Send } from './http.ts'
import { isSameOrigin } from './origin.ts'
import { redactUrl } from './redact.ts'

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/**
 * The outermost step: follows redirects of GET and HEAD where the request allows it. A chain that has left its
 * origin goes on anonymously for good, also if it comes back.
 * Error: RESPONSE for a redirect from HTTPS to anything else, and for more than `maxRedirects`.
 */
export function followRedirects(next: Send, maxRedirects: number): Send {
  return async (request) => {
    let current = request
    for (let count = 0; ; count++) {
      const response = await next(current)
      const location = response.header('location')
      if (request.redirect === 'refuse' || !redirects.has(response.status) || location === undefined) {
        return response
      }
      await response.discard()
      if (count === maxRedirects) throw refusal(response, `more than ${maxRedirects} redirects`)
      current = redirected(current, response, location)
    }
  }
}

function redirected(request: HttpRequest, response: HttpResponse, location: string): HttpRequest {
  const url = URL.parse(location, request.url.href)
  if (url === null) throw refusal(response, 'a redirect to something that is no URL')
  if (url.protocol !== 'https:' && url.protocol !== request.url.protocol) {
    throw refusal(response, `a redirect from ${request.url.protocol} to ${url.protocol}`)
  }
  url.username = ''
  url.password = ''
  if (isSameOrigin(url, request.url)) return { ...request, url }
  return { ...request, url, access: undefined, learnedFrom: request.learnedFrom ?? request.url }
}

function refusal(response: HttpResponse, what: string): ResponseError {
  const { method, status } = response
  const url = redactUrl(response.url)
  return new ResponseError(`${method} ${url}: ${what} is not followed`, { method, url, status, errors: [] })
}
